"""Which baselines there are, by their name in the config and by kind of target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from pipeline.evaluation.baselines import (
    entities,
    labels,
    numbers,
    pairs,
    pictures,
    sets,
    texts,
)
from pipeline.evaluation.baselines.base import Baseline, Fit
from pipeline.evaluation.context import Context
from pipeline.tasks.base import Kind

BASELINES: Mapping[str, Mapping[Kind, Fit]] = {
    "majority": {
        "label": labels.fit_majority,
        "labels": sets.fit_majority,
        "number": numbers.fit_majority,
    },
    "tfidf": {
        "label": labels.fit_tfidf,
        "labels": sets.fit_tfidf,
        "number": numbers.fit_tfidf,
    },
    "popularity": {"number": pairs.fit_popularity},
    "tfidf_similarity": {"number": pairs.fit_similarity},
    "pixels": {"label": pictures.fit_pixels},
    "lexicon": {"entities": entities.fit_lexicon},
    "copy": {"text": texts.fit_copy},
    "nearest": {"text": texts.fit_nearest},
}
"""A baseline whose name is new also has to stand in `EvaluationConfig.baselines`."""


def fit_baselines(names: Sequence[str], train: pa.Table, context: Context) -> dict[str, Baseline]:
    """Fits those baselines that suit the task.

    Args:
        names: As in the config.
        train: Labelled rows of the train split: raw columns, in `text` all inputs of a row as one
            text, and of recordings and pictures what a model reads.
        context: The task's columns and label names.
    """
    if context.target is None:
        return {}
    found: dict[str, Baseline] = {}
    for name in names:
        fit = BASELINES[name].get(context.target.kind)
        baseline = None if fit is None else fit(train, context)
        if baseline is not None:
            found[name] = baseline
    return found
