"""How fast a sweep is, and what it finds, beside a process a trial and Hugging Face's Trainer.

    python benchmarks/sweep.py [--trials 12] [--epochs 5] [--repeats 1] [--data newsroom]
                               [--parts compare overhead scaling] [--override KEY=VALUE …]

All search learning rate and warm-up of the same model on the same rows, judged by the same
validation accuracy, with Optuna's TPE. Everything runs in a copy of the project, one command after
the other; contenders take turns within a repeat, and each repeat has another seed of sampling and
training. `--override model=bert_scratch --override method=full` tries it out in little time.

compare: equal space and number of trials, each with the whole machine.
    processes  a `python -m pipeline train` for each trial, all cores each, no pruning
    trainer    `Trainer.hyperparameter_search` with Optuna and its median pruner, tuned
    pipeline   `python -m pipeline sweep`: a single-threaded worker for each core, median pruner
A command counts from its start to its end, imports included. The prepared dataset is given to the
first two for nothing; the pipeline prepares it while it is timed. The first ten points are the same
for all. `processes` and `pipeline` track their trials in MLflow, `trainer` tracks nothing;
`--untracked` turns tracking off. See `benchmarks/sweep_rivals.py` for how the other two are run.
Without start-up: from the beginning of the first trial to the end of the last (of `processes`, each
trial has a start of its own).

overhead: what a trial of a single worker costs beyond training steps and validation. A trial lasts
until the next one begins, so all that keeps the worker from training counts: choosing and composing
the point, making the model, tracking, waiting. The first trial, which prepares the dataset, and the
last one, which none follows, are left out.

scaling: two single-threaded workers beside one, for the same fixed points (drawn at random with the
same seed), without pruning.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.sweep_common import SPACE, SearchFigures
from benchmarks.sweep_overhead import TrialTimes, summary, trial_times
from benchmarks.sweep_project import BenchmarkProject
from pipeline.data.store import EncodedDataset

EXPERIMENTS = {"newsroom": "sports_news", "ag_news": "ag_news"}
PARTS = ("compare", "overhead", "scaling")
CORES = len(os.sched_getaffinity(0))


def compare(
    project: BenchmarkProject, trials: int, repeats: int, *, threads: int, tracked: bool
) -> dict[str, list[SearchFigures]]:
    """Lets each contender search in each repeat; they take turns at being the first."""
    further = [] if tracked else ["tracking=off"]

    def ours(seed: int) -> SearchFigures:
        found, _ = project.sweep(
            f"compare-{seed}",
            seed,
            workers=CORES,
            further=further,
            n_trials=trials,
            space=SPACE,
            sampler={"kind": "tpe", "seed": seed},
            pruner="median",
        )
        return found

    def rival(name: str) -> Callable[[int], SearchFigures]:
        return lambda seed: project.rival(name, trials, seed, threads=threads, further=further)

    contenders = {"processes": rival("processes"), "trainer": rival("trainer"), "pipeline": ours}
    results: dict[str, list[SearchFigures]] = {name: [] for name in contenders}
    for seed in range(repeats):
        names = list(contenders)
        for name in names[seed % len(names) :] + names[: seed % len(names)]:
            found = contenders[name](seed)
            results[name].append(found)
            tell(f"seed {seed} {name}", found)
    return results


def fixed_points(
    project: BenchmarkProject, trials: int, repeats: int, *, both: bool
) -> tuple[dict[int, list[SearchFigures]], list[TrialTimes]]:
    """Lets one worker, and two if asked for, train fixed points; also the times of one's trials."""
    results: dict[int, list[SearchFigures]] = {1: [], 2: []} if both else {1: []}
    times: list[TrialTimes] = []
    for seed in range(repeats):
        for workers in sorted(results, reverse=seed % 2 == 1):
            study = f"fixed-{workers}-{seed}"
            found, record = project.sweep(
                study,
                seed,
                workers=workers,
                n_trials=trials,
                space=SPACE,
                sampler={"kind": "random", "seed": seed},
                pruner="none",
            )
            results[workers].append(found)
            tell(f"seed {seed} {workers} worker(s), fixed points", found)
            if workers == 1:
                times += trial_times(record, project.layout(study), project.root)[1:]
    return results, times


def tell(what: str, found: SearchFigures) -> None:
    """Says in a line what a search came to."""
    failed = found.count("failed")
    print(
        f"{what}: {found.seconds:.1f} s, {found.per_hour:.1f} trials/h, best {found.best:.4f}, "
        f"{found.count('pruned')} pruned{f', {failed} FAILED' if failed else ''}",
        flush=True,
    )


def report_comparison(title: str, results: dict[str, list[SearchFigures]]) -> None:
    """Prints means over repeats, and how many times as many trials an hour the pipeline does."""
    table = Table(title=title)
    for column in (
        "",
        "wall s",
        "trials/h",
        "pipeline is",
        "start-up s",
        "trials/h without",
        "pipeline is",
        "pruned",
        "best value",
    ):
        table.add_column(column, justify="right")
    ours = results["pipeline"]
    for name, runs in results.items():
        pairs = list(zip(ours, runs, strict=True))
        table.add_row(
            name,
            f"{mean([run.seconds for run in runs]):.1f}",
            f"{mean([run.per_hour for run in runs]):.1f}",
            f"{mean([our.per_hour / run.per_hour for our, run in pairs]):.2f} x",
            f"{mean([run.startup for run in runs]):.1f}",
            f"{mean([run.search_per_hour for run in runs]):.1f}",
            f"{mean([our.search_per_hour / run.search_per_hour for our, run in pairs]):.2f} x",
            f"{mean([run.count('pruned') for run in runs]):.1f}",
            f"{mean([run.best for run in runs]):.4f} "
            f"({', '.join(f'{run.best:.4f}' for run in runs)})",
        )
    Console(width=120).print(table)


def report_overhead(title: str, times: Sequence[TrialTimes]) -> None:
    """Prints what one worker's trials spent their time on."""
    table = Table(title=title)
    for column in ("seconds a trial", "median", "mean", "most"):
        table.add_column(column, justify="left" if column.startswith("s") else "right")
    for name, *values in summary(times):
        table.add_row(name, *(f"{value:.3f}" for value in values))
    Console(width=110).print(table)


def report_scaling(title: str, results: dict[int, list[SearchFigures]]) -> None:
    """Prints the rates of one worker and of two."""
    table = Table(title=title)
    for column in ("workers", "wall s", "trials/h", "", "trials/h without start-up", ""):
        table.add_column(column, justify="right")
    for workers, runs in results.items():
        pairs = list(zip(runs, results[1], strict=True))
        table.add_row(
            str(workers),
            f"{mean([run.seconds for run in runs]):.1f}",
            f"{mean([run.per_hour for run in runs]):.1f}",
            f"{mean([run.per_hour / one.per_hour for run, one in pairs]):.2f} x",
            f"{mean([run.search_per_hour for run in runs]):.1f}",
            f"{mean([run.search_per_hour / one.search_per_hour for run, one in pairs]):.2f} x",
        )
    Console(width=110).print(table)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12, help="of each search")
    parser.add_argument("--epochs", type=int, help="of each trial; by default the experiment's own")
    parser.add_argument("--repeats", type=int, default=1, help="each with another seed")
    parser.add_argument("--data", choices=list(EXPERIMENTS), default="newsroom")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rival-threads", type=int, default=CORES, help="of processes and trainer")
    parser.add_argument("--untracked", action="store_true", help="compare without MLflow")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    if options.trials < 3 and "overhead" in options.parts:
        parser.error("the part overhead needs at least three trials")
    os.environ["HF_HUB_OFFLINE"] = "1"

    experiment = EXPERIMENTS[options.data]
    overrides = ["trainer.accelerator=cpu", *options.override]
    if options.epochs is not None:
        overrides.append(f"trainer.max_epochs={options.epochs}")
    with tempfile.TemporaryDirectory(prefix="sweep-benchmark-") as folder:
        project = BenchmarkProject(Path(folder).resolve(), experiment, overrides)
        info = EncodedDataset.open(project.dataset).info
        title = (
            f"{experiment}: {info.rows['train']:,} rows of "
            f"{info.tokens['train'] / info.rows['train']:.0f} tokens, {options.trials} trials, "
            f"{CORES} cores, {options.repeats} repeat(s)"
        )
        print(title, flush=True)
        if "compare" in options.parts:
            results = compare(
                project,
                options.trials,
                options.repeats,
                threads=options.rival_threads,
                tracked=not options.untracked,
            )
            report_comparison(title, results)
        if {"overhead", "scaling"} & set(options.parts):
            fixed, times = fixed_points(
                project, options.trials, options.repeats, both="scaling" in options.parts
            )
            if "overhead" in options.parts:
                report_overhead(f"one worker, {len(times)} trials", times)
            if "scaling" in options.parts:
                report_scaling("the same points, single-threaded workers", fixed)


if __name__ == "__main__":
    main()
