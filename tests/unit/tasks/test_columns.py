from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.errors import DataError
from pipeline.tasks.base import LABEL, TEXT
from pipeline.tasks.columns import label_ids, list_values, pad_lists, require_columns

LISTS = pa.array([[9, 9], [1, 2, 3], [], [4]], pa.list_(pa.int32()))


@pytest.mark.parametrize(
    "column",
    [LISTS.slice(1), pa.chunked_array([LISTS.slice(1, 1), LISTS.slice(2)])],
    ids=["sliced", "chunked"],
)
def test_lists_are_padded_on_the_right(column: pa.ChunkedArray) -> None:
    values, mask = pad_lists(column, fill=-1, pad_to_multiple_of=2)
    assert values.tolist() == [[1, 2, 3, -1], [-1, -1, -1, -1], [4, -1, -1, -1]]
    assert mask.tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert values.dtype == mask.dtype == "int64"


def test_a_length_that_is_a_multiple_already_stays() -> None:
    assert pad_lists(LISTS, fill=0, pad_to_multiple_of=3)[0].shape == (4, 3)
    assert pad_lists(LISTS.slice(2, 1), fill=0, pad_to_multiple_of=8)[0].shape == (1, 8)
    assert pad_lists(LISTS.slice(0, 0), fill=0, pad_to_multiple_of=8)[0].shape == (0, 8)


def test_list_values_of_no_chunks_are_empty() -> None:
    values, lengths = list_values(pa.chunked_array([], pa.list_(pa.int32())))
    assert len(values) == len(lengths) == 0


def test_a_missing_column_names_those_there_are_and_the_key_to_map_it() -> None:
    rows = pa.table({"id": ["a"], "text": ["b"]})
    with pytest.raises(DataError, match=r"needs the column 'label'.*id, text") as caught:
        require_columns(rows, (TEXT, LABEL), needed_by="text_classification")
    assert "data.columns.label" in str(caught.value.remedy)


def test_a_label_that_is_null_or_unknown_names_its_row() -> None:
    rows = pa.table({"id": ["r0", "r1"], "text": ["aa", "bb"], "label": ["x", None]})
    with pytest.raises(DataError, match=r"'r1' \('bb' …\) has the label None"):
        label_ids(rows, ["x"])
    with pytest.raises(DataError, match=r"'r0' .* has the label 'x'"):
        label_ids(rows, ["y"])
