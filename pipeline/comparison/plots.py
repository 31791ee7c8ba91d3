"""Rows of values with their intervals: what the pictures of a comparison are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.comparison.result import Comparison, Estimate
from pipeline.reports.drawing import COLOURS, FAINT, GROUND, INK, MARKERS
from pipeline.reports.svg import NARROW, drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType

DASHES: tuple[LineStyleType, ...] = (
    "solid",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (7, 1.6, 1.2, 1.6)),
    (0, (3, 3)),
)
"""Lines of groups, for readers who see no colours."""
_BAR, _GAP, _LABEL = 0.21, 0.17, 0.2
"""Inches of a bar, between rows, and of a label that stands above its bars."""
_BEHIND = {"facecolor": GROUND, "edgecolor": "none", "pad": 1.0}
"""Keeps lines away from words."""


@dataclass(frozen=True)
class Bar:
    """A value with its interval.

    Attributes:
        place: Of its group, which decides about colour and mark.
        estimate: The value; NaN where it is unknown.
        solid: Whether the mark is filled.
        points: Smaller ones beside it, such as those of seeds.
    """

    place: int
    estimate: Estimate
    solid: bool = True
    points: tuple[float, ...] = ()


@dataclass(frozen=True)
class Row:
    """Bars with a label; without bars it is a heading.

    Attributes:
        label: What is written beside them.
        bars: One below the other.
    """

    label: str
    bars: tuple[Bar, ...] = ()


def is_narrow(width: float) -> bool:
    """Whether a picture is for a phone: labels then stand above bars, and panels below another."""
    return width <= NARROW


def places(comparison: Comparison) -> dict[str, int]:
    """The place of each group by its label."""
    return {group.label: place for place, group in enumerate(comparison.groups)}


def group_names(comparison: Comparison, longest: int = 26) -> dict[str, str]:
    """What is written for each group, by label: letter and name."""
    return {
        group.label: f"{group.label}  {drawable(group.name, longest)}"
        for group in comparison.groups
    }


def colour(place: int) -> str:
    """A group's colour."""
    return COLOURS[place % len(COLOURS)]


def mark(place: int) -> str:
    """A group's mark."""
    return MARKERS[place % len(MARKERS)]


def dash(place: int) -> LineStyleType:
    """A group's kind of line."""
    return DASHES[place % len(DASHES)]


def height_of(rows: Sequence[Row], width: float) -> float:
    """Inches that rows take."""
    return sum(_height(row, width) for row in rows)


def draw_rows(axes: Axes, rows: Sequence[Row], width: float, *, labelled: bool = True) -> None:
    """Draws rows from top to bottom, one inch of height for each unit of the axis.

    Args:
        axes: Where to.
        rows: At least one.
        width: Of the picture in inches.
        labelled: Whether labels are written, unless they stand above.
    """
    narrow = is_narrow(width)
    top, ticks = 0.0, []
    for row in rows:
        height = _height(row, width)
        above = narrow or not row.bars
        if above and (narrow or labelled):
            place = top + _GAP / 2 + (_LABEL / 2 if row.bars else (height - _GAP) / 2 + _GAP / 4)
            _write_above(axes, row, place)
        start = top + _GAP / 2 + (_LABEL if narrow and row.bars else 0.0)
        for place, bar in enumerate(row.bars):
            _draw(axes, bar, start + _BAR * (place + 0.5))
        if row.bars and not above:
            ticks.append((start + _BAR * len(row.bars) / 2, row.label))
        top += height
    axes.set_yticks([y for y, _ in ticks], [name if labelled else "" for _, name in ticks])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(top, 0.0)
    axes.set_xlim(*window([bar for row in rows for bar in row.bars], axes.get_xlim()))
    axes.locator_params(axis="x", nbins=5, steps=[1, 2, 2.5, 5, 10])
    axes.grid(axis="x")


def zero_line(axes: Axes) -> None:
    """Where there is no difference; it is in the picture wherever the values are."""
    low, high = axes.get_xlim()
    margin = 0.05 * (high - low)
    axes.set_xlim(min(low, -margin), max(high, margin))
    axes.axvline(0.0, color=INK, linewidth=1.0, zorder=1.5)


def window(bars: Sequence[Bar], otherwise: tuple[float, float]) -> tuple[float, float]:
    """The values to show: all, with a margin; of many bars not the ends of the widest intervals."""
    values = [value for bar in bars for value in (bar.estimate.value, *bar.points)]
    inner = [value for value in values if math.isfinite(value)]
    if not inner:
        return otherwise
    lows, highs = sorted(_bounds(bars, 0)), sorted(_bounds(bars, 1), reverse=True)
    spare = len(bars) // 16
    low, high = min([*inner, *lows[spare:]]), max([*inner, *highs[spare:]])
    pad = 0.06 * (high - low) or 0.05 * abs(high) or 0.01
    return low - pad, high + pad


def spread(bars: Sequence[Bar]) -> Iterator[float]:
    """Everything finite that is drawn of bars."""
    for bar in bars:
        for value in (bar.estimate.value, bar.estimate.low, bar.estimate.high, *bar.points):
            if value is not None and math.isfinite(value):
                yield value


def _bounds(bars: Sequence[Bar], which: int) -> list[float]:
    found = [(bar.estimate.low, bar.estimate.high)[which] for bar in bars]
    return [value for value in found if value is not None and math.isfinite(value)]


def _write_above(axes: Axes, row: Row, y: float) -> None:
    axes.text(
        0.0,
        y,
        row.label,
        transform=axes.get_yaxis_transform(),
        va="center",
        fontsize=9.5,
        fontweight="normal" if row.bars else "bold",
        color=INK,
        bbox=_BEHIND,
    )


def _height(row: Row, width: float) -> float:
    if not row.bars:
        return _LABEL + 1.6 * _GAP
    return _BAR * len(row.bars) + _GAP + (_LABEL if is_narrow(width) else 0.0)


def _draw(axes: Axes, bar: Bar, y: float) -> None:
    own, value = colour(bar.place), bar.estimate.value
    if not math.isfinite(value):
        axes.text(
            0.02,
            y,
            "unknown",
            transform=axes.get_yaxis_transform(),
            color=FAINT,
            va="center",
            bbox=_BEHIND,
        )
        return
    low, high = bar.estimate.low, bar.estimate.high
    if low is not None and high is not None and math.isfinite(low) and math.isfinite(high):
        axes.plot([low, high], [y, y], color=own, linewidth=2.0, solid_capstyle="butt", zorder=2)
        axes.plot([low, high], [y, y], "|", color=own, markersize=6, markeredgewidth=1.6, zorder=2)
    if len(bar.points) > 1:
        known = [point for point in bar.points if math.isfinite(point)]
        axes.plot(known, [y] * len(known), ".", color=INK, markersize=3.2, alpha=0.75, zorder=4)
    axes.plot(
        [value],
        [y],
        mark(bar.place),
        markersize=7.5,
        markerfacecolor=own if bar.solid else GROUND,
        markeredgecolor=own,
        markeredgewidth=1.6,
        zorder=3,
    )
