"""Pictures of values and differences, over groups, metrics and parts of the examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.comparison.plots import (
    Bar,
    Row,
    colour,
    draw_rows,
    group_names,
    height_of,
    is_narrow,
    mark,
    places,
    spread,
    zero_line,
)
from pipeline.comparison.result import Comparison, Difference, Estimate, Slice
from pipeline.reports.drawing import FAINT, figure_of
from pipeline.reports.svg import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXIS = 0.62
"""Inches below rows."""
MOST_SLICES = 10
"""Parts of one dimension that are drawn; those with the largest differences."""
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
        Row(names[label], (_bar(found.get(label), place[label]),))
        for label in names
        if label != reference
    ]
    narrow = is_narrow(width)
    heights = [height_of(values, width), height_of(differences, width)]
    if narrow:
        figure = figure_of(width, sum(heights) + 2 * _AXIS + 0.7)
        left, right = figure.subplots(2, 1, height_ratios=heights)
    else:
        figure = figure_of(width, heights[0] + _AXIS + 0.35)
        left, right = figure.subplots(1, 2)
        differences.insert(0, Row("", (Bar(place[reference], Estimate(0.0), solid=False),)))
    left.set_title(metric)
    right.set_title(f"difference from {reference}")
    draw_rows(left, values, width)
    draw_rows(right, differences, width, labelled=narrow)
    zero_line(right)
    _say_which_way(right, higher_is_better=comparison.higher_is_better)
    return figure


def metrics_picture(comparison: Comparison, width: float) -> Figure:
    """The gain in every metric; a metric of another size has an axis of its own."""
    place = places(comparison)
    rows = [
        Row(
            drawable(metric),
            tuple(
                _gain(one, place[one.other])
                for one in comparison.differences
                if one.metric == metric
            ),
        )
        for metric in comparison.metrics
    ]
    rows = [row for row in rows if row.bars]
    panels = _by_extent(rows)
    heights = [height_of(panel, width) for panel in panels]
    room = sum(heights) + _AXIS * len(panels) + _legend_height(comparison, width)
    figure = figure_of(width, room + 0.1)
    for axes, panel in zip(
        figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False)[:, 0],
        panels,
        strict=True,
    ):
        draw_rows(axes, panel, width)
        zero_line(axes)
        _say_which_way(axes, higher_is_better=True)
    if len(comparison.groups) > 2:
        _legend(figure, comparison, width)
    return figure


def slices_picture(comparison: Comparison, width: float) -> Figure:
    """The difference in every part of the examples, each dimension with its own heading."""
    place = places(comparison)
    rows = [Row(f"all examples ({comparison.num_rows:,})", _overall(comparison, place))]
    for dimension in dict.fromkeys(part.dimension for part in comparison.slices):
        rows.append(Row(f"by {drawable(dimension)}"))
        own = [part for part in comparison.slices if part.dimension == dimension]
        rows += _slice_rows(own, place)
    room = height_of(rows, width) + _AXIS + _legend_height(comparison, width)
    figure = figure_of(width, room)
    axes = figure.add_subplot()
    draw_rows(axes, rows, width)
    zero_line(axes)
    for bar in rows[0].bars:
        if math.isfinite(bar.estimate.value):
            axes.axvline(
                bar.estimate.value, color=colour(bar.place), linewidth=1.0, linestyle=(0, (2, 2))
            )
    _say_which_way(axes, higher_is_better=comparison.higher_is_better)
    if len(comparison.groups) > 2:
        _legend(figure, comparison, width)
    return figure


def _legend(figure: Figure, comparison: Comparison, width: float) -> None:
    """Says below a picture which mark is which group's; the reference has none."""
    from matplotlib.lines import Line2D

    names = list(group_names(comparison).values())
    handles = [
        Line2D([], [], color=colour(p), marker=mark(p), markersize=7, linewidth=2.0, label=names[p])
        for p in range(1, len(names))
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_legend_columns(width),
        fontsize=9.5,
        columnspacing=1.4,
    )


def _legend_columns(width: float) -> int:
    return 1 if is_narrow(width) else 3


def _legend_height(comparison: Comparison, width: float) -> float:
    """Inches; none for two groups, whose picture has one kind of mark."""
    count = len(comparison.groups) - 1
    return 0.12 + 0.21 * math.ceil(count / _legend_columns(width)) if count > 1 else 0.0


def _bar(difference: Difference | None, place: int) -> Bar:
    if difference is None:
        return Bar(place, Estimate(math.nan))
    return Bar(place, difference.estimate, solid=difference.significant)


def _gain(difference: Difference, place: int) -> Bar:
    """The difference with the sign that makes right better."""
    one = difference.estimate
    if math.copysign(1.0, one.value) == math.copysign(1.0, difference.gain):
        return _bar(difference, place)
    low, high = (None if bound is None else -bound for bound in (one.high, one.low))
    return Bar(place, Estimate(-one.value, low, high), solid=difference.significant)


def _by_extent(rows: Sequence[Row]) -> list[list[Row]]:
    """Metrics whose differences are of a size together, then those that are much larger."""
    extents = {id(row): max(map(abs, spread(row.bars)), default=0.0) for row in rows}
    usual = sorted(extents.values())[(len(rows) - 1) // 2]
    large = [row for row in rows if usual > 0 and extents[id(row)] > LARGE * usual]
    return [panel for panel in ([row for row in rows if row not in large], large) if panel]


def _overall(comparison: Comparison, place: dict[str, int]) -> tuple[Bar, ...]:
    sliced = {part.other for part in comparison.slices}
    return tuple(
        _bar(one, place[one.other])
        for one in comparison.differences
        if one.metric == comparison.metric and one.other in sliced
    )


def _slice_rows(parts: Sequence[Slice], place: dict[str, int]) -> list[Row]:
    by_value: dict[tuple[str, int], list[Slice]] = {}
    for part in parts:
        by_value.setdefault((part.value, part.rows), []).append(part)
    largest = sorted(
        by_value,
        key=lambda key: (
            -max(
                (abs(p.estimate.value) for p in by_value[key] if math.isfinite(p.estimate.value)),
                default=0.0,
            )
        ),
    )[:MOST_SLICES]
    return [
        Row(
            f"{drawable(value, 24)} ({rows:,})",
            tuple(Bar(place[p.other], p.estimate, solid=p.significant) for p in found),
        )
        for (value, rows), found in by_value.items()
        if (value, rows) in largest
    ]


def _say_which_way(axes: Axes, *, higher_is_better: bool) -> None:
    word = "better →" if higher_is_better else "← better"
    axes.set_xlabel(word, color=FAINT, loc="right" if higher_is_better else "left")
