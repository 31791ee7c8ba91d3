"""What the contenders of `benchmarks/sweep.py` share: space, sampler, and what a search came to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.sweep.definition.settings import SamplerSettings, SweepSettings
from pipeline.sweep.study.samplers import make_sampler

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

METRIC = "accuracy"
"""Of the validation split; the best of a trial's validations counts."""
SPACE: dict[str, dict[str, Any]] = {
    "optimizer.lr": {"type": "float", "low": 2.0e-5, "high": 1.0e-3, "log": True},
    "scheduler.warmup_ratio": {"type": "float", "low": 0.0, "high": 0.3},
}
SETTINGS = SweepSettings.model_validate({"study": "benchmark", "space": SPACE})


def tpe(seed: int) -> BaseSampler:
    """The pipeline's sampler, so that all contenders draw the same points at random at first."""
    settings = SamplerSettings(kind="tpe", seed=seed)
    return make_sampler(settings, SETTINGS.space, conditional=False, num_objectives=1)


@dataclass(frozen=True)
class TrialFigures:
    """One trial.

    Attributes:
        state: `complete`, `pruned` or `failed`.
        value: The best of its validations; None unless complete.
        began: Unix time, in seconds.
        ended: Unix time, in seconds.
    """

    state: str
    value: float | None
    began: float
    ended: float


@dataclass(frozen=True)
class SearchFigures:
    """A search by one contender.

    Attributes:
        seconds: Wall time of its command.
        began: Unix time at which the command began.
        trials: In order of their numbers.
    """

    seconds: float
    began: float
    trials: Sequence[TrialFigures]

    @property
    def best(self) -> float:
        """The best value of a complete trial; NaN without one."""
        return max((t.value for t in self.trials if t.value is not None), default=float("nan"))

    @property
    def per_hour(self) -> float:
        """Trials an hour, all the command's time counted."""
        return 3_600 * len(self.trials) / self.seconds

    @property
    def startup(self) -> float:
        """Seconds from the command's beginning to the first trial's."""
        return min(trial.began for trial in self.trials) - self.began

    @property
    def search_seconds(self) -> float:
        """Seconds from the beginning of the first trial to the end of the last."""
        first = min(trial.began for trial in self.trials)
        return max(trial.ended for trial in self.trials) - first

    @property
    def search_per_hour(self) -> float:
        """Trials an hour between the beginning of the first and the end of the last."""
        return 3_600 * len(self.trials) / self.search_seconds

    def count(self, state: str) -> int:
        """How many trials ended so."""
        return sum(trial.state == state for trial in self.trials)


def to_json(trials: Sequence[TrialFigures], seconds_aside: float) -> dict[str, Any]:
    """What a contender in a process of its own prints.

    Args:
        trials: Its trials.
        seconds_aside: Wall time spent on what only the benchmark needs; it is not counted.
    """
    return {"trials": [asdict(trial) for trial in trials], "aside": seconds_aside}
