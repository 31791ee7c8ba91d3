"""How a study, its trials and their numbers are put into words."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.config.overrides import shortest_end
from pipeline.reports.words import duration, metric
from pipeline.sweep.study.records import StudyRecord, TrialRecord, numbers_in_words

_MOST_NUMBERS = 5


def running_seconds(trial: TrialRecord) -> float:
    """Time since a trial began; 0 before."""
    if trial.began is None:
        return 0.0
    now = datetime.datetime.now(trial.began.tzinfo)
    return max((now - trial.began).total_seconds(), 0.0)


def progress_in_words(record: StudyRecord, n_trials: int) -> str:
    """For example `12 of 40 trials (10 complete, 2 pruned, 2 running)`."""
    counts = f" ({numbers_in_words(record.trials)})" if record.trials else ""
    return f"{len(record.finished)} of {n_trials} trials{counts}"


def best_in_words(record: StudyRecord) -> str:
    """For example `best accuracy 0.9430 (trial 7)`; with several objectives the Pareto front."""
    if not record.ranked:
        return "no complete trial yet"
    if record.is_multi_objective:
        numbers = ", ".join(str(trial.number) for trial in record.ranked[:_MOST_NUMBERS])
        more = "" if len(record.ranked) <= _MOST_NUMBERS else ", …"
        word = "trial" if len(record.ranked) == 1 else "trials"
        return f"{len(record.ranked)} on the Pareto front ({word} {numbers}{more})"
    best = record.ranked[0]
    return f"best {values_in_words(record, best)} (trial {best.number})"


def ended_in_words(record: StudyRecord, trial: TrialRecord) -> str:
    """How a trial ended, in one line.

    For example `trial 3 complete: accuracy 0.9430 (best) optimizer.lr=0.0002, 12 s`.
    """
    head = f"trial {trial.number} {trial.outcome}"
    tail = f"{params_in_words(trial.params or {})}, {duration(trial.seconds)}".lstrip(", ")
    if trial.outcome == "failed":
        return f"{head}: {first_line(trial.reason) or 'no reason known'}; {tail}"
    if trial.outcome == "pruned":
        step = "seed" if record.facts.settings.compares_seeds else "validation"
        if not trial.reported:
            return f"{head}: {tail}"
        value = metric(trial.reported[max(trial.reported)])
        return f"{head} at {step} {len(trial.reported)}: {record.primary[0]} {value} {tail}"
    mark = ""
    if trial.outcome == "infeasible":
        mark = f" ({violations_in_words(trial)})"
    elif trial.number in {best.number for best in record.ranked} and record.is_multi_objective:
        mark = " (on the Pareto front)"
    elif record.best is not None and record.best.number == trial.number:
        mark = " (best)"
    return f"{head}: {values_in_words(record, trial)}{mark} {tail}"


def violations_in_words(trial: TrialRecord) -> str:
    """Which constraints a trial breaks and by how much."""
    broken = {name: by for name, by in (trial.violations or {}).items() if by > 0}
    return ", ".join(f"breaks {name} by {metric(by)}" for name, by in broken.items())


def values_in_words(record: StudyRecord, trial: TrialRecord) -> str:
    """For example `accuracy 0.9430, latency_ms 12.30`."""
    names = [name for name, _ in record.facts.objectives]
    return ", ".join(
        f"{name} {metric(value)}" for name, value in zip(names, trial.values, strict=False)
    )


def params_in_words(params: Mapping[str, Any], names: Mapping[str, str] | None = None) -> str:
    """Parameters as `name=value`, separated by spaces.

    Args:
        params: Their values.
        names: What to call them; by default as they are called.
    """
    return " ".join(
        f"{(names or {}).get(name, name)}={parameter(value)}" for name, value in params.items()
    )


def searched(record: StudyRecord) -> list[str]:
    """The searched parameters in the sweep's order, then any that only trials know."""
    names = dict.fromkeys(record.facts.settings.space)
    for trial in record.trials:
        names.update(dict.fromkeys(trial.params or {}))
    return list(names)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The shortest endings of dotted names that tell them apart, for example `lr`."""
    known = list(names)
    return {name: shortest_end(name, known) for name in known}


def parameter(value: Any) -> str:
    """A parameter's value: numbers with three digits that matter, the rest as in YAML."""
    if isinstance(value, float):
        if float(f"{value:.4g}") == value:
            return f"{value:.4g}"
        return f"{value:.6g}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, str):
        return value if value.isprintable() and value else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def first_line(text: str) -> str:
    """The first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
