"""How long one call of a model takes, PyTorch and ONNX Runtime by turns."""

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
    """Times calls, each once per turn, so that other load on the machine meets all alike.

    Args:
        calls: What to time, by name.
        repeats: Timed turns, after three turns of warm-up.
    """
    seconds = {name: np.empty(repeats) for name in calls}
    for turn in range(-_WARM_UP_CALLS, repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn >= 0:
                seconds[name][turn] = time.perf_counter() - start
    return {
        name: Latency(*(round(float(q) * 1e3, 3) for q in np.quantile(values, (0.5, 0.95))))
        for name, values in seconds.items()
    }


def typical_rows(lengths: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.int64]:
    """The rows whose lengths are nearest to the median, repeated where there are too few.

    Args:
        lengths: Tokens of each row; at least one row.
        size: How many rows.
    """
    distance = np.abs(lengths - np.median(lengths))
    return np.resize(np.argsort(distance, kind="stable")[:size], size).astype(np.int64)
