"""The comparison as one HTML file, readable on a phone, in the dark and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.artifacts import write_text
from pipeline.comparison import plots_curves, plots_differences, report_tables
from pipeline.comparison.report_examples import disagreements
from pipeline.comparison.report_method import method_section
from pipeline.comparison.report_style import STYLE
from pipeline.comparison.report_words import badge, known, percent
from pipeline.comparison.result import Comparison, Difference
from pipeline.data.quality.finding import count_of
from pipeline.data.quality.frame import SIGNS, document
from pipeline.reports.html import (
    NOTHING,
    Html,
    faint,
    figure,
    fold,
    plain,
    section,
    sentence,
    together,
)
from pipeline.reports.page import STYLE as PAGE_STYLE
from pipeline.reports.svg import SVG_STYLE, Draw, themed_svg
from pipeline.reports.words import capital, listed

MOST_PANELS = 6
"""Learning curves that are shown before the rest is folded away."""


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
    parts = list(_sections(comparison))
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


Section = tuple[str, str, list[Html]]
"""Key, heading and content."""


def _sections(comparison: Comparison) -> Iterator[Section]:
    yield "groups", "What is compared", [report_tables.groups_table(comparison)]
    yield "difference", f"Difference in {comparison.metric}", _difference(comparison)
    yield "metrics", "All metrics", _metrics(comparison)
    if comparison.slices:
        yield "slices", "Where the difference lives", _slices(comparison)
    if comparison.disagreements:
        yield "examples", "Examples judged differently", [disagreements(comparison)]
    if plots_curves.drawn_metrics(comparison):
        yield "curves", "Learning curves", _curves(comparison)
    yield "settings", "Settings that differ", [report_tables.settings_table(comparison)]
    if comparison.costs:
        yield "costs", "Cost", [report_tables.costs_table(comparison)]
    yield "method", "How it was computed", method_section(comparison)


def _difference(comparison: Comparison) -> list[Html]:
    confidence = percent(comparison.confidence)
    seeds = any(len(group.members) > 1 for group in comparison.groups)
    caption = (
        f"Bars are {confidence} intervals{', small points single seeds' if seeds else ''}. The "
        "mark of a difference is filled where the test shows it and hollow where it does not."
    )
    picture = partial(plots_differences.groups_picture, comparison)
    parts = [_figure(comparison, "difference", f"{comparison.metric} by group", picture, caption)]
    if len(comparison.groups) > 2 and comparison.pairs:
        count = count_of(len(comparison.pairs), "pair")
        parts += [
            Html("<h3>Every pair</h3>"),
            report_tables.pairs_table(comparison),
            faint(
                "The row's value minus the column's; coloured and bold where the test shows a "
                f"difference, green where the row is better. p is adjusted for {count}."
            ),
        ]
    return parts


def _metrics(comparison: Comparison) -> list[Html]:
    parts = []
    drawn = [one for one in comparison.differences if known(one.estimate.value)]
    if drawn:
        reference = comparison.groups[0].label
        caption = (
            f"Gain over {reference} in each metric: right of the line is better, also where lower "
            "values are. Filled marks are shown by the test, hollow ones are not. Metrics with "
            "much larger differences have an axis of their own."
        )
        picture = partial(plots_differences.metrics_picture, comparison)
        parts.append(_figure(comparison, "metrics", "Gain in every metric", picture, caption))
    small = faint(report_tables.confidence_words(comparison))
    return [*parts, report_tables.metrics_table(comparison), small]


def _slices(comparison: Comparison) -> list[Html]:
    reference = comparison.groups[0].label
    caption = (
        f"Difference in {comparison.metric} from {reference} in parts of the test examples, in "
        "brackets how many; the dotted line is the difference over all. A part counts as shown "
        "(filled) only after correction for the number of parts: many looks find something by "
        f"chance. Of a dimension at most {plots_differences.MOST_SLICES} parts are drawn, those "
        "with the largest differences."
    )
    picture = partial(plots_differences.slices_picture, comparison)
    parts = [_figure(comparison, "slices", "Difference by part", picture, caption)]
    for other in dict.fromkeys(part.other for part in comparison.slices):
        count = sum(part.other == other for part in comparison.slices)
        title = Html(
            f"All {count_of(count, 'part')}: {badge(comparison, other)} against "
            f"{badge(comparison, reference)}"
        )
        parts.append(fold(title, report_tables.slices_table(comparison, other)))
    return parts


def _curves(comparison: Comparison) -> list[Html]:
    metrics = plots_curves.drawn_metrics(comparison)
    longest = max(len(curve.values) for curve in comparison.curves)
    means = (
        f" Points are means over neighbours where there are more than {plots_curves.MOST_POINTS}."
        if longest > plots_curves.MOST_POINTS
        else ""
    )
    seeds = any(len(group.members) > 1 for group in comparison.groups)
    lines = "Thin lines are runs, bold ones means over seeds." if seeds else "Every line is a run."
    caption = f"{lines}{means}"

    def drawn(key: str, some: list[str]) -> Html:
        picture = partial(plots_curves.curves_picture, comparison, some)
        return _figure(comparison, key, f"Learning curves: {listed(some)}", picture, caption)

    parts = [drawn("curves", metrics[:MOST_PANELS])]
    if rest := metrics[MOST_PANELS:]:
        title = plain(count_of(len(rest), "more metric"))
        parts.append(fold(title, drawn("more-curves", rest)))
    return parts


def _figure(comparison: Comparison, key: str, label: str, draw: Draw, caption: str) -> Html:
    names = [group.name for group in comparison.groups]
    parts = [part.value for part in comparison.slices]
    return figure(themed_svg(draw, key=key, label=label, texts=[*names, *parts]), caption)
