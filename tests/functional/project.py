"""Projects of their own, in which tests run the real commands as a user types them."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from pipeline.cli import main

SMALL: dict[str, Any] = {
    "experiment": "sports_news",
    "model": {"name": "bert_scratch", "architecture": {"hidden_size": 32}},
    "method": "full",
    "optimizer": {"lr": 1.0e-3},
    "trainer": {"max_epochs": 1, "max_tokens_per_batch": 1024, "num_threads": 1},
    "evaluation": {"num_bootstrap_samples": 200},
    "export": {"parity_rows": 16, "latency_repeats": 3},
}
"""The default experiment with a small model from scratch, so that a run takes seconds."""

TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Project:
    """A clone of the repository with its own git history, DVC cache and tracking store."""

    root: Path

    def start(self, *command: str, **environment: str) -> subprocess.Popen[str]:
        """Starts a command in the root, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self._environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, code: int | None = 0, stdin: str = "", **environment: str) -> str:
        """Runs a command to its end and returns what it printed.

        Args:
            command: Program and arguments.
            code: The exit code it must have; None for any.
            stdin: What it reads.
            **environment: Further variables.
        """
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self._environment(environment),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    def pipeline(self, *arguments: str, code: int | None = 0, stdin: str = "") -> str:
        """Runs `python -m pipeline`."""
        return self.run("python", "-m", "pipeline", *arguments, code=code, stdin=stdin)

    def call(self, *arguments: str, code: int = 0) -> str:
        """Does what `python -m pipeline` does in this process, which has imported the libraries."""
        said = io.StringIO()
        with (
            patch.dict(os.environ, self._environment({})),
            contextlib.chdir(self.root),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            done = main(arguments)
        assert done == code, said.getvalue()
        return said.getvalue()

    def set_params(self, **sections: Any) -> None:
        """Replaces sections of `params.yaml`."""
        path = self.root / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**params, **sections}, sort_keys=False), encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Changes a text file as an editor would."""
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text, text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def commit(self, message: str) -> None:
        """Commits everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def copy(self, target: Path) -> Project:
        """A copy with all outputs and caches."""
        shutil.copytree(self.root, target, symlinks=True)
        return Project(target)

    @staticmethod
    def _environment(further: dict[str, str]) -> dict[str, str]:
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        identity = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "A User"), ("EMAIL", "user@example.com"))
        }
        threads = {"OMP_NUM_THREADS": "1", "COLUMNS": "120"}
        return {**os.environ, "PATH": programs, **identity, **threads, **further}


def make_project(repository: Path, root: Path) -> Project:
    """Copies what git would clone, uncommitted changes included, into a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (repository / name).is_file() and not name.startswith(("tests/", "outputs/")):
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, target)
    (root / "dvc.lock").unlink(missing_ok=True)
    project = Project(root)
    project.set_params(**SMALL)
    project.run("git", "init", "--quiet", "--initial-branch=main")
    project.commit("A clone")
    return project


def stages_run(output: str) -> list[str]:
    """The stages that `dvc repro` ran, from what it printed."""
    words = [line.split("'") for line in output.splitlines() if line.startswith("Running stage")]
    return [parts[1] for parts in words]
