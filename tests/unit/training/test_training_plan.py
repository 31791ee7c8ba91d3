from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedSplit
from pipeline.data.writing import SplitWriter
from pipeline.tasks.base import Arrays, Task
from pipeline.training.plan import TrainingPlan
from pipeline.training.stream import BatchStream


def plan(**values: Any) -> TrainingPlan:
    defaults: dict[str, Any] = {
        "batches_per_epoch": 7,
        "accumulate": 3,
        "max_epochs": 2,
        "max_steps": None,
        "validations_per_epoch": 1,
    }
    return TrainingPlan(**{**defaults, **values})


def test_the_last_step_of_an_epoch_takes_what_is_left() -> None:
    made = plan()
    assert made.steps_per_epoch == 3
    assert made.total_steps == 6
    assert [batch for batch in range(14) if made.ends_step(batch)] == [2, 5, 6, 9, 12, 13]
    assert [made.position(step) for step in range(5)] == [(0, 0), (0, 3), (0, 6), (1, 0), (1, 3)]
    assert [made.batches(step) for step in range(7)] == [0, 3, 6, 7, 10, 13, 14]


def test_max_steps_ends_in_the_middle_of_an_epoch_and_with_a_validation() -> None:
    made = plan(max_steps=4)
    assert made.total_steps == 4
    assert [step for step in range(1, 5) if made.validation_due(step)] == [3, 4]
    assert made.epochs_begun(4) == 2
    assert made.epochs(4) == pytest.approx(1 + 3 / 7)
    assert plan(max_steps=100).total_steps == 6


@pytest.mark.parametrize("steps", [1, 2, 5, 22, 100])
@pytest.mark.parametrize("wanted", [1, 2, 3, 15, 40])
def test_validations_are_spread_over_each_epoch_and_end_it(steps: int, wanted: int) -> None:
    made = plan(batches_per_epoch=steps, accumulate=1, validations_per_epoch=wanted)
    due = [step for step in range(1, 2 * steps + 1) if made.validation_due(step)]
    first = [step for step in due if step <= steps]
    assert len(first) == min(steps, wanted)
    assert first[-1] == steps
    assert due == first + [step + steps for step in first]
    gaps = np.diff([0, *first])
    assert gaps.max() - gaps.min() <= 1


class Numbering:
    """A task that makes batches of row numbers."""

    def collate(self, rows: pa.Table, *, pad_token_id: int, pad_to_multiple_of: int) -> Arrays:
        return {"input_ids": np.array(rows["input_ids"].to_pylist())}


@pytest.fixture
def loader(tmp_path: Path) -> BatchLoader:
    with SplitWriter(tmp_path / "train.arrow") as writer:
        writer.write(
            pa.table({"length": pa.array([1] * 13), "input_ids": [[i] for i in range(13)]})
        )
    return BatchLoader(
        EncodedSplit(writer.path),
        cast(Task, Numbering()),
        pad_token_id=0,
        max_tokens=None,
        max_examples=2,
        shuffle=True,
    )


def rows(loader: BatchLoader, made: TrainingPlan, start: int) -> list[list[int]]:
    stream = BatchStream(loader, made, start)
    batches = [batch["index"].tolist() for batch in stream]
    assert len(batches) == len(stream)
    return batches


@pytest.mark.parametrize("max_steps", [None, 2, 3, 4, 5])
def test_a_stream_from_any_step_gives_what_the_whole_one_gives(
    loader: BatchLoader, max_steps: int | None
) -> None:
    made = plan(max_steps=max_steps)
    whole = rows(loader, made, 0)
    assert len(whole) == made.batches(made.total_steps)
    for start in range(made.total_steps + 1):
        assert rows(loader, made, start) == whole[made.batches(start) :]


def test_each_epoch_of_a_stream_has_every_row_in_an_order_of_its_own(loader: BatchLoader) -> None:
    whole = rows(loader, plan(), 0)
    first, second = [*chain(*whole[:7])], [*chain(*whole[7:])]
    assert sorted(first) == sorted(second) == list(range(13))
    assert first != second
