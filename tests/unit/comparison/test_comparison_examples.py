from __future__ import annotations

import pyarrow as pa

from pipeline.comparison.examples import MOST_EXAMPLES, described, disagreements
from pipeline.comparison.judged import Judged
from pipeline.tasks.registry import load_task
from tests.unit.comparison.tracked_models import LABELS, found_entities, guesses, news

TASK = load_task("text_classification", {})


def judged(rows: pa.Table, wrong: list[int], sure: float = 0.8) -> Judged:
    return Judged(TASK, guesses(rows, wrong, sure=sure), rows, LABELS)


def test_examples_are_those_that_one_gets_right_and_the_other_wrong() -> None:
    rows = news(30)
    (found,) = disagreements(
        {"A": [judged(rows, [3, 4, 5])], "B": [judged(rows, [5, 6], sure=0.7)]}
    )
    assert (found.num_other_better, found.num_reference_better) == (2, 1)
    assert [one.row_id for one in found.other_better] == ["n4", "n3"], "the surest mistake first"
    (only,) = found.reference_better
    assert (only.row_id, only.text) == ("n6", rows["text"][6].as_py())
    assert only.reference == rows["label"][6].as_py()
    assert only.predictions["A"] == f"{only.reference} (80%)"
    assert only.predictions["B"] != only.predictions["A"]
    assert only.scores == {"A": 1.0, "B": 0.0}


def test_the_scores_of_several_seeds_are_a_mean() -> None:
    rows = news(30)
    groups = {"A": [judged(rows, [1]), judged(rows, [1, 2])], "B": [judged(rows, [])]}
    (found,) = disagreements(groups)
    assert [(one.row_id, one.scores["A"]) for one in found.other_better] == [
        ("n1", 0.0),
        ("n2", 0.5),
    ]


def test_no_more_examples_are_kept_than_anybody_reads() -> None:
    rows = news(90)
    (found,) = disagreements({"A": [judged(rows, list(range(60)))], "B": [judged(rows, [])]})
    assert found.num_other_better == 60
    assert len(found.other_better) == MOST_EXAMPLES


def test_entities_are_read_off_their_text() -> None:
    text = "Ada went to Rome"
    spans = [[(0, 3, "PER"), (12, 16, "LOC")], []]
    rows = pa.table(
        {"id": ["1", "2"], "text": [text] * 2, "entities": found_entities(spans)["entities"]}
    )
    task = load_task("token_classification", {})
    names = ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    one = Judged(task, found_entities([[(0, 3, "PER")], []]), rows, names)
    other = Judged(task, found_entities([[], []]), rows, names)
    (found,) = disagreements({"A": [one], "B": [other]})
    (only,) = found.reference_better
    assert only.reference == "Ada [PER], Rome [LOC]"
    assert only.predictions == {"A": "Ada [PER]", "B": "–"}
    assert 0 < only.scores["A"] < 1


def test_predictions_of_tasks_that_nobody_knows_are_read_column_by_column() -> None:
    assert described({"translation": "hello"}, "") == "hello"
    row = {"answer": "42", "start": 3, "scores": [0.1, 0.9]}
    assert described(row, "") == "answer: 42, start: 3"


def test_a_set_and_a_number_are_read_as_they_are() -> None:
    assert described({"prediction": ["law", "money"], "scores": [0.7, 0.6]}, "") == "law, money"
    assert described({"labels": []}, "") == "nothing"
    assert described({"prediction": 1.23456789}, "") == "1.23457"
