"""Makes a study's report anew from its storage, also while the sweep runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.artifacts import shown
from pipeline.console import notice
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.report.writing import write_report
from pipeline.sweep.study.records import StudyRecord
from pipeline.sweep.study.stored import find_study


def remake_report(name: str, arguments: Sequence[str], root: Path) -> None:
    """Writes the report of a study as it is now.

    Args:
        name: The sweep; see `stored.find_study`.
        arguments: Overrides, as the sweep was started with.
        root: The project's root.

    Raises:
        UserError: If there is no such study.
    """
    stored = find_study(name, arguments, root)
    record = stored.read()
    layout = StudyLayout.of(root, record.name)
    report = write_report(record, _comparison(layout, record), layout.report)
    notice(f"report: {shown(report, root)}")


def _comparison(layout: StudyLayout, record: StudyRecord) -> Comparison | None:
    """What an earlier command found; None if nothing, or if another trial is the best now."""
    try:
        found = Comparison.model_validate_json(layout.comparison.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None
    return found if record.best is not None and found.trial == record.best.number else None
