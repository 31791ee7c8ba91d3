"""Pictures of how right rows are, for any task, and of where relevant items stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.evaluation.plots import save_figures, styled
from pipeline.reports.drawing import COLOURS, FAINT, INK, figure_of
from pipeline.reports.typeface import font_families

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PLACES = 50
"""Places of a ranking that are drawn."""


def draw_scores(directory: Path, shares: pa.Table, mean: float, *, title: str) -> None:
    """Draws `scores.png`.

    Args:
        directory: Where to.
        shares: From `charts.score_shares`.
        mean: Of all rows' scores.
        title: What was evaluated.
    """
    families, names = font_families([title])
    with styled(families):
        save_figures(directory, {"scores": _scores(shares, mean)}, names[title])


def draw_ranks(directory: Path, ranks: pa.Table, *, title: str) -> None:
    """Draws `ranks.png`.

    Args:
        directory: Where to.
        ranks: `place`, `share` and `by_chance`, as in `ranks.csv`.
        title: What was evaluated.
    """
    families, names = font_families([title])
    with styled(families):
        save_figures(directory, {"ranks": _ranks(ranks.slice(0, MOST_PLACES))}, names[title])


def _scores(shares: pa.Table, mean: float) -> Figure:
    """Each row's score over its place from the least right on."""
    share, score = (shares[name].to_numpy() for name in ("share", "score"))
    share, score = np.append(0.0, share), np.append(score[:1], score)
    figure = figure_of(7.4, 4.6)
    axes = figure.add_subplot(
        title="How right rows are",
        xlabel="share of the rows, the least right first",
        ylabel="score of the row (1: entirely right)",
    )
    axes.fill_between(share, score, step="pre", color=COLOURS[0], alpha=0.15, linewidth=0)
    axes.step(share, score, where="pre", color=COLOURS[0])
    axes.axhline(mean, color=FAINT, linestyle="--", label=f"mean {mean:.3f}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.02, 1.03))
    axes.grid()
    figure.legend(loc="outside lower center")
    return figure


def _ranks(ranks: pa.Table) -> Figure:
    """How often a relevant item stands within the first places, beside what chance would give."""
    from matplotlib.ticker import MaxNLocator

    place = ranks["place"].to_numpy()
    figure = figure_of(7.4, 4.6)
    axes = figure.add_subplot(
        title="First relevant item",
        xlabel="place k from the top",
        ylabel="share of queries with a relevant item within k",
    )
    axes.plot(place, ranks["share"].to_numpy(), marker="o", color=COLOURS[0], label="the model")
    axes.plot(place, ranks["by_chance"].to_numpy(), color=INK, linestyle="--", label="chance")
    axes.set(ylim=(-0.02, 1.03))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid()
    figure.legend(loc="outside lower center", ncols=2)
    return figure
