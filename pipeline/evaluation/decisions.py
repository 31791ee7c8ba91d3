"""What a model decided and what was right, the same for labels, sets of them and entities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.tasks.base import FloatArray, IntArray
from pipeline.tasks.label_sets import as_matrix

BoolArray = npt.NDArray[np.bool_]
NONE = "no entity"
ALL = "all"
"""The ranking of every candidate together."""


@dataclass(frozen=True)
class Ranking:
    """Candidates by how sure the model is of them.

    Attributes:
        scores: The model's score of each candidate, `[candidates]`.
        hits: Whether each is right, `[candidates]`.
        positives: How many could be found; more than the hits where some are no candidates.
    """

    scores: FloatArray
    hits: BoolArray
    positives: int


@dataclass(frozen=True)
class Decisions:
    """Decisions over a split; of entities, those found and those missed.

    Attributes:
        names: Names of what is decided between, in order.
        actual: What is right for each decision, as a number in `names`, `[decisions]`.
        predicted: What was decided, `[decisions]`.
        confidence: Score of the decision, `[decisions]`; NaN for missed entities.
        rankings: By name the candidates of that label or type; `ALL` has all of them.
    """

    names: tuple[str, ...]
    actual: IntArray
    predicted: IntArray
    confidence: FloatArray
    rankings: dict[str, Ranking]

    @property
    def hits(self) -> BoolArray:
        """Whether each decision is right, `[decisions]`."""
        right: BoolArray = self.actual == self.predicted
        return right


def label_decisions(predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]) -> Decisions:
    """Decisions of a task with one label a row (`Task.classification_scores`).

    Of two labels only the second is ranked: it is the positive one, and the first its mirror.
    """
    names = pa.array(label_names, pa.string())
    actual = pc.index_in(rows["label"], names).to_numpy().astype(np.int64)
    predicted = pc.index_in(predictions["prediction"], names).to_numpy().astype(np.int64)
    flat = pc.list_flatten(predictions["scores"]).to_numpy().astype(np.float64)
    scores = flat.reshape(len(actual), len(label_names))
    ranked = [1] if len(label_names) == 2 else range(len(label_names))
    rankings = {
        label_names[label]: Ranking(scores[:, label], actual == label, int((actual == label).sum()))
        for label in ranked
    }
    if len(label_names) > 2:
        right = actual[:, None] == np.arange(len(label_names))
        rankings[ALL] = Ranking(scores.ravel(), right.ravel(), len(actual))
    confidence = predictions["score"].to_numpy().astype(np.float64)
    return Decisions(tuple(label_names), actual, predicted, confidence, rankings)


def entity_decisions(predictions: pa.Table, rows: pa.Table) -> Decisions:
    """Decisions of a task whose rows and predictions have the column `entities`.

    A predicted entity is compared with that of the same start and end; an entity that the other
    side does not have stands against "no entity".
    """
    actual, _ = _by_place(rows)
    predicted, scores = _by_place(predictions)
    types = tuple(sorted({*actual.values(), *predicted.values()}))
    names = (*types, NONE)
    number = {name: place for place, name in enumerate(names)}
    places = sorted({*actual, *predicted})
    sure = np.array([scores.get(place, np.nan) for place in places], np.float64)
    right = np.array([number[actual.get(place, NONE)] for place in places], np.int64)
    given = np.array([number[predicted.get(place, NONE)] for place in places], np.int64)
    found = given != number[NONE]
    rankings = {
        kind: Ranking(
            sure[given == number[kind]],
            (right == given)[given == number[kind]],
            int((right == number[kind]).sum()),
        )
        for kind in types
    }
    rankings[ALL] = Ranking(sure[found], (right == given)[found], len(actual))
    return Decisions(names, right, given, sure, rankings)


def set_decisions(
    predictions: pa.Table, references: pa.ChunkedArray, label_names: Sequence[str]
) -> Decisions:
    """For each label of each row how sure the model is that the row has it.

    The confidence of each decision is that of having the label, also where it is below the
    threshold: so reliability compares probabilities with how often rows have the label.

    Args:
        predictions: With `scores`.
        references: Each row's names of labels.
        label_names: Names by label id.
    """
    wanted = as_matrix(references, label_names)
    flat = pc.list_flatten(predictions["scores"]).to_numpy().astype(np.float64)
    scores = flat.reshape(wanted.shape)
    rankings = {
        name: Ranking(scores[:, label], wanted[:, label], int(wanted[:, label].sum()))
        for label, name in enumerate(label_names)
    }
    rankings[ALL] = Ranking(flat, wanted.ravel(), int(wanted.sum()))
    actual = wanted.ravel().astype(np.int64)
    return Decisions(("without", "with"), actual, np.ones_like(actual), flat, rankings)


def decisions(
    predictions: pa.Table, rows: pa.Table, label_names: Sequence[str]
) -> Decisions | None:
    """The decisions that the columns tell of; None for tasks of another kind."""
    if "label" in rows.column_names and "scores" in predictions.column_names:
        return label_decisions(predictions, rows, label_names)
    if "entities" in rows.column_names and "entities" in predictions.column_names:
        return entity_decisions(predictions, rows)
    return None


Place = tuple[int, int, int]


def _by_place(rows: pa.Table) -> tuple[dict[Place, str], dict[Place, float]]:
    """Types and scores of entities by row, start and end; without scores each is sure."""
    types: dict[Place, str] = {}
    scores: dict[Place, float] = {}
    for row, entities in enumerate(rows["entities"].to_pylist()):
        for entity in entities or ():
            place = (row, entity["start"], entity["end"])
            types[place] = entity["type"]
            scores[place] = entity.get("score", 1.0)
    return types, scores
