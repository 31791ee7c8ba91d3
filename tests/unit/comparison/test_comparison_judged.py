from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.comparison.judged import Condensed, Judged
from pipeline.comparison.paired import Swaps
from pipeline.evaluation.bootstrap import weights_in_chunks
from pipeline.tasks.registry import load_task
from tests.unit.comparison.tracked_models import LABELS, found_entities, guesses, news

DECIDED = ("accuracy", "f1_macro", "f1_micro", "f1_weighted", "mcc", "f1/sports", "recall/culture")


def judged(rows: pa.Table, predictions: pa.Table, kind: str = "text_classification") -> Judged:
    names = LABELS if kind == "text_classification" else ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    return Judged(load_task(kind, {}), predictions, rows, names)


def weights(num_rows: int) -> np.typing.NDArray[np.int64]:
    (drawn,) = weights_in_chunks(num_rows, 50, 1)
    return drawn


def test_condensed_metrics_of_decisions_are_those_of_all_rows() -> None:
    rows = news(90)
    one = judged(rows, guesses(rows, range(0, 90, 4)))
    condensed = Condensed(one)
    assert set(DECIDED) <= condensed.names
    drawn = weights(90)
    expected = one.metrics(drawn)
    for name in (*DECIDED, "roc_auc", "log_loss"):
        np.testing.assert_allclose(condensed.metrics(drawn, name), expected[name], atol=1e-12)


def test_metrics_that_look_at_probabilities_are_not_condensed() -> None:
    rows = news(90)
    condensed = Condensed(judged(rows, guesses(rows, range(0, 90, 4))))
    assert condensed.names.isdisjoint({"roc_auc", "average_precision", "log_loss"})


def test_rows_that_are_all_different_are_used_as_they_are() -> None:
    texts = ["Ada Byron", "Ada Rome", "Turin"]
    spans = [[(0, 9, "PER")], [(0, 3, "PER"), (4, 8, "LOC")], [(0, 5, "LOC")]]
    rows = pa.table({"id": ["1", "2", "3"], "text": texts, **_columns(found_entities(spans))})
    one = judged(rows, found_entities([spans[0], spans[0], []]), "token_classification")
    condensed = Condensed(one)
    drawn = weights(3)
    np.testing.assert_array_equal(condensed.metrics(drawn, "f1"), one.metrics(drawn)["f1"])


@pytest.mark.parametrize("name", ["f1_macro", "log_loss"])
def test_swapping_every_prediction_turns_the_difference_round(name: str) -> None:
    rows = news(60)
    one, other = judged(rows, guesses(rows, range(20))), judged(rows, guesses(rows, range(15, 30)))
    pooled = one.above(other)
    assert pooled is not None
    swaps = Swaps(pooled)
    nothing, everything = np.zeros((1, 60), np.bool_), np.ones((1, 60), np.bool_)
    expected = one.values[name] - other.values[name]
    assert swaps.differences(nothing, name)[0] == pytest.approx(expected)
    assert swaps.differences(everything, name)[0] == pytest.approx(-expected)
    assert swaps.differences(nothing, name)[0] == pytest.approx(expected)


def test_swapping_some_predictions_is_measuring_the_mixture() -> None:
    rows = news(60)
    one, other = guesses(rows, range(20)), guesses(rows, range(15, 30), sure=0.7)
    pooled = judged(rows, one).above(judged(rows, other))
    assert pooled is not None
    swapped = np.random.default_rng(0).random((5, 60)) < 0.5
    for name in ("f1_macro", "average_precision"):
        found = Swaps(pooled).differences(swapped, name)
        for line, value in zip(swapped, found, strict=True):
            mine, theirs = (
                pa.concat_tables([one, other]).take(pa.array(np.arange(60) + 60 * side))
                for side in (line, ~line)
            )
            expected = judged(rows, mine).values[name] - judged(rows, theirs).values[name]
            assert value == pytest.approx(expected, abs=1e-12)


def test_predictions_whose_label_ids_mean_other_labels_are_not_mixed() -> None:
    rows = news(60)
    one = judged(rows, guesses(rows, range(20)))
    turned = LABELS[::-1]
    other = Judged(one.task, guesses(rows, range(20), names=turned), rows, turned)
    assert one.above(other) is None


def test_tags_of_another_scheme_are_mixed_since_entities_stay_entities() -> None:
    texts = ["Ada Byron", "Ada Rome", "Turin"]
    spans = [[(0, 9, "PER")], [(0, 3, "PER"), (4, 8, "LOC")], [(0, 5, "LOC")]]
    rows = pa.table({"id": ["1", "2", "3"], "text": texts, **_columns(found_entities(spans))})
    one = judged(rows, found_entities([spans[0], [], []]), "token_classification")
    bioes = ("O", *(f"{mark}-{kind}" for kind in ("PER", "LOC") for mark in "BIES"))
    other = Judged(one.task, found_entities(spans), rows, bioes)
    assert one.above(other) is not None


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return {name: table[name] for name in table.column_names}
