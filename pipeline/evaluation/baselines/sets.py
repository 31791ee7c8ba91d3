"""Baselines of tasks that give each row a set of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import tfidf_features
from pipeline.evaluation.context import Context
from pipeline.metrics.thresholds import BoolArray, best_thresholds
from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.columns import text_columns
from pipeline.tasks.label_sets import as_matrix, set_predictions

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

_FOLDS = 4


def fit_majority(train: pa.Table, context: Context) -> Baseline:
    """Predicts the set that has the highest micro F1 of all that are the same for each row.

    It holds the train split's most frequent labels; scores are the shares of rows with a label.
    """
    names = context.label_names
    shares = _wanted(train, context).mean(axis=0)
    thresholds = _constant_set(shares)
    return lambda rows: set_predictions(np.tile(shares, (rows.num_rows, 1)), thresholds, names)


def fit_tfidf(train: pa.Table, context: Context) -> Baseline | None:
    """One logistic regression for each label on TF-IDF features; see `tfidf_features`.

    Each label's threshold is the best one for rows that the regression did not see, by
    cross-validation within the train split: at one half, rare labels are never predicted. A label
    that all rows have, or none, has that share as score. None for a task without text.
    """
    if not text_columns(context.columns):
        return None
    texts = train["text"].to_pylist()
    wanted = _wanted(train, context)
    vectorizer = tfidf_features(texts)
    features = vectorizer.fit_transform(texts)
    scores = np.tile(wanted.mean(axis=0), (len(wanted), 1))
    learned: dict[int, LogisticRegression] = {}
    folds = np.random.default_rng(0).permutation(len(wanted)) % _FOLDS
    for label in range(len(context.label_names)):
        if _decides(wanted[:, label]):
            learned[label] = _regression(features, wanted[:, label])
            scores[:, label] = _unseen_scores(features, wanted[:, label], folds)
    thresholds = best_thresholds(scores, wanted)

    def predict(rows: pa.Table) -> pa.Table:
        given = vectorizer.transform(rows["text"].to_pylist())
        found = np.tile(wanted.mean(axis=0), (rows.num_rows, 1))
        for label, regression in learned.items():
            found[:, label] = regression.predict_proba(given)[:, 1]
        return set_predictions(found, thresholds, context.label_names)

    return predict


def _wanted(rows: pa.Table, context: Context) -> BoolArray:
    assert context.target is not None
    return as_matrix(rows[context.target.name], context.label_names)


def _constant_set(shares: FloatArray) -> FloatArray:
    """Thresholds on the shares, `[labels]`, so that the set with the best micro F1 is above."""
    ranked = np.sort(shares)[::-1]
    f1 = 2 * np.cumsum(ranked) / (np.arange(1, len(ranked) + 1) + ranked.sum())
    return np.full(len(shares), max(ranked[int(f1.argmax())], np.finfo(np.float64).tiny))


def _decides(wanted: BoolArray) -> bool:
    return bool(wanted.any() and not wanted.all())


def _regression(features: Any, wanted: BoolArray) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=1_000).fit(features, wanted)


def _unseen_scores(features: Any, wanted: BoolArray, folds: IntArray) -> FloatArray:
    """Each row's score from a regression that did not see its fold."""
    scores = np.full(len(wanted), wanted.mean())
    for fold in range(_FOLDS):
        here = folds == fold
        if here.any() and _decides(wanted[~here]):
            seen = _regression(features[~here], wanted[~here])
            scores[here] = seen.predict_proba(features[here])[:, 1]
    return scores
