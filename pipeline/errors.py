"""The exception root: every mistake a user can mend is a `PipelineError`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


class PipelineError(Exception):
    """A problem whose message tells the user the rule, the value received and the remedy.

    The command line prints the message without a traceback and exits with `exit_code`.

    Args:
        message: What is wrong: the rule and the value received, and where it came from.
        remedy: What the user can do about it; printed on a line of its own.
    """

    exit_code = 1
    run_status: Literal["FAILED", "KILLED"] = "FAILED"
    """How a tracked run ends that this ended."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message if self.remedy is None else f"{self.message}\n  remedy: {self.remedy}"


class UserError(PipelineError):
    """The user's input, configuration or data is at fault; exit code 2."""

    exit_code = 2


class DataError(UserError):
    """A data file or one of its rows breaks a rule.

    Args:
        message: The rule and the value received.
        file: The file as the user named it.
        row: One-based line or row number within the file, where one is at fault.
        remedy: What to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        row: int | None = None,
        remedy: str | None = None,
    ) -> None:
        where = "" if file is None else f"{file}: " if row is None else f"{file}, row {row}: "
        super().__init__(where + message, remedy=remedy)
        self.file = file
        self.row = row


class CheckpointError(UserError):
    """A pretrained checkpoint is missing, damaged, unsafe or not what the config pins."""


class EnvironmentProblem(PipelineError):
    """The machine, not the user's input, is at fault: disk, permissions, a server, a package."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration.

    Attributes:
        key: Dotted path of the key, for example `optimizer.lr`.
        message: The rule and the value received.
        source: The file or command-line argument that set the value.
        remedy: What to do about it, for example a "did you mean".
    """

    key: str
    message: str
    source: str | None = None
    remedy: str | None = None

    def __str__(self) -> str:
        source = f"  (from {self.source})" if self.source else ""
        remedy = f"\n    remedy: {self.remedy}" if self.remedy else ""
        return f"  {self.key}: {self.message}{source}{remedy}"


class ConfigError(UserError):
    """All that is wrong with a configuration, reported together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        lines = "\n".join(str(problem) for problem in problems)
        super().__init__(f"The configuration has {count}:\n{lines}")
        self.problems = tuple(problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggests the known words nearest to a wrong one.

    Args:
        word: What the user wrote.
        known: The words that are allowed.

    Returns:
        "did you mean 'x'?" where something is near, otherwise the list of what is allowed.
    """
    options = sorted(known)
    near = get_close_matches(word, options, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"allowed: {', '.join(options)}" if options else "nothing is allowed here"
