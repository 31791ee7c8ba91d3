"""A clean checkout of a revision beside the user's own tree, which it leaves as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import EnvironmentProblem, UserError

_HOOKLESS = ("-c", "core.hooksPath=/dev/null")
"""A checkout must not run the user's hooks, such as the one of `dvc install`."""


class CleanTree:
    """A git worktree of its own at a revision.

    Args:
        root: The project's root; it may lie below the top of the repository.
        folder: Where the worktree goes; emptied first.
        above: How many directories of its own it has above it, so that paths which begin with so
            many `../` stay within `folder`.

    Attributes:
        folder: As given.
        project: The project's root in the worktree.
    """

    def __init__(self, root: Path, folder: Path, *, above: int = 0) -> None:
        self._root = root
        top = _git(root, "rev-parse", "--show-toplevel").decode().strip()
        self.folder = folder
        self._tree = folder.joinpath(*["above"] * above, "tree")
        self.project = self._tree / root.resolve().relative_to(Path(top).resolve())

    def make(self, revision: str) -> None:
        """Checks a revision out.

        Raises:
            UserError: If it has no project where the root is.
            EnvironmentProblem: If git refuses.
        """
        self.remove()
        self._tree.parent.mkdir(parents=True)
        add = ("worktree", "add", "--force", "--detach", "--quiet", str(self._tree), revision)
        _git(self._root, *_HOOKLESS, *add)
        if not (self.project / "conf" / "config.yaml").is_file():
            raise UserError(
                f"revision {revision} holds no conf/config.yaml where this project is",
                remedy="run the command in the clone and the directory that the run was made in",
            )

    def apply(self, patch: bytes) -> None:
        """Makes the uncommitted changes of a patch.

        Raises:
            UserError: If it does not fit the revision.
        """
        try:
            _git(self._tree, "apply", "--whitespace=nowarn", "-", stdin=patch)
        except EnvironmentProblem as error:
            raise UserError(
                f"the run's uncommitted changes cannot be applied to its revision: {error.message}",
                remedy="look at its artifact git/diff.patch; a damaged patch cannot be mended",
            ) from error

    def remove(self) -> None:
        """Takes the worktree away, and what else is in its folder; without effect if there is none.

        Symbolic links are removed, never what they lead to.
        """
        with suppress(EnvironmentProblem):  # git's word for one that it does not know
            _git(self._root, "worktree", "remove", "--force", "--force", str(self._tree))
        shutil.rmtree(self.folder, ignore_errors=True)


def require_revision(root: Path, revision: str) -> None:
    """Checks that a clone has a commit.

    Raises:
        UserError: If it does not have it.
        EnvironmentProblem: If there is no repository, or no git.
    """
    _git(root, "rev-parse", "--git-dir")
    try:
        _git(root, "cat-file", "-e", f"{revision}^{{commit}}")
    except EnvironmentProblem as error:
        raise UserError(
            f"revision {revision} is not in this clone",
            remedy="`git fetch --all` brings what was pushed (a shallow clone: `git fetch "
            "--unshallow`); a commit that was never pushed is only where the run was made",
        ) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Holds a folder, so that only one process reproduces a run.

    Raises:
        UserError: If another process holds it.
    """
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder.with_suffix(".lock"), timeout=0):
            yield
    except Timeout as error:
        raise UserError("another process is reproducing this run", remedy="wait for it") from error


def _git(directory: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """The output of a git command.

    Raises:
        EnvironmentProblem: With git's own words if it fails.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - the user's own git
            input=stdin,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(
            "git is not installed", remedy="install it; a run is reproduced from its revision"
        ) from error
    if done.returncode:
        words = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
        raise EnvironmentProblem(f"git {arguments[0]} failed: {words}", remedy="see git's words")
    return done.stdout
