"""Writes the report of a sweep: `report.html`, `report.md` and their pictures."""

from __future__ import annotations

from pathlib import Path

from pipeline.artifacts import replace_directory, write_text
from pipeline.sweep.comparison import Comparison
from pipeline.sweep.study.records import StudyRecord


def write_report(
    record: StudyRecord,
    comparison: Comparison | None,
    directory: Path,
) -> Path:
    """Writes the report as a whole; one that was there is replaced.

    Args:
        record: The study; of any size and state.
        comparison: The best trial beside the default configuration; None where it was not made.
        directory: Where to, see `layout.StudyLayout.report`.

    Returns:
        The path of `report.html`.

    Raises:
        EnvironmentProblem: If the directory cannot be written.
    """
    from pipeline.reports.page import page
    from pipeline.reports.text import markdown
    from pipeline.sweep.report.content import report_content
    from pipeline.sweep.report.plots import draw_pictures

    with replace_directory(directory) as fresh:
        pictures = draw_pictures(record, comparison, fresh)
        content = report_content(record, comparison, pictures)
        images = {p.file: (fresh / p.file).read_bytes() for p in pictures if not p.missing}
        write_text(fresh / "report.html", page(content, images))
        write_text(fresh / "report.md", markdown(content))
    return directory / "report.html"
