"""How the pictures of a report place and rate parameters and values."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.sweep.report.axes import value_window
from pipeline.sweep.report.contour import smoothed
from pipeline.sweep.report.importance import with_importances
from pipeline.sweep.report.scales import Scale, choice_labels, scale_of, view_of
from pipeline.sweep.study.records import (
    decode,
    encode,
)
from tests.reported_studies import (
    CLEANING,
    SPACE,
    TWO,
    accuracy,
    record,
    sampled,
    trial,
)
from tests.stored_studies import settings


def test_importance_finds_what_decides_though_its_range_is_logarithmic() -> None:
    points = sampled(60)
    known = record(
        [trial(n, p, accuracy(p), 5.0 + 9 * (p["method"] == "full")) for n, p in enumerate(points)],
        TWO,
    )
    by_accuracy, by_latency = with_importances(view_of(known)).importances
    assert by_accuracy["optimizer.lr"] > 0.8
    assert by_latency["method"] > 0.9
    for shares in (by_accuracy, by_latency):
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) == set(SPACE)


def test_a_parameter_that_few_trials_have_is_rated_too() -> None:
    points = sampled(60)
    known = record(
        [trial(n, p, 0.5 + 0.1 * p.get("method.num_layers", 3)) for n, p in enumerate(points)]
    )
    (shares,) = with_importances(view_of(known)).importances
    assert max(shares, key=lambda name: shares[name]) == "method.num_layers"


def test_a_diverged_trial_does_not_press_the_others_into_a_line() -> None:
    low, high = value_window([0.5, 0.4, 0.45, 0.6, 1e6], "minimize")
    assert low < 0.4
    assert 0.6 < high < 1
    low, high = value_window([0.9, 0.92, 0.91, -1e6], "maximize")
    assert 0.8 < low < 0.9
    assert high > 0.92
    assert value_window([0.9, 0.1, 0.5, 0.3], "maximize")[0] < 0.1


def test_values_that_must_be_seen_are_inside_the_window() -> None:
    values = [1.0, 2.0, 1.5, 1.2, 1e3]
    assert value_window(values, "minimize")[1] < 1e3
    assert value_window(values, "minimize", keep=[1e3])[1] > 1e3


def test_a_window_has_width_for_a_single_value() -> None:
    for value in (0.0, 0.5, -3.0):
        low, high = value_window([value], "maximize")
        assert low < value < high


def test_a_logarithmic_axis_places_powers_of_ten_evenly() -> None:
    space = settings("lr", space=SPACE).space
    scale = scale_of(space["optimizer.lr"], [1e-3])
    assert [scale.position(v) for v in (1e-6, 1e-4, 1e-2)] == pytest.approx([0, 0.5, 1])
    places, labels = zip(*scale.ticks(), strict=True)
    assert labels == ("1e-06", "0.0001", "0.01")
    assert places == pytest.approx((0, 0.5, 1))
    assert math.isnan(scale.position(None))


def test_an_axis_of_one_value_has_its_tick_in_the_middle() -> None:
    assert Scale("linear", 3.0, 3.0).ticks() == [(0.5, "3")]
    assert Scale("linear", 3.0, 3.0).position(3) == 0.5


def test_choices_keep_the_order_of_the_space_and_find_their_values() -> None:
    scale = scale_of(settings("lr", space=SPACE).space["data.cleaning"], [])
    places = [scale.position(decode(encode(choice))) for choice in CLEANING]
    assert places == pytest.approx([1 / 6, 3 / 6, 5 / 6])
    assert [label for _, label in scale.ticks()] == ["[]", "choice 2", "choice 3"]


def test_values_of_several_types_stay_apart() -> None:
    scale = scale_of(None, [True, 1, None, "a"])
    places = {scale.position(value) for value in (True, 1, None, "a")}
    assert len(places) == 4


def test_long_words_are_cut_where_they_stay_different() -> None:
    assert choice_labels(["a" * 30, "b" * 30]) == ["a" * 19 + "…", "b" * 19 + "…"]
    assert choice_labels(["a" * 30, "a" * 31, "c"]) == ["choice 1", "choice 2", "c"]


def test_a_surface_is_the_value_near_a_trial_and_nothing_far_from_all() -> None:
    scale = Scale("linear")
    points = np.array([[0.1, 0.9], [0.1, 0.9]])
    surface = smoothed(points, np.array([1.0, 2.0]), [scale, scale])
    size = len(surface)
    assert surface[size // 10, size // 10] == pytest.approx(1, abs=0.05)
    assert surface[size * 9 // 10, size * 9 // 10] == pytest.approx(2, abs=0.05)
    assert np.isnan(surface[0, -1])


def test_choices_do_not_colour_each_other() -> None:
    choice = Scale("choice", labels={"a": "a", "b": "b", "c": "c"})
    points = np.array([[1 / 6, 3 / 6], [0.5, 0.5]])
    surface = smoothed(points, np.array([1.0, 2.0]), [choice, Scale("linear")])
    row = surface[len(surface) // 2]
    third = len(row) // 3
    assert set(row[:third]) == {1.0}
    assert set(row[third : 2 * third]) == {2.0}
    assert np.isnan(row[2 * third :]).all()
