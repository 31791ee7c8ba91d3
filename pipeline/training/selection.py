"""Which weights are kept, and when training is stopped early: by the primary metric."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.config.base import Section
from pipeline.tasks.base import MetricSpec


class Best(Section):
    """The best validation so far."""

    step: int
    """Optimizer steps made before it."""
    loss: float
    """Mean validation loss."""
    metrics: dict[str, float | None]
    """All validation metrics; None where undefined."""


@dataclass
class Selection:
    """Compares validations.

    Attributes:
        primary: The metric, and which way is better.
        patience: Validations in a row without improvement after which training stops; None never.
        min_delta: Smallest change that counts as improvement for the patience. Any improvement
            counts for which weights are kept.
        best: The best so far. Of equal ones that of lower loss (on few rows, a metric that counts
            mistakes often ties), then the earlier; an undefined value is the worst.
        reference: The value that the next has to beat by `min_delta`.
        waited: Validations since the last improvement.
    """

    primary: MetricSpec
    patience: int | None
    min_delta: float
    best: Best | None = None
    reference: float | None = None
    waited: int = 0

    def consider(self, step: int, loss: float, metrics: dict[str, float | None]) -> bool:
        """Takes in a validation; returns whether its weights are the best."""
        value = metrics[self.primary.name]
        if value is not None and self._gain(value, self.reference) > self.min_delta:
            self.reference, self.waited = value, 0
        else:
            self.waited += 1
        is_best = self.best is None or (value is not None and self._beats(self.best, value, loss))
        if is_best:
            self.best = Best(step=step, loss=loss, metrics=metrics)
        return is_best

    @property
    def stops(self) -> bool:
        """Whether patience is at its end."""
        return self.patience is not None and self.waited >= self.patience

    def _beats(self, best: Best, value: float, loss: float) -> bool:
        gain = self._gain(value, best.metrics[self.primary.name])
        return gain > 0 or (gain == 0 and loss < best.loss)

    def _gain(self, value: float, before: float | None) -> float:
        if before is None:
            return math.inf
        return value - before if self.primary.higher_is_better else before - value
