"""Predictions with what they are held against, and a task's metrics over them at little cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.tasks.base import FloatArray, IntArray, Task
from pipeline.tasks.columns import target_names

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_SAME = 1e-9
"""Metrics closer than this are equal up to the order of sums."""
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Predictions of one model and their references.

    Attributes:
        task: Knows the metrics.
        predictions: One row for each example.
        rows: The examples.
        label_names: Names by label id.
    """

    task: Task
    predictions: pa.Table
    rows: pa.Table
    label_names: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        """How many examples."""
        return int(self.rows.num_rows)

    def metrics(self, weights: IntArray | None = None) -> dict[str, FloatArray]:
        """The task's metrics under weights `[samples, rows]`; see `Task.metrics`."""
        return self.task.metrics(self.predictions, self.rows, self.label_names, weights)

    @cached_property
    def values(self) -> dict[str, float]:
        """Every metric, each row counted once; NaN where undefined."""
        return {name: float(found[0]) for name, found in self.metrics().items()}

    @cached_property
    def units(self) -> IntArray | None:
        """Which rows are measured together, `[rows]`; see `Task.units`."""
        return self.task.units(self.rows)

    @property
    def num_units(self) -> int:
        """How many times is drawn for a resample."""
        return self.num_rows if self.units is None else int(self.units.max(initial=-1)) + 1

    @cached_property
    def scores(self) -> FloatArray:
        """How right each prediction is, 0 to 1, `[rows]`."""
        return self.task.example_scores(self.predictions, self.rows, self.label_names)

    def take(self, indices: IntArray) -> Self:
        """Some of the rows, in an order."""
        chosen = pa.array(indices)
        return type(self)(
            self.task, self.predictions.take(chosen), self.rows.take(chosen), self.label_names
        )

    def above(self, other: Judged) -> Judged | None:
        """The rows of this, then those of another model, as if one had made all predictions.

        Label ids of the other must mean the same under the names of this: that is so where its
        metrics are the same under either names.

        Returns:
            None where they are not.
        """
        renamed = Judged(self.task, other.predictions, other.rows, self.label_names)
        if self.predictions.schema != other.predictions.schema:
            return None
        if self.label_names != other.label_names and not _equal(renamed.values, other.values):
            return None
        return Judged(
            self.task,
            pa.concat_tables([self.predictions, other.predictions]),
            pa.concat_tables([self.rows, other.rows]),
            self.label_names,
        )


class Condensed:
    """Metrics of decisions over many resamples: rows of equal decision and reference count as one.

    Metrics such as accuracy and F1 do not look at probabilities, and of a classifier's decisions
    only as many kinds occur as the confusion matrix has cells. So a thousand resamples cost little
    more than one. Where the metrics of the kinds are not those of all rows, or rows are measured
    together, all rows are used.

    Args:
        judged: Predictions and references.

    Attributes:
        names: The metrics that the kinds give exactly.
    """

    def __init__(self, judged: Judged) -> None:
        self._judged = judged
        self._kinds: Judged | None = None
        self.names: frozenset[str] = frozenset()
        first, kind = _kinds(judged)
        if 2 * len(first) <= judged.num_rows:
            kinds = judged.take(first)
            counts = np.bincount(kind, minlength=len(first))[np.newaxis].astype(np.int64)
            found = {name: float(value[0]) for name, value in kinds.metrics(counts).items()}
            self._kinds = kinds
            self._kind = kind
            self.names = frozenset(
                name for name, value in judged.values.items() if _close(value, found.get(name))
            )

    def metrics(self, weights: npt.NDArray[np.generic], name: str) -> FloatArray:
        """A metric under weights.

        Args:
            weights: How often each row counts, `[samples, rows]`, any number type.
            name: The metric.

        Returns:
            `[samples]`.
        """
        if self._kinds is None or name not in self.names:
            return self._judged.metrics(weights.astype(np.int64, copy=False))[name]
        counts = self._indicator @ weights.T.astype(np.float32, order="C", copy=False)
        return self._kinds.metrics(counts.T.astype(np.int64))[name]

    @cached_property
    def _indicator(self) -> csr_array:
        """1 where a row is of a kind, `[kinds, rows]`; sums up to 2²⁴ are exact."""
        from scipy.sparse import csr_array

        assert self._kinds is not None
        count = len(self._kind)
        ones = np.ones(count, np.float32)
        shape = (self._kinds.num_rows, count)
        return csr_array((ones, (self._kind, np.arange(count))), shape=shape)


def _kinds(judged: Judged) -> tuple[IntArray, IntArray]:
    """The first row of each kind, `[kinds]`, and the kind of each row, `[rows]`."""
    decided = [
        name
        for name, column in zip(
            judged.predictions.column_names, judged.predictions.schema.types, strict=True
        )
        if not _is_probability(column)
    ]
    wanted = target_names(judged.task.columns)
    columns = [
        _codes(table[name])
        for table, names in ((judged.predictions, decided), (judged.rows, wanted))
        for name in names
        if name in table.column_names
    ]
    if not columns or judged.units is not None:
        every = np.arange(judged.num_rows)
        return every, every
    _, first, kind = np.unique(np.stack(columns), axis=1, return_index=True, return_inverse=True)
    return first.astype(np.int64), kind.ravel().astype(np.int64)


def _codes(column: pa.ChunkedArray) -> IntArray:
    """A number for each different value, `[rows]`."""
    if pa.types.is_nested(column.type):
        known: dict[str, int] = {}
        texts = (repr(value) for value in column.to_pylist())
        return np.array([known.setdefault(text, len(known)) for text in texts], np.int64)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)  # type: ignore[no-any-return]


def _is_probability(kind: pa.DataType) -> bool:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_floating(kind))


def _equal(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    return one.keys() == other.keys() and all(_close(one[name], other[name]) for name in one)


def _close(one: float, other: float | None) -> bool:
    if other is None:
        return False
    return abs(one - other) < _SAME or (np.isnan(one) and np.isnan(other))


def same_predictions(one: Sequence[Judged], other: Sequence[Judged]) -> bool:
    """Whether two groups have predicted exactly the same, seed by seed."""
    return len(one) == len(other) and all(
        mine.predictions.equals(theirs.predictions) for mine, theirs in zip(one, other, strict=True)
    )
