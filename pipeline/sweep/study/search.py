"""The study's side of a sweep: asks for trials, takes what they report, tells how they ended."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.compose import config_hash
from pipeline.errors import ConfigError
from pipeline.sweep.definition.checking import Checked
from pipeline.sweep.definition.composition import compose_trial
from pipeline.sweep.definition.loading import Sweep
from pipeline.sweep.definition.settings import FINITE_SAMPLERS
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.study.records import (
    BEAT,
    OWNER,
    TRIAL_FACTS,
    TRIAL_RESULT,
    StudyFacts,
    StudyRecord,
    TrialFacts,
    TrialRecord,
    encode,
    read_study,
    trial_name,
    trial_run_key,
    trial_tags,
)
from pipeline.sweep.study.space import exhausted, suggest
from pipeline.sweep.study.stopping import StopRule
from pipeline.sweep.workers.jobs import Job, JobResult

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial


class Search:
    """Chooses trials and keeps their outcomes in the study.

    Args:
        study: With its sampler and pruner.
        sweep: What is searched.
        checked: The same, checked.
        facts: What the study was made from.
        layout: Its directory.
        conf_root: Where compositions find `conf/`.
        on_end: Told of each trial that has ended, with the study as it then is.

    Attributes:
        ending: Why no further trial begins, in words; None while there is no such reason.
        gave_up: Whether that reason is a failure.
    """

    def __init__(
        self,
        study: Study,
        sweep: Sweep,
        checked: Checked,
        facts: StudyFacts,
        *,
        layout: StudyLayout,
        conf_root: Path,
        on_end: Callable[[StudyRecord, TrialRecord], None],
    ) -> None:
        self.study = study
        self.ending: str | None = None
        self.gave_up = False
        self._known: dict[int, TrialRecord] = {}
        self._ended_here: set[int] = set()
        self._began = time.monotonic()
        self._stop_rule = StopRule(
            sweep.settings.stop, n_startup_trials=sweep.settings.sampler.n_startup_trials
        )
        self._sweep = sweep
        self._settings = sweep.settings
        self._checked = checked
        self._facts = facts
        self._layout = layout
        self._conf_root = conf_root
        self._on_end = on_end
        self._running: dict[int, Trial] = {}
        self._lost: dict[int, int] = {}
        self._retry: list[Job] = []
        self._me = f"{socket.gethostname()}:{layout.root}:{uuid.uuid4().hex}"
        self._beats = 0
        self._beat_at = time.monotonic()
        self._seen: dict[int, tuple[object, float]] = {}

    def record(self) -> StudyRecord:
        """The study as it is now."""
        return read_study(self.study, self._known)

    @property
    def has_work(self) -> bool:
        """Whether there is a trial to begin now."""
        return bool(self._retry) or self._may_begin()

    @property
    def waits(self) -> bool:
        """Whether commands on other machines run trials of the study."""
        return len(self.record().of("running")) > len(self._running)

    def prepare(self) -> None:
        """Takes up what an earlier command left: finished results, unfinished trials, points."""
        from optuna.trial import TrialState

        mine = self._me.rpartition(":")[0] + ":"
        for trial in self.study.get_trials(states=[TrialState.RUNNING]):
            owner = trial.user_attrs.get(OWNER, "")
            if owner and not str(owner).startswith(mine):
                continue
            self._take_up(trial)
        for point in self._settings.initial:
            encoded = {name: encode(value) for name, value in point.items()}
            self.study.enqueue_trial(encoded, skip_if_exists=True)
        self._consider_ending(self.record())

    def next_job(self) -> Job | None:
        """The next trial to run; None if there is none to begin now.

        A trial whose configuration is invalid fails at once, and the next is asked for.
        """
        if self._retry:
            return self._retry.pop(0)
        while self._may_begin():
            trial = self.study.ask()
            trial.set_user_attr(OWNER, self._me)
            if _begun(self.record()) > self._settings.n_trials:
                # A command on another machine took the last one at the same moment.
                self._back_to_queue(trial._trial_id)
                return None
            params = suggest(trial, self._settings.space)
            try:
                composed = compose_trial(
                    self._sweep, params, self._conf_root, threads=self._checked.threads
                )
            except ConfigError as error:
                reason = "; ".join(str(problem).strip() for problem in error.problems)
                key = self._run_key(trial.number)
                self._tell(trial.number, JobResult(run_key=key, state="failed", reason=reason))
                continue
            facts = TrialFacts(
                overrides=composed.overrides, config_hash=config_hash(composed.config)
            )
            trial.set_user_attr(TRIAL_FACTS, facts.model_dump_json())
            self._running[trial.number] = trial
            return self._job(trial.number, composed.config.model_dump(mode="json"))
        return None

    def goes_on(self, job: Job, *, seed: int, number: int, value: float) -> bool:
        """Takes a reported value; whether the trial should go on.

        Args:
            job: The trial's job.
            seed: Which of its seeds, from 0.
            number: Of the validation within the training, from 1; or of the seed, from 0, where
                seeds are compared.
            value: The first objective.
        """
        trial = self._running[number_of(job)]
        if seed > 0 and not self._settings.compares_seeds:
            return True  # the curve of a later seed begins anew: its steps mean other things
        known = self.study._storage.get_trial(trial._trial_id)
        if known.state.is_finished():
            return False  # another machine thought it abandoned, and was faster
        if number not in known.intermediate_values:
            trial.report(value, number)
        return not trial.should_prune()

    def keeps(self, job: Job, metrics: Mapping[str, float]) -> bool:
        """Whether a trial that has come to these metrics would be among the best so far."""
        objectives = [metric for metric, _ in self._checked.objectives]
        if any(metric not in metrics for metric in objectives):
            return False
        trial = TrialRecord(
            number_of(job), "complete", tuple(metrics[metric] for metric in objectives)
        )
        record = self.record()
        candidates = replace(record, trials=(*record.of("complete"), trial))
        return trial in candidates.ranked[: self._settings.keep_models]

    def ended(self, job: Job, result: JobResult) -> None:
        """Tells the study how a trial ended."""
        number = number_of(job)
        self._running.pop(number, None)
        self._tell(number, result)

    def lost(self, job: Job, reason: str) -> None:
        """A worker died over a trial: it is taken up again, or fails when that was too often."""
        number = number_of(job)
        result = self._result_on_disk(number)
        if result is not None:
            self.ended(job, result)
            return
        self._lost[number] = self._lost.get(number, 0) + 1
        if self._lost[number] > self._settings.retries:
            times = "once" if self._lost[number] == 1 else f"{self._lost[number]} times"
            reason = f"{reason} ({times})"
            failed = JobResult(run_key=job.run_key, state="failed", reason=reason, unexpected=True)
            self.ended(job, failed)
        else:
            self._retry.append(job)

    def suspend(self, job: Job) -> None:
        """Puts a trial that was stopped back into the queue, to go on where it stopped."""
        number = number_of(job)
        trial = self._running.pop(number, None)
        if trial is not None:
            self._back_to_queue(trial._trial_id)

    def beat(self) -> None:
        """Gives a sign of life for running trials, and takes up those of others that gave none."""
        from optuna.trial import TrialState

        now = time.monotonic()
        if now - self._beat_at < self._settings.heartbeat_seconds:
            return
        self._beat_at = now
        self._beats += 1
        for trial in self._running.values():
            trial.set_user_attr(BEAT, self._beats)
        for other in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if other.number in self._running:
                continue
            sign = (other.user_attrs.get(OWNER), other.user_attrs.get(BEAT))
            before = self._seen.get(other.number)
            if before is None or before[0] != sign:
                self._seen[other.number] = (sign, now)
            elif now - before[1] > self._settings.grace_seconds:
                del self._seen[other.number]
                self._back_to_queue(other._trial_id)

    def _may_begin(self) -> bool:
        timeout = self._settings.timeout
        if timeout is not None and time.monotonic() - self._began > timeout:
            self.ending = self.ending or f"the timeout of {timeout:g} s has passed"
        if self.ending is not None:
            return False
        record = self.record()
        if _begun(record) >= self._settings.n_trials:
            return False
        return bool(record.of("waiting")) or not self._is_exhausted(record)

    def _is_exhausted(self, record: StudyRecord) -> bool:
        """Whether a sampler that tries all combinations has none left."""
        if self._settings.sampler.kind not in FINITE_SAMPLERS:
            return False
        tried = [trial.params or {} for trial in record.trials]
        return exhausted(self._settings.space, tried)

    def _job(self, number: int, config: dict[str, object]) -> Job:
        seed = int(str(config["seed"]))
        settings = self._settings
        name = trial_name(self.study.study_name, number)
        layout = self._layout.trial(number)
        return Job(
            name=name,
            directory=str(layout.root),
            run_key=self._run_key(number),
            parent_key=self._facts.run_key,
            mlflow_experiment=self._facts.mlflow_experiment,
            tags=trial_tags(self.study.study_name, number, "running"),
            config=dict(config),
            seeds=tuple(range(seed, seed + settings.seeds)),
            objectives=tuple(metric for metric, _ in self._checked.objectives),
            constraints=settings.constraints,
            prunes=settings.prunes,
            over_seeds=settings.compares_seeds,
            keeps_model=settings.keep_models > 0,
        )

    def _run_key(self, number: int) -> str:
        return trial_run_key(self._facts, number)

    def _result_on_disk(self, number: int) -> JobResult | None:
        return JobResult.read(self._layout.trial(number).result, self._run_key(number))

    def _tell(self, number: int, result: JobResult) -> None:
        from optuna.trial import Trial, TrialState

        frozen = next(t for t in self.study.get_trials(deepcopy=False) if t.number == number)
        if frozen.state.is_finished():
            return  # told by another machine, which thought it abandoned
        storage, trial_id = self.study._storage, frozen._trial_id
        storage.set_trial_user_attr(trial_id, TRIAL_RESULT, result.model_dump_json())
        values = None
        state = {"pruned": TrialState.PRUNED, "failed": TrialState.FAIL}.get(result.state)
        if result.state == "complete":
            metrics = result.metrics
            values = [metrics[metric] for metric, _ in self._checked.objectives]
            state = TrialState.COMPLETE
            trial = Trial(self.study, trial_id)
            for constraint in self._settings.constraints:
                trial.set_constraint(str(constraint), constraint.violation(metrics))
        self.study.tell(number, values, state=state)
        self._ended_here.add(number)
        record = self.record()
        self._on_end(record, record.trials[number])
        self._consider_ending(record)

    def _consider_ending(self, record: StudyRecord) -> None:
        """Failures count only in this command, so that the next one may try again."""
        here = tuple(trial for trial in record.trials if trial.number in self._ended_here)
        failure = self._stop_rule.given_up(replace(record, trials=here))
        if failure is not None:
            self.ending, self.gave_up = failure, True
        elif self.ending is None:
            self.ending = self._stop_rule.satisfied(record, self.study)

    def _take_up(self, trial: FrozenTrial) -> None:
        result = self._result_on_disk(trial.number)
        if result is None:
            self._back_to_queue(trial._trial_id)
        else:
            self._tell(trial.number, result)

    def _back_to_queue(self, trial_id: int) -> None:
        """The next `ask` gets it again: the same number, values and reports."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self.study._storage.set_trial_state_values(trial_id, TrialState.WAITING)
        except UpdateFinishedTrialError:
            return


def number_of(job: Job) -> int:
    """The trial of a search's job."""
    return int(job.name.rpartition("-")[2])


def _begun(record: StudyRecord) -> int:
    """How many trials have begun, ended ones included."""
    return len(record.trials) - len(record.of("waiting"))
