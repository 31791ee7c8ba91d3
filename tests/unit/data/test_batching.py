from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.batching import plan_batches

LENGTHS = st.lists(st.integers(0, 300), max_size=400).map(lambda rows: np.array(rows, np.int32))
LIMITS = st.tuples(st.none() | st.integers(1, 2_000), st.none() | st.integers(1, 40)).filter(any)


def corpus(rows: int = 2_000, seed: int = 0) -> npt.NDArray[np.int32]:
    return np.random.default_rng(seed).integers(3, 120, rows).astype(np.int32)


def same(left: list[npt.NDArray[Any]], right: list[npt.NDArray[Any]]) -> bool:
    return len(left) == len(right) and all(map(np.array_equal, left, right))


@settings(max_examples=200, deadline=None)
@given(
    lengths=LENGTHS,
    limits=LIMITS,
    multiple=st.sampled_from([1, 8, 64]),
    shuffle=st.booleans(),
    world_size=st.integers(1, 5),
)
def test_every_row_is_in_one_batch_and_batches_keep_their_limits(
    lengths: npt.NDArray[np.int32],
    limits: tuple[int | None, int | None],
    multiple: int,
    shuffle: bool,
    world_size: int,
) -> None:
    max_tokens, max_examples = limits
    plans = [
        plan_batches(
            lengths,
            max_tokens=max_tokens,
            max_examples=max_examples,
            pad_to_multiple_of=multiple,
            shuffle=shuffle,
            seed=3,
            epoch=1,
            rank=rank,
            world_size=world_size,
        )
        for rank in range(world_size)
    ]

    assert len({len(plan) for plan in plans}) == 1, "ranks have equally many batches"
    batches = [batch for plan in plans for batch in plan]
    rows = np.sort(np.concatenate([*batches, np.zeros(0, np.int64)]))
    if all(len(batch) == 1 for batch in batches):
        rows = np.unique(rows)
    assert rows.tolist() == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= (max_examples or len(lengths))
        padded = max(-(-int(lengths[batch].max()) // multiple), 1) * multiple
        assert max_tokens is None or padded * len(batch) <= max_tokens or len(batch) == 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 100))
def test_the_plan_is_a_pure_function_of_seed_and_epoch(seed: int, epoch: int) -> None:
    def plan(seed: int, epoch: int) -> list[npt.NDArray[np.int64]]:
        return plan_batches(
            corpus(), max_tokens=1_024, max_examples=None, shuffle=True, seed=seed, epoch=epoch
        )

    assert same(plan(seed, epoch), plan(seed, epoch))
    assert not same(plan(seed, epoch), plan(seed, epoch + 1))
    assert not same(plan(seed, epoch), plan(seed + 1, epoch))


def test_shuffled_batches_waste_little_on_padding() -> None:
    lengths = corpus(20_000)
    plan = plan_batches(
        lengths, max_tokens=1_024, max_examples=None, pad_to_multiple_of=8, shuffle=True
    )
    padded = sum(len(batch) * -(-int(lengths[batch].max()) // 8) * 8 for batch in plan)
    nearest = int((-(-lengths // 8) * 8).sum())
    assert padded < 1.05 * nearest
    assert padded / len(plan) > 0.9 * 1_024, "batches are nearly full"


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, limits=LIMITS, epoch=st.integers(0, 100), world_size=st.integers(1, 3))
def test_every_epoch_has_equally_many_batches(
    lengths: npt.NDArray[np.int32],
    limits: tuple[int | None, int | None],
    epoch: int,
    world_size: int,
) -> None:
    counts = {
        len(
            plan_batches(
                lengths,
                max_tokens=limits[0],
                max_examples=limits[1],
                shuffle=True,
                epoch=number,
                world_size=world_size,
            )
        )
        for number in (0, epoch)
    }
    assert len(counts) == 1


def test_rows_meet_other_rows_in_another_epoch() -> None:
    lengths = corpus(20_000)

    def company(epoch: int) -> list[set[int]]:
        plan = plan_batches(lengths, max_tokens=1_024, max_examples=None, shuffle=True, epoch=epoch)
        mates: list[set[int]] = [set() for _ in lengths]
        for batch in plan:
            for row in batch.tolist():
                mates[row] = set(batch.tolist())
        return mates

    kept = [len(a & b) / len(a) for a, b in zip(company(0), company(1), strict=True)]
    assert np.mean(kept) < 0.1


def test_batch_lengths_come_in_random_order() -> None:
    lengths = corpus(20_000)
    plan = plan_batches(lengths, max_tokens=1_024, max_examples=None, shuffle=True)
    longest = np.array([lengths[batch].max() for batch in plan], float)
    assert abs(np.corrcoef(longest[:-1], longest[1:])[0, 1]) < 0.15


def test_no_tiny_batch_is_left_at_the_end() -> None:
    lengths = np.full(41, 10, np.int32)
    plan = plan_batches(lengths, max_tokens=100, max_examples=None, shuffle=True)
    assert sorted(len(batch) for batch in plan) == [5, 6, 10, 10, 10]


def test_without_shuffling_the_longest_rows_come_first_and_order_is_fixed() -> None:
    lengths = corpus()
    plans = [
        plan_batches(
            lengths, max_tokens=1_024, max_examples=None, shuffle=False, seed=seed, epoch=seed
        )
        for seed in (0, 1)
    ]
    assert same(*plans)
    longest = [int(lengths[batch].max()) for batch in plans[0]]
    assert longest == sorted(longest, reverse=True)


def test_a_fixed_batch_size_alone_takes_rows_as_they_come() -> None:
    lengths = corpus(1_000)
    plan = plan_batches(lengths, max_tokens=None, max_examples=32, shuffle=True)
    assert sorted(len(batch) for batch in plan) == [1_000 % 32] + [32] * (1_000 // 32)
    spread = [int(np.ptp(lengths[batch])) for batch in plan if len(batch) == 32]
    assert min(spread) > 60, "lengths are mixed within a batch"


def test_more_processes_than_rows_repeat_rows_rather_than_wait_for_ever() -> None:
    plans = [
        plan_batches(
            np.array([4, 5], np.int32),
            max_tokens=100,
            max_examples=None,
            shuffle=False,
            rank=rank,
            world_size=3,
        )
        for rank in range(3)
    ]
    assert [len(plan) for plan in plans] == [1, 1, 1]
    assert {int(row) for plan in plans for row in plan[0]} == {0, 1}


def test_no_rows_make_no_batches() -> None:
    assert plan_batches(np.zeros(0, np.int32), max_tokens=8, max_examples=1, shuffle=True) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_tokens": None, "max_examples": None}, "needs max_tokens or max_examples"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ({"rank": 2, "world_size": 2}, "rank must be in"),
    ],
)
def test_wrong_parameters_are_named(wrong: dict[str, Any], message: str) -> None:
    parameters: dict[str, Any] = {"max_tokens": 8, "max_examples": 1, "shuffle": True, **wrong}
    with pytest.raises(ValueError, match=message):
        plan_batches(corpus(10), **parameters)
