from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.tasks.base import MetricSpec
from pipeline.training.selection import Selection


def selection(higher: bool = True, **values: Any) -> Selection:
    return Selection(
        MetricSpec("m", higher_is_better=higher), **{"patience": None, "min_delta": 0.0, **values}
    )


def kept(made: Selection, *values: float | None, losses: Sequence[float] = ()) -> int:
    for step, value in enumerate(values):
        made.consider(step, losses[step] if losses else 1.0, {"m": value})
    assert made.best is not None
    return made.best.step


def test_the_highest_value_is_kept_and_of_equal_ones_the_earlier() -> None:
    assert kept(selection(), 0.5, 0.9, 0.7, 0.9) == 1


def test_of_equal_values_that_of_lower_loss_is_kept() -> None:
    assert kept(selection(), 0.9, 0.9, 0.9, 0.8, losses=[0.3, 0.1, 0.2, 0.05]) == 1


def test_the_lowest_value_is_kept_where_lower_is_better() -> None:
    assert kept(selection(higher=False), 0.5, 0.2, 0.7, 0.2) == 1


def test_an_undefined_value_is_kept_only_until_a_defined_one_comes() -> None:
    assert kept(selection(), None, None) == 0
    assert kept(selection(), None, 0.1, None) == 1


def test_patience_counts_validations_in_a_row_without_improvement() -> None:
    made = selection(patience=2)
    stops = []
    for step, value in enumerate([0.5, 0.4, 0.6, 0.6, 0.5]):
        made.consider(step, 1.0, {"m": value})
        stops.append(made.stops)
    assert stops == [False, False, False, False, True]


def test_a_small_gain_is_kept_but_does_not_renew_patience() -> None:
    made = selection(patience=2, min_delta=0.1)
    assert kept(made, 0.5, 0.55, 0.58) == 2
    assert made.stops
    slow = selection(patience=3, min_delta=0.1)
    kept(slow, 0.5, 0.55, 0.61)
    assert slow.waited == 0, "small gains add up"


def test_without_patience_nothing_stops() -> None:
    made = selection()
    kept(made, *[0.5] * 50)
    assert not made.stops
