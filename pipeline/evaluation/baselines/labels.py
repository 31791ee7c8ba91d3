"""Baselines of tasks that give each row one label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import tfidf_features
from pipeline.evaluation.context import Context
from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.columns import text_columns


def fit_majority(train: pa.Table, context: Context) -> Baseline:
    """Predicts the train split's most frequent label; scores are the shares of all labels."""
    names = context.label_names
    counts = np.bincount(label_numbers(train, context), minlength=len(names))
    shares = counts / counts.sum()
    return lambda rows: class_predictions(np.tile(shares, (rows.num_rows, 1)), names)


def fit_tfidf(train: pa.Table, context: Context) -> Baseline | None:
    """Logistic regression on TF-IDF features; see `tfidf_features`.

    Rare labels weigh more, so that all weigh the same in total. None for a task without text.
    """
    from sklearn.linear_model import LogisticRegression

    if not text_columns(context.columns):
        return None
    texts = train["text"].to_pylist()
    vectorizer = tfidf_features(texts)
    classifier = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1_000)
    classifier.fit(vectorizer.fit_transform(texts), label_numbers(train, context))

    def predict(rows: pa.Table) -> pa.Table:
        scores = np.zeros((rows.num_rows, len(context.label_names)))
        found = classifier.predict_proba(vectorizer.transform(rows["text"].to_pylist()))
        scores[:, classifier.classes_] = found
        return class_predictions(scores, context.label_names)

    return predict


def class_predictions(scores: FloatArray, label_names: Sequence[str]) -> pa.Table:
    """What a classification task's `decode` gives, for probabilities `[rows, labels]`."""
    best = scores.argmax(axis=1)
    return pa.table(
        {
            "prediction": pa.array(label_names, pa.string()).take(pa.array(best)),
            "label_id": pa.array(best, pa.int64()),
            "score": pa.array(scores[np.arange(len(scores)), best], pa.float64()),
            "scores": pa.array(list(scores), pa.list_(pa.float64())),
        }
    )


def label_numbers(rows: pa.Table, context: Context) -> IntArray:
    """The ids of the labels that rows have, `[rows]`."""
    assert context.target is not None
    ids = {name: number for number, name in enumerate(context.label_names)}
    return np.array([ids[label] for label in rows[context.target.name].to_pylist()], np.int64)
