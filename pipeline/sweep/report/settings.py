"""The settings and the provenance of a study as rows of a report's tables."""

from __future__ import annotations

from pipeline.config.base import Section
from pipeline.data.quality.finding import count_of
from pipeline.reports.words import ABSENT, duration, listed
from pipeline.sweep.definition.parameters import (
    ChoiceParameter,
    ConditionalParameter,
    FloatParameter,
    IntParameter,
)
from pipeline.sweep.definition.settings import Constraint
from pipeline.sweep.report.scales import choice_labels
from pipeline.sweep.report.words import better, shown, with_unit
from pipeline.sweep.study.records import StudyRecord

Rows = tuple[tuple[str, ...], ...]


def settings_rows(record: StudyRecord) -> Rows:
    """How the study was searched; the storage is left out, since its address may hold a password.

    Of the sampler and the pruner only options that differ from their defaults are named.
    """
    settings = record.facts.settings
    several = len(record.facts.objectives) > 1
    rows = [
        (
            "objectives" if several else "objective",
            listed(f"{metric} ({better(d)})" for metric, d in record.facts.objectives),
        ),
        ("constraints", listed(map(_bound, settings.constraints)) or "none"),
        (
            "sampler",
            _kind(settings.sampler.kind, settings.sampler, f"seed {settings.sampler.seed}"),
        ),
        ("pruner", _kind(settings.pruning.kind, settings.pruning) if settings.prunes else "none"),
        ("trials asked for at first", str(settings.n_trials)),
        ("seeds of a trial", str(settings.seeds)),
        ("points tried first", str(len(settings.initial))),
        ("workers", str(settings.workers)),
        ("time limit", "none" if settings.timeout is None else duration(settings.timeout)),
        ("ends early", _stop(record)),
        (
            "comparison",
            f"{count_of(settings.confirm.seeds, 'fresh seed')}"
            if settings.confirm.seeds and not several
            else "none",
        ),
    ]
    return tuple(rows)


def searched_space(record: StudyRecord) -> Rows:
    """Parameters with their values, spread and condition, then what is derived from them."""
    settings = record.facts.settings
    rows = [(name, *_described(p), _condition(p)) for name, p in settings.space.items()]
    rows += [(name, text, "derived", ABSENT) for name, text in settings.derived.items()]
    return tuple(rows)


def provenance(record: StudyRecord) -> Rows:
    """What the study was made from, as far as trials agree with it."""
    facts = record.facts
    rows = [
        ("study", record.name),
        ("created", facts.created),
        ("experiment", facts.experiment),
        ("source", _source(facts.git_revision, dirty=facts.git_dirty)),
    ]
    others = {
        _source(trial.revision, dirty=trial.dirty)
        for trial in record.finished
        if trial.revision and (trial.revision, trial.dirty) != (facts.git_revision, facts.git_dirty)
    }
    if others:
        rows.append(("source of some trials", listed(sorted(others))))
    data = sorted({trial.fingerprint for trial in record.trials if trial.fingerprint})
    rows += [
        ("overrides of all trials", " ".join(facts.arguments) or "none"),
        ("prepared data", listed(data) or ABSENT),
        ("default configuration", facts.default_config_hash),
        ("identity of the study", facts.identity),
        ("MLflow experiment", facts.mlflow_experiment),
        ("MLflow run key", facts.run_key),
    ]
    return tuple(rows)


def _source(revision: str | None, *, dirty: bool | None) -> str:
    if revision is None:
        return "not in git"
    return f"{revision} with uncommitted changes" if dirty else revision


def _kind(kind: str, section: Section, *always: str) -> str:
    """A word with its options."""
    changed = section.model_dump(exclude={"kind", "seed"}, exclude_defaults=True)
    options = [*always, *(f"{name} {shown(value)}" for name, value in changed.items())]
    return f"{kind} ({', '.join(options)})" if options else kind


def _stop(record: StudyRecord) -> str:
    stop = record.facts.settings.stop
    reasons = []
    if stop.patience is not None:
        gain = f" by more than {shown(stop.min_delta)}" if stop.min_delta else ""
        reasons.append(f"after {count_of(stop.patience, 'trial')} without a better one{gain}")
    if stop.terminator:
        reasons.append("when little gain is to be expected")
    reasons.append(f"after {count_of(stop.failures_in_a_row, 'failure')} in a row")
    return ", or ".join(reasons)


def _bound(constraint: Constraint) -> str:
    if constraint.max is not None:
        return f"{constraint.metric} at most {with_unit(constraint.max, constraint.metric)}"
    assert constraint.min is not None
    return f"{constraint.metric} at least {with_unit(constraint.min, constraint.metric)}"


def _described(searched: ConditionalParameter) -> tuple[str, str]:
    """Values and spread; choices that pictures cannot show have the numbers they have there."""
    if isinstance(searched, ChoiceParameter):
        texts = list(map(shown, searched.choices))
        if any(label.startswith("choice ") for label in choice_labels(texts)):
            texts = [f"{place}: {text}" for place, text in enumerate(texts, start=1)]
        return ", ".join(texts), "choice"
    assert isinstance(searched, (FloatParameter, IntParameter))
    values = f"{shown(searched.low)} to {shown(searched.high)}"
    if searched.log:
        return values, "logarithmic"
    if searched.step is not None and searched.step != 1:
        return values, f"in steps of {shown(searched.step)}"
    return values, "whole numbers" if isinstance(searched, IntParameter) else "even"


def has_numbered_choices(record: StudyRecord) -> bool:
    """Whether pictures call some choices by their numbers."""
    return any(
        label.startswith("choice ")
        for searched in record.facts.settings.space.values()
        if isinstance(searched, ChoiceParameter)
        for label in choice_labels(list(map(shown, searched.choices)))
    )


def _condition(searched: ConditionalParameter) -> str:
    parts = (
        f"{name} is {' or '.join(map(shown, wanted))}"
        if isinstance(wanted, (list, tuple))
        else f"{name} is {shown(wanted)}"
        for name, wanted in searched.when.items()
    )
    return listed(parts) or ABSENT
