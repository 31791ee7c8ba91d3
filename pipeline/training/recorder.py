"""What each step tells: fetched from the device once a second, checked, and logged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.training.module import Step

LogMetrics = Callable[[Mapping[str, float], int], None]
"""Takes metrics by name and the step they belong to."""

_INTERVAL_SECONDS = 1.0


class Recorder:
    """Collects steps without waiting for the device, and passes them on together.

    Args:
        log: Where metrics go.
        every: Optimizer steps between logged ones.
        epochs: Passes over the data after so many steps.

    Attributes:
        loss: That of the last step fetched.
        tokens_per_second: Over the steps last fetched, validation and saving not counted.
        seconds: Time in training steps, those before an interruption included.
        tokens: Tokens trained on.
        loss_sum: Sum of the losses since it was last set to zero.
        loss_steps: How many those are.
    """

    def __init__(self, log: LogMetrics, *, every: int, epochs: Callable[[int], float]) -> None:
        self.loss = math.nan
        self.tokens_per_second = 0.0
        self.seconds = 0.0
        self.tokens = 0
        self.loss_sum = 0.0
        self.loss_steps = 0
        self._log = log
        self._every = every
        self._epochs = epochs
        self._steps: list[Step] = []
        self._since: float | None = None
        self._window = 0.0

    def resume(self) -> None:
        """Starts the clock: training goes on."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Fetches what is there and stops the clock: something else than training comes."""
        self.flush()
        self._since = None

    def add(self, step: Step) -> bool:
        """Takes in a step; returns whether figures were fetched."""
        self._steps.append(step)
        if self._since is None or time.perf_counter() - self._since < _INTERVAL_SECONDS:
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Fetches all steps taken in so far.

        Raises:
            UserError: If a loss or gradient is not a finite number.
        """
        import torch

        steps, self._steps = self._steps, []
        if steps:
            figures = torch.stack(
                [torch.stack([step.loss, step.grad_norm, step.tokens]) for step in steps]
            ).tolist()
            now = time.perf_counter()
            elapsed = now - (now if self._since is None else self._since)
            self._since = now
            tokens = round(sum(row[2] for row in figures))
            self.seconds += elapsed
            self.tokens += tokens
            self.tokens_per_second = tokens / elapsed if elapsed else 0.0
            for step, (loss, grad_norm, _) in zip(steps, figures, strict=True):
                self._take(step, loss, grad_norm)

    def _take(self, step: Step, loss: float, grad_norm: float) -> None:
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            what = "gradient" if math.isfinite(loss) else "loss"
            raise UserError(
                f"the {what} became {grad_norm if math.isfinite(loss) else loss} at step "
                f"{step.number} (epoch {self._epochs(step.number):.2f}, learning rate "
                f"{step.lr:.3g}): training has diverged",
                remedy="lower optimizer.lr, lengthen the warm-up (scheduler.warmup_ratio), set "
                "trainer.gradient_clip_val, or set trainer.precision=fp32",
            )
        self.loss = loss
        self.loss_sum += loss
        self.loss_steps += 1
        if step.number % self._every == 0:
            metrics = {
                "train/loss": loss,
                "train/grad_norm": grad_norm,
                "train/lr": step.lr,
                "train/tokens_per_second": self.tokens_per_second,
                "train/epoch": self._epochs(step.number),
            }
            self._log(metrics, step.number)
