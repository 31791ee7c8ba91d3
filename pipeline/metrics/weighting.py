"""Sums over rows for many resamples at once, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

CHUNK_CELLS = 2**21
"""Most weights, samples × rows, that are worked on at once."""


def row_weights(weights: IntArray | None, num_rows: int) -> IntArray:
    """The weights `[samples, rows]`; one sample of ones where none are given.

    Raises:
        ValueError: If the weights are not one for each row.
    """
    if weights is None:
        return np.ones((1, num_rows), np.int64)
    if weights.ndim != 2 or weights.shape[1] != num_rows:
        raise ValueError(f"weights must be [samples, {num_rows}], got {list(weights.shape)}")
    return weights


def sample_chunks(weights: IntArray) -> Iterator[slice]:
    """Divides the samples of `[samples, rows]` so that each part has at most `CHUNK_CELLS`."""
    step = max(CHUNK_CELLS // max(weights.shape[1], 1), 1)
    for start in range(0, weights.shape[0], step):
        yield slice(start, start + step)


def weighted_sums(weights: IntArray, values: npt.NDArray[np.generic]) -> FloatArray:
    """Sums of row values, each row as often as it counts: one matrix product.

    Args:
        weights: `[samples, rows]`.
        values: `[rows, …]`.

    Returns:
        `[samples, …]`; exact for whole numbers below 2⁵³.
    """
    columns = values.astype(np.float64)
    sums = np.empty((weights.shape[0], *values.shape[1:]))
    for part in sample_chunks(weights):
        sums[part] = np.tensordot(weights[part].astype(np.float64), columns, 1)
    return sums


def grouped_sums(
    weights: IntArray, groups: IntArray, num_groups: int, values: FloatArray | None = None
) -> FloatArray:
    """Sums of weights, or of weighted row values, within groups of rows.

    The cost does not depend on the number of groups.

    Args:
        weights: `[samples, rows]`.
        groups: The group of each row, 0 … `num_groups` - 1, or -1 for rows that belong to none.
        num_groups: How many groups there are.
        values: `[rows]`; by default ones.

    Returns:
        `[samples, num_groups]`.
    """
    order = np.argsort(groups, kind="stable")
    order = order[np.searchsorted(groups[order], 0) :]
    present, starts = np.unique(groups[order], return_index=True)
    sums = np.zeros((weights.shape[0], num_groups))
    if not len(order):
        return sums
    for part in sample_chunks(weights):
        cells = weights[part][:, order]
        weighted = cells if values is None else cells * values[order]
        sums[part, present] = np.add.reduceat(weighted, starts, axis=1)
    return sums


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divides; NaN where the denominator is zero."""
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator != 0)
    return result


def mean_of_defined(values: FloatArray) -> FloatArray:
    """The mean over the last axis of what is not NaN; NaN where nothing is defined."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1).astype(float))
