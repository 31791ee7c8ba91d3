from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.sweep.definition.settings import PrunerSettings
from pipeline.sweep.study.pruners import make_pruner
from pipeline.sweep.study.storage import load, load_or_create, open_storage


class Search:
    """A study that maximises what its trials report, opened anew as a resumed command does it."""

    def __init__(self, journal: Path, **settings: Any) -> None:
        self.journal = journal
        self.settings = PrunerSettings.model_validate(settings)
        self.open()

    def open(self) -> None:
        self.study = load_or_create(open_storage(None, self.journal), "study", ["maximize"])
        self.study.pruner = make_pruner(self.settings, validations=9)

    def trial(self, values: Sequence[float]) -> int | None:
        """Reports values as validations 1, 2, …; returns the number at which it was pruned."""
        trial = self.study.ask()
        for number, value in enumerate(values, start=1):
            trial.report(value, number)
            if trial.should_prune():
                self.study.tell(trial, state=TrialState.PRUNED)
                return number
        self.study.tell(trial, sum(values) / len(values))
        return None


def test_no_pruner_prunes_nothing(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="none")
    assert [search.trial([value] * 4) for value in (0.9, 0.1, 0.0)] == [None] * 3


def test_median_prunes_what_is_below_the_median(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="median", n_startup_trials=3)
    assert [search.trial([value] * 4) for value in (0.5, 0.6, 0.1)] == [None] * 3
    assert search.trial([0.4] * 4) == 1
    assert search.trial([0.5] * 4) is None
    assert search.trial([0.6, 0.6, 0.3, 0.2]) is None, "its best so far counts"


@pytest.mark.parametrize("kind", ["median", "percentile"])
@pytest.mark.parametrize("warmup", [0, 1, 3])
def test_warm_up_steps_are_validations_that_every_trial_gets(
    tmp_path: Path, kind: str, warmup: int
) -> None:
    search = Search(tmp_path / "j", kind=kind, n_startup_trials=1, n_warmup_steps=warmup)
    search.trial([0.5] * 6)
    assert search.trial([0.1] * 6) == warmup + 1


def test_startup_trials_are_complete_ones(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="median", n_startup_trials=2)
    search.trial([0.5] * 2)
    search.study.tell(search.study.ask(), state=TrialState.FAIL)
    assert search.trial([0.1] * 2) is None
    assert search.trial([0.1] * 2) == 1


def test_percentile_keeps_so_many_per_cent(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="percentile", percentile=20.0, n_startup_trials=5)
    for value in (0.1, 0.2, 0.3, 0.4, 0.5):
        search.trial([value])
    assert search.trial([0.41]) == 1
    assert search.trial([0.49]) is None


def test_successive_halving_decides_at_its_rungs(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="successive_halving", min_resource=2, reduction_factor=3)
    assert search.trial([0.9] * 9) is None
    assert search.trial([0.5] * 9) == 2, "each trial gets two validations"
    assert search.trial([0.95, 0.95] + [0.1] * 7) == 6, "the next rung is three times as far"


def test_hyperband_prunes_in_brackets_of_their_own(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="hyperband", min_resource=1, reduction_factor=3)
    ends = [search.trial([1.0 - number / 40] * 9) for number in range(30)]
    assert set(ends) == {None, 1, 3, 9}


@pytest.mark.parametrize("kind", ["median", "successive_halving", "hyperband"])
def test_an_interrupted_study_prunes_as_an_uninterrupted_one(tmp_path: Path, kind: str) -> None:
    curves = [[(number * 7 % 11) / 11 + step / 50 for step in range(9)] for number in range(20)]
    straight = Search(tmp_path / "straight", kind=kind)
    expected = [straight.trial(curve) for curve in curves]
    search = Search(tmp_path / "interrupted", kind=kind)
    found = []
    for curve in curves:
        search.open()
        found.append(search.trial(curve))
    assert found == expected
    assert None in found
    assert any(found)


def test_hyperband_learns_the_number_of_validations_where_none_is_given(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="hyperband")
    search.study.pruner = make_pruner(search.settings)
    assert search.trial([0.9] * 9) is None
    ends = [search.trial([0.5 - number / 40] * 9) for number in range(12)]
    assert any(ends)


def test_a_trial_that_is_taken_up_again_is_judged_by_all_it_reported(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="successive_halving", min_resource=1)
    search.trial([0.9] * 9)
    trial = search.study.ask()
    trial.report(0.95, 1)
    assert not trial.should_prune()
    search.open()
    search.study._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    again = search.study.ask()
    again.report(0.1, 3)
    assert again.should_prune()
    assert load(search.study._storage, "study").trials[1].intermediate_values == {1: 0.95, 3: 0.1}


def test_wilcoxon_prunes_what_is_worse_over_seeds(tmp_path: Path) -> None:
    search = Search(tmp_path / "j", kind="wilcoxon", p_threshold=0.1)
    search.trial([0.80, 0.82, 0.81, 0.83, 0.79, 0.80])
    assert search.trial([0.70, 0.71, 0.69, 0.72, 0.70, 0.70]) == 4
    assert search.trial([0.81, 0.81, 0.80, 0.84, 0.78, 0.81]) is None


@pytest.mark.parametrize(
    "kind", ["none", "median", "percentile", "successive_halving", "hyperband", "wilcoxon"]
)
def test_no_pruner_warns(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settings = PrunerSettings.model_validate({"kind": kind})
        assert isinstance(make_pruner(settings), optuna.pruners.BasePruner)
