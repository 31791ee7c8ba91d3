"""Simple models beside the fine-tuned one, learned from the train split alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from pipeline.data.quality.scripts import script_shares
from pipeline.evaluation.lexicon import Lexicon
from pipeline.tasks.base import FloatArray

Baseline = Callable[[pa.Table], pa.Table]
"""Predicts rows from their column `text`: a table as `Task.decode` gives it."""

UNSPACED_SCRIPTS = ("Han", "Kana", "Thai")
_SAMPLE_ROWS = 1_000
_MAX_FEATURES = 200_000


def fit_baselines(
    names: Sequence[str], train: pa.Table, label_names: Sequence[str]
) -> dict[str, Baseline]:
    """Fits those baselines that suit the references which the rows have.

    Args:
        names: `majority` and `tfidf` need the column `label`, `lexicon` the column `entities`.
        train: Labelled rows of the train split.
        label_names: Names by label id.
    """
    column = {"majority": "label", "tfidf": "label", "lexicon": "entities"}
    fit = {"majority": fit_majority, "tfidf": fit_tfidf, "lexicon": fit_lexicon}
    return {
        name: fit[name](train, label_names) for name in names if column[name] in train.column_names
    }


def fit_majority(train: pa.Table, label_names: Sequence[str]) -> Baseline:
    """Predicts the train split's most frequent label; scores are the shares of all labels."""
    counts = np.bincount(_label_ids(train, label_names), minlength=len(label_names))
    shares = counts / counts.sum()
    return lambda rows: class_predictions(np.tile(shares, (rows.num_rows, 1)), label_names)


def fit_tfidf(train: pa.Table, label_names: Sequence[str]) -> Baseline:
    """Logistic regression on TF-IDF features.

    Features are words and pairs of words; where the text is written without spaces, runs of one to
    three characters. Rare labels weigh more, so that all weigh the same in total.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts = train["text"].to_pylist()
    features = (
        {"analyzer": "char", "ngram_range": (1, 3)}
        if is_unspaced(texts)
        else {"token_pattern": r"(?u)\b\w+\b", "ngram_range": (1, 2)}
    )
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=_MAX_FEATURES, **features)
    classifier = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1_000)
    classifier.fit(vectorizer.fit_transform(texts), _label_ids(train, label_names))

    def predict(rows: pa.Table) -> pa.Table:
        scores = np.zeros((rows.num_rows, len(label_names)))
        found = classifier.predict_proba(vectorizer.transform(rows["text"].to_pylist()))
        scores[:, classifier.classes_] = found
        return class_predictions(scores, label_names)

    return predict


def fit_lexicon(train: pa.Table, label_names: Sequence[str]) -> Baseline:  # noqa: ARG001
    """Marks the entities of the train split wherever they occur; see `Lexicon`."""
    lexicon = Lexicon(train["text"].to_pylist(), train["entities"].to_pylist())
    kind = train.schema.field("entities").type
    scored = pa.list_(pa.struct([*kind.value_type, pa.field("score", pa.float64())]))
    return lambda rows: pa.table(
        {"entities": pa.array([lexicon.find(text) for text in rows["text"].to_pylist()], scored)}
    )


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


def is_unspaced(texts: Sequence[str]) -> bool:
    """Whether words are not separated: a script without spaces, and no segmentation before."""
    sample = texts[:: max(1, len(texts) // _SAMPLE_ROWS)]
    shares = script_shares(sample)
    if sum(shares.get(script, 0.0) for script in UNSPACED_SCRIPTS) < 0.2:
        return False
    pieces = [piece for text in sample for piece in text.split()]
    return sum(map(len, pieces)) > 3 * len(pieces)


def _label_ids(
    rows: pa.Table, label_names: Sequence[str]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    ids = {name: number for number, name in enumerate(label_names)}
    return np.array([ids[label] for label in rows["label"].to_pylist()], np.int64)
