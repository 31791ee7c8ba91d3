"""Delivers to MLflow what a store that was down has missed."""

from __future__ import annotations

from pathlib import Path

from pipeline.console import err, out
from pipeline.tracking.sync import sync


def run_sync(root: Path) -> int:
    """Delivers every waiting journal and says what happened.

    Args:
        root: `artifacts.lasting_root()`.

    Returns:
        0, or 1 if something still waits.
    """
    report = sync(root)
    if report.events:
        out.print(f"delivered {report.events:,} events of {report.runs:,} runs")
    elif not report.waiting:
        out.print("nothing waits: the store has every run whole")
    for waiting in report.waiting:
        err.print(
            f"{waiting.key}: {waiting.events:,} events still wait: {waiting.reason}\n"
            f"  remedy: {waiting.remedy}",
            markup=False,
        )
    return 1 if report.waiting else 0
