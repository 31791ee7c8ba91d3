"""What a person sees of training: a live bar on a terminal, a line per validation in a pipe."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pipeline.console import err, notice
from pipeline.training.plan import TrainingPlan
from pipeline.training.progress import CurvePoint


class Display:
    """Shows how training goes; silent in all processes but the first.

    Args:
        plan: The whole training.
        primary: Name of the metric that is shown.
        unit: What the lengths of rows count.
        start: Steps made before.
        silent: Whether nothing is shown.
    """

    def __init__(
        self, plan: TrainingPlan, primary: str, unit: str, *, start: int, silent: bool
    ) -> None:
        self._plan = plan
        self._primary = primary
        self._unit = unit
        self._start = start
        self._silent = silent
        self._validated = ""
        self._bar = Progress(
            TextColumn("train"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=err,
            disable=silent or not err.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("", total=self._plan.total_steps, completed=self._start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def step(self, step: int, loss: float, tokens_per_second: float) -> None:
        """Moves the bar; figures are of the steps last fetched."""
        assert self._task is not None
        text = (
            f"epoch {self._epoch(step)}  loss {loss:.4f}{self._validated}  "
            f"{tokens_per_second:,.0f} {self._unit}/s"
        )
        self._bar.update(self._task, completed=step, description=text)

    def validation(self, point: CurvePoint, *, is_best: bool, tokens_per_second: float) -> None:
        """Says in a line what a validation found."""
        value = point.metrics[self._primary]
        shown = "undefined" if value is None else f"{value:.4f}"
        self._validated = f"  val/{self._primary} {shown}"
        if self._task is not None:
            self._bar.update(self._task, completed=point.step)
        if not self._silent:
            notice(
                f"epoch {self._epoch(point.step)}, step {point.step}/{self._plan.total_steps}: "
                f"train/loss_mean {point.train_loss:.4f}, val/loss {point.val_loss:.4f}, "
                f"val/{self._primary} {shown}{' (best)' if is_best else ''}, "
                f"{tokens_per_second:,.0f} {self._unit}/s"
            )

    def _epoch(self, step: int) -> str:
        return f"{self._plan.epochs_begun(step)}/{self._plan.epochs_begun(self._plan.total_steps)}"
