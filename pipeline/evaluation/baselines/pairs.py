"""Baselines of tasks that give two texts a number, such as an item's relevance to a query."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from pipeline.evaluation.baselines.base import Baseline
from pipeline.evaluation.baselines.features import tfidf_features
from pipeline.evaluation.baselines.numbers import number_predictions, target_numbers
from pipeline.evaluation.context import Context
from pipeline.tasks.base import FloatArray
from pipeline.tasks.columns import SEPARATOR, input_columns


def fit_popularity(train: pa.Table, context: Context) -> Baseline | None:
    """Predicts the mean number of the second text in the train split, whatever the first.

    The mean of the whole split stands for a text that is not in it. None for a task that does not
    read two texts, and where no second text comes twice, so that nothing is popular.
    """
    pair = _pair(context)
    if pair is None:
        return None
    numbers = target_numbers(train, context)
    texts, place = np.unique(train[pair].to_numpy(zero_copy_only=False), return_inverse=True)
    if len(texts) == len(numbers):
        return None
    means = np.bincount(place, numbers) / np.bincount(place)
    known = dict(zip(texts.tolist(), means.tolist(), strict=True))
    mean = float(numbers.mean())

    def predict(rows: pa.Table) -> pa.Table:
        found = [known.get(text, mean) for text in rows[pair].to_pylist()]
        return number_predictions(np.array(found, np.float64))

    return predict


def fit_similarity(train: pa.Table, context: Context) -> Baseline | None:
    """Predicts from the cosine of both texts' TF-IDF features, by the line that fits best.

    Words are weighed by their frequency in the different texts of the train split; nothing else but
    the line is learned. None for a task that does not read two texts.
    """
    pair = _pair(context)
    if pair is None:
        return None
    first, second = _texts(train, pair)
    known = list(dict.fromkeys([*first, *second]))
    vectorizer = tfidf_features(known).fit(known)

    def cosines(rows: pa.Table) -> FloatArray:
        one, other = (vectorizer.transform(texts) for texts in _texts(rows, pair))
        found: FloatArray = np.asarray(one.multiply(other).sum(axis=1), np.float64).ravel()
        return found

    line = np.stack([cosines(train), np.ones(train.num_rows)], axis=1)
    slope, level = np.linalg.lstsq(line, target_numbers(train, context))[0]
    return lambda rows: number_predictions(slope * cosines(rows) + level)


def _pair(context: Context) -> str | None:
    """The name of the second text; None where there are not two."""
    texts = [column for column in input_columns(context.columns) if column.kind == "text"]
    return texts[1].name if len(texts) == 2 else None


def _texts(rows: pa.Table, pair: str) -> tuple[Sequence[str], Sequence[str]]:
    """Both texts of each row; `text` holds them as one."""
    second = rows[pair].to_pylist()
    both = zip(rows["text"].to_pylist(), second, strict=True)
    return [joined.removesuffix(SEPARATOR + text) for joined, text in both], second
