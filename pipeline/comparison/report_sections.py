"""The parts of a comparison's HTML report, each with its pictures and tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from pipeline.comparison import (
    plots_curves,
    plots_differences,
    plots_slices,
    report_numbers,
    report_tables,
)
from pipeline.comparison.report_examples import disagreements
from pipeline.comparison.report_method import method_section
from pipeline.comparison.report_words import badge, known, percent
from pipeline.comparison.result import Comparison
from pipeline.data.quality.finding import count_of
from pipeline.reports.html import Html, faint, figure, fold, plain
from pipeline.reports.svg import Draw, themed_svg
from pipeline.reports.words import listed

MOST_PANELS = 6
"""Learning curves that are shown before the rest is folded away."""

Section = tuple[str, str, list[Html]]
"""Key, heading and content."""


def sections(comparison: Comparison) -> Iterator[Section]:
    """All parts of the report that the comparison has something for, in their order."""
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
    values = [group.metrics.get(comparison.metric) for group in comparison.groups]
    if not any(value and known(value.value) for value in values):
        return [faint(f"The {comparison.metric} of no group is known.")]
    picture = partial(plots_differences.groups_picture, comparison)
    parts = [_figure(comparison, "difference", f"{comparison.metric} by group", picture, caption)]
    if len(comparison.groups) > 2 and comparison.pairs:
        count = count_of(len(comparison.pairs), "pair")
        parts += [
            Html("<h3>Every pair</h3>"),
            report_numbers.pairs_table(comparison),
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
        rows = plots_differences.metric_rows(comparison)
        larger = len(plots_differences.by_extent(rows)) > 1
        caption = (
            f"Gain over {reference} in each metric: right of the line is better, also where lower "
            "values are. Filled marks are shown by the test, hollow ones are not."
            + (" Metrics with much larger differences have an axis of their own." if larger else "")
            + (f" Drawn are the first {len(rows)}." if len(rows) < len(comparison.metrics) else "")
        )
        picture = partial(plots_differences.metrics_picture, comparison)
        parts.append(_figure(comparison, "metrics", "Gain in every metric", picture, caption))
    small = faint(report_numbers.confidence_words(comparison))
    return [*parts, report_numbers.metrics_table(comparison), small]


def _slices(comparison: Comparison) -> list[Html]:
    reference = comparison.groups[0].label
    caption = (
        f"Difference in {comparison.metric} from {reference} in parts of the test examples, in "
        "brackets how many; the dotted line is the difference over all. A part counts as shown "
        "(filled) only after correction for the number of parts: many looks find something by "
        f"chance. Of a dimension at most {plots_slices.MOST_SLICES} parts are drawn, those "
        "with the largest differences."
    )
    pages = plots_slices.slices_pages(comparison)
    parts = [
        _figure(
            comparison,
            f"slices-{page}",
            f"Difference by {listed(dimensions)}",
            partial(plots_slices.slices_picture, comparison, dimensions),
            caption if page == len(pages) else "",
        )
        for page, dimensions in enumerate(pages, start=1)
    ]
    for other in dict.fromkeys(part.other for part in comparison.slices):
        count = sum(part.other == other for part in comparison.slices)
        title = Html(
            f"All {count_of(count, 'part')}: {badge(comparison, other)} against "
            f"{badge(comparison, reference)}"
        )
        parts.append(fold(title, report_numbers.slices_table(comparison, other)))
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
