"""The batches of the rest of a training, from any step on, as one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline.data.loader import BatchLoader
from pipeline.tasks.base import Batch
from pipeline.training.plan import TrainingPlan


class BatchStream(Iterable[Batch]):
    """All batches from a step to the end of training, over the borders of epochs.

    Lightning takes it as a dataloader and makes a single pass; where a run goes on after an
    interruption, the pass is just shorter.

    Args:
        loader: Batches of an epoch.
        plan: The whole training.
        start: The step to begin with: so many have been made.
    """

    def __init__(self, loader: BatchLoader, plan: TrainingPlan, start: int) -> None:
        self._loader = loader
        self._plan = plan
        self._start = start

    def __len__(self) -> int:
        return self._plan.batches(self._plan.total_steps) - self._plan.batches(self._start)

    def __iter__(self) -> Iterator[Batch]:
        left = len(self)
        epoch, first = self._plan.position(self._start)
        while left > 0:
            self._loader.set_epoch(epoch)
            self._loader.set_start(first)
            for batch in self._loader:
                if left == 0:
                    break
                yield batch
                left -= 1
            epoch, first = epoch + 1, 0
