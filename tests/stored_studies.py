"""Studies in real journals, as the driver leaves them, without any training."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.sweep.definition.settings import Direction, SweepSettings
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.study.records import (
    STUDY_FACTS,
    TRIAL_FACTS,
    TRIAL_RESULT,
    StudyFacts,
    StudyRecord,
    TrialFacts,
    TrialRecord,
    encode,
)
from pipeline.sweep.study.storage import load_or_create, open_storage
from pipeline.sweep.workers.jobs import JobResult, SeedResult

if TYPE_CHECKING:
    from optuna import Study

SPACE = {
    "optimizer.lr": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True},
    "scheduler.warmup_ratio": {"type": "float", "low": 0.0, "high": 0.5},
}
ACCURACY: tuple[tuple[str, Direction], ...] = (("accuracy", "maximize"),)


def settings(study: str, **changes: Any) -> SweepSettings:
    """Settings of a sweep."""
    values = {"study": study, "space": SPACE, **changes}
    return SweepSettings.model_validate_json(json.dumps(values))


def study_facts(study: str = "lr", **changes: Any) -> StudyFacts:
    """Facts of a study of the default experiment."""
    values: dict[str, Any] = {
        "settings": settings(study),
        "arguments": ("experiment=sports_news",),
        "identity": "0" * 64,
        "objectives": ACCURACY,
        "run_key": "key",
        "experiment": "sports_news",
        "mlflow_experiment": "sweeps",
        "default_config_hash": "0" * 64,
        "git_revision": "a" * 40,
        "git_dirty": False,
        "project": None,
        "created": "2026-01-02T03:04:05+00:00",
    }
    return StudyFacts(**{**values, **changes})


def make_study(root: Path, facts: StudyFacts) -> Study:
    """Makes a study in the project's default place."""
    name = facts.settings.study
    storage = open_storage(None, StudyLayout.of(root, name).journal)
    study = load_or_create(storage, name, [direction for _, direction in facts.objectives])
    study.set_user_attr(STUDY_FACTS, facts.model_dump_json())
    return study


def add_trial(
    study: Study,
    params: dict[str, Any],
    values: Sequence[float] | None = None,
    *,
    facts: TrialFacts | None = None,
    state: str = "COMPLETE",
    seeds: dict[int, dict[str, float]] | None = None,
    reported: dict[int, float] | None = None,
    constraints: dict[str, float] | None = None,
    reason: str = "",
    dirty: bool | None = False,
) -> None:
    """Adds a trial that has come as far as `state` says."""
    from optuna.distributions import CategoricalDistribution
    from optuna.trial import TrialState, create_trial

    attributes = {}
    if facts is not None:
        attributes[TRIAL_FACTS] = facts.model_dump_json()
    ends = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    if state in ends:
        result = JobResult.model_validate(
            {
                "run_key": "key",
                "state": ends[state],
                "reason": reason,
                "seeds": tuple(
                    SeedResult(
                        run_key="key",
                        seed=seed,
                        metrics=metrics,
                        steps=10,
                        best_step=10,
                        dataset_fingerprint="f" * 64,
                    )
                    for seed, metrics in (seeds or {}).items()
                ),
                "seconds": 12.0,
                "dataset_fingerprint": "f" * 64,
                "git_revision": None if dirty is None else "b" * 40,
                "git_dirty": dirty,
            }
        )
        attributes[TRIAL_RESULT] = result.model_dump_json()
    stored = {name: encode(value) for name, value in params.items()}
    study.add_trial(
        create_trial(
            state=TrialState[state],
            values=None if values is None else list(values),
            params=stored,
            distributions={name: CategoricalDistribution([v]) for name, v in stored.items()},
            user_attrs=attributes,
            intermediate_values=reported,
            constraints=constraints,
        )
    )


def record(*trials: TrialRecord, facts: StudyFacts | None = None) -> StudyRecord:
    """A study that was read."""
    facts = facts or study_facts()
    return StudyRecord(facts.settings.study, facts, trials)


def complete(number: int, value: float, seconds: float = 10.0, **params: Any) -> TrialRecord:
    """A complete trial."""
    return TrialRecord(number, "complete", (value,), params, seconds=seconds)


def running(number: int, since: float) -> TrialRecord:
    """A trial that began so many seconds ago."""
    began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=since)
    return TrialRecord(number, "running", began=began)
