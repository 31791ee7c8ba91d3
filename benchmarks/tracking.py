"""What tracking costs training: microseconds a call, and the time of real fine-tunings.

    python benchmarks/tracking.py [--quick] [--rows 1500] [--epochs 2] [--repeats 5]

MiniLM is fine-tuned on all cores, as by the default experiment: batches of 512 tokens, every
optimizer step logged, system metrics on. Trainings without tracking, with a fresh SQLite store and
with a fresh `mlflow server` of its own on this machine take turns, each in a process of its own,
beginning with another one in each round. A ratio compares a tracked training with the untracked
one of its round; the figures are medians over rounds. Ending a run is not part of training; it
is shown by itself. `--quick` shows that all works, in a minute, and measures little.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
from pipeline.tasks.registry import load_task
from pipeline.tracking.journal import JournalWriter
from pipeline.tracking.log import RunLog
from pipeline.tracking.run import open_run

NAMES = ("train/loss", "train/lr", "train/grad_norm", "train/tokens_per_second", "train/epoch")
STORES = ("none", "sqlite", "server")
MAX_TOKENS = 512
Measured = dict[str, float]


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


def train(directory: Path, uri: str | None, *, tracked: bool, epochs: int, seed: int) -> Measured:
    """One training: its wall seconds, its steps, and the seconds of ending the run."""
    from pipeline.training.fit import fit
    from pipeline.training.randomness import seed_initialisation

    task = load_task("text_classification", {})
    source = locate(MODEL.checkpoint, root=ROOT, weights=True)
    tokenizer = load_tokenizer(source)
    labels = json.loads((directory / "labels.json").read_text("utf-8"))
    seed_initialisation(seed)
    model = task.build_model(Checkpoint("MiniLM", source, MODEL, tokenizer), labels)
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        run = open_run(
            TrackingConfig(enabled=tracked, uri=uri),
            root=Path(folder),
            key=f"bench-{os.getpid()}",
            experiment="bench",
            run_name="bench",
            tags={},
        )
        result = fit(
            model,
            task,
            EncodedSplit(directory / "train.arrow"),
            EncodedSplit(directory / "validation.arrow"),
            label_names=labels,
            pad_token_id=int(tokenizer.pad_token_id),
            primary=task.primary_metric,
            optimizer=OptimizerConfig(lr=2e-4),
            scheduler=SchedulerConfig(),
            settings=TrainerConfig(
                max_epochs=epochs, max_tokens_per_batch=MAX_TOKENS, accelerator="cpu"
            ),
            seed=seed,
            log=run.log_metrics,
        )
        end = time.perf_counter()
        run.finish()
        return {
            "seconds": end - begin,
            "steps": float(result.steps),
            "ending": time.perf_counter() - end,
        }


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A tracking server with an empty SQLite store, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"),
            *("--backend-store-uri", f"sqlite:///{folder}/server.db"),
            *("--artifacts-destination", str(folder / "artifacts")),
        ],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def measure(store: str, seed: int, directory: Path, epochs: int) -> Measured:
    """Runs one training in a fresh process."""
    command = [sys.executable, __file__, "--directory", str(directory), "--seed", str(seed)]
    command += ["--epochs", str(epochs), "--store", store]
    with tempfile.TemporaryDirectory() as folder:
        if store == "server":
            with server(Path(folder)) as address:
                return _run([*command, "--uri", address])
        return _run(command)


def _run(command: list[str]) -> Measured:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    found: Measured = json.loads(done.stdout.splitlines()[-1])
    return found


def report(rounds: list[dict[str, Measured]]) -> None:
    """Prints medians, and ratios within rounds."""
    plain = statistics.median(each["none"]["seconds"] for each in rounds)
    print(f"not tracked: {plain:.2f} s, {rounds[0]['none']['steps']:.0f} steps")
    for store in STORES[1:]:
        seconds = statistics.median(each[store]["seconds"] for each in rounds)
        ratios = [each[store]["seconds"] / each["none"]["seconds"] - 1 for each in rounds]
        ending = statistics.median(each[store]["ending"] for each in rounds)
        all_ratios = ", ".join(f"{100 * ratio:+.1f}" for ratio in ratios)
        print(
            f"{store}: {seconds:.2f} s, {100 * statistics.median(ratios):+.2f} % "
            f"(rounds: {all_ratios}); ending the run {ending:.1f} s"
        )


def main() -> None:
    """Measures and prints, or runs one training."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=1_500)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--directory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--store", choices=STORES, help=argparse.SUPPRESS)
    parser.add_argument("--uri", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.store is not None:
        tracked = options.store != "none"
        shared = {"epochs": options.epochs, "seed": options.seed}
        print(json.dumps(train(options.directory, options.uri, tracked=tracked, **shared)))
        return
    if options.quick:
        options.rows, options.epochs, options.repeats = 150, 1, 1
    times = call_microseconds(20_000)
    p99 = statistics.quantiles(times, n=100)[98]
    print(f"log_metrics, 5 metrics: median {statistics.median(times):.1f} us, p99 {p99:.1f} us")
    rounds: list[dict[str, Measured]] = []
    with tempfile.TemporaryDirectory() as folder:
        print(write_splits(Path(folder), options.rows))
        for number in range(options.repeats):
            first = number % len(STORES)
            rounds.append({})
            for store in (*STORES[first:], *STORES[:first]):
                found = measure(store, number, Path(folder), options.epochs)
                rounds[-1][store] = found
                print(f"round {number} {store}: {found['seconds']:.2f} s", flush=True)
    report(rounds)


if __name__ == "__main__":
    main()
