"""Pictures of where the difference lives: parts of the test examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.comparison.plots import Bar, Row, colour, draw_rows, height_of, places, zero_line
from pipeline.comparison.plots_marks import (
    AXIS,
    HIGHEST,
    bar_of,
    legend_height,
    mark_legend,
    say_which_way,
)
from pipeline.comparison.report_words import by
from pipeline.comparison.result import Comparison, Slice
from pipeline.reports.drawing import figure_of
from pipeline.reports.svg import BROAD, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SLICES = 10
"""Parts of one dimension that are drawn; those with the largest differences."""


def slices_pages(comparison: Comparison) -> list[list[str]]:
    """The dimensions of each picture, so that none is higher than a sheet of paper."""
    place, pages, used = places(comparison), list[list[str]](), 0.0
    for dimension in dict.fromkeys(part.dimension for part in comparison.slices):
        height = height_of(_dimension_rows(comparison, dimension, place), BROAD)
        if not pages or used + height > HIGHEST:
            pages.append([])
            used = 0.0
        pages[-1].append(dimension)
        used += height
    return pages


def slices_picture(comparison: Comparison, dimensions: Sequence[str], width: float) -> Figure:
    """The difference in every part of the examples, each dimension with its own heading."""
    place = places(comparison)
    rows = [Row(f"all examples ({comparison.num_rows:,})", _overall(comparison, place))]
    for dimension in dimensions:
        rows += _dimension_rows(comparison, dimension, place)
    room = height_of(rows, width) + AXIS + legend_height(comparison, width)
    figure = figure_of(width, room)
    axes = figure.add_subplot()
    draw_rows(axes, rows, width)
    zero_line(axes)
    for bar in rows[0].bars:
        if math.isfinite(bar.estimate.value):
            axes.axvline(
                bar.estimate.value, color=colour(bar.place), linewidth=1.0, linestyle=(0, (2, 2))
            )
    say_which_way(axes, higher_is_better=comparison.higher_is_better)
    if len(comparison.groups) > 2:
        mark_legend(figure, comparison, width)
    return figure


def _overall(comparison: Comparison, place: dict[str, int]) -> tuple[Bar, ...]:
    sliced = {part.other for part in comparison.slices}
    return tuple(
        bar_of(one, place[one.other])
        for one in comparison.differences
        if one.metric == comparison.metric and one.other in sliced
    )


def _dimension_rows(comparison: Comparison, dimension: str, place: dict[str, int]) -> list[Row]:
    own = [part for part in comparison.slices if part.dimension == dimension]
    return [Row(drawable(by(dimension))), *_slice_rows(own, place)]


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
