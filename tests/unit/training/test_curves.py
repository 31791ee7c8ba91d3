from __future__ import annotations

from pathlib import Path

from pipeline.training.curves import curve_rows, draw_curves
from pipeline.training.progress import CurvePoint

CURVE = [
    CurvePoint(step=5, epoch=0.5, train_loss=1.0, val_loss=0.9, metrics={"f1": None, "x": 1.0}),
    CurvePoint(step=10, epoch=1.0, train_loss=0.5, val_loss=0.6, metrics={"f1": 0.75, "x": 1.0}),
]


def test_rows_hold_the_losses_and_the_primary_metric() -> None:
    assert curve_rows(CURVE, "f1") == [
        {"step": 5, "epoch": 0.5, "train_loss_mean": 1.0, "val_loss": 0.9, "val_f1": None},
        {"step": 10, "epoch": 1.0, "train_loss_mean": 0.5, "val_loss": 0.6, "val_f1": 0.75},
    ]


def test_a_picture_is_drawn_also_with_undefined_values(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    draw_curves(CURVE, "f1", best_step=10, path=path)
    assert path.read_bytes().startswith(b"\x89PNG")
