"""How good the shipped experiments are: the mean over several seeds of split and training.

    python benchmarks/quality.py [sports_news newsroom_topic] [--seeds 5] [--override KEY=VALUE …]

Every seed divides the data anew, trains, and measures once on its test split, as a user would with
`python -m pipeline evaluate experiment=… seed=… data.split.seed=…`. The baseline (TF-IDF, or a
lexicon for entities) learns from the same train splits.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent


def run(experiment: str, seed: int, overrides: list[str]) -> tuple[dict[str, Any], float]:
    """Trains and measures once; returns the metrics and the wall seconds."""
    arguments = [f"experiment={experiment}", f"seed={seed}", f"data.split.seed={seed}"]
    command = [sys.executable, "-m", "pipeline", "evaluate", "tracking=off", *arguments, *overrides]
    before = set((ROOT / "runs").glob("*"))
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stderr)
    line = next(line for line in done.stderr.splitlines() if line.startswith("ad-hoc run in "))
    directory = ROOT / line.removeprefix("ad-hoc run in ")
    if directory in before:
        seconds = float("nan")
    found = json.loads((directory / "evaluation" / "metrics.json").read_text(encoding="utf-8"))
    return found, seconds


def main() -> None:
    """Runs every seed of every experiment and prints a table for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="*", default=["sports_news", "newsroom_topic"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    for experiment in options.experiments:
        table = Table(title=experiment)
        for column in ("seed", "metric", "fine-tuned", "baseline", "seconds"):
            table.add_column(column, justify="right")
        tuned, simple = [], []
        for seed in range(options.seeds):
            found, seconds = run(experiment, seed, options.override)
            metric = "accuracy" if "accuracy" in found["test"] else "f1"
            tuned.append(found["test"][metric]["value"])
            beside = [found["baselines"].get(name, {}) for name in ("tfidf", "lexicon")]
            values = [other[metric]["value"] for other in beside if metric in other]
            simple.append(values[0] if values else float("nan"))
            shown = (f"{tuned[-1]:.4f}", f"{simple[-1]:.4f}", f"{seconds:.0f}")
            table.add_row(str(seed), metric, *shown)
        spread = statistics.stdev(tuned) if len(tuned) > 1 else 0.0
        means = (f"{statistics.mean(tuned):.4f} ± {spread:.4f}", f"{statistics.mean(simple):.4f}")
        table.add_row("mean", metric, *means, "")
        Console().print(table)


if __name__ == "__main__":
    main()
