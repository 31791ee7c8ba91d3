"""When a study ends before its number of trials is reached."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING

from pipeline.data.quality.finding import count_of
from pipeline.sweep.definition.settings import StopSettings
from pipeline.sweep.study.records import StudyRecord

if TYPE_CHECKING:
    from optuna import Study
    from optuna.terminator import BaseErrorEvaluator

MEDIAN_TRIALS = 20
"""Trials behind the typical gain that the terminator compares with."""
SMALL_GAIN = 0.01
"""Part of the typical gain below which the terminator ends a study."""


class StopRule:
    """Decides after each trial whether the study ends. Trials count in order of their numbers.

    Args:
        settings: The settings.
        n_startup_trials: Trials drawn at random at first, which the terminator leaves out.
    """

    def __init__(self, settings: StopSettings, *, n_startup_trials: int = 10) -> None:
        self._settings = settings
        self._warm_up = n_startup_trials
        self._threshold: BaseErrorEvaluator | None = None

    def reason(self, record: StudyRecord, study: Study) -> str | None:
        """Why the study ends, in words; None if it goes on."""
        return self.given_up(record) or self.satisfied(record, study)

    def given_up(self, record: StudyRecord) -> str | None:
        """Why the study is a failure: too many failed trials in a row."""
        allowed = self._settings.failures_in_a_row
        latest = reversed(record.finished)
        failed = list(itertools.takewhile(lambda trial: trial.outcome == "failed", latest))
        if len(failed) < allowed:
            return None
        last = f", the last with: {failed[0].reason}" if failed[0].reason else ""
        return f"{count_of(len(failed), 'trial')} failed in a row{last}"

    def satisfied(self, record: StudyRecord, study: Study) -> str | None:
        """Why going on would gain little."""
        return self._stagnant(record) or self._terminated(record, study)

    def _stagnant(self, record: StudyRecord) -> str | None:
        """Counts from the first best on: before it there is nothing to be better than."""
        patience = self._settings.patience
        if patience is None or record.is_multi_objective:
            return None
        sign = -1.0 if record.primary[1] == "maximize" else 1.0
        best: float | None = None
        without_gain = 0
        for trial in record.finished:
            value = sign * trial.values[0] if trial.outcome == "complete" else None
            if value is not None and (best is None or best - value > self._settings.min_delta):
                best, without_gain = value, 0
            elif best is not None:
                without_gain += 1
        if without_gain < patience:
            return None
        by = f" by more than {self._settings.min_delta:g}" if self._settings.min_delta else ""
        return f"{count_of(without_gain, 'trial')} in a row did not improve {record.primary[0]}{by}"

    def _terminated(self, record: StudyRecord, study: Study) -> str | None:
        """Optuna's terminator, in its pairing of expected minimum model regret and its median.

        See Ishibashi et al., "A stopping criterion for Bayesian optimization by the gap of expected
        minimum simple regrets" (AISTATS 2023). It models the parameters that all trials have. The
        first decision costs seconds, since the model is fitted for each of `MEDIAN_TRIALS`.
        """
        complete = record.of("complete", "infeasible")
        fewest = self._warm_up + MEDIAN_TRIALS
        if not self._settings.terminator or len(complete) < fewest or record.is_multi_objective:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ends = self._should_terminate(study, fewest)
        if not ends:
            return None
        return (
            f"the gain still to be expected is below {SMALL_GAIN:.0%} of what it was "
            f"(Optuna's terminator, after {len(complete)} complete trials)"
        )

    def _should_terminate(self, study: Study, fewest: int) -> bool:
        from optuna.terminator import EMMREvaluator, MedianErrorEvaluator, Terminator

        if self._threshold is None:  # computed once, from the same trials whenever it is
            self._threshold = MedianErrorEvaluator(
                EMMREvaluator(seed=0), self._warm_up, MEDIAN_TRIALS, SMALL_GAIN
            )
        return Terminator(EMMREvaluator(seed=0), self._threshold, fewest).should_terminate(study)
