"""Batches of a prepared split as tensors, made in the background."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from pipeline.data.batching import IntArray, plan_batches
from pipeline.data.prefetch import prefetched
from pipeline.data.store import EncodedSplit
from pipeline.tasks.base import Batch, Task
from pipeline.tasks.tensors import to_tensors


class BatchLoader(Iterable[Batch]):
    """An iterable of batches; each pass over it is the epoch set, from the batch set.

    Lightning takes it as a dataloader. `len()` is the number of batches of a whole epoch, the same
    for each epoch and each process, also when a pass begins in the middle.

    Args:
        split: The rows.
        task: Makes tensors of rows.
        pad_token_id: Fills `input_ids`.
        max_tokens: Most tokens of a batch, padding included; see `plan_batches`.
        max_examples: Most rows of a batch; see `plan_batches`.
        pad_to_multiple_of: What padded lengths are multiples of.
        shuffle: Whether rows come in random order (training) or sorted by length (evaluation).
        seed: Seed of the order.
        rank: Which process this is, from 0.
        world_size: How many processes share the rows.
        pin_memory: Whether tensors are put in page-locked memory, for faster copies to a GPU.
        prefetch: Batches made ahead by a background thread; 0 makes them on demand.
    """

    def __init__(
        self,
        split: EncodedSplit,
        task: Task,
        *,
        pad_token_id: int,
        max_tokens: int | None,
        max_examples: int | None = None,
        pad_to_multiple_of: int = 8,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin_memory: bool = False,
        prefetch: int = 4,
    ) -> None:
        self.split = split
        self.epoch = 0
        self.start = 0
        self._task = task
        self._pad_token_id = pad_token_id
        self._max_tokens = max_tokens
        self._max_examples = max_examples
        self._pad_to_multiple_of = pad_to_multiple_of
        self._shuffle = shuffle
        self._seed = seed
        self._rank = rank
        self._world_size = world_size
        self._pin_memory = pin_memory
        self._prefetch = prefetch
        self._planned: tuple[int, list[IntArray]] | None = None

    @property
    def plan(self) -> list[IntArray]:
        """Row numbers of each batch of the epoch set, of this process."""
        if self._planned is None or self._planned[0] != self.epoch:
            batches = plan_batches(
                self.split.lengths,
                max_tokens=self._max_tokens,
                max_examples=self._max_examples,
                pad_to_multiple_of=self._pad_to_multiple_of,
                together=self.split.together,
                shuffle=self._shuffle,
                seed=self._seed,
                epoch=self.epoch,
                rank=self._rank,
                world_size=self._world_size,
            )
            self._planned = (self.epoch, batches)
        return self._planned[1]

    def set_epoch(self, epoch: int) -> None:
        """Sets which epoch the next pass is; a change of epoch puts the start back to batch 0."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.start = 0

    def set_start(self, batch: int) -> None:
        """Lets passes over the epoch set begin at a batch; those before it are not read.

        Args:
            batch: Number of the first batch, from 0; the number of batches gives an empty pass.

        Raises:
            ValueError: If there is no such batch.
        """
        if not 0 <= batch <= len(self):
            raise ValueError(f"batch must be in 0 … {len(self)}, got {batch}")
        self.start = batch

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[Batch]:
        return prefetched(self._make, self.plan[self.start :], self._prefetch)

    def _make(self, indices: npt.NDArray[np.int64]) -> Batch:
        arrays = self._task.collate(
            self.split.rows(indices),
            pad_token_id=self._pad_token_id,
            pad_to_multiple_of=self._pad_to_multiple_of,
        )
        batch = to_tensors({**arrays, "index": indices, "length": self.split.lengths[indices]})
        if self._pin_memory:
            batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
        return batch
