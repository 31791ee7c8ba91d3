"""Pictures of an evaluation: confusion matrix, precision-recall, reliability, metrics by class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.evaluation.curves import (
    average_precision,
    confusion_counts,
    precision_recall,
    reliability,
    wilson,
)
from pipeline.evaluation.decisions import ALL, Decisions
from pipeline.reports.drawing import COLOURS, FAINT, INK, LINE, MARKERS, STYLE, figure_of
from pipeline.reports.typeface import font_families, shortened
from pipeline.tasks.base import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CURVES = 5
MOST_CLASSES = 40
MOST_NUMBERED = 20
"""Largest confusion matrix whose cells show their counts."""

Names = Mapping[str, str]
"""By label what is drawn for it."""


def draw_plots(
    directory: Path,
    found: Decisions,
    classes: pa.Table,
    *,
    title: str,
    num_bins: int,
    confusion: bool = True,
) -> None:
    """Draws `confusion.png`, `pr_curve.png`, `reliability.png` and `per_class.png`.

    Labels that no installed font can write are drawn as `#n`, their line in `per_class.csv`.

    Args:
        directory: Where to.
        found: Decisions over a split.
        classes: From `tables.per_class`.
        title: What was evaluated.
        num_bins: Bins of the reliability diagram.
        confusion: Whether it makes sense to say with what a label was confused.
    """
    labels = list(dict.fromkeys([*classes["label"].to_pylist(), *found.names]))
    families, names = font_families([*labels, title])
    names = shortened(names)
    with styled(families):
        figures = {
            "pr_curve": _precision_recall(found, names),
            "reliability": _reliability(found, num_bins),
            "per_class": _per_class(classes, names),
        }
        if confusion:
            figures["confusion"] = _confusion(found, names)
        for figure in figures.values():
            if any(names[label] == f"#{line}" for line, label in enumerate(labels, start=1)):
                figure.supxlabel(
                    "#n is the n-th label of per_class.csv: no font here has its letters",
                    fontsize=9,
                )
        save_figures(directory, figures, names[title])


@contextmanager
def styled(families: Sequence[str]) -> Iterator[None]:
    """Gives pictures the look that all have while the block runs.

    Args:
        families: Fonts, from `font_families`.
    """
    from matplotlib import rc_context

    with rc_context({"font.family": list(families), **STYLE}):
        yield


def save_figures(directory: Path, figures: Mapping[str, Figure], title: str) -> None:
    """Writes `<name>.png` of each figure, under a heading that says what was evaluated.

    Args:
        directory: Where to.
        figures: By name; the first panel of each has a title of its own.
        title: What was evaluated, as it is drawn.
    """
    for name, figure in figures.items():
        figure.axes[0].set_title(f"{figure.axes[0].get_title(loc='left')} · {title}")
        figure.savefig(directory / f"{name}.png", dpi=140, metadata={"Software": None})


def _confusion(found: Decisions, names: Names) -> Figure:
    """Counts, shaded by their share of what was actually there."""
    counts = confusion_counts(found)
    size = len(counts)
    side = min(3.4 + 0.55 * size, 16.0)
    figure = figure_of(side + 1.2, side)
    axes = figure.add_subplot(title="Confusion", xlabel="predicted", ylabel="actual")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    bar = figure.colorbar(image, ax=axes, fraction=0.045, pad=0.03, format="{x:.0%}")
    bar.set_label("share of the row")
    bar.outline.set_visible(False)
    labels = [names[name] for name in found.names]
    slanted = max(map(len, labels)) * size > 30
    axes.set_xticks(
        range(size), labels, rotation=40 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_yticks(range(size), labels)
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if size <= MOST_NUMBERED:
        _number_cells(axes, counts, shares)
    return figure


def _number_cells(axes: Axes, counts: IntArray, shares: FloatArray) -> None:
    for line, column in np.ndindex(*counts.shape):
        axes.text(
            column,
            line,
            f"{counts[line, column]:,}",
            ha="center",
            va="center",
            color="white"
            if shares[line, column] > 0.55
            else INK
            if counts[line, column]
            else FAINT,
        )


def _precision_recall(found: Decisions, names: Names) -> Figure:
    """The curve over all, and those of the labels with the lowest average precision."""
    figure = figure_of(9.4, 5.2)
    axes = figure.add_subplot(title="Precision and recall", xlabel="recall", ylabel="precision")
    quality = {name: average_precision(one) for name, one in found.rankings.items()}
    order = sorted(
        (name for name in quality if name != ALL and quality[name] == quality[name]),
        key=lambda name: quality[name],
    )
    colours = dict(zip(order[:MOST_CURVES], COLOURS, strict=False))
    for name in reversed(order):
        curve = precision_recall(found.rankings[name])
        coloured = name in colours
        axes.plot(
            *_steps(curve),
            color=colours.get(name, LINE),
            linewidth=1.8 if coloured else 1.2,
            label=f"{names[name]}  AP {quality[name]:.3f}" if coloured else None,
            zorder=3 if coloured else 2,
        )
    if ALL in found.rankings and quality[ALL] == quality[ALL]:
        axes.plot(
            *_steps(precision_recall(found.rankings[ALL])),
            color=INK,
            linewidth=2.2,
            linestyle=(0, (4, 1.5)),
            label=f"all together  AP {quality[ALL]:.3f}",
            zorder=4,
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(0, 1.03))
    axes.grid()
    handles, labels = axes.get_legend_handles_labels()
    hidden = len(order) - len(colours)
    figure.legend(
        handles[::-1],
        labels[::-1],
        loc="outside right upper",
        title=f"lowest of {len(order)} (grey: the others)" if hidden else None,
        alignment="left",
    )
    return figure


def _steps(curve: pa.Table) -> tuple[FloatArray, FloatArray]:
    """Points of the curve as far as it goes, from recall 0 on."""
    recall, precision = curve["recall"].to_numpy(), curve["precision"].to_numpy()
    return np.append(0 * recall[:1], recall), np.append(precision[:1], precision)


def _reliability(found: Decisions, num_bins: int) -> Figure:
    """How often decisions of a confidence are right, and how many there are of it."""
    bins = reliability(found, num_bins)
    confidence, accuracy, count = (
        bins[name].to_numpy() for name in ("confidence", "accuracy", "count")
    )
    low, high = wilson(accuracy, count)
    figure = figure_of(6.2, 6.2)
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.plot([0, 1], [0, 1], color=FAINT, linestyle="--", label="perfectly calibrated")
    above.errorbar(
        confidence,
        accuracy,
        yerr=np.clip([accuracy - low, high - accuracy], 0, None),
        fmt="o",
        color=COLOURS[0],
        ecolor=COLOURS[5],
        capsize=3,
        label="decisions of a bin, 95 % interval",
    )
    above.set(title="Reliability", ylabel="share that is right", ylim=(-0.02, 1.03))
    above.legend(loc="upper left")
    below.bar(bins["low"].to_numpy(), count, 1 / num_bins, align="edge", color=COLOURS[0])
    below.set(xlabel="confidence of the decision", ylabel="decisions", xlim=(-0.01, 1.01))
    for axes in (above, below):
        axes.grid()
    return figure


def _per_class(classes: pa.Table, names: Names) -> Figure:
    """Every metric of every class with its interval, the most frequent class on top."""
    shown = classes.slice(0, MOST_CLASSES)
    metrics = [name.removesuffix("_low") for name in shown.column_names if name.endswith("_low")]
    figure = figure_of(7.4, 1.6 + 0.3 * (1 + len(metrics) / 3) * max(shown.num_rows, 1))
    axes = figure.add_subplot(title="By class")
    places = np.arange(shown.num_rows)
    for number, metric in enumerate(metrics):
        value, low, high = (
            np.array(shown[name].to_pylist(), np.float64)
            for name in (metric, f"{metric}_low", f"{metric}_high")
        )
        shift = (number - (len(metrics) - 1) / 2) * 0.22
        axes.errorbar(
            value,
            places + shift,
            xerr=np.clip([value - low, high - value], 0, None),
            fmt=MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            capsize=2.5,
            markersize=5,
            label=metric,
        )
    labels = [
        f"{names[label]} ({rows:,})"
        for label, rows in zip(shown["label"].to_pylist(), shown["rows"].to_pylist(), strict=True)
    ]
    axes.set_yticks(places, labels)
    axes.set(xlim=(-0.02, 1.02), ylim=(shown.num_rows - 0.5, -0.5), xlabel="value and its interval")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside lower center", ncols=max(len(metrics), 1))
    return figure
