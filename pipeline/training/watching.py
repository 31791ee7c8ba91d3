"""Who else is told how training goes: a sweep, for example, which may end it early."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import PipelineError
from pipeline.training.progress import CurvePoint


class EndedEarly(PipelineError):
    """A watcher ended training; nothing is wrong with it."""

    run_status = "KILLED"


class Watcher:
    """Told how training goes. This one does nothing with it."""

    def began(
        self, *, step: int, total_steps: int, epochs: int, curve: Sequence[CurvePoint]
    ) -> None:
        """Training begins, or goes on.

        Args:
            step: Optimizer steps made before.
            total_steps: Those of the whole training.
            epochs: Passes over the data, the last perhaps in part.
            curve: The validations before.

        Raises:
            EndedEarly: To end training.
        """

    def stepped(self, step: int, loss: float) -> None:
        """About once a second: optimizer steps made so far, and the last loss."""

    def validated(self, number: int, point: CurvePoint) -> None:
        """After each validation; numbers count from 1 over the whole training.

        Raises:
            EndedEarly: To end training.
        """
