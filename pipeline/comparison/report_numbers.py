"""The tables of metrics and differences in a comparison's HTML report."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.comparison.report_tables import breakable, named
from pipeline.comparison.report_words import (
    badge,
    by,
    decimals,
    interval_text,
    level_of,
    outcome,
    p_cell,
    percent,
    signed_text,
    value_text,
)
from pipeline.comparison.result import Comparison, Difference, Estimate
from pipeline.reports.html import Cell, Html, number, plain, table
from pipeline.reports.words import ABSENT


def metrics_table(comparison: Comparison) -> Html:
    """Every metric of every group, with its difference from the reference and the test's result."""
    wide = len(comparison.groups) > 2
    return _metrics_of_many(comparison) if wide else _metrics_of_two(comparison)


def _metrics_of_two(comparison: Comparison) -> Html:
    first, second = comparison.groups
    found = {one.metric: one for one in comparison.differences}
    head = [
        Cell(plain("metric")),
        *(Cell(badge(comparison, group.label), "number") for group in comparison.groups),
        Cell(plain(f"{second.label} − {first.label}"), "number"),
        Cell(plain("p"), "number"),
        Cell(plain(second.label)),
    ]
    rows = []
    for metric in comparison.metrics:
        values = [group.metrics.get(metric) for group in (first, second)]
        rows.append(
            [Cell(breakable(metric)), *_values(values), *_tested(comparison, found.get(metric))]
        )
    return table(head, rows, "metrics two")


def _metrics_of_many(comparison: Comparison) -> Html:
    reference = comparison.groups[0]
    found = {(one.metric, one.other): one for one in comparison.differences}
    head = [
        Cell(plain("metric and group")),
        Cell(plain("value"), "number"),
        Cell(plain(f"− {reference.label}"), "number"),
        Cell(plain("p"), "number"),
        Cell(plain("adjusted p"), "number"),
        Cell(plain("")),
    ]
    rows: list[list[Cell]] = []
    for metric in comparison.metrics:
        rows.append([Cell(breakable(metric))])
        values = _values([group.metrics.get(metric) for group in comparison.groups])
        for group, value in zip(comparison.groups, values, strict=True):
            rest = [Cell(plain("reference"), "faint"), *[Cell(plain(""))] * 3]
            if group is not reference:
                rest = _tested(comparison, found.get((metric, group.label)), adjusted=True)
            rows.append([named(comparison, group), value, *rest])
    return table(head, rows, "metrics")


def _values(estimates: Sequence[Estimate | None]) -> list[Cell]:
    digits = decimals([one for one in estimates if one is not None])
    return [
        number(ABSENT)
        if one is None
        else number(value_text(one.value, digits), interval_text(one, digits))
        for one in estimates
    ]


def _tested(
    comparison: Comparison, difference: Difference | None, *, adjusted: bool = False
) -> list[Cell]:
    if difference is None:
        return [number(ABSENT), *[number(ABSENT)] * (1 + adjusted), Cell(plain(""))]
    level = level_of(comparison)
    word, tone = outcome(difference)
    alike = [one.estimate for one in comparison.differences if one.metric == difference.metric]
    cells = [
        _signed(difference.estimate, decimals(alike), shown=difference.significant),
        number(p_cell(difference.p_value, level)),
    ]
    if adjusted:
        cells.append(number(p_cell(difference.p_adjusted, level)))
    return [*cells, Cell(plain(word), f"outcome {tone}")]


def _signed(estimate: Estimate, digits: int, *, shown: bool) -> Cell:
    strong = "strong" if shown else ""
    return number(signed_text(estimate.value, digits), interval_text(estimate, digits), strong)


def pairs_table(comparison: Comparison) -> Html:
    """Every group against every other: the row's value minus the column's."""
    found = {(one.other, one.reference): one for one in comparison.pairs}
    labels = [group.label for group in comparison.groups]
    head = [Cell(plain("")), *(Cell(badge(comparison, label), "number") for label in labels)]
    rows = [
        [
            named(comparison, group),
            *(_pair(comparison, found, group.label, column) for column in labels),
        ]
        for group in comparison.groups
    ]
    return table(head, rows, "pairs")


def _pair(
    comparison: Comparison, found: dict[tuple[str, str], Difference], row: str, column: str
) -> Cell:
    forward, backward = found.get((row, column)), found.get((column, row))
    difference = forward or backward
    if difference is None:
        return number("" if row == column else ABSENT)
    value = difference.estimate.value
    digits = decimals([one.estimate for one in comparison.pairs])
    text = signed_text(value if forward else -value, digits)
    gain = difference.gain if forward else -difference.gain
    tone = (" better" if gain > 0 else " worse") if difference.significant else ""
    p_value = p_cell(difference.p_adjusted, level_of(comparison))
    below = "" if p_value == ABSENT else f"p {p_value}" if "<" in p_value else f"p = {p_value}"
    return number(text, below, f"pair{tone}")


def slices_table(comparison: Comparison, other: str) -> Html:
    """The metric of the reference and one other group in every part of the examples."""
    reference = comparison.groups[0].label
    head = [
        Cell(plain("part of the examples")),
        Cell(plain("examples"), "number"),
        Cell(badge(comparison, reference), "number"),
        Cell(badge(comparison, other), "number"),
        Cell(plain(f"{other} − {reference}"), "number"),
        Cell(plain("adjusted p"), "number"),
    ]
    rows: list[list[Cell]] = []
    dimension = None
    parts = [one for one in comparison.slices if one.other == other]
    digits = min(decimals([part.estimate for part in parts]), 3)
    for part in parts:
        if part.dimension != dimension:
            rows.append([Cell(plain(by(part.dimension)))])
            dimension = part.dimension
        rows.append(
            [
                Cell(plain(part.value)),
                number(f"{part.rows:,}"),
                *(number(value_text(part.values.get(label), 3)) for label in (reference, other)),
                _signed(part.estimate, digits, shown=part.significant),
                number(p_cell(part.p_adjusted, level_of(comparison))),
            ]
        )
    return table(head, rows, "slices")


def confidence_words(comparison: Comparison) -> str:
    """What the small numbers below others are."""
    return f"Small numbers are {percent(comparison.confidence)} intervals."
