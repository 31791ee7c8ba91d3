"""The prose and tables of a model card; true for any task, data set and model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.store import SPLITS
from pipeline.export.card_words import python_example, shell_example, words_of

if TYPE_CHECKING:
    from pipeline.export.card import CardFacts

_MOST_LABELS = 30


def body(facts: CardFacts) -> str:
    """The card below its front matter, Markdown."""
    sections = (
        _title(facts),
        _intended_use(facts),
        _training_data(facts),
        _procedure(facts),
        _results(facts),
        _limits(facts),
        _exported(facts),
        _how_to_use(facts),
        _environment(facts),
    )
    return "\n\n".join(sections) + "\n"


def _title(facts: CardFacts) -> str:
    manifest = facts.manifest
    origin = manifest.checkpoint
    if facts.base_model and facts.base_model not in origin:
        origin += f", which carries {facts.base_model}"
    return (
        f"# {manifest.experiment}\n\n"
        f"A `{facts.model_config['model_type']}` model of {manifest.num_parameters:,} parameters "
        f"for {_words(manifest.task)}, trained on {facts.dataset.rows['train']:,} rows of "
        f"`{facts.dataset.name}`. Its weights began as: {origin}."
    )


def _intended_use(facts: CardFacts) -> str:
    names = facts.manifest.label_names
    shown = ", ".join(f"`{name}`" for name in names[:_MOST_LABELS])
    more = f" and {len(names) - _MOST_LABELS} more" if len(names) > _MOST_LABELS else ""
    language = f" in language `{facts.dataset.language}`" if facts.dataset.language else ""
    words = words_of(facts.inputs)
    noun = words.inputs.capitalize()
    cleaning = (
        f"{noun} are cleaned first, in this order: {', '.join(facts.cleaning)}."
        if facts.cleaning
        else f"{noun} are read as they are, without cleaning."
    )
    limit = (
        f" At most {facts.dataset.max_length} {facts.unit} of {words.cut} are read; "
        "what follows is ignored."
        if words.cut
        else ""
    )
    labels = f" Labels: {shown}{more}." if names else ""
    return (
        f"## Intended use\n\n{_words(facts.manifest.task).capitalize()} of {words.inputs}"
        f"{language} that are like those of `{facts.dataset.name}`.{labels}\n\n{cleaning}{limit}"
    )


def _training_data(facts: CardFacts) -> str:
    data = facts.dataset
    splits = [name for name in SPLITS if name in data.rows]
    rows = [(name, f"{data.rows[name]:,}", f"{data.tokens[name]:,}") for name in splits]
    sources = "".join(f"\n- `{name}`: `{mark}`" for name, mark in sorted(data.sources.items()))
    return (
        f"## Training data\n\n"
        f"{_table(('split', 'rows', facts.unit), rows)}\n\n"
        f"Language: {data.language or 'not stated'}. "
        f"Licence of the data: {data.licence or 'not stated'}. "
        f"Fingerprint of the prepared rows: `{data.fingerprint}`."
        + (f"\n\nSources (SHA-256 or revision):\n{sources}" if sources else "")
    )


def _procedure(facts: CardFacts) -> str:
    manifest = facts.manifest
    trainable = manifest.num_trainable_parameters / manifest.num_parameters
    return (
        f"## Training procedure\n\n{manifest.num_trainable_parameters:,} of "
        f"{manifest.num_parameters:,} parameters ({trainable:.1%}) were trained for "
        f"{manifest.steps:,} optimizer steps in {manifest.epochs} epochs. The weights of step "
        f"{manifest.best_step:,} were kept, chosen on the validation split. Training took "
        f"{manifest.train_seconds:,.1f} s at {manifest.tokens_per_second:,.0f} "
        f"{facts.unit} a second.\n\n"
        f"{_table(('setting', 'value'), _code(facts.hyperparameters.items()))}"
    )


def _results(facts: CardFacts) -> str:
    metrics = facts.metrics
    baselines: Mapping[str, Any] = metrics["baselines"]
    columns = {"test": metrics["test"], "validation": metrics["validation"]}
    columns |= {f"test, {name} baseline": values for name, values in baselines.items()}
    rows = [
        (f"`{metric}`", *(_interval(values.get(metric)) for values in columns.values()))
        for metric in facts.metric_names
        if metric in metrics["test"]
    ]
    parts = [
        f"## Results\n\nOn the {facts.dataset.rows['test']:,} rows of the test split, which "
        "neither training nor the choice of weights saw. In brackets: "
        f"{facts.confidence:.0%} bootstrap intervals.",
        _table(("metric", *columns), rows),
    ]
    primary = facts.metric_names[0]
    above = [
        f"`{primary}` less that of the {name} baseline, on the same resamples: "
        f"{_interval(values[primary])}."
        for name, values in metrics["difference"].items()
        if primary in values
    ]
    if above:
        parts.append("\n".join(above))
    if facts.per_class:
        parts.append(_per_class(facts.per_class))
    return "\n\n".join(parts)


def _per_class(classes: Sequence[Mapping[str, str]]) -> str:
    """The columns `<metric>`, `<metric>_low` and `<metric>_high` as one column for each metric."""
    names = [name for name in classes[0] if f"{name}_low" in classes[0]]
    rows = [
        (
            f"`{one['label']}`",
            one["rows"],
            *(
                _interval(
                    {
                        "value": _number(one[name]),
                        "low": _number(one[f"{name}_low"]),
                        "high": _number(one[f"{name}_high"]),
                    }
                )
                for name in names
            ),
        )
        for one in classes
    ]
    return _table(("class", "rows", *names), rows)


def _limits(facts: CardFacts) -> str:
    words = words_of(facts.inputs)
    lines = [
        f"The figures hold for rows drawn from the same source as `{facts.dataset.name}`. Other "
        "sources, topics or times were not measured.",
        f"The intervals reflect the {facts.dataset.rows['test']:,} rows of the test split, not the "
        f"chance of training: one seed ({facts.manifest.seed}) was trained.",
        f"How errors are spread over groups of people that {words.inputs} are about or come from "
        "was not examined.",
    ]
    if words.cut:
        noun, most = words.inputs.capitalize(), facts.dataset.max_length
        lines.append(f"{noun} longer than {most} {facts.unit} are cut.")
    if facts.dataset.language:
        lines.append(f"Languages other than `{facts.dataset.language}` were not measured.")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _exported(facts: CardFacts) -> str:
    report = facts.report
    files = [("`model.safetensors`", _megabytes(report.pytorch_bytes), "", "", "")]
    for model in report.models.values():
        parity = model.parity
        files.append(
            (
                f"`{model.file}`",
                _megabytes(model.num_bytes),
                f"{parity.max_abs_difference:.2g}",
                f"{parity.argmax_agreement:.2%}",
                f"{parity.prediction_agreement:.2%}",
            )
        )
    head = ("file", "size", "largest difference of logits", "same argmax", "same prediction")
    compared = next(iter(report.models.values())).parity.rows if report.models else 0
    text = f"## Files\n\n{_table(head, files)}"
    if report.models:
        text += (
            f"\n\nCompared with PyTorch in float32 on {compared} rows of the {report.split} split; "
            f"ONNX operators of version {report.opset}."
        )
    if report.timings:
        runtimes = list(report.timings[0].runtimes)
        rows = [
            (
                str(timing.batch_size),
                str(timing.length),
                *(f"{t.p50_ms:.2f} / {t.p95_ms:.2f}" for t in timing.runtimes.values()),
            )
            for timing in report.timings
        ]
        text += (
            f"\n\nMilliseconds of one forward pass without what comes before it, median / 95th "
            f"percentile of {report.repeats} calls, {report.num_threads} threads, {report.cpu}:\n\n"
            f"{_table(('batch', facts.unit, *runtimes), rows)}"
        )
    return text


def _how_to_use(facts: CardFacts) -> str:
    tag = facts.pipeline_tag
    given, example = shell_example(facts.inputs), python_example(facts.inputs)
    cleans = ", which also cleans texts" if facts.cleaning else ""
    parts = [
        f"## How to use\n\nWith the pipeline that made it{cleans}:\n\n```bash\n"
        f"python -m pipeline predict --model path/to/this/directory {given}\n```"
    ]
    if tag is not None and example is not None and facts.runs_in_transformers:
        register = ""
        if facts.is_own_architecture:
            register = "import pipeline.models.registration  # knows the architecture\n"
        wanted = {"token-classification": ', aggregation_strategy="simple"'}.get(tag, "")
        if _writes_sets(facts.model_config):
            wanted = ", top_k=None"
        parts.append(
            f"With transformers:\n\n```python\n{register}from transformers import pipeline\n\n"
            f'classify = pipeline("{tag}", model="path/to/this/directory"{wanted})\n'
            f"print(classify({example}))\n```"
        )
    if len(facts.model_config.get("id2label") or {}) == 1:
        parts.append(_one_output(facts))
    return "\n\n".join(parts)


def _one_output(facts: CardFacts) -> str:
    """What a model with a single output computes, and what is made of it."""
    (name,) = facts.model_config["id2label"].values()
    others = [label for label in facts.manifest.label_names if label != name]
    if others:
        return (
            f"The model's one output is the probability of `{name}`; at 0.5 or less the "
            f"prediction is `{', '.join(others)}`."
        )
    is_number = facts.model_config.get("problem_type") == "regression"
    what = "a number for" if is_number else "the probability of"
    return (
        f"The model's one output is {what} `{name}`, as it was trained to compute; the pipeline "
        "that made it gives what that means in the data."
    )


def _writes_sets(config: Mapping[str, Any]) -> bool:
    """Whether every label has a probability of its own, so that one alone says too little."""
    several = len(config.get("id2label") or {}) > 1
    return several and config.get("problem_type") == "multi_label_classification"


def _environment(facts: CardFacts) -> str:
    manifest = facts.manifest
    revision = f"`{manifest.git_revision}`" if manifest.git_revision else "not known"
    changed = " with uncommitted changes" if manifest.git_dirty else ""
    lines = [
        f"Source revision: {revision}{changed}",
        f"Configuration: `{manifest.config_hash}` (SHA-256)",
        f"Data: `{manifest.dataset_fingerprint}` (SHA-256)",
        f"Run: `{manifest.run_key}`",
        *_parent_model(facts),
        "Versions: " + ", ".join(f"{name} {v}" for name, v in sorted(manifest.versions.items())),
    ]
    return "## Environment\n\n" + "\n".join(f"- {line}" for line in lines)


def _parent_model(facts: CardFacts) -> list[str]:
    """Which training made the weights that this one began with, where one did."""
    parent = facts.manifest.parent_model
    if parent is None:
        return []
    run = parent.run_id or parent.run_key
    told = [
        *([f"experiment `{parent.experiment}`"] if parent.experiment else []),
        *([f"run `{run}`"] if run else []),
        f"weights `{parent.weights_sha256}` (SHA-256)",
    ]
    return [f"Pre-trained by {', '.join(told)}"]


def _words(task: str) -> str:
    return task.rpartition(":")[2].replace("_", " ")


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB"


def _interval(metric: Mapping[str, float | None] | None) -> str:
    """A value with its bounds; a dash for one that is undefined, which is absent or null."""
    if metric is None or metric["value"] is None:
        return "–"
    if metric["low"] is None or metric["high"] is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


def _code(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(f"`{name}`", f"`{value}`") for name, value in pairs]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(c) for c in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
