"""Strict metrics of entities: right means the same start, end and type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.metrics.weighting import (
    FloatArray,
    IntArray,
    mean_of_defined,
    ratio,
    row_weights,
    weighted_sums,
)


def entity_metrics(
    references: IntArray,
    predicted: IntArray,
    num_rows: int,
    types: Sequence[str],
    weights: IntArray | None = None,
) -> dict[str, FloatArray]:
    """Precision, recall and F1 over whole entities (Tjong Kim Sang and De Meulder, 2003).

    Args:
        references: Row, start, end and number of the type of each entity, `[entities, 4]`.
        predicted: The same of the predictions, `[entities, 4]`. An entity given twice counts once.
        num_rows: How many rows there are.
        types: Names of the types.
        weights: How often each row counts, `[samples, rows]`; by default each counts once.

    Returns:
        `[samples]` each: `precision`, `recall` and `f1` over all entities, `f1_macro`, the mean
        over types of which there is an entity or a prediction, and `f1/<type>` and so on. NaN is
        precision without a prediction, recall without an entity, and F1 without either.
    """
    parts = _hits_given_wanted(references, predicted)
    counts = np.stack([_counts(part, num_rows, len(types)) for part in parts], axis=1)
    sums = weighted_sums(row_weights(weights, num_rows), counts)
    hits, predictions, golds = sums[:, 0], sums[:, 1], sums[:, 2]

    f1_by_type = ratio(2 * hits, predictions + golds)
    total_hits, total_predictions, total_golds = (
        part.sum(axis=-1) for part in (hits, predictions, golds)
    )
    found = {
        "precision": ratio(total_hits, total_predictions),
        "recall": ratio(total_hits, total_golds),
        "f1": ratio(2 * total_hits, total_predictions + total_golds),
        "f1_macro": mean_of_defined(f1_by_type),
    }
    for name, values in (
        ("precision", ratio(hits, predictions)),
        ("recall", ratio(hits, golds)),
        ("f1", f1_by_type),
    ):
        for number, kind in enumerate(types):
            found[f"{name}/{kind}"] = values[:, number]
    return found


def row_f1(references: IntArray, predicted: IntArray, num_rows: int) -> FloatArray:
    """F1 of the entities of each row, 1 where none is expected and none given.

    Args:
        references: As in `entity_metrics`.
        predicted: As in `entity_metrics`.
        num_rows: How many rows there are.

    Returns:
        `[rows]`.
    """
    hits, given, wanted = (
        np.bincount(part[:, 0], minlength=num_rows)
        for part in _hits_given_wanted(references, predicted)
    )
    total = given + wanted
    return np.where(total == 0, 1.0, 2 * hits / np.maximum(total, 1))


def _hits_given_wanted(references: IntArray, predicted: IntArray) -> list[IntArray]:
    """The distinct entities that are right, those predicted, and those expected."""
    wanted = np.unique(references, axis=0)
    given = np.unique(predicted, axis=0)
    both, times = np.unique(np.concatenate([wanted, given]), axis=0, return_counts=True)
    return [both[times == 2], given, wanted]


def _counts(entities: IntArray, num_rows: int, num_types: int) -> IntArray:
    """How many entities of each type a row has, `[rows, types]`."""
    cells = np.bincount(entities[:, 0] * num_types + entities[:, 3], minlength=num_rows * num_types)
    return cells.reshape(num_rows, num_types)
