"""What the pictures of a sweep share: marks, axes, the window and colours of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.reports.drawing import COLOURS, FAINT, INK
from pipeline.sweep.definition.settings import Direction
from pipeline.sweep.report.scales import Scale, View
from pipeline.sweep.study.records import TrialRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

Window = tuple[float, float]
"""Lowest and highest value that is shown."""
BEST, USUAL, PRUNED, INFEASIBLE = COLOURS[1], COLOURS[0], COLOURS[3], COLOURS[4]
MARKS: dict[str, dict[str, Any]] = {
    "complete": {"marker": "o", "s": 30, "color": USUAL, "linewidths": 0},
    "infeasible": {"marker": "s", "s": 30, "facecolors": "none", "edgecolors": INFEASIBLE},
    "pruned": {"marker": "x", "s": 28, "color": PRUNED},
    "failed": {"marker": "|", "s": 60, "color": FAINT},
    "best": {"marker": "*", "s": 190, "color": BEST, "edgecolors": "white", "linewidths": 0.8},
}
"""How a trial is drawn, by outcome; the shapes differ too, for readers who see no colours."""


def set_axis(axes: Axes, which: Literal["x", "y"], name: str, scale: Scale) -> None:
    """Labels an axis from 0 to 1 with a parameter's name and values."""
    places = scale.ticks()
    positions, labels = [place for place, _ in places], [label for _, label in places]
    crowded = which == "x" and sum(map(len, labels)) > 22
    if which == "x":
        axes.set_xticks(positions, labels)
        axes.set(xlim=(-0.04, 1.04), xlabel=broken(name, 30))
        for label in axes.get_xticklabels() if crowded else ():
            label.set(rotation=30, ha="right", rotation_mode="anchor")
    else:
        axes.set_yticks(positions, labels)
        axes.set(ylim=(-0.04, 1.04), ylabel=broken(name, 22))


def value_window(
    values: Sequence[float], direction: Direction, *, keep: Sequence[float] = ()
) -> Window:
    """The part of a value axis to show: all good values, but not the far end of bad ones.

    A diverged trial would press all others into a line. Where that would take more than two thirds
    of the axis, it ends at the last value that is worse than the median by at most eight times the
    distance to the best value or to the worse quartile.

    Args:
        values: Finite values, at least one.
        direction: Which way is better.
        keep: Values that must be inside.
    """
    sign = -1.0 if direction == "maximize" else 1.0
    losses = sign * np.asarray(values, np.float64)
    best, middle, quartile = (
        float(np.quantile(losses, share, method="lower")) for share in (0, 0.5, 0.75)
    )
    reach = max(middle - best, quartile - middle)
    near = float(losses[losses <= middle + 8 * reach].max())
    worst = float(losses.max())
    if reach > 0 and worst - best > 3 * (near - best):
        worst = max([near, *(sign * value for value in keep)])
    pad = 0.06 * (worst - best) or 0.05 * abs(worst) or 0.5
    low, high = sorted((sign * (best - pad), sign * (worst + pad)))
    return low, high


def clipped(values: Sequence[float], window: Window) -> list[float]:
    """Values beyond the window are drawn at its edge."""
    return [min(max(value, window[0]), window[1]) for value in values]


def beyond_note(axes: Axes, *drawn: tuple[Sequence[float], Window]) -> None:
    """Says above a picture how many points are drawn at an edge.

    Args:
        axes: The picture.
        drawn: For each axis with a window the points' values and the window.
    """
    outside = [
        [not window[0] <= value <= window[1] for value in values] for values, window in drawn
    ]
    count = sum(any(flags) for flags in zip(*outside, strict=True))
    if count:
        note = f"{count} beyond the edge"
        axes.set_title(note, loc="right", fontsize=9, color=FAINT, fontweight="normal")


def colours_of(values: Sequence[float], direction: Direction) -> ScalarMappable:
    """Colours by value, the better the darker; told apart by colour-blind readers."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    shades = colormaps["cividis"](np.linspace(0.0, 0.92, 256))
    ordered = shades[::-1] if direction == "maximize" else shades
    low, high = value_window(values, direction)
    return ScalarMappable(
        Normalize(max(low, min(values)), min(high, max(values)), clip=True), ListedColormap(ordered)
    )


def broken(name: str, longest: int) -> str:
    """A long dotted name on two lines, broken after its last dot."""
    head, dot, tail = name.rpartition(".")
    return f"{head}.\n{tail}" if dot and len(name) > longest else name


def plain_axes(axes: Axes) -> None:
    """A grid, and axis labels in the colour of text."""
    axes.grid(True)
    axes.tick_params(colors=INK, labelsize=9)


def scatter_trials(
    axes: Axes,
    view: View,
    trials: Iterable[TrialRecord],
    x: Sequence[float],
    y: Sequence[float],
    **changes: dict[str, Any],
) -> None:
    """Points of trials with the marks of their outcomes; the chosen ones upon the others.

    Args:
        axes: The picture.
        view: The study.
        trials: Its trials that are drawn.
        x: Their places.
        y: Their places.
        changes: Of the marks, by outcome.
    """
    kinds = ["best" if t.number in view.chosen else t.outcome for t in trials]
    for kind, style in MARKS.items():
        points = [(a, b) for a, b, own in zip(x, y, kinds, strict=True) if own == kind]
        if points:
            axes.scatter(
                [a for a, _ in points],
                [b for _, b in points],
                label=view.best_label() if kind == "best" else kind,
                zorder=5 if kind == "best" else 4,
                clip_on=False,
                **(style | changes.get(kind, {})),
            )
