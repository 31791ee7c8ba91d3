from __future__ import annotations

import math

import pytest

from pipeline.config.schema import SchedulerConfig
from pipeline.training.schedules import make_schedule


def shares(total: int, **values: object) -> list[float]:
    schedule = make_schedule(SchedulerConfig.model_validate(values, strict=False), total)
    return [schedule(step) for step in range(total)]


def test_linear_rises_to_its_peak_and_falls_towards_zero() -> None:
    assert shares(10, kind="linear", num_warmup_steps=2) == pytest.approx(
        [1 / 3, 2 / 3, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8]
    )


def test_linear_without_warm_up_begins_at_its_peak() -> None:
    assert shares(4, kind="linear") == pytest.approx([1, 0.75, 0.5, 0.25])


def test_cosine_is_half_way_down_half_way_through() -> None:
    values = shares(8, kind="cosine")
    assert values[0] == 1
    assert values[4] == pytest.approx(0.5)
    assert values[2] == pytest.approx(0.5 * (1 + math.cos(math.pi / 4)))
    assert values == sorted(values, reverse=True)


def test_constant_stays_at_its_peak_after_warm_up() -> None:
    assert shares(5, kind="constant", num_warmup_steps=1) == pytest.approx([0.5, 1, 1, 1, 1])


def test_a_ratio_is_rounded_up_to_whole_steps() -> None:
    assert shares(21, kind="constant", warmup_ratio=0.1)[:4] == pytest.approx(
        [0.25, 0.5, 0.75, 1.0]
    )


def test_a_warm_up_as_long_as_training_never_reaches_the_peak() -> None:
    assert shares(3, kind="linear", num_warmup_steps=3) == pytest.approx([0.25, 0.5, 0.75])
