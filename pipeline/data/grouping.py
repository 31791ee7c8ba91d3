"""Batches whose rows are compared with each other: rows that belong together share one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """Rows that belong together, in the order in which groups are taken into batches.

    Attributes:
        rows: Row numbers, one group after the other, `[rows]`.
        bounds: Where each group begins in `rows`, and at last where the last one ends.
        widths: Padded length of each group's rows, rising, `[groups]`.
    """

    rows: IntArray
    bounds: IntArray
    widths: IntArray

    def of(self, groups: IntArray) -> IntArray:
        """The rows of some groups."""
        return np.concatenate(
            [self.rows[self.bounds[group] : self.bounds[group + 1]] for group in groups]
        )


def sorted_groups(
    together: IntArray,
    padded: IntArray,
    order: IntArray,
    *,
    max_tokens: int | None,
    max_examples: int,
) -> Groups:
    """Sorts groups by width and size; of one group, and of equal groups, `order` decides.

    A group that no batch can hold is divided into equal parts, which are groups then. Widths and
    sizes do not depend on `order`, so neither does the number of batches.

    Args:
        together: A number for each row, equal for rows that belong together, `[rows]`.
        padded: Padded length of each row, `[rows]`.
        order: All row numbers.
        max_tokens: Most tokens of a batch; None for any number.
        max_examples: Most rows of a batch.
    """
    _, first_met, group = np.unique(together[order], return_index=True, return_inverse=True)
    rows = order[np.argsort(group, kind="stable")]
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    widths = np.maximum.reduceat(padded[rows], starts)
    limits = np.full(len(sizes), max_examples)
    if max_tokens is not None:
        limits = np.minimum(np.maximum(max_tokens // widths, 1), limits)
    parts = -(-sizes // limits)
    parent = np.repeat(np.arange(len(sizes)), parts)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(parts) - parts, parts)
    begins = starts[parent] + number * sizes[parent] // parts[parent]
    counts = starts[parent] + (number + 1) * sizes[parent] // parts[parent] - begins
    taken = np.lexsort((number, first_met[parent], counts, widths[parent]))
    within = np.arange(len(rows)) - np.repeat(
        np.cumsum(counts[taken]) - counts[taken], counts[taken]
    )
    bounds = np.concatenate(([0], np.cumsum(counts[taken])))
    return Groups(
        rows[np.repeat(begins[taken], counts[taken]) + within], bounds, widths[parent][taken]
    )


def cut_groups(groups: Groups, *, max_tokens: int | None, max_examples: int) -> list[IntArray]:
    """Takes groups greedily into batches within both limits.

    Returns:
        The numbers of the groups of each batch.
    """
    sizes = np.diff(groups.bounds).tolist()
    widths = groups.widths.tolist()
    bounds, filled = [0], 0
    for group, (size, width) in enumerate(zip(sizes, widths, strict=True)):
        tokens = (filled + size) * width
        if filled and (
            filled + size > max_examples or (max_tokens is not None and tokens > max_tokens)
        ):
            bounds.append(group)
            filled = 0
        filled += size
    if len(bounds) > 1:
        bounds[-1] = _balanced(sizes, widths[-1], bounds, max_tokens, max_examples)
    return np.split(np.arange(len(sizes)), bounds[1:])


def _balanced(
    sizes: list[int], width: int, bounds: list[int], max_tokens: int | None, max_examples: int
) -> int:
    """Where the last batch begins when it takes groups from the one before until they are alike."""
    before, last = bounds[-2], bounds[-1]
    ours, theirs = sum(sizes[last:]), sum(sizes[before:last])
    while last - 1 > before:
        size = sizes[last - 1]
        fits = ours + size <= max_examples and (
            max_tokens is None or (ours + size) * width <= max_tokens
        )
        if not fits or ours + size > theirs - size:
            break
        ours, theirs, last = ours + size, theirs - size, last - 1
    return last
