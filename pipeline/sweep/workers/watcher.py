"""Tells the driver how training goes, and ends it when the driver says so."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import UserError
from pipeline.sweep.workers.jobs import Job
from pipeline.sweep.workers.link import Line
from pipeline.training.progress import CurvePoint
from pipeline.training.watching import EndedEarly, Watcher


class LineWatcher(Watcher):
    """Reports steps and validations of one training.

    Args:
        line: To the driver.
        job: Says which metric is reported and whether the driver may end the trial.
        index: Which of the job's seeds is trained, from 0.
    """

    def __init__(self, line: Line, job: Job, index: int) -> None:
        self._line = line
        self._job = job
        self._index = index
        self._total_steps = 0
        self._epochs = 0
        self._value: float | None = None

    def began(
        self, *, step: int, total_steps: int, epochs: int, curve: Sequence[CurvePoint]
    ) -> None:
        """Tells where training begins; validations before it are reported once more."""
        self._total_steps = total_steps
        self._epochs = epochs
        self.stepped(step, 0.0)
        for number, point in enumerate(curve, start=1):
            self.validated(number, point)

    def stepped(self, step: int, loss: float) -> None:  # noqa: ARG002
        """Tells how far training has come."""
        self._line.send(
            progress={
                "phase": "training",
                "seed": self._index + 1,
                "seeds": len(self._job.seeds),
                "step": step,
                "total_steps": self._total_steps,
                "epochs": self._epochs,
                "value": self._value,
            }
        )

    def validated(self, number: int, point: CurvePoint) -> None:
        """Reports the metric, and asks whether to go on where the job prunes by validations.

        After the last validation nothing is left to be saved, so the answer does not matter.

        Raises:
            EndedEarly: If the driver says no.
            UserError: If the metric is undefined, so that pruning would silently do nothing.
        """
        self._value = self._reported(number, point)
        self.stepped(point.step, point.train_loss)
        if not self._job.prunes or self._job.over_seeds:
            return
        goes_on = self._line.goes_on(seed=self._index, number=number, value=self._value)
        if not goes_on and point.step < self._total_steps:
            raise EndedEarly(
                f"pruned at validation {number} (step {point.step}): "
                f"{self._job.objectives[0]} {self._value:.4f} is not promising"
            )

    def _reported(self, number: int, point: CurvePoint) -> float | None:
        name = self._job.objectives[0]
        known = {**point.metrics, "loss": point.val_loss}
        value = known.get(name)
        if value is None and self._job.prunes and not self._job.over_seeds:
            raise UserError(
                f"the metric {name} is {'undefined' if name in known else 'missing'} at "
                f"validation {number}, so the trial cannot be compared with others",
                remedy="choose another objective, or set pruner=none",
            )
        return value
