"""What tracking costs training: microseconds a call, and how much slower steps are.

    python benchmarks/tracking.py [--quick] [--rows 1500] [--seconds 300]

MiniLM is fine-tuned on all cores, as by the default experiment: batches of 512 tokens, every
optimizer step logged, system metrics on; once with SQLite, once with an `mlflow server` that runs
on the same cores. Within one training, blocks of about three seconds with tracking and without it
come in pairs of random order: without it nothing is logged, and the process that delivers and the
server are stopped. Neighbours in time share what else the machine does, so a pair of blocks tells
more than a pair of trainings; the figure is the median ratio of a pair, with a 95 % bootstrap
interval. What runs once, such as the start of the process that delivers, is over before the first
pair; it takes only idle time. Delivery looks for events every five seconds, so here about twice as
often as it would.

Also shown: the processor time that each part took, per minute of training with tracking.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.train import MODEL, ROOT, write_splits
from pipeline.config.schema import (
    OptimizerConfig,
    SchedulerConfig,
    TrackingConfig,
    TrainerConfig,
)
from pipeline.data.store import EncodedSplit
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.locate import locate
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.log import RunLog
from pipeline.tracking.run import open_run
from pipeline.training.progress import CurvePoint
from pipeline.training.watching import EndedEarly, Watcher
from tests.mlflow_server import mlflow_server

NAMES = ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second", "train/epoch")
MAX_TOKENS = 512
BLOCK_SECONDS = 3.0
WARM_UP_SECONDS = 20.0


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


class Alternation(Watcher):
    """Passes metrics on to a run in some blocks of a training, and stops tracking in the others.

    Args:
        run: Where metrics go.
        server: Processes of the tracking server.
        seconds: Training ends after so many.

    Attributes:
        pairs: Seconds of a step with tracking over those without it, of each pair of blocks.
        tracked_seconds: Length of all blocks with tracking.
    """

    def __init__(self, run: RunLog, server: Sequence[psutil.Process], seconds: float) -> None:
        self.pairs: list[float] = []
        self.tracked_seconds = 0.0
        self._run = run
        self._server = server
        self._random = random.Random(0)
        self._on = True
        self._queue: list[bool] = []
        self._took: dict[bool, float] = {}
        self._interrupted = False
        self._start = (time.perf_counter(), 0)
        self._first = self._start[0] + WARM_UP_SECONDS
        self._end = self._start[0] + seconds
        self._before: dict[str, float] | None = None

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Takes what training logs."""
        if self._on:
            self._run.log_metrics(metrics, step)

    def validated(self, number: int, point: CurvePoint) -> None:  # noqa: ARG002
        """A pair of blocks with a validation in it does not count."""
        self._interrupted = True

    def stepped(self, step: int, loss: float) -> None:  # noqa: ARG002
        """Ends a block that is long enough; all steps so far have been logged."""
        now = time.perf_counter()
        if now < self._first:
            self._start = (now, step)
            return
        if self._before is None:
            self._before = self._processor_seconds()
        if now - self._start[0] < BLOCK_SECONDS:
            return
        self._took[self._on] = (now - self._start[0]) / (step - self._start[1])
        self.tracked_seconds += self._on * (now - self._start[0])
        if not self._queue:
            if len(self._took) == 2 and not self._interrupted:
                self.pairs.append(self._took[True] / self._took[False])
            self._took, self._interrupted = {}, False
            self._queue = self._random.sample([True, False], 2)
            if now > self._end:
                self._switch(on=True)
                raise EndedEarly("measured long enough")
        self._switch(on=self._queue.pop())
        self._start = (time.perf_counter(), step)

    def taken(self) -> dict[str, float]:
        """Processor seconds of each part in a minute of training with tracking."""
        after, before = self._processor_seconds(), self._before or {}
        minutes = self.tracked_seconds / 60
        return {name: (after[name] - before.get(name, 0.0)) / minutes for name in after}

    def _switch(self, *, on: bool) -> None:
        self._on = on
        for process in (*self._server, *self._senders()):
            process.send_signal(signal.SIGCONT if on else signal.SIGSTOP)

    def _senders(self) -> list[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        return [child for child in children if child not in self._server]

    def _processor_seconds(self) -> dict[str, float]:
        samplers = {t.native_id for t in threading.enumerate() if t.name == "system-metrics"}
        threads = [thread for thread in psutil.Process().threads() if thread.id in samplers]
        return {
            "delivering, in idle time": sum(map(_cpu_seconds, self._senders())),
            "sampling the system": sum(one.user_time + one.system_time for one in threads),
            "the server": sum(map(_cpu_seconds, self._server)),
        }


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def train(directory: Path, uri: str | None, seconds: float) -> None:
    """Trains for so long and prints what tracking cost."""
    from pipeline.training.fit import fit
    from pipeline.training.randomness import seed_initialisation

    task = load_task("text_classification", {})
    source = locate(MODEL.checkpoint, root=ROOT, weights=True)
    tokenizer = load_tokenizer(source)
    labels = json.loads((directory / "labels.json").read_text("utf-8"))
    seed_initialisation(0)
    checkpoint = Checkpoint("MiniLM", source, MODEL, Processor(tokenizer))
    model = task.build_model(checkpoint, labels)
    server = [] if uri is None else psutil.Process().children(recursive=True)
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(
            TrackingConfig(uri=uri),
            root=Path(folder),
            key="bench",
            experiment="bench",
            run_name="bench",
            tags={},
        )
        alternation = Alternation(run, server, seconds)
        with suppress(EndedEarly):
            fit(
                model,
                task,
                EncodedSplit(directory / "train.arrow"),
                EncodedSplit(directory / "validation.arrow"),
                label_names=labels,
                pad_token_id=int(tokenizer.pad_token_id),
                primary=task.primary_metric,
                optimizer=OptimizerConfig(lr=2e-5),
                scheduler=SchedulerConfig(kind="constant"),
                settings=TrainerConfig(
                    max_epochs=10_000, max_tokens_per_batch=MAX_TOKENS, accelerator="cpu"
                ),
                seed=0,
                log=alternation.log,
                watcher=alternation,
            )
        taken = alternation.taken()
        begin = time.perf_counter()
        run.finish()
        ending = time.perf_counter() - begin
    ratios = np.array(alternation.pairs)
    drawn = np.random.default_rng(0).choice(ratios, (2_000, len(ratios)))
    low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
    print(
        f"{'SQLite' if uri is None else 'server'}: steps take {_percent(np.median(ratios))} longer "
        f"({_percent(low)} to {_percent(high)}, {len(ratios)} pairs of blocks); ending the run "
        f"{ending:.1f} s"
    )
    for name, used in taken.items():
        if used:
            print(f"  {name}: {used:.2f} s of a processor a minute")


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.2f} %"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    if options.quick:
        options.seconds = 60.0
    times = call_microseconds(20_000)
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"log_metrics, 5 metrics: median {statistics.median(times):.1f} us, p99 {p99:.1f} us")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(write_splits(folder, options.rows), flush=True)
        train(folder, None, options.seconds)
        with mlflow_server(folder, "--backend-store-uri", f"sqlite:///{name}/mlflow.db") as uri:
            train(folder, uri, options.seconds)


if __name__ == "__main__":
    main()
