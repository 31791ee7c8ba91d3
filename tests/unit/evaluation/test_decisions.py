from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve

from pipeline.evaluation.baselines.labels import class_predictions
from pipeline.evaluation.curves import (
    MAX_POINTS,
    average_precision,
    confusion_counts,
    precision_recall,
    reliability,
    wilson,
)
from pipeline.evaluation.decisions import ALL, NONE, Decisions, Ranking, decisions

SPANS = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32()), ("type", pa.string())]))


def label_decisions(scores: list[list[float]], labels: list[str], names: list[str]) -> Decisions:
    rows = pa.table({"label": labels})
    found = decisions(class_predictions(np.array(scores), names), rows, names)
    assert found is not None
    return found


def entity_decisions(
    gold: list[list[tuple[int, int, str]]], found: list[list[tuple[int, int, str, float]]]
) -> Decisions:
    rows = pa.table(
        {
            "entities": pa.array(
                [
                    [dict(zip(("start", "end", "type"), one, strict=True)) for one in row]
                    for row in gold
                ],
                SPANS,
            )
        }
    )
    names = ("start", "end", "type", "score")
    predicted = [[dict(zip(names, one, strict=True)) for one in row] for row in found]
    made = decisions(pa.table({"entities": predicted}), rows, [])
    assert made is not None
    return made


def test_labels_are_counted_by_what_they_are_and_what_was_predicted() -> None:
    scores = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.6, 0.4, 0.0]]
    found = label_decisions(scores, ["a", "a", "c", "a"], ["a", "b", "c"])
    assert confusion_counts(found).tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert found.hits.tolist() == [True, False, True, True]
    assert found.confidence.tolist() == [0.9, 0.7, 0.4, 0.6]
    assert found.rankings.keys() == {"a", "b", "c", ALL}
    assert found.rankings[ALL].positives == 4
    assert len(found.rankings[ALL].scores) == 12


def test_of_two_labels_the_second_is_the_positive_one() -> None:
    found = label_decisions([[0.9, 0.1], [0.2, 0.8]], ["no", "yes"], ["no", "yes"])
    assert found.rankings.keys() == {"yes"}
    assert found.rankings["yes"].scores.tolist() == [0.1, 0.8]
    assert found.rankings["yes"].hits.tolist() == [False, True]


def test_entities_are_right_missed_invented_or_of_another_type() -> None:
    found = entity_decisions(
        [[(0, 4, "LOC"), (5, 9, "PER")], [(0, 3, "LOC")], []],
        [[(0, 4, "LOC", 0.9), (5, 9, "LOC", 0.8)], [(0, 2, "LOC", 0.7)], [(1, 2, "PER", 0.6)]],
    )
    assert found.names == ("LOC", "PER", NONE)
    assert confusion_counts(found).tolist() == [[1, 0, 1], [1, 0, 0], [1, 1, 0]]
    assert np.isnan(found.confidence).sum() == 1, "the missed one"
    everything = found.rankings[ALL]
    assert (everything.hits.sum(), len(everything.hits), everything.positives) == (1, 4, 3)
    assert found.rankings["LOC"].positives == 2
    assert found.rankings["PER"].hits.tolist() == [False]


def test_rows_without_any_entity_make_no_decision() -> None:
    found = entity_decisions([[], []], [[], []])
    assert found.names == (NONE,)
    assert confusion_counts(found).tolist() == [[0]]
    assert precision_recall(found.rankings[ALL]).num_rows == 0
    assert reliability(found, 10).num_rows == 0


def test_other_kinds_of_rows_have_no_decisions() -> None:
    assert decisions(pa.table({"answer": ["x"]}), pa.table({"text": ["x"]}), []) is None


@pytest.mark.parametrize("seed", range(5))
def test_curve_and_average_precision_are_scikit_learn_s(seed: int) -> None:
    generator = np.random.default_rng(seed)
    hits = generator.random(60) < 0.3
    scores = np.round(generator.random(60) + 0.4 * hits, 1).astype(np.float64)
    ranking = Ranking(scores, hits, int(hits.sum()))
    precision, recall, thresholds = precision_recall_curve(hits, scores)
    found = precision_recall(ranking)
    assert found["recall"].to_numpy() == pytest.approx(recall[:-1][::-1])
    assert found["precision"].to_numpy() == pytest.approx(precision[:-1][::-1])
    assert found["threshold"].to_numpy() == pytest.approx(thresholds[::-1])
    assert average_precision(ranking) == pytest.approx(average_precision_score(hits, scores))


def test_entities_that_were_never_found_limit_the_recall() -> None:
    ranking = Ranking(np.array([0.9, 0.8]), np.array([True, True]), 4)
    assert precision_recall(ranking)["recall"].to_pylist() == [0.25, 0.5]
    assert average_precision(ranking) == 0.5


def test_a_long_curve_keeps_its_ends_and_few_points() -> None:
    scores = np.linspace(1, 0, 10_000)
    ranking = Ranking(scores, np.arange(10_000) % 3 == 0, 3_334)
    found = precision_recall(ranking)
    assert found.num_rows == MAX_POINTS
    assert found["recall"][-1].as_py() == 1.0
    assert found["threshold"].to_pylist()[::399] == [1.0, 0.0]


def test_nothing_to_find_has_no_curve() -> None:
    ranking = Ranking(np.array([0.5]), np.array([False]), 0)
    assert precision_recall(ranking).num_rows == 0
    assert np.isnan(average_precision(ranking))
    assert average_precision(Ranking(np.zeros(0), np.zeros(0, np.bool_), 3)) == 0.0


def test_reliability_compares_confidence_and_accuracy_by_hand() -> None:
    scores = [[0.6, 0.4], [0.65, 0.35], [0.1, 0.9], [0.0, 1.0]]
    found = label_decisions(scores, ["a", "b", "b", "b"], ["a", "b"])
    assert reliability(found, 4).to_pylist() == [
        {"low": 0.5, "high": 0.75, "confidence": 0.625, "accuracy": 0.5, "count": 2},
        {"low": 0.75, "high": 1.0, "confidence": 0.95, "accuracy": 1.0, "count": 2},
    ]


def test_bounds_of_shares_hold_for_few_cases() -> None:
    """Newcombe (1998), method 3: 0.0624 … 0.1605 for 15 of 148, 0 … 0.1611 for 0 of 20."""
    low, high = wilson(np.array([0.0, 15 / 148, 1.0]), np.array([20, 148, 1]))
    assert low == pytest.approx([0.0, 0.0624, 0.2065], abs=1e-4)
    assert high == pytest.approx([0.1611, 0.1605, 1.0], abs=1e-4)
