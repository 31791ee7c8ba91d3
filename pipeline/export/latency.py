"""How long one call of a model takes, in PyTorch and in ONNX Runtime."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_WARM_UP_CALLS = 3


@dataclass(frozen=True)
class Latency:
    """Wall time of one forward pass, without tokenisation, in milliseconds."""

    p50_ms: float
    p95_ms: float


def measure(calls: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, Latency]:
    """Times calls, all of one before the next.

    By turns they would disturb each other: the threads of a runtime stay busy for a while after a
    call, waiting for the next, and take the cores that the other needs.

    Args:
        calls: What to time, by name.
        repeats: Timed calls of each, after three of warm-up.
    """
    found = {}
    for name, call in calls.items():
        for _ in range(_WARM_UP_CALLS):
            call()
        seconds = np.empty(repeats)
        for number in range(repeats):
            start = time.perf_counter()
            call()
            seconds[number] = time.perf_counter() - start
        p50, p95 = np.quantile(seconds * 1e3, (0.5, 0.95))
        found[name] = Latency(round(float(p50), 3), round(float(p95), 3))
    return found


def typical_rows(lengths: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.int64]:
    """The rows whose lengths are nearest to the median, repeated where there are too few.

    Args:
        lengths: Tokens of each row; at least one row.
        size: How many rows.
    """
    distance = np.abs(lengths - np.median(lengths))
    return np.resize(np.argsort(distance, kind="stable")[:size], size).astype(np.int64)
