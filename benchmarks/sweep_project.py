"""A project of its own, in which `benchmarks/sweep.py` runs its contenders."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.sweep_common import SearchFigures, TrialFigures
from pipeline.artifacts import Outputs, cache_root
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.study.stored import find_study

ROOT = Path(__file__).resolve().parent.parent
AG_NEWS = ROOT.parent / "shared" / "data" / "en_cls_agnews"
_OTHERS = ("MLFLOW_", "DVC_", "OMP_", "MKL_", "OPENBLAS_")
"""Variables of the user's that would point elsewhere or set threads."""
_IMPORTS = "import accelerate, matplotlib.pyplot, optuna, transformers.trainer"
"""What some contenders import and training does not."""


class BenchmarkProject:
    """A copy of the working tree with its own git history, tracking store and caches.

    A first short training makes the store and the prepared dataset and brings all libraries into
    the system's cache, so that no contender pays for being the first.

    Args:
        root: An empty directory.
        experiment: What is searched.
        overrides: What else all trials have in common.

    Attributes:
        root: The project's root.
        dataset: The prepared dataset that the other contenders are given.
    """

    def __init__(self, root: Path, experiment: str, overrides: Sequence[str]) -> None:
        self.root = root
        self._experiment = experiment
        self._overrides = list(overrides)
        _copy_tree(root)
        if experiment == "ag_news":
            _copy_ag_news(root / "data" / "ag_news")
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "A copy")
        self.run(sys.executable, "-m", "compileall", "-q", "pipeline", "benchmarks")
        self.run(sys.executable, "-c", _IMPORTS)
        self.pipeline(
            "train", f"experiment={experiment}", *self._overrides, "trainer.max_steps=2", threads=1
        )
        self.dataset = next(Outputs(path).dataset for path in (root / "runs").iterdir())

    def pipeline(self, *arguments: str, threads: int) -> str:
        """Runs `python -m pipeline`; returns what it printed."""
        return self.run(sys.executable, "-m", "pipeline", *arguments, threads=threads)

    def run(self, *command: str, threads: int = 1) -> str:
        """Runs a command in the root; ends the benchmark with its messages if it fails.

        Args:
            command: Program and arguments.
            threads: `OMP_NUM_THREADS`.
        """
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A User"), ("EMAIL", "user@example.com"))
        }
        own = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
        settings = {
            "OMP_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        done = subprocess.run(
            command,
            cwd=self.root,
            env={**own, **identity, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def rival(
        self, contender: str, trials: int, seed: int, *, threads: int, further: Sequence[str] = ()
    ) -> SearchFigures:
        """Lets one of the other contenders search; see `benchmarks/sweep_rivals.py`.

        Args:
            contender: `processes` or `trainer`.
            trials: How many.
            seed: Of sampling and training.
            threads: Of each training.
            further: More overrides.
        """
        overrides = [f"experiment={self._experiment}", *self._overrides, f"seed={seed}", *further]
        if contender == "processes":
            overrides.append(f"trainer.num_threads={threads}")
        numbers = ["--trials", str(trials), "--seed", str(seed), "--dataset", str(self.dataset)]
        script = str(self.root / "benchmarks" / "sweep_rivals.py")
        began, begin = time.time(), time.perf_counter()
        printed = self.run(sys.executable, script, contender, *numbers, *overrides, threads=threads)
        seconds = time.perf_counter() - begin
        found = json.loads(printed.splitlines()[-1])
        figures = [TrialFigures(**trial) for trial in found["trials"]]
        return SearchFigures(seconds - found["aside"], began, figures)

    def sweep(
        self,
        study: str,
        seed: int,
        *,
        workers: int,
        further: Sequence[str] = (),
        **settings: Any,
    ) -> tuple[SearchFigures, StudyRecord]:
        """Lets the pipeline search, with single-threaded workers, from nothing prepared.

        Args:
            study: Its name.
            seed: Of training.
            workers: How many.
            further: More overrides.
            **settings: Further settings of the sweep.
        """
        whole = {
            "experiment": self._experiment,
            "overrides": [*self._overrides, f"seed={seed}", *further],
            "workers": workers,
            "threads": 1,
            "confirm": {"seeds": 0},
            **settings,
        }
        text = yaml.safe_dump(whole, sort_keys=False)
        (self.root / "sweeps" / f"{study}.yaml").write_text(text, encoding="utf-8")
        shutil.rmtree(cache_root(self.root) / "datasets", ignore_errors=True)
        began, begin = time.time(), time.perf_counter()
        self.pipeline("sweep", study, threads=1)
        seconds = time.perf_counter() - begin
        record = find_study(study, (), self.root).read()
        figures = []
        for trial in record.trials:
            assert trial.began is not None
            assert trial.ended is not None
            times = trial.began.timestamp(), trial.ended.timestamp()
            value = trial.values[0] if trial.values else None
            figures.append(TrialFigures(trial.outcome, value, *times))
        return SearchFigures(seconds, began, figures), record

    def layout(self, study: str) -> StudyLayout:
        """Where the files of a study lie."""
        return StudyLayout.of(self.root, study)


def _copy_tree(root: Path) -> None:
    """Copies what git would clone, uncommitted changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "outputs/")):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)


def _copy_ag_news(folder: Path) -> None:
    if not AG_NEWS.is_dir():
        sys.exit(f"{AG_NEWS} is missing: leave --data out, or put the files there")
    folder.mkdir()
    for name in ("train", "dev"):
        shutil.copy(AG_NEWS / f"{name}.csv.gz", folder)
