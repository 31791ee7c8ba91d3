"""Baselines of tasks that see pictures."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.labels import class_predictions, label_numbers
from pipeline.evaluation.context import Context
from pipeline.tasks.base import FloatArray
from pipeline.tasks.image_inputs import PIXELS, stored_pixels

_GRID = 8
"""Squares on each side of a picture whose mean colours are features."""
_SHADES = 8
"""Parts of each colour's histogram."""


def fit_pixels(train: pa.Table, context: Context) -> Baseline | None:
    """Logistic regression on coarse pixels and histograms of the colours.

    Features are the mean colours of 8 × 8 squares, and for each colour the shares of pixels of
    eight shades, each scaled to a variance of 1. None for a task without pictures.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if PIXELS not in train.column_names:
        return None
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1_000)
    )
    classifier.fit(_features(train), label_numbers(train, context))

    def predict(rows: pa.Table) -> pa.Table:
        scores = np.zeros((rows.num_rows, len(context.label_names)))
        scores[:, classifier.classes_] = classifier.predict_proba(_features(rows))
        return class_predictions(scores, context.label_names)

    return predict


def _features(rows: pa.Table) -> FloatArray:
    """Of each picture the mean colours of a grid and histograms of its colours, `[rows, …]`."""
    pixels = stored_pixels(rows[PIXELS])
    count, height, width, _ = pixels.shape
    down, across = (
        np.linspace(0, size, min(_GRID, size) + 1).astype(np.int64)[:-1] for size in (height, width)
    )
    squares = np.add.reduceat(np.add.reduceat(pixels.astype(np.float64), down, 1), across, 2)
    shades = pixels.reshape(count, -1, 3) // (256 // _SHADES)
    histograms = [(shades == shade).mean(axis=1) for shade in range(_SHADES)]
    return np.concatenate([squares.reshape(count, -1), *histograms], axis=1)
