"""What tracking costs a training loop: microseconds a call, and wall time over many steps.

    python benchmarks/tracking.py [--steps 1000] [--step-milliseconds 10] [--repeats 3]

Every step logs five metrics to a fresh SQLite store while the processor is busy with matrix
products on all cores. Runs with and without tracking alternate; the figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.log import RunLog
from pipeline.tracking.run import open_run

NAMES = ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second", "train/epoch")


def call_microseconds(calls: int) -> list[float]:
    """The time of each `log_metrics` call with five metrics, without a sender."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunLog("bench", JournalWriter(Path(folder)))
        times = []
        for step in range(calls):
            values = dict.fromkeys(NAMES, step * 0.1)
            begin = time.perf_counter_ns()
            run.log_metrics(values, step)
            times.append((time.perf_counter_ns() - begin) / 1_000)
        run.finish()
    return times


def loop_seconds(*, tracked: bool, steps: int, products: int) -> tuple[float, float]:
    """Wall seconds of a loop of matrix products, and of ending the run after it."""
    matrix = np.random.default_rng(0).standard_normal((256, 256)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(
            TrackingConfig(enabled=tracked),
            root=Path(folder),
            key="bench",
            experiment="bench",
            run_name="bench",
            tags={},
        )
        begin = time.perf_counter()
        for step in range(steps):
            for _ in range(products):
                matrix @ matrix
            run.log_metrics(dict.fromkeys(NAMES, step * 0.1), step)
        end = time.perf_counter()
        run.finish()
        return end - begin, time.perf_counter() - end


def products_per_step(milliseconds: float) -> int:
    """How many products fill a step of so many milliseconds on this machine."""
    matrix = np.ones((256, 256), dtype=np.float32)
    begin = time.perf_counter()
    for _ in range(500):
        matrix @ matrix
    return max(1, round(milliseconds / 1_000 / ((time.perf_counter() - begin) / 500)))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--step-milliseconds", type=float, default=10.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()

    times = call_microseconds(20_000)
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"log_metrics, 5 metrics: median {statistics.median(times):.1f} us, p99 {p99:.1f} us")

    products = products_per_step(options.step_milliseconds)
    plain, tracked, finish = [], [], []
    for _ in range(options.repeats):
        seconds, _ = loop_seconds(tracked=False, steps=options.steps, products=products)
        plain.append(seconds)
        seconds, ending = loop_seconds(tracked=True, steps=options.steps, products=products)
        tracked.append(seconds)
        finish.append(ending)
    before, after = statistics.median(plain), statistics.median(tracked)
    print(
        f"{options.steps} steps on SQLite: {before:.2f} s without, {after:.2f} s with tracking: "
        f"{100 * (after / before - 1):+.1f} %; ending the run {statistics.median(finish):.2f} s"
    )


if __name__ == "__main__":
    main()
