from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.fingerprint import ColumnHasher
from pipeline.data.store import DatasetInfo, EncodedDataset, EncodedSplit, write_info
from pipeline.data.writing import SplitWriter
from pipeline.errors import EnvironmentProblem, UserError


def rows(count: int, first: int = 0) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "id": [f"news:{i}" for i in numbers],
            "text": ["字 " * (i % 5) for i in numbers],
            "label": [None if i % 7 == 0 else "sports" for i in numbers],
            "entities": pa.array(
                [[{"start": 0, "end": i, "type": "PER"}] * (i % 3) for i in numbers],
                pa.list_(
                    pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())])
                ),
            ),
            "length": pa.array([i % 11 for i in numbers], pa.int32()),
            "input_ids": pa.array([[i] * (i % 11) for i in numbers], pa.list_(pa.int32())),
        }
    )


def write(path: Path, chunks: list[int]) -> SplitWriter:
    with SplitWriter(path) as writer:
        first = 0
        for count in chunks:
            writer.write(rows(count, first))
            first += count
    return writer


def dataset(directory: Path, chunks: list[int]) -> DatasetInfo:
    writer = write(directory / "train.arrow", chunks)
    info = DatasetInfo(
        name="newsroom",
        task="text_classification",
        label_names=("other", "sports"),
        pad_token_id=0,
        max_length=11,
        num_special_tokens=0,
        rows={"train": writer.num_rows},
        tokens={"train": writer.num_tokens},
        fingerprint=writer.content_hash,
        language="en",
        licence=None,
        sources={"data/newsroom.jsonl": "0" * 64},
    )
    write_info(directory, info)
    return info


@pytest.mark.parametrize("chunks", [[100], [40, 1, 59], [100, 0]])
def test_rows_come_back_in_the_order_asked_for(tmp_path: Path, chunks: list[int]) -> None:
    split = EncodedSplit(write(tmp_path / "train.arrow", chunks).path)
    order = np.array([99, 0, 41, 40, 39, 41, 7])

    found = split.rows(order)

    assert len(split) == 100
    assert found.to_pylist() == [rows(1, int(i)).to_pylist()[0] for i in order]
    assert split.rows(order, ["id"]).column_names == ["id"]
    assert split.rows(order[:0]).schema == split.table.schema


def test_lengths_are_the_kept_tokens(tmp_path: Path) -> None:
    split = EncodedSplit(write(tmp_path / "train.arrow", [30, 70]).path)
    assert split.lengths.dtype == np.int32
    assert split.lengths.tolist() == [i % 11 for i in range(100)]


def test_a_row_number_beyond_the_end_is_refused(tmp_path: Path) -> None:
    split = EncodedSplit(write(tmp_path / "train.arrow", [5]).path)
    with pytest.raises(IndexError, match="0 … 4"):
        split.rows(np.array([5]))
    with pytest.raises(IndexError, match="0 … 4"):
        split.rows(np.array([-1]))


def test_a_split_pickles_as_its_path(tmp_path: Path) -> None:
    split = EncodedSplit(write(tmp_path / "train.arrow", [1_000]).path)
    assert len(split.table) == 1_000
    pickled = pickle.dumps(split)
    assert len(pickled) < 500
    assert pickle.loads(pickled).table.equals(split.table)


def test_a_written_dataset_opens_with_what_is_known_of_it(tmp_path: Path) -> None:
    info = dataset(tmp_path, [60, 40])
    opened = EncodedDataset.open(tmp_path)
    assert opened.info == info
    assert opened.info.tokens == {"train": sum(i % 11 for i in range(100))}
    assert opened.split("train").table.equals(rows(100))
    assert opened.processor_directory == tmp_path / "processor"


def test_a_missing_dataset_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="python -m pipeline prepare"):
        EncodedDataset.open(tmp_path / "nothing")


def test_an_unknown_split_names_those_there_are(tmp_path: Path) -> None:
    dataset(tmp_path, [3])
    with pytest.raises(UserError, match="no split 'dev', only train"):
        EncodedDataset.open(tmp_path).split("dev")


@pytest.mark.parametrize("damage", ["cut", "zeroed", "missing", "other rows", "info", "old info"])
def test_damage_is_told_with_the_remedy(tmp_path: Path, damage: str) -> None:
    dataset(tmp_path, [500])
    path = tmp_path / "train.arrow"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "zeroed":
        path.write_bytes(bytes(path.stat().st_size))
    elif damage == "missing":
        path.unlink()
    elif damage == "other rows":
        write(path, [499])
    elif damage == "info":
        (tmp_path / "info.json").write_text("{")
    else:
        (tmp_path / "info.json").write_text("{}")
    with pytest.raises(UserError, match="remedy: run"):
        EncodedDataset.open(tmp_path).split("train")


def test_a_folder_that_cannot_be_written_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write(tmp_path / "missing" / "train.arrow", [1])


def content(*tables: pa.Table) -> str:
    hasher = ColumnHasher()
    for table in tables:
        hasher.update(table)
    return hasher.hexdigest()


def test_the_content_hash_does_not_depend_on_chunks_or_column_order() -> None:
    whole = content(rows(100))
    assert whole == content(rows(40), rows(60, 40))
    assert whole == content(rows(110).slice(0, 100))
    assert content(rows(50, 50)) == content(rows(100).slice(50))
    assert whole == content(
        rows(100).select(["text", "length", "input_ids", "entities", "label", "id"])
    )


def test_the_content_hash_sees_every_change() -> None:
    table = rows(10)
    changed = [
        table.set_column(1, "text", pa.array(["x"] * 10)),
        table.set_column(5, "input_ids", pa.array([[1]] * 10, pa.list_(pa.int32()))),
        table.set_column(2, "label", pa.array(["sports"] * 10)),
        table.take(pa.array([1, 0, *range(2, 10)])),
        table.rename_columns(["id", "text", "topic", "entities", "length", "input_ids"]),
        table.slice(0, 9),
        table.set_column(1, "text", pa.array(["", *table["text"].to_pylist()[:-1]])),
    ]
    hashes = {content(variant) for variant in [table, *changed]}
    assert len(hashes) == len(changed) + 1
