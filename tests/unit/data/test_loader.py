from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.data.loader import BatchLoader
from pipeline.data.prefetch import prefetched
from pipeline.data.store import EncodedSplit
from pipeline.data.writing import SplitWriter
from pipeline.tasks.base import Arrays, Task


class Padding:
    """The one method of a task that a loader calls."""

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        ids = [torch.tensor(row) for row in rows["input_ids"].to_pylist()]
        padded = torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=pad_token_id)
        return {"input_ids": padded.numpy()}


@pytest.fixture
def split(tmp_path: Path) -> EncodedSplit:
    lengths = np.random.default_rng(0).integers(1, 30, 300)
    with SplitWriter(tmp_path / "train.arrow") as writer:
        for part in np.array_split(np.arange(300), 3):
            ids = [[int(i)] * int(lengths[i]) for i in part]
            kept = pa.array(lengths[part], pa.int32())
            values = pa.array(ids, pa.list_(pa.int32()))
            writer.write(pa.table({"length": kept, "input_ids": values}))
    return EncodedSplit(writer.path)


def loader(split: EncodedSplit, **options: Any) -> BatchLoader:
    defaults: dict[str, Any] = {"pad_token_id": 999, "max_tokens": 200, "shuffle": True}
    return BatchLoader(split, cast(Task, Padding()), **{**defaults, **options})


def indices(batches: Any) -> list[list[int]]:
    return [batch["index"].tolist() for batch in batches]


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("prefetch", [0, 1, 4])
def test_batches_hold_the_rows_of_the_plan(split: EncodedSplit, prefetch: int) -> None:
    batches = list(made := loader(split, prefetch=prefetch))
    assert indices(batches) == [rows.tolist() for rows in made.plan]
    assert len(batches) == len(made)
    for batch in batches:
        assert batch["index"].dtype == torch.int64
        assert batch["input_ids"][:, 0].tolist() == batch["index"].tolist()


def test_it_can_be_iterated_again_and_epochs_differ(split: EncodedSplit) -> None:
    made = loader(split)
    first = indices(made)
    assert indices(made) == first
    made.set_epoch(1)
    second = indices(made)
    assert second != first
    assert len(second) == len(first)
    made.set_epoch(0)
    assert indices(made) == first


def test_a_start_skips_batches_without_reading_them(
    split: EncodedSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = indices(loader(split))
    read: list[list[int]] = []
    rows = EncodedSplit.rows

    def spy(self: EncodedSplit, indices: Any, columns: Any = None) -> pa.Table:
        read.append(indices.tolist())
        return rows(self, indices, columns)

    monkeypatch.setattr(EncodedSplit, "rows", spy)
    made = loader(split)
    made.set_start(5)
    made.set_epoch(0)
    assert indices(made) == whole[5:] == read
    assert len(made) == len(whole), "the length is that of the epoch"
    made.set_epoch(1)
    assert len(indices(made)) == len(whole), "another epoch starts at its beginning"


def test_a_start_at_the_end_is_an_empty_pass_and_beyond_it_an_error(split: EncodedSplit) -> None:
    made = loader(split)
    made.set_start(len(made))
    assert list(made) == []
    with pytest.raises(ValueError, match="batch must be in"):
        made.set_start(len(made) + 1)


def test_processes_share_the_rows(split: EncodedSplit) -> None:
    shares = [indices(loader(split, rank=rank, world_size=3)) for rank in range(3)]
    assert len({len(share) for share in shares}) == 1
    assert sorted(row for share in shares for batch in share for row in batch) == list(range(300))


def test_what_collate_raises_reaches_the_consumer(
    split: EncodedSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Arrays:
        raise RuntimeError("collate failed")

    monkeypatch.setattr(Padding, "collate", fail)
    with pytest.raises(RuntimeError, match="collate failed"):
        list(loader(split))
    assert prefetch_threads() == []


def test_leaving_early_ends_the_thread(split: EncodedSplit) -> None:
    for _ in range(3):
        iterator = iter(loader(split, prefetch=2))
        next(iterator)
        assert len(prefetch_threads()) == 1
        iterator.close()  # type: ignore[attr-defined]
        assert prefetch_threads() == []
    for _ in loader(split, prefetch=1):
        break
    deadline = time.monotonic() + 5
    while prefetch_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert prefetch_threads() == []


def test_no_more_is_made_ahead_than_allowed() -> None:
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return item

    iterator = prefetched(make, range(100), 3)
    assert next(iterator) == 0
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 5, "one used, three ready, one waiting for room"
    assert list(iterator) == list(range(1, 100))
