"""Where in the data each optimizer step is: the position of a run is its step number alone."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingPlan:
    """How many steps training has, which batches each takes, and after which validation is due.

    Attributes:
        batches_per_epoch: Batches of each process in an epoch.
        accumulate: Batches whose gradients an optimizer step sums; the last step of an epoch takes
            what is left.
        max_epochs: Passes over the data.
        max_steps: Optimizer steps at most, also in the middle of an epoch; None for no such limit.
        validations_per_epoch: Evenly spread, the last at the epoch's end. Training also ends with
            one. More than the epoch has steps means one after each step.
    """

    batches_per_epoch: int
    accumulate: int
    max_epochs: int
    max_steps: int | None
    validations_per_epoch: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return math.ceil(self.batches_per_epoch / self.accumulate)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole training."""
        steps = self.max_epochs * self.steps_per_epoch
        return steps if self.max_steps is None else min(steps, self.max_steps)

    def position(self, step: int) -> tuple[int, int]:
        """Epoch and batch, both from 0, that come next after so many steps."""
        epoch, within = divmod(step, self.steps_per_epoch)
        return epoch, within * self.accumulate

    def batches(self, step: int) -> int:
        """Batches, over all epochs, that so many steps have taken."""
        epoch, batch = self.position(step)
        return epoch * self.batches_per_epoch + batch

    def epochs(self, step: int) -> float:
        """Passes over the data made after so many steps."""
        epoch, batch = self.position(step)
        return epoch + batch / self.batches_per_epoch

    def epochs_begun(self, step: int) -> int:
        """Epochs begun after so many steps."""
        return math.ceil(step / self.steps_per_epoch)

    def ends_step(self, batch: int) -> bool:
        """Whether the optimizer steps after this batch, counted over all epochs from 0."""
        made = batch % self.batches_per_epoch + 1
        return made % self.accumulate == 0 or made == self.batches_per_epoch

    def validation_due(self, step: int) -> bool:
        """Whether validation follows the step after which so many have been made."""
        if step == self.total_steps:
            return True
        within = step % self.steps_per_epoch or self.steps_per_epoch
        wanted, steps = self.validations_per_epoch, self.steps_per_epoch
        return step > 0 and within * wanted // steps > (within - 1) * wanted // steps
