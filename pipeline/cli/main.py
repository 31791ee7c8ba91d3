"""Runs one verb, and puts every failure in words."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pipeline.cli.parser import build_parser
from pipeline.errors import EnvironmentProblem, PipelineError

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb.

    Returns:
        The exit code: 0, 1 for a failure, 2 for a user's mistake, 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if options.debug:
            raise
        message, code = _in_words(error)
        red, plain = ("\033[31m", "\033[0m") if sys.stderr.isatty() else ("", "")
        print(f"{red}error:{plain} {message}", file=sys.stderr)
        return code


def _in_words(error: BaseException) -> tuple[str, int]:
    """What to tell the user of an error, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        return str(error) or "interrupted", INTERRUPTED
    problem = error
    if isinstance(error, ModuleNotFoundError):
        problem = EnvironmentProblem(
            f"the Python package {error.name!r} is not installed for {sys.executable}",
            remedy="run `make setup`, then `source .venv/bin/activate`",
        )
    elif isinstance(error, OSError) and error.filename is not None and error.strerror is not None:
        problem = EnvironmentProblem(
            f"{error.filename}: {error.strerror}",
            remedy="mend the path, its permissions or the disk space",
        )
    if isinstance(problem, PipelineError):
        return str(problem), problem.exit_code
    name = type(error).__name__
    return f"this should not happen: {name}: {error}\n  remedy: --debug shows where", 1
