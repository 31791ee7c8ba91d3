from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest

from pipeline.data.encoding import CHUNK_ROWS, chunks, encode_split
from pipeline.data.store import EncodedSplit
from pipeline.errors import UserError
from pipeline.tasks.base import TEXT, Task
from pipeline.tasks.processor import Processor


class Letters:
    """Encodes a letter as its code point; all of a task that encoding asks for."""

    columns = (TEXT,)

    def divide(self, rows: pa.Table, processor: Any, *, max_length: int) -> pa.Table:
        return rows

    def encode(
        self, rows: pa.Table, processor: Any, label_names: Sequence[str], *, max_length: int
    ) -> pa.Table:
        texts = rows["text"].to_pylist()
        if "bad" in texts:
            raise UserError("a bad row")
        ids = [[ord(letter) for letter in text][:max_length] for text in texts]
        lengths = pa.array([len(one) for one in ids], pa.int32())
        return pa.table({"length": lengths, "input_ids": pa.array(ids, pa.list_(pa.int32()))})


def table(texts: list[str]) -> pa.Table:
    return pa.table({"id": [str(i) for i in range(len(texts))], "text": pa.array(texts)})


def encode(rows: pa.Table, path: Path, **options: Any) -> Any:
    return encode_split(
        rows,
        path,
        task=cast(Task, Letters()),
        processor=Processor(),
        label_names=(),
        max_length=4,
        **options,
    )


def test_a_file_holds_raw_and_encoded_columns_in_order(tmp_path: Path) -> None:
    rows = table([f"text {i}" for i in range(2 * CHUNK_ROWS + 10)])
    seen: list[int] = []

    writer = encode(rows, tmp_path / "train.arrow", on_rows=seen.append)

    stored = EncodedSplit(tmp_path / "train.arrow").table
    assert stored.select(["id", "text"]).equals(rows)
    assert stored["input_ids"][0].as_py() == [ord(letter) for letter in "text"]
    assert seen == [CHUNK_ROWS, CHUNK_ROWS, 10]
    assert writer.num_rows == rows.num_rows
    assert writer.num_tokens == 4 * rows.num_rows


def test_an_empty_split_keeps_its_columns(tmp_path: Path) -> None:
    encode(table([]).cast(table(["x"]).schema), tmp_path / "test.arrow")
    stored = EncodedSplit(tmp_path / "test.arrow")
    assert len(stored) == 0
    assert stored.table.column_names == ["id", "text", "length", "input_ids"]
    assert stored.lengths.tolist() == []


def test_what_a_task_raises_is_raised(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a bad row"):
        encode(table(["good", "bad"]), tmp_path / "train.arrow")


@pytest.mark.parametrize(
    ("texts", "sizes"),
    [
        (["aa"] * 7, [3, 3, 1]),
        (["aaaa", "aaaa", "aaaa"], [2, 1]),
        (["a", "a" * 100, "a", "a"], [1, 1, 1, 1]),
        ([], [0]),
    ],
)
def test_chunks_are_limited_in_rows_and_bytes(texts: list[str], sizes: list[int]) -> None:
    rows = table(texts).cast(table(["x"]).schema)
    parts = list(chunks(rows, (TEXT,), max_rows=3, max_bytes=8))
    assert [part.num_rows for part in parts] == sizes
    assert pa.concat_tables(parts).equals(rows)
