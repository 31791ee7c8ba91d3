"""Pictures of values and differences, over groups, metrics and parts of the examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.comparison.plots import (
    Bar,
    Row,
    draw_rows,
    group_names,
    height_of,
    is_narrow,
    places,
    spread,
    zero_line,
)
from pipeline.comparison.plots_marks import (
    AXIS,
    HIGHEST,
    bar_of,
    legend_height,
    mark_legend,
    say_which_way,
)
from pipeline.comparison.result import Comparison, Difference, Estimate
from pipeline.reports.drawing import figure_of
from pipeline.reports.svg import BROAD, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE = 4.0
"""Times the usual extent from which on a metric has an axis of its own."""


def groups_picture(comparison: Comparison, width: float) -> Figure:
    """Each group's value with its seeds, and beside it the difference from the reference."""
    names, place, metric = group_names(comparison), places(comparison), comparison.metric
    found = {one.other: one for one in comparison.differences if one.metric == metric}
    values = [
        Row(
            names[group.label],
            (
                Bar(
                    place[group.label],
                    group.metrics.get(metric, Estimate(math.nan)),
                    points=group.by_seed.get(metric, ()),
                ),
            ),
        )
        for group in comparison.groups
    ]
    reference = comparison.groups[0].label
    differences = [
        Row(names[label], (bar_of(found.get(label), place[label]),))
        for label in names
        if label != reference
    ]
    narrow = is_narrow(width)
    heights = [height_of(values, width), height_of(differences, width)]
    if narrow:
        figure = figure_of(width, sum(heights) + 2 * AXIS + 0.7)
        left, right = figure.subplots(2, 1, height_ratios=heights)
    else:
        figure = figure_of(width, heights[0] + AXIS + 0.35)
        left, right = figure.subplots(1, 2)
        differences.insert(0, Row("", (Bar(place[reference], Estimate(0.0), solid=False),)))
    left.set_title(drawable(metric))
    right.set_title(f"difference from {reference}")
    draw_rows(left, values, width)
    draw_rows(right, differences, width, labelled=narrow)
    zero_line(right)
    say_which_way(right, higher_is_better=comparison.higher_is_better)
    return figure


def metric_rows(comparison: Comparison) -> list[Row]:
    """The gain of each group in each metric, as many metrics as a picture holds."""
    place, rows, used = places(comparison), list[Row](), 0.0
    for metric in comparison.metrics:
        own = [one for one in comparison.differences if one.metric == metric]
        row = Row(drawable(metric), tuple(_gain(one, place[one.other]) for one in own))
        used += height_of([row], BROAD)
        if used > HIGHEST and rows:
            break
        rows += [row] if own else []
    return rows


def metrics_picture(comparison: Comparison, width: float) -> Figure:
    """The gain in the first metrics; one of another size has an axis of its own."""
    rows = metric_rows(comparison)
    panels = by_extent(rows)
    heights = [height_of(panel, width) for panel in panels]
    room = sum(heights) + AXIS * len(panels) + legend_height(comparison, width)
    figure = figure_of(width, room + 0.1)
    for axes, panel in zip(
        figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0],
        panels,
        strict=True,
    ):
        draw_rows(axes, panel, width)
        zero_line(axes)
        say_which_way(axes, higher_is_better=True)
    if len(comparison.groups) > 2:
        mark_legend(figure, comparison, width)
    return figure


def _gain(difference: Difference, place: int) -> Bar:
    """The difference with the sign that makes right better."""
    one = difference.estimate
    if math.copysign(1.0, one.value) == math.copysign(1.0, difference.gain):
        return bar_of(difference, place)
    low, high = (None if bound is None else -bound for bound in (one.high, one.low))
    return Bar(place, Estimate(-one.value, low, high), solid=difference.significant)


def by_extent(rows: Sequence[Row]) -> list[list[Row]]:
    """Metrics whose differences are of a size together, then those that are much larger."""
    extents = {id(row): max(map(abs, spread(row.bars)), default=0.0) for row in rows}
    usual = sorted(extents.values())[(len(rows) - 1) // 2]
    large = [row for row in rows if usual > 0 and extents[id(row)] > LARGE * usual]
    return [panel for panel in ([row for row in rows if row not in large], large) if panel]
