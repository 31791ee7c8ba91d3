from __future__ import annotations

import time

import numpy as np
import pytest

from pipeline.export.latency import measure, typical_rows


def test_each_is_called_in_one_go_after_three_calls_of_warm_up() -> None:
    calls: list[str] = []
    found = measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=4)
    assert calls == ["a"] * 7 + ["b"] * 7
    assert set(found) == {"a", "b"}


def test_the_median_is_not_moved_by_one_slow_call() -> None:
    waits = iter([0.0] * 3 + [0.01] * 4 + [0.2])
    latency = measure({"a": lambda: time.sleep(next(waits))}, repeats=5)["a"]
    assert 10 <= latency.p50_ms < 60
    assert latency.p95_ms > 100


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [2]), (3, [1, 2, 3]), (7, [0, 1, 1, 2, 2, 3, 4])]
)
def test_rows_of_median_length_are_typical_and_repeat_where_there_are_too_few(
    size: int, expected: list[int]
) -> None:
    lengths = np.array([3, 8, 9, 11, 40])
    assert sorted(typical_rows(lengths, size).tolist()) == expected
