"""A study as it is read: its trials, the best of them, and what it was made from."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config.base import Section
from pipeline.sweep.definition.settings import Direction, SweepSettings
from pipeline.sweep.workers.jobs import JobResult

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

Outcome = Literal["waiting", "running", "complete", "infeasible", "pruned", "failed"]

STUDY_FACTS = "facts"
"""The study's attribute that holds `StudyFacts`."""
STUDY_PLAN = "plan"
"""The study's attribute that holds the `StudyPlan` of the latest command that ran it."""
TRIAL_FACTS = "facts"
"""The trial's attribute that holds `TrialFacts`, from the moment it begins."""
TRIAL_RESULT = "result"
"""The trial's attribute that holds its `JobResult`, once it has ended."""
OWNER = "owner"
"""The trial's attribute that names the command which runs it."""
BEAT = "beat"
"""The trial's attribute that counts signs of life."""


class StudyFacts(Section):
    """What a study was made from; written once, when it is made."""

    settings: SweepSettings
    """The sweep's settings when it was made."""
    arguments: tuple[str, ...]
    """Overrides that hold for every trial, those of the sweep's file included."""
    identity: str
    """SHA-256 of all that makes its trials comparable; another identity is another study."""
    objectives: tuple[tuple[str, Direction], ...]
    """Metric and direction of each objective."""
    run_key: str
    """Key of the sweep's tracked run."""
    experiment: str
    """The experiment that the trials start from."""
    mlflow_experiment: str
    """Where all its runs are tracked."""
    default_config_hash: str
    """Hash of the configuration that the best trial is compared with."""
    git_revision: str | None
    """The source it was made from."""
    git_dirty: bool | None
    """Whether the tree differed from that revision."""
    project: str | None
    """The first commit of the repository: the same for all its clones."""
    created: str
    """When, ISO 8601 with the offset from UTC."""


class StudyPlan(Section):
    """What the latest command that ran a study was to do."""

    n_trials: int
    """Finished trials in all."""
    workers: int
    """Processes that run trials side by side."""


class TrialFacts(Section):
    """What a trial is made from."""

    overrides: dict[str, Any]
    """Values of the configuration, or options of config groups, that make the trial: those
    searched, derived, and the number of threads."""
    config_hash: str
    """Hash of its resolved configuration."""


@dataclass(frozen=True)
class TrialRecord:
    """One trial.

    Attributes:
        number: From 0, in the order of beginning.
        outcome: How it stands; `infeasible` is a complete trial that breaks a constraint.
        values: One value for each objective; empty unless complete or infeasible.
        params: The searched parameters' values.
        facts: What it is made from; None before it begins.
        metrics: Validation metrics and costs, means over seeds; empty unless it ended.
        seeds: Metrics of each training, by seed.
        reported: Values of the first objective by validation, or by seed for pruner wilcoxon.
        violations: By how much it breaks each constraint; at most 0 where it does not.
        reason: Why it was pruned or failed.
        began: When it began; None before.
        ended: When it ended; None before.
        seconds: How long it took, all attempts; 0 before its end.
        revision: The source it ran from.
        dirty: Whether the tree differed from that revision.
        fingerprint: The prepared data it was trained on.
        host: The machine of the worker that came to its end; empty if none did.
    """

    number: int
    outcome: Outcome
    values: tuple[float, ...] = ()
    params: dict[str, Any] | None = None
    facts: TrialFacts | None = None
    metrics: dict[str, float] | None = None
    seeds: dict[int, dict[str, float]] | None = None
    reported: dict[int, float] | None = None
    violations: dict[str, float] | None = None
    reason: str = ""
    began: datetime.datetime | None = None
    ended: datetime.datetime | None = None
    seconds: float = 0.0
    revision: str | None = None
    dirty: bool | None = None
    fingerprint: str = ""
    host: str = ""


@dataclass(frozen=True)
class StudyRecord:
    """A study.

    Attributes:
        name: Its name.
        facts: What it was made from.
        trials: In order of their numbers.
        plan: What the latest command was to do with it; None if it is not known.
    """

    name: str
    facts: StudyFacts
    trials: tuple[TrialRecord, ...]
    plan: StudyPlan | None = None

    @property
    def is_multi_objective(self) -> bool:
        """Whether there are several objectives."""
        return len(self.facts.objectives) > 1

    @property
    def primary(self) -> tuple[str, Direction]:
        """The first objective."""
        return self.facts.objectives[0]

    def of(self, *outcomes: Outcome) -> list[TrialRecord]:
        """The trials with one of these outcomes."""
        return [trial for trial in self.trials if trial.outcome in outcomes]

    @property
    def finished(self) -> list[TrialRecord]:
        """The trials that count towards `n_trials`."""
        return self.of("complete", "infeasible", "pruned", "failed")

    @cached_property
    def ranked(self) -> list[TrialRecord]:
        """Complete, feasible trials: the best first, of equal ones the earlier.

        With several objectives: those on the Pareto front, in order of their numbers.
        """
        complete = self.of("complete")
        if self.is_multi_objective:
            return [t for t in complete if not any(self._dominates(o, t) for o in complete)]
        sign = -1.0 if self.primary[1] == "maximize" else 1.0
        return sorted(complete, key=lambda trial: (sign * trial.values[0], trial.number))

    @property
    def best(self) -> TrialRecord | None:
        """The best trial; None if there is none, or with several objectives."""
        return None if self.is_multi_objective or not self.ranked else self.ranked[0]

    def _dominates(self, one: TrialRecord, other: TrialRecord) -> bool:
        gains = [
            (a - b) if direction == "maximize" else (b - a)
            for a, b, (_, direction) in zip(
                one.values, other.values, self.facts.objectives, strict=True
            )
        ]
        return min(gains) >= 0 and max(gains) > 0


def read_study(study: Study, known: dict[int, TrialRecord] | None = None) -> StudyRecord:
    """Reads a study that this pipeline made.

    Args:
        study: The study.
        known: Trials that had ended when it was read before; filled with those that have now.
    """
    attributes = study.user_attrs
    facts = StudyFacts.model_validate_json(attributes[STUDY_FACTS])
    text = attributes.get(STUDY_PLAN)
    plan = None if text is None else StudyPlan.model_validate_json(text)
    known = {} if known is None else known
    trials = []
    for trial in study.get_trials(deepcopy=False):
        record = known.get(trial.number) or _read_trial(trial)
        if trial.state.is_finished():
            known[trial.number] = record
        trials.append(record)
    return StudyRecord(study.study_name, facts, tuple(trials), plan)


def _read_trial(trial: FrozenTrial) -> TrialRecord:
    facts = trial.user_attrs.get(TRIAL_FACTS)
    text = trial.user_attrs.get(TRIAL_RESULT)
    result = None if text is None else JobResult.model_validate_json(text)
    outcome = _outcome(trial)
    ended = outcome in {"complete", "infeasible"}
    return TrialRecord(
        number=trial.number,
        outcome=outcome,
        values=tuple(trial.values or ()) if ended else (),
        params={name: decode(value) for name, value in trial.params.items()},
        facts=None if facts is None else TrialFacts.model_validate_json(facts),
        metrics={} if result is None else result.metrics,
        seeds={} if result is None else {seed.seed: seed.metrics for seed in result.seeds},
        reported=dict(trial.intermediate_values),
        violations=dict(trial.constraints),
        reason="" if result is None else result.reason,
        began=trial.datetime_start,
        ended=trial.datetime_complete,
        seconds=0.0 if result is None else result.seconds,
        revision=None if result is None else result.git_revision,
        dirty=None if result is None else result.git_dirty,
        fingerprint="" if result is None else result.dataset_fingerprint,
        host="" if result is None else result.host,
    )


def _outcome(trial: FrozenTrial) -> Outcome:
    from optuna.trial import TrialState

    if trial.state == TrialState.COMPLETE:
        broken = any(value > 0 for value in trial.constraints.values())
        return "infeasible" if broken else "complete"
    names: dict[TrialState, Outcome] = {
        TrialState.WAITING: "waiting",
        TrialState.RUNNING: "running",
        TrialState.PRUNED: "pruned",
        TrialState.FAIL: "failed",
    }
    return names[trial.state]


def trial_name(study: str, number: int) -> str:
    """Name of a trial's job and of its tracked run."""
    return f"{study}-{number:04d}"


def trial_run_key(facts: StudyFacts, number: int) -> str:
    """Key of a trial's tracked run."""
    return f"{facts.run_key}-{number:04d}"


def trial_tags(study: str, number: int, state: str) -> dict[str, str]:
    """Tags of a trial's tracked run, by which all trials of a study are found together."""
    return {
        "sweep": study,
        "sweep_role": "trial",
        "role": "trial",
        "trial": str(number),
        "trial_state": state,
    }


_MARK = "json:"


def encode(choice: Any) -> Any:
    """A choice as Optuna stores it: lists and mappings become marked JSON text."""
    if isinstance(choice, (list, tuple, dict)):
        return _MARK + json.dumps(choice, sort_keys=True)
    return choice


def decode(value: Any) -> Any:
    """The choice that `encode` stored."""
    if isinstance(value, str) and value.startswith(_MARK):
        return json.loads(value.removeprefix(_MARK))
    return value


def numbers_in_words(trials: Sequence[TrialRecord]) -> str:
    """For example `3 complete, 1 pruned`."""
    order: tuple[Outcome, ...] = (
        "complete",
        "infeasible",
        "pruned",
        "failed",
        "running",
        "waiting",
    )
    counts = {outcome: sum(t.outcome == outcome for t in trials) for outcome in order}
    return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "none"
