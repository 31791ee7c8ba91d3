"""The comparison as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.artifacts import write_text
from pipeline.comparison.report_sections import sections
from pipeline.comparison.report_style import STYLE
from pipeline.comparison.report_words import badge, known
from pipeline.comparison.result import Comparison, Difference
from pipeline.data.quality.finding import count_of
from pipeline.data.quality.frame import SIGNS, document
from pipeline.reports.html import (
    NOTHING,
    Html,
    faint,
    plain,
    section,
    sentence,
    together,
)
from pipeline.reports.page import STYLE as PAGE_STYLE
from pipeline.reports.svg import SVG_STYLE
from pipeline.reports.words import capital, listed


def write_html(comparison: Comparison, path: Path) -> Path:
    """Writes the report, a single file without scripts that fetches nothing.

    Args:
        comparison: Of at least two groups.
        path: The file; its directory is made if it is missing.

    Returns:
        The path.

    Raises:
        EnvironmentProblem: If it cannot be written.
    """
    write_text(path, html_page(comparison))
    return path


def html_page(comparison: Comparison) -> str:
    """The report as an HTML document."""
    title = f"Comparison: {listed(group.name for group in comparison.groups)}"
    parts = list(sections(comparison))
    links = "".join(f'<a href="#{key}">{plain(name)}</a>' for key, name, _ in parts)
    body = [
        Html(f"<h1>Comparison of {_names(comparison)}</h1>"),
        *_verdicts(comparison),
        faint(_context(comparison)),
        _notes(comparison),
        Html(f"<nav>{links}</nav>"),
        *(section(key, name, content) for key, name, content in parts),
    ]
    return document(title, together(body), PAGE_STYLE + SVG_STYLE + STYLE)


def _names(comparison: Comparison) -> str:
    if len(comparison.groups) > 2:
        return f"{len(comparison.groups)} groups"
    return listed(
        f'<span class="title">{badge(comparison, one.label)} {plain(one.name)}</span>'
        for one in comparison.groups
    )


def _context(comparison: Comparison) -> str:
    way = "higher" if comparison.higher_is_better else "lower"
    return (
        f"By {comparison.metric} ({way} is better) on {count_of(comparison.num_rows, 'example')} "
        f"of {comparison.dataset} · experiment {comparison.experiment}"
    )


def _verdicts(comparison: Comparison) -> Iterator[Html]:
    """The answer to the question, about each group."""
    found = [one for one in comparison.differences if one.metric == comparison.metric]
    also = " also" if len(found) > 1 else ""
    for one in found:
        tone = _tone(one)
        yield Html(
            f'<p class="verdict {tone}{also}"><span class="sign">{SIGNS[tone]}</span> '
            f"<span>{sentence(capital(one.verdict))}</span></p>"
        )


def _tone(difference: Difference) -> str:
    if not difference.significant or not known(difference.gain):
        return "info"
    return "ok" if difference.gain > 0 else "warning"


def _notes(comparison: Comparison) -> Html:
    if not comparison.notes:
        return NOTHING
    points = "".join(f"<li>{sentence(note)}</li>" for note in comparison.notes)
    return Html(f'<ul class="notes">{points}</ul>')
