"""Learning curves in the report of a comparison."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pipeline.comparison.plots_curves import MOST_POINTS, drawn_metrics, mean_curve, thinned
from pipeline.comparison.result import Curve
from tests.comparisons import comparison


def test_very_long_curves_are_drawn_as_means_of_neighbours() -> None:
    steps = tuple(range(1, 10_001))
    drawn = thinned(Curve("A", 1, "train/loss", steps, tuple(map(float, steps))))
    assert len(drawn[0]) == len(drawn[1]) == MOST_POINTS
    assert drawn[0] == pytest.approx(drawn[1])
    assert sum(drawn[1]) / MOST_POINTS == pytest.approx(5_000.5)


def test_the_mean_over_seeds_is_of_steps_that_all_have() -> None:
    one = Curve("A", 1, "val/loss", (10, 20, 30), (1.0, 2.0, 3.0))
    other = Curve("A", 2, "val/loss", (20, 30, 40), (4.0, 5.0, 6.0))
    assert mean_curve([one, other]) == replace(one, steps=(20, 30), values=(3.0, 4.0))
    assert mean_curve([one, replace(other, steps=(1, 2, 3))]) is None


def test_metrics_without_a_known_value_have_no_panel() -> None:
    empty = Curve("A", 1, "val/f1", (), ())
    unknown = Curve("A", 1, "val/mcc", (1,), (math.nan,))
    full = comparison()
    assert drawn_metrics(replace(full, curves=(empty, unknown))) == []
    assert drawn_metrics(full) == ["train/loss", "val/loss", "val/f1_macro"]
