from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline.comparison.result import Difference, Estimate
from pipeline.comparison.testing import Uncorrected
from pipeline.comparison.verdicts import Scene, conclude, in_points, natural_range, p_text
from pipeline.tasks.base import MetricSpec

ACCURACY = MetricSpec("accuracy", test="mcnemar")
LOSS = MetricSpec("log_loss", higher_is_better=False, test="bootstrap")
SCENE = Scene(158, {"A": 1, "B": 1, "C": 3}, 0.95, frozenset({"accuracy"}))


def uncorrected(value: float, low: float, high: float, p: float | None, **more: Any) -> Uncorrected:
    found = {
        "spec": ACCURACY,
        "reference": "A",
        "other": "B",
        "estimate": Estimate(value, low, high),
        "p_value": p,
        "method": "a test",
        **more,
    }
    return Uncorrected(**found)


def verdict(*args: Any, **more: Any) -> str:
    return only(uncorrected(*args, **more)).verdict


def only(one: Uncorrected) -> Difference:
    (found,) = conclude([one], SCENE)
    return found


def test_a_gain_is_said_in_points_with_its_interval_and_p() -> None:
    assert verdict(0.012, 0.003, 0.021, 0.01) == (
        "B is better than A by 1.2 points, 95 % interval 0.3 to 2.1, p = 0.01"
    )


def test_a_loss_is_said_from_the_better_side() -> None:
    assert verdict(-0.012, -0.021, -0.003, 0.01) == (
        "A is better than B by 1.2 points, 95 % interval 0.3 to 2.1, p = 0.01"
    )


def test_what_is_not_shown_says_how_many_examples_would_be_needed() -> None:
    assert verdict(0.012, -0.008, 0.032, 0.24, examples_needed=893) == (
        "no difference that 158 examples can show; about 900 would be needed "
        "(B is ahead of A by 1.2 points, 95 % interval -0.8 to 3.2, p = 0.24)"
    )


def test_a_metric_where_lower_is_better_is_in_its_own_unit() -> None:
    one = uncorrected(-0.131, -0.29, -0.02, 0.02, spec=LOSS)
    assert only(one).gain == pytest.approx(0.131)
    assert only(one).verdict == ("B is better than A by 0.13, 95 % interval 0.02 to 0.29, p = 0.02")


def test_equal_predictions_are_said_to_be_equal() -> None:
    found = only(uncorrected(0.0, 0.0, 0.0, 1.0, same=True))
    assert found.verdict == "B and A: the predictions are the same on all 158 examples"
    assert not found.significant


def test_equal_values_of_different_predictions_are_said() -> None:
    assert verdict(0.0, -0.02, 0.02, 1.0) == (
        "no difference between B and A: the values are equal, 95 % interval -2.0 to 2.0, p = 1"
    )


def test_what_cannot_be_tested_says_why() -> None:
    found = only(
        uncorrected(math.nan, 0, 0, None, problem="f1 of B is undefined on these examples")
    )
    assert found.verdict == "B and A cannot be compared: f1 of B is undefined on these examples"
    assert (found.p_adjusted, found.significant) == (None, False)


def test_groups_say_their_seeds_and_what_either_number_would_have_to_be() -> None:
    one = uncorrected(
        0.01, -0.01, 0.03, 0.3, other="C", reference="A", examples_needed=1_234, seeds_needed=12
    )
    assert only(one).verdict == (
        "no difference that 158 examples and 1 + 3 seeds can show; about 1,300 examples or 12 "
        "seeds of each would be needed (C is ahead of A by 1.0 points, 95 % interval -1.0 to 3.0, "
        "p = 0.3)"
    )


def test_several_comparisons_are_corrected_together() -> None:
    first, second = conclude(
        [uncorrected(0.02, 0.01, 0.03, 0.03), uncorrected(0.02, 0.01, 0.03, 0.04, other="C")], SCENE
    )
    assert first.p_value == 0.03
    assert first.p_adjusted == pytest.approx(0.06)
    assert not first.significant
    assert "adjusted p = 0.06" in first.verdict
    assert second.p_adjusted == pytest.approx(0.06)


def test_what_is_shown_needs_no_more_examples() -> None:
    found = only(uncorrected(0.012, 0.003, 0.021, 0.01, examples_needed=400, seeds_needed=4))
    assert (found.examples_needed, found.seeds_needed) == (None, None)


def test_a_wide_interval_needs_no_more_digits_than_it_has_meaning() -> None:
    assert "by 0.9 points, 95 % interval -75.7 to 77.6" in verdict(0.0094, -0.7566, 0.7756, 0.9)


def test_no_interval_of_a_share_reaches_beyond_all_of_it() -> None:
    found = only(uncorrected(0.01, -1.2, 1.4, 0.9))
    assert (found.estimate.low, found.estimate.high) == (-1.0, 1.0)
    assert "95 % interval -100.0 to 100.0" in found.verdict


def test_values_equal_on_every_example_have_no_interval() -> None:
    assert verdict(0.0, 0.0, 0.0, 1.0) == (
        "no difference between B and A: the values are equal in all resamples too"
    )


@pytest.mark.parametrize(
    ("metric", "share", "limits"),
    [
        ("accuracy", True, (0, 1)),
        ("mcc", True, (-1, 1)),
        ("log_loss", False, (0, math.inf)),
        ("score", False, (-math.inf, math.inf)),
    ],
)
def test_no_interval_says_more_than_a_metric_can_be(
    metric: str, share: bool, limits: tuple[float, float]
) -> None:
    assert natural_range(metric, share) == limits


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "p < 0.001"), (0.0123, "p = 0.012"), (0.0496, "p = 0.0496"), (1.0, "p = 1")],
)
def test_p_is_never_rounded_across_the_level(p: float, text: str) -> None:
    assert p_text(p, 0.05) == text


def test_small_differences_keep_their_digits() -> None:
    assert "by 0.040 points, 95 % interval 0.010 to 0.070" in verdict(0.0004, 0.0001, 0.0007, 0.01)


def test_shares_are_told_in_points_and_losses_are_not() -> None:
    assert in_points("f1", [0.2, 1.0, math.nan])
    assert not in_points("log_loss", [0.2, 0.3])
    assert not in_points("bleu", [20.0, 30.0])
