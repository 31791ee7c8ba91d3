"""What people see: colours and live bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_PIPE_WIDTH = 120

out = Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)
"""Results."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""Notices, warnings and errors."""


def progress() -> Progress:
    """A progress bar for long work; silent where the output is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=err,
        disable=not err.is_terminal,
    )


def notice(message: str) -> None:
    """Says in one line what was done."""
    err.print(message, markup=False)


def warn(message: str) -> None:
    """Says what the user should look at, without stopping."""
    err.print(f"warning: {message}", style="yellow", markup=False)


def moment(seconds: float) -> str:
    """A Unix time in seconds as a person reads it: local, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
