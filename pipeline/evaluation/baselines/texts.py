"""Baselines of tasks that write a text for a text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import tfidf_features
from pipeline.evaluation.context import Context
from pipeline.tasks.columns import input_columns

_ROWS_AT_ONCE = 256


def fit_copy(train: pa.Table, context: Context) -> Baseline | None:  # noqa: ARG001
    """Writes the input again; None for a task that reads more than texts."""
    if not _reads_texts(context):
        return None
    return lambda rows: pa.table({"prediction": rows["text"].cast(pa.string())})


def fit_nearest(train: pa.Table, context: Context) -> Baseline | None:
    """Writes the target of the train split's most similar input, by cosine of TF-IDF features.

    None for a task that reads more than texts.
    """
    if not _reads_texts(context):
        return None
    assert context.target is not None
    texts = train["text"].to_pylist()
    targets = train[context.target.name].combine_chunks()
    vectorizer = tfidf_features(texts)
    known = vectorizer.fit_transform(texts).T.tocsr()

    def predict(rows: pa.Table) -> pa.Table:
        asked = vectorizer.transform(rows["text"].to_pylist())
        best = [
            np.asarray((asked[start : start + _ROWS_AT_ONCE] @ known).argmax(axis=1)).ravel()
            for start in range(0, rows.num_rows, _ROWS_AT_ONCE)
        ]
        places = np.concatenate([np.zeros(0, np.int64), *best]).astype(np.int64)
        return pa.table({"prediction": targets.take(pa.array(places))})

    return predict


def _reads_texts(context: Context) -> bool:
    return all(column.kind == "text" for column in input_columns(context.columns))
