"""What the stages before export leave behind, made of tiny random models in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.artifacts import Outputs, write_json, write_text
from pipeline.config.data import WhitespaceStep
from pipeline.config.model import ArchitectureConfig, ModelConfig, TokenizerConfig
from pipeline.config.schema import Config
from pipeline.config.validation import validate
from pipeline.data.encoding import encode_split
from pipeline.data.preprocessing import Preprocessing
from pipeline.data.store import DatasetInfo, write_info
from pipeline.manifest import Manifest
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.processor import save_processor
from pipeline.models.saving import save_model
from pipeline.models.tokenizer import load_tokenizer, make_tokenizer
from pipeline.provenance import versions
from pipeline.tasks.base import Kind
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.checkpoints import write_checkpoint

LSTM = {
    "lstm": ArchitectureConfig(kind="lstm", hidden_size=8, num_layers=1),
    "bilstm": ArchitectureConfig(kind="lstm", hidden_size=8, num_layers=2, bidirectional=True),
}
MAX_LENGTH = 32
ROWS = {"train": 12, "validation": 6, "test": 20}
_WORDS = ["the", "match", "was", "won", "by", "home", "team", "in", "last", "minute"]


def classification_rows(count: int, seed: int) -> pa.Table:
    """Texts of one to eight words; those with an even number of words are sports."""
    texts = _texts(count, seed)
    labels = ["sports" if len(text.split()) % 2 == 0 else "other" for text in texts]
    labels[:2] = ["sports", "other"]
    return pa.table({"id": _ids(count), "text": texts, "label": labels})


def set_rows(count: int, seed: int) -> pa.Table:
    """The same texts; those of four words and more are `other`, whatever else they are."""
    rows = classification_rows(count, seed)
    sets = [
        [*(["sports"] if label == "sports" else []), *(["other"] if len(text.split()) > 3 else [])]
        for text, label in zip(rows["text"].to_pylist(), rows["label"].to_pylist(), strict=True)
    ]
    return rows.set_column(2, "labels", pa.array(sets, pa.list_(pa.string())))


def entity_rows(count: int, seed: int) -> pa.Table:
    """Texts whose first word is an organisation and whose last is a person, if there are two."""
    kind = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())]))
    texts = _texts(count, seed)
    entities = []
    for text in texts:
        words = text.split()
        found = [{"start": 0, "end": len(words[0]), "type": "ORG"}]
        if len(words) > 1:
            found.append({"start": len(text) - len(words[-1]), "end": len(text), "type": "PER"})
        entities.append(found)
    return pa.table({"id": _ids(count), "text": texts, "entities": pa.array(entities, kind)})


def _texts(count: int, seed: int) -> list[str]:
    chance = np.random.default_rng(seed)
    return [" ".join(chance.choice(_WORDS, 1 + number % 6)) for number in range(count)]


def _ids(count: int) -> list[str]:
    return [f"n{number}" for number in range(count)]


_ROWS: Mapping[Kind, Callable[[int, int], pa.Table]] = {
    "label": classification_rows,
    "labels": set_rows,
    "entities": entity_rows,
}


def write_stages(
    root: Path,
    kind: str = "bert",
    *,
    task_kind: str = "text_classification",
    task_options: Mapping[str, Any] | None = None,
    cleaning: Sequence[Any] = (WhitespaceStep(step="whitespace"),),
    **config: Any,
) -> Outputs:
    """Writes `outputs/` as prepare, train and evaluate do, with untrained weights.

    Args:
        root: A project's root; `outputs/` is made in it.
        kind: A family of `tests.checkpoints`, `lstm` or `bilstm`.
        task_kind: Name of the task.
        task_options: Its options.
        cleaning: Steps that texts to predict for go through.
        **config: Entries of the config of a checkpoint of `tests.checkpoints`.
    """
    import torch

    outputs = Outputs(root / "outputs")
    write_text(root / "conf" / "config.yaml", "{}\n")
    task = load_task(task_kind, task_options or {})
    targets = {column.kind for column in task.columns if column.is_target}
    make_rows = next(make for kind, make in _ROWS.items() if kind in targets)
    splits = {name: make_rows(count, seed) for seed, (name, count) in enumerate(ROWS.items())}
    label_names = task.label_names(splits["train"], None)

    section = ModelConfig(
        architecture=LSTM.get(kind, LSTM["lstm"]),
        tokenizer=TokenizerConfig(kind="word", vocab_size=50),
        max_length=MAX_LENGTH,
    )
    directory = None
    if kind in LSTM:
        texts = splits["train"]["text"].to_pylist()
        tokenizer = make_tokenizer(section, root=root, train_texts=texts)
    else:
        directory = write_checkpoint(kind, root / "checkpoint", **config)
        tokenizer = load_tokenizer(directory)
        tokenizer.model_max_length = MAX_LENGTH
        section = section.model_copy(update={"architecture": None})
    tokens = {}
    for name, rows in splits.items():
        outputs.dataset.mkdir(parents=True, exist_ok=True)
        tokens[name] = encode_split(
            rows,
            outputs.dataset / f"{name}.arrow",
            task=task,
            processor=Processor(tokenizer),
            label_names=label_names,
            max_length=MAX_LENGTH,
        ).num_tokens
    save_processor(Processor(tokenizer), outputs.dataset / "processor")
    preprocessing = Preprocessing(cleaning=tuple(cleaning), max_length=MAX_LENGTH)
    preprocessing.write(outputs.dataset)
    info = DatasetInfo(
        name="tiny",
        task=task_kind,
        label_names=label_names,
        pad_token_id=tokenizer.pad_token_id,
        max_length=MAX_LENGTH,
        num_special_tokens=2,
        rows=ROWS,
        tokens=tokens,
        fingerprint="f" * 64,
        language="en",
        licence="cc0-1.0",
        sources={"data/tiny.jsonl": "a" * 64},
    )
    write_info(outputs.dataset, info)

    torch.manual_seed(1)
    model = task.build_model(
        Checkpoint("tiny", directory, section, Processor(tokenizer)), label_names
    )
    save_model(model, Processor(tokenizer), outputs.model)
    preprocessing.write(outputs.model)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    Manifest(
        run_key="run-1",
        experiment="tiny_experiment",
        task=task_kind,
        task_options=dict(task_options or {}),
        label_names=label_names,
        seed=3,
        config_hash="c" * 64,
        dataset_fingerprint=info.fingerprint,
        git_revision="0" * 40,
        git_dirty=False,
        versions=versions(),
        host="somewhere",
        checkpoint="random weights",
        num_parameters=parameters,
        num_trainable_parameters=parameters,
        epochs=2,
        steps=8,
        best_step=6,
        best_epoch=1,
        validation={task.primary_metric.name: 0.5},
        train_seconds=1.25,
        tokens_per_second=1234.0,
    ).write(outputs.model)
    write_metrics(outputs, [spec.name for spec in task.metric_specs])
    return outputs


def write_metrics(outputs: Outputs, names: Sequence[str]) -> None:
    """Writes `outputs/evaluation/metrics.json` with a different figure for each metric."""

    def measured(base: float) -> dict[str, dict[str, float]]:
        return {
            name: {"value": base + n / 100, "low": base - 0.1, "high": base + 0.1}
            for n, name in enumerate(names)
        }

    metrics = {
        "test": measured(0.8),
        "validation": measured(0.7),
        "baselines": {"majority": measured(0.5)},
        "difference": {"majority": measured(0.3)},
    }
    write_json(outputs.evaluation / "metrics.json", metrics)


def tiny_config(**sections: Mapping[str, Any]) -> Config:
    """A configuration for stages after train, tracking off; keywords replace keys of sections."""
    values: dict[str, Any] = {
        "experiment": "tiny_experiment",
        "data": {"name": "tiny", "files": {"all": {"path": "data/tiny.jsonl"}}},
        "task": {},
        "model": {"checkpoint": {"source": "directory", "location": "checkpoint"}},
        "method": {},
        "optimizer": {},
        "scheduler": {},
        "trainer": {},
        "evaluation": {},
        "export": {"parity_rows": 10, "latency_repeats": 2, "latency_batch_sizes": [1, 3]},
        "tracking": {"enabled": False},
    }
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return validate(Config, values, lambda _: None)
