from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.batching import plan_batches
from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.data.writing import SplitWriter
from pipeline.tasks.base import Arrays, Task

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(-5, 12)), max_size=200)
LIMITS = st.tuples(st.none() | st.integers(1, 1_000), st.none() | st.integers(1, 40)).filter(any)


def queries(count: int, seed: int = 0) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Lengths of rows, and the query of each: 2 to 9 rows each, in any order."""
    generator = np.random.default_rng(seed)
    group = np.repeat(np.arange(count), generator.integers(2, 10, count))
    generator.shuffle(group)
    return generator.integers(3, 60, len(group)).astype(np.int32), group


@settings(max_examples=200, deadline=None)
@given(
    rows=ROWS,
    limits=LIMITS,
    multiple=st.sampled_from([1, 8]),
    shuffle=st.booleans(),
    world_size=st.integers(1, 4),
)
def test_every_row_is_in_one_batch_and_batches_keep_their_limits(
    rows: list[tuple[int, int]],
    limits: tuple[int | None, int | None],
    multiple: int,
    shuffle: bool,
    world_size: int,
) -> None:
    max_tokens, max_examples = limits
    lengths = np.array([length for length, _ in rows], np.int32)
    together = np.array([group for _, group in rows], np.int64)
    plans = [
        plan_batches(
            lengths,
            max_tokens=max_tokens,
            max_examples=max_examples,
            pad_to_multiple_of=multiple,
            together=together,
            shuffle=shuffle,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]
    assert len({len(plan) for plan in plans}) == 1, "ranks have equally many batches"
    batches = [batch for plan in plans for batch in plan]
    found = np.concatenate([*batches, np.zeros(0, np.int64)])
    assert np.unique(found).tolist() == list(range(len(rows)))
    if world_size == 1:
        assert len(found) == len(rows)
    for batch in batches:
        assert 1 <= len(batch) <= (max_examples or len(rows))
        padded = max(-(-int(lengths[batch].max()) // multiple), 1) * multiple
        assert max_tokens is None or padded * len(batch) <= max_tokens or len(batch) == 1


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("world_size", [1, 3])
def test_rows_that_belong_together_share_a_batch(shuffle: bool, world_size: int) -> None:
    lengths, group = queries(500)
    homes: dict[int, set[int]] = {}
    for rank in range(world_size):
        plan = plan_batches(
            lengths,
            max_tokens=1_024,
            max_examples=None,
            together=group,
            shuffle=shuffle,
            rank=rank,
            world_size=world_size,
        )
        for number, batch in enumerate(plan):
            for row in batch.tolist():
                homes.setdefault(int(group[row]), set()).add(rank * 10_000 + number)
    assert all(len(batches) == 1 for batches in homes.values())


def test_a_group_that_no_batch_can_hold_is_divided_into_equal_parts() -> None:
    plan = plan_batches(
        np.full(25, 10, np.int32),
        max_tokens=100,
        max_examples=None,
        together=np.zeros(25, np.int64),
        shuffle=True,
    )
    assert sorted(map(len, plan)) == [8, 8, 9]


def test_every_epoch_has_equally_many_batches_and_another_order() -> None:
    lengths, group = queries(2_000)

    def plan(epoch: int) -> list[npt.NDArray[np.int64]]:
        return plan_batches(
            lengths, max_tokens=4_096, max_examples=None, together=group, shuffle=True, epoch=epoch
        )

    assert len({len(plan(epoch)) for epoch in range(10)}) == 1
    first, second = ({frozenset(batch.tolist()) for batch in plan(epoch)} for epoch in (0, 1))
    assert len(first & second) < 0.2 * len(first)
    assert [batch.tolist() for batch in plan(3)] == [batch.tolist() for batch in plan(3)]


def test_batches_are_nearly_full_and_the_last_one_is_not_tiny() -> None:
    lengths, group = queries(2_000)
    plan = plan_batches(lengths, max_tokens=2_048, max_examples=None, together=group, shuffle=True)
    filled = [len(batch) * int(lengths[batch].max()) for batch in plan]
    assert np.mean(filled) > 0.85 * 2_048
    small = plan_batches(
        np.full(42, 10, np.int32),
        max_tokens=200,
        max_examples=None,
        together=np.arange(42) // 2,
        shuffle=True,
    )
    assert sorted(map(len, small)) == [10, 12, 20]


def test_without_shuffling_the_longest_come_first() -> None:
    lengths, group = queries(200)
    plan = plan_batches(lengths, max_tokens=1_024, max_examples=None, together=group, shuffle=False)
    longest = [int(lengths[batch].max()) for batch in plan]
    assert longest == sorted(longest, reverse=True)


def test_a_loader_keeps_together_what_the_encoded_rows_say(tmp_path: Path) -> None:
    class Numbering:
        def collate(self, rows: pa.Table, **_: Any) -> Arrays:
            return {"together": rows["together"].to_numpy().copy()}

    lengths, group = queries(50)
    with SplitWriter(tmp_path / "train.arrow") as writer:
        writer.write(pa.table({"length": lengths, "together": group}))
    loader = BatchLoader(
        EncodedSplit(writer.path),
        cast(Task, Numbering()),
        pad_token_id=0,
        max_tokens=1_024,
        shuffle=True,
    )
    seen = [set(batch["together"].tolist()) for batch in loader]
    assert len(seen) > 3
    assert sum(map(len, seen)) == 50
