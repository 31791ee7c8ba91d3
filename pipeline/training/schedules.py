"""The learning rate over training, as a share of its peak: a pure function of the step."""

from __future__ import annotations

import math
from collections.abc import Callable

from pipeline.config.schema import SchedulerConfig

Schedule = Callable[[int], float]
"""Gives the share of the peak for the step after so many have been made, from 0."""


def make_schedule(scheduler: SchedulerConfig, total_steps: int) -> Schedule:
    """Makes the schedule that the config describes.

    Warm-up rises in equal parts and reaches the peak on the step after its last; no step has a rate
    of zero, which would waste it.

    Args:
        scheduler: Shape and length of the warm-up; a ratio is rounded up to whole steps.
        total_steps: Optimizer steps of the whole training.
    """
    warmup = scheduler.num_warmup_steps or 0
    if scheduler.warmup_ratio is not None:
        warmup = math.ceil(scheduler.warmup_ratio * total_steps)
    decay = max(1, total_steps - warmup)

    def share(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if scheduler.kind == "constant":
            return 1.0
        passed = min(1.0, (step - warmup) / decay)
        if scheduler.kind == "linear":
            return 1.0 - passed
        return 0.5 * (1.0 + math.cos(math.pi * passed))

    return share
