from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.data import SplitConfig, SplitNames
from pipeline.data.entities import ENTITIES_TYPE
from pipeline.data.splits import TEST, TRAIN, VALIDATION, Assignment, assign, check_not_empty
from pipeline.errors import DataError
from pipeline.tasks.base import ENTITIES, LABEL, TEXT, Column

BOTH = ("validation", "test")


def divide(table: pa.Table, config: SplitConfig, missing: Sequence[str]) -> Assignment:
    columns = (TEXT, ENTITIES) if "entities" in table.column_names else (TEXT, LABEL)
    return assign(table, config, missing, columns)


def rows(labels: list[str], **columns: Any) -> pa.Table:
    texts = [f"text number {i}" for i in range(len(labels))]
    return pa.table({"text": texts, "label": pa.array(labels, pa.string()), **columns})


def split(**options: Any) -> SplitConfig:
    return SplitConfig(**{"validation": 0.2, "test": 0.1, **options})


@pytest.mark.parametrize("method", ["stratified", "random", "hash"])
def test_a_division_is_deterministic_and_depends_on_the_seed(method: Any) -> None:
    table = rows(["a", "b"] * 100)
    once = divide(table, split(method=method), BOTH)
    assert (once == divide(table, split(method=method), BOTH)).all()
    assert (once != divide(table, split(method=method, seed=1), BOTH)).any()
    assert set(once.tolist()) == {TRAIN, VALIDATION, TEST}


def test_random_gives_exact_shares() -> None:
    found = divide(rows(["a"] * 1000), split(method="random"), BOTH)
    assert np.bincount(found).tolist() == [700, 200, 100]


def test_stratified_keeps_the_share_of_each_class() -> None:
    labels = ["common"] * 900 + ["rare"] * 100
    found = divide(rows(labels), split(), BOTH)
    for number, share in ((TRAIN, 0.7), (VALIDATION, 0.2), (TEST, 0.1)):
        counts = Counter(np.array(labels)[found == number])
        assert counts == {"common": 900 * share, "rare": 100 * share}


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=12),
    st.floats(0, 0.45),
    st.floats(0, 0.45),
    st.integers(0, 3),
)
def test_stratified_is_off_by_less_than_a_row_for_each_class_and_leaves_each_in_train(
    sizes: list[int], validation: float, test: float, seed: int
) -> None:
    labels = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    config = SplitConfig(validation=validation, test=test, seed=seed)
    found = divide(rows(labels), config, BOTH)
    for number, size in enumerate(sizes):
        counts = np.bincount(found[np.array(labels) == str(number)], minlength=3)
        assert counts[TRAIN] >= 1
        assert counts[TEST] <= test * size + 1
        assert counts[VALIDATION] <= validation * size + 1
    if min(sizes) >= 20:
        assert abs((found == TEST).sum() - test * len(labels)) <= 1
        assert abs((found == VALIDATION).sum() - validation * len(labels)) <= 1


def test_only_missing_splits_are_made_of_the_rows() -> None:
    found = divide(rows(["a", "b"] * 100), split(), ("validation",))
    assert np.bincount(found).tolist() == [160, 40]
    assert (divide(rows(["a", "b"] * 100), split(), ()) == TRAIN).all()


TEXTS = st.lists(st.text(max_size=8), min_size=1, max_size=40)


@given(old=TEXTS, new=TEXTS, seed=st.integers(0, 2**40), data=st.data())
def test_by_hash_adding_rows_moves_no_old_row(
    old: list[str], new: list[str], seed: int, data: st.DataObject
) -> None:
    config = SplitConfig(method="hash", validation=0.3, test=0.3, seed=seed)
    before = divide(pa.table({"text": old}), config, BOTH)
    mixed = data.draw(st.permutations([*old, *new]))
    after = dict(zip(mixed, divide(pa.table({"text": mixed}), config, BOTH), strict=True))
    assert [after[text] for text in old] == before.tolist()


def test_by_hash_shares_are_about_right() -> None:
    found = divide(rows(["a"] * 5_000), split(method="hash"), BOTH)
    assert np.bincount(found) / 5_000 == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=120), st.integers(0, 5))
def test_rows_of_a_group_stay_together(groups: list[int], seed: int) -> None:
    names = pa.array([f"g{group}" for group in groups])
    table = rows(["a"] * len(groups), group=names)
    found = divide(table, split(method="group", seed=seed), BOTH)
    for group in set(groups):
        assert len(set(found[np.array(groups) == group].tolist())) == 1


def test_groups_fill_the_splits_to_their_shares() -> None:
    names = pa.array([f"g{i % 200}" for i in range(2_000)])
    found = divide(rows(["a"] * 2_000, group=names), split(method="group"), BOTH)
    assert np.bincount(found).tolist() == [1_400, 400, 200]


def test_a_group_split_without_groups_is_refused() -> None:
    with pytest.raises(DataError, match="needs the column `group`"):
        divide(rows(["a"]), split(method="group"), BOTH)


def test_a_column_says_where_rows_belong() -> None:
    table = rows(["a"] * 5, split=["train", "Dev", "test", "TRAIN", "val"])
    found = divide(table, split(method="column"), BOTH)
    assert found.tolist() == [TRAIN, VALIDATION, TEST, TRAIN, VALIDATION]
    names = SplitNames(train=("0",), validation=("1",), test=("2",))
    named = split(method="column", names=names)
    numbers = rows(["a"] * 3, split=["2", "0", "1"])
    assert divide(numbers, named, BOTH).tolist() == [TEST, TRAIN, VALIDATION]


@pytest.mark.parametrize("grouped", [False, True])
def test_what_a_column_never_names_is_taken_of_its_training_rows(grouped: bool) -> None:
    groups = {"group": [f"g{i % 20}" for i in range(100)]} if grouped else {}
    names = ["train"] * 80 + ["val"] * 20
    found = divide(rows(["a", "b"] * 50, split=names, **groups), split(method="column"), BOTH)
    assert (found[80:] == VALIDATION).all()
    assert np.bincount(found[:80]).tolist() == [72, 0, 8]
    if grouped:
        of_test = {group for group, one in zip(groups["group"][:80], found, strict=False) if one}
        assert len(of_test) == 2


def test_rows_without_a_group_are_divided_beside_those_that_have_one() -> None:
    names = ["train"] * 80 + ["test"] * 20
    for groups in ([None] * 100, ["a"] * 10 + [None] * 90):
        table = rows(["a", "b"] * 50, split=names, group=pa.array(groups, pa.string()))
        table = table.append_column("id", pa.array([f"r{n}" for n in range(100)]))
        found = divide(table, split(method="column", validation=0.25), BOTH)
        assert np.count_nonzero(found == VALIDATION) == 20
    assert len(set(found[:10])) == 1


def test_a_split_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(DataError, match=r"'holdout', which names no split") as caught:
        divide(rows(["a"] * 2, split=["train", "holdout"]), split(method="column"), BOTH)
    assert "data.split.names" in str(caught.value.remedy)


def test_rows_with_entities_are_stratified_by_their_rarest_type() -> None:
    spans = {kind: {"start": 0, "end": 1, "type": kind} for kind in ("PER", "LAW")}
    entities = [[spans["PER"]]] * 80 + [[spans["PER"], spans["LAW"]]] * 10 + [[]] * 10
    table = pa.table({"text": ["x"] * 100, "entities": pa.array(entities, ENTITIES_TYPE)})
    found = divide(table, split(), BOTH)
    assert np.bincount(found[80:90]).tolist() == [7, 2, 1]
    assert np.bincount(found[90:]).tolist() == [7, 2, 1]


def test_chunks_of_the_rows_do_not_matter() -> None:
    whole = rows(["a", "b", "c"] * 30)
    parts = pa.concat_tables([whole.slice(i, 7) for i in range(0, 90, 7)])
    assert (divide(whole, split(), BOTH) == divide(parts, split(), BOTH)).all()


def test_an_empty_split_is_an_error_with_its_remedy() -> None:
    check_not_empty({"train": 1, "validation": 1, "test": 1}, {})
    with pytest.raises(DataError, match="split test has no rows") as caught:
        check_not_empty({"train": 3, "validation": 1}, {"null": 4})
    assert "train 3, validation 1, test 0; left out as null: 4" in str(caught.value)
    assert "raise data.split.test" in str(caught.value.remedy)
    with pytest.raises(DataError, match="split train has no rows") as caught:
        check_not_empty({"validation": 1, "test": 1}, {})
    assert "lower data.split.validation" in str(caught.value.remedy)
    bad = [{"row": "a.csv:1", "reason": "there is no file 'x'"}]
    with pytest.raises(DataError, match=r"unreadable 7; the first, a.csv:1: there is no") as caught:
        check_not_empty({"train": 0}, {"null": 0, "unreadable": 7}, bad)
    assert "data.columns" in str(caught.value.remedy)


def test_rows_linked_by_a_shared_text_stay_together() -> None:
    generator = np.random.default_rng(0)
    sources, targets = (generator.integers(0, 150, 200) for _ in range(2))
    table = pa.table(
        {
            "text": [f"Source {number} " for number in sources],
            "target": [f"target {number}" for number in targets],
        }
    )
    table = table.set_column(0, "text", pa.array(["source 1", *table["text"].to_pylist()[1:]]))
    columns = (TEXT, Column("target", "text", is_target=True))
    found = assign(table, split(method="shared_text"), BOTH, columns)
    for name in ("text", "target"):
        texts = [text.strip().lower() for text in table[name].to_pylist()]
        homes: dict[str, set[int]] = {}
        for text, home in zip(texts, found.tolist(), strict=True):
            homes.setdefault(text, set()).add(home)
        assert all(len(places) == 1 for places in homes.values())
    assert set(found.tolist()) == {TRAIN, VALIDATION, TEST}


def test_shared_texts_divide_alike_in_every_process() -> None:
    code = (
        "import pyarrow as pa; from tests.unit.data.test_splits import divide, rows, split, BOTH\n"
        "print(divide(rows(['a'] * 60), split(method='shared_text'), BOTH).tolist())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": "."},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
