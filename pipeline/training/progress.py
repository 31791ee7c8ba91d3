"""How far a run has come, as its states keep it."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.base import Section
from pipeline.training.selection import Best


class CurvePoint(Section):
    """A validation, for learning curves."""

    step: int
    epoch: float
    train_loss: float
    """Mean over the steps since the validation before."""
    val_loss: float
    metrics: dict[str, float | None]


class Progress(Section):
    """How far a run has come, apart from its weights.

    The place in the data, the learning rate and the random numbers of a step follow from the step's
    number, so they are not here.
    """

    step: int = 0
    """Optimizer steps made."""
    validation_pending: bool = False
    """Whether the validation after these steps is still to be done."""
    tokens: int = 0
    """Tokens trained on, padding not counted."""
    seconds: float = 0.0
    """Wall time of the training loop so far."""
    loss_sum: float = 0.0
    """Sum of the losses of the steps since the last validation."""
    loss_steps: int = 0
    """How many steps those are."""
    best: Best | None = None
    reference: float | None = None
    waited: int = 0
    curve: list[CurvePoint] = Field(default_factory=list)
