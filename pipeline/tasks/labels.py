"""Names and weights of classes, from the train split alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import DataError
from pipeline.tasks.columns import IntArray, label_ids


def class_names(train: pa.Table, configured: Sequence[str] | None) -> tuple[str, ...]:
    """The names of classes in the order of their ids.

    Args:
        train: The train split, with the column `label`.
        configured: The names in the order that the user gives; by default sorted.

    Raises:
        DataError: If there are fewer than two, or a label is not among those configured.
    """
    if configured is not None:
        label_ids(train, configured)
    found = sorted(pc.unique(train["label"]).drop_null().to_pylist())
    names = tuple(found if configured is None else configured)
    if len(names) < 2 or len(found) < 2:
        only = f"only the label {found[0]!r}" if found else "no label at all"
        raise DataError(
            f"the train split has {only}; a classifier needs two or more",
            remedy="check data.columns.label and data.labels (a `map` or `positive` may join all "
            "labels), and that the file is not sorted by label and cut",
        )
    return names


def balanced_weights(labels: IntArray, num_labels: int) -> tuple[float, ...]:
    """Weights that give every label the same total; their mean over the rows is 1.

    Args:
        labels: Label ids of the train split, `[rows]`.
        num_labels: How many labels there are; one without rows has weight 0.
    """
    counts = np.bincount(labels, minlength=num_labels)
    present = np.count_nonzero(counts)
    weights = len(labels) / (present * np.maximum(counts, 1))
    return tuple(np.where(counts > 0, weights, 0.0).tolist())
