"""Learning curves as rows for DVC's plots and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.training.progress import CurvePoint


def curve_rows(curve: Sequence[CurvePoint], primary: str) -> list[dict[str, Any]]:
    """One row for each validation: step, epoch, both losses and the primary metric.

    A column is named as the metric in tracking, with `_` for `/`, and holds the same numbers.

    Args:
        curve: All validations.
        primary: The metric's name; its column is `val_<name>`, None where undefined.
    """
    return [
        {
            "step": point.step,
            "epoch": point.epoch,
            "train_loss_mean": point.train_loss,
            "val_loss": point.val_loss,
            f"val_{primary}": point.metrics[primary],
        }
        for point in curve
    ]


def draw_curves(curve: Sequence[CurvePoint], primary: str, *, best_step: int, path: Path) -> None:
    """Draws both losses and the primary metric over optimizer steps.

    Args:
        curve: All validations.
        primary: The metric's name.
        best_step: Marked by a line.
        path: The PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [point.step for point in curve]
    values = [point.metrics[primary] for point in curve]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    losses, metric = figure.subplots(1, 2)
    losses.plot(steps, [point.train_loss for point in curve], marker="o", label="train/loss_mean")
    losses.plot(steps, [point.val_loss for point in curve], marker="o", label="val/loss")
    metric.plot(
        steps,
        [float("nan") if value is None else value for value in values],
        marker="o",
        color="tab:green",
        label=f"val/{primary}",
    )
    for axes in (losses, metric):
        axes.axvline(best_step, color="grey", linestyle=":", label="kept weights")
        axes.set_xlabel("optimizer step")
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
