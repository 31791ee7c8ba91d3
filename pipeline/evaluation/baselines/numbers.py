"""Baselines of tasks that give each row a number."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import tfidf_features
from pipeline.evaluation.context import Context
from pipeline.tasks.base import FloatArray
from pipeline.tasks.columns import number_values, text_columns

_PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0)
_FOLDS = 4


def fit_majority(train: pa.Table, context: Context) -> Baseline:
    """Predicts the mean of the train split for each row."""
    mean = float(target_numbers(train, context).mean())
    return lambda rows: number_predictions(np.full(rows.num_rows, mean))


def fit_tfidf(train: pa.Table, context: Context) -> Baseline | None:
    """Ridge regression on TF-IDF features; see `tfidf_features`.

    The penalty is the best of five by cross-validation within the train split. None for a task
    without text, or a train split too small to be divided.
    """
    from sklearn.linear_model import RidgeCV

    if not text_columns(context.columns) or train.num_rows < _FOLDS:
        return None
    texts = train["text"].to_pylist()
    vectorizer = tfidf_features(texts)
    ridge = RidgeCV(_PENALTIES, cv=_FOLDS, scoring="neg_mean_squared_error")
    ridge.fit(vectorizer.fit_transform(texts), target_numbers(train, context))

    def predict(rows: pa.Table) -> pa.Table:
        return number_predictions(ridge.predict(vectorizer.transform(rows["text"].to_pylist())))

    return predict


def number_predictions(numbers: FloatArray) -> pa.Table:
    """What a regression task's `decode` gives, for numbers `[rows]`."""
    return pa.table({"prediction": pa.array(numbers, pa.float64())})


def target_numbers(rows: pa.Table, context: Context) -> FloatArray:
    """The numbers to be found, `[rows]`."""
    assert context.target is not None
    return number_values(rows[context.target.name])
