"""Sets of labels: lists of names to matrices and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError, did_you_mean
from pipeline.tasks.base import FloatArray
from pipeline.tasks.columns import IntArray, describe_row

BoolArray = npt.NDArray[np.bool_]


def set_names(train: pa.Table, column: str, configured: Sequence[str] | None) -> tuple[str, ...]:
    """The names of labels in the order of their ids.

    Args:
        train: The train split.
        column: Its column of sets.
        configured: The names in the order that the user gives; by default sorted.

    Raises:
        DataError: If no row has a label, or a label is not among those configured.
    """
    if configured is not None:
        encode_sets(train, column, configured)
    found = sorted(set(pc.list_flatten(train[column]).to_pylist()))
    if not found:
        raise DataError(
            "no row of the train split has a label, so there is nothing to learn",
            remedy=f"check data.columns.{column}, and data.labels.separator where labels of a row "
            "are written as one text",
        )
    return tuple(found if configured is None else configured)


def encode_sets(rows: pa.Table, column: str, label_names: Sequence[str]) -> pa.FixedSizeListArray:
    """Each row's set as a one for each label in it and a zero for all others.

    Returns:
        Lists of int8, each as long as there are names; null where a row has no set.

    Raises:
        DataError: If a label is not among the names.
    """
    sets = _combined(rows[column])
    known = pc.is_in(pc.list_flatten(sets), pa.array(label_names, pa.string()))
    if not pc.all(known, min_count=0).as_py():
        place = int(np.flatnonzero(~known.to_numpy(zero_copy_only=False))[0])
        label = pc.list_flatten(sets)[place].as_py()
        row = int(pc.list_parent_indices(sets)[place].as_py())
        raise DataError(
            f"{describe_row(rows, row)} has the label {label!r}, which the train split (or "
            "data.labels.names) does not have",
            remedy=did_you_mean(str(label), label_names)
            + " Correct it, map it with data.labels.map, or add rows of it to the train split",
        )
    hot = pa.array(as_matrix(sets, label_names).ravel().astype(np.int8))
    mask = sets.is_null() if sets.null_count else None
    return pa.FixedSizeListArray.from_arrays(hot, len(label_names), mask=mask)


def decode_sets(column: pa.ChunkedArray | pa.Array, *, unlabelled: int) -> IntArray:
    """What `encode_sets` made as a matrix `[rows, labels]`.

    Args:
        column: From `encode_sets`.
        unlabelled: Fills the row of what has no set.
    """
    sets = _combined(column)
    labelled = sets.is_valid().to_numpy(zero_copy_only=False)
    matrix = np.full((len(sets), sets.type.list_size), unlabelled, np.int64)
    hot = pc.list_flatten(sets).to_numpy(zero_copy_only=False)
    matrix[labelled] = hot.reshape(-1, sets.type.list_size)
    return matrix


def as_matrix(column: pa.ChunkedArray | pa.Array, label_names: Sequence[str]) -> BoolArray:
    """Which labels each row has, `[rows, labels]`; names that are unknown are left out."""
    sets = _combined(column)
    matrix = np.zeros((len(sets), len(label_names)), np.bool_)
    ids = pc.index_in(pc.list_flatten(sets), pa.array(label_names, pa.string()))
    known = ids.is_valid().to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(sets).to_numpy(zero_copy_only=False)
    matrix[rows[known], ids.drop_null().to_numpy(zero_copy_only=False)] = True
    return matrix


def set_predictions(
    scores: FloatArray, thresholds: FloatArray, label_names: Sequence[str]
) -> pa.Table:
    """The sets that scores and thresholds give.

    Args:
        scores: Probabilities, `[rows, labels]`.
        thresholds: The lowest score with which a label is in the set, `[labels]`.
        label_names: Names by label id.

    Returns:
        `prediction` (list<string>, in the order of the ids) and `scores` (list<float64>, of all
        labels).
    """
    bounds = np.arange(len(scores) + 1, dtype=np.int32) * len(label_names)
    return pa.table(
        {
            "prediction": _lists(scores >= thresholds, pa.array(label_names, pa.string())),
            "scores": pa.ListArray.from_arrays(
                pa.array(bounds), pa.array(scores.ravel(), pa.float64())
            ),
        }
    )


def _lists(matrix: BoolArray, values: pa.Array) -> pa.ListArray:
    """For each row the values of its true columns."""
    rows, columns = np.nonzero(matrix)
    bounds = np.searchsorted(rows, np.arange(len(matrix) + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(bounds), values.take(pa.array(columns, pa.int64())))


def _combined(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
