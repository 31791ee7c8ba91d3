from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import DataError
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import Batch, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, TaskContract

torch.set_num_threads(1)

QUERIES = ["home team", "home team", "last 球赛", "last 球赛"]
ITEMS = ["won the match", "in the last", "the team", "minute by home"]


def judged(
    relevance: list[float],
    queries: list[str] | None = None,
    items: list[str] | None = None,
) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(relevance))],
            "text": queries or ["the match"] * len(relevance),
            "text_pair": items or ["team"] * len(relevance),
            "relevance": pa.array(relevance, pa.float64()),
        }
    )


def task_with(**options: Any) -> Task:
    return load_task("text_pair_ranking", options)


class TestCrossEntropy(TaskContract):
    kind = "text_pair_ranking"
    ignored = float("nan")

    def rows(self) -> pa.Table:
        return judged([1.0, 0.0, 0.0, 1.0], QUERIES, ITEMS)

    def hand_computed(self) -> HandComputed:
        rows = judged([0.0, 2.0, 1.0, 0.0, 1.0], ["a", "a", "a", "b", "c"])
        logits = np.array([[2.0], [1.0], [-1.0], [0.0], [0.0]])
        expected = {
            "ndcg_at_1": (0 + 1) / 2,
            "ndcg_at_3": ((2 / np.log2(3) + 1 / 2) / (2 + 1 / np.log2(3)) + 1) / 2,
            "recall_at_1": (0 + 1) / 2,
            "recall_at_3": 1.0,
            "mrr": (1 / 2 + 1) / 2,
            "map": ((1 / 2 + 2 / 3) / 2 + 1) / 2,
            "judged_share": 2 / 3,
        }
        predictions = task_with().decode({"logits": logits}, rows, ())
        return HandComputed(predictions, rows, (), expected, (0, 1 / 2, 1 / 2, 1, 1))


class TestSquaredError(TestCrossEntropy):
    families = ("bert",)
    options: ClassVar[dict[str, Any]] = {"objective": "mse"}


class TestPairs(TestCrossEntropy):
    options: ClassVar[dict[str, Any]] = {"objective": "pairwise"}
    parts = (slice(0, 2), slice(2, None))


class TestQueryColumn(TestCrossEntropy):
    families = ("bert",)
    options: ClassVar[dict[str, Any]] = {"objective": "pairwise", "query": "column"}
    parts = (slice(0, 2), slice(2, None))

    def rows(self) -> pa.Table:
        users = pa.array([7, 7, 8, 8])
        return judged([1.0, 0.0, 0.0, 1.0], ITEMS[::-1], ITEMS).append_column("query", users)

    def hand_computed(self) -> HandComputed:
        example = super().hand_computed()
        rows = example.rows.append_column("query", example.rows["text"])
        rows = rows.drop_columns(["text"]).append_column("text", pa.array(list("12345")))
        return HandComputed(example.predictions, rows, (), example.expected, example.scores)


def batch_of(relevance: list[float], queries: list[int]) -> Batch:
    return {"labels": torch.tensor(relevance), "together": torch.tensor(queries)}


def test_cross_entropy_expects_the_share_of_the_largest_relevance() -> None:
    logits = torch.tensor([[2.0], [-1.0], [0.5]])
    task = task_with()
    found = task.example_losses({"logits": logits}, batch_of([1.0, 0.25, 0.0], [1, 1, 2]))
    p = torch.sigmoid(logits[:, 0])
    wanted = torch.tensor([1.0, 0.25, 0.0])
    expected = -(wanted * p.log() + (1 - wanted) * (1 - p).log())
    torch.testing.assert_close(found, expected)
    more = task.example_losses({"logits": logits}, batch_of([3.0, 0.25, 0.0], [1, 1, 2]))
    torch.testing.assert_close(more, expected)


def test_pairs_are_compared_within_a_query_alone() -> None:
    logits = torch.tensor([[0.5], [2.0], [1.0], [3.0], [0.0]])
    batch = batch_of([2.0, 0.0, 1.0, 0.0, 1.0], [4, 4, 4, 9, 9])
    task = task_with(objective="pairwise")

    def pair(better: int, worse: int) -> float:
        return float(torch.log1p(torch.exp(logits[worse, 0] - logits[better, 0])))

    pairs = {(0, 1): pair(0, 1), (0, 2): pair(0, 2), (2, 1): pair(2, 1), (4, 3): pair(4, 3)}
    assert int(task.num_targets(batch)) == len(pairs)
    loss = task.loss({"logits": logits}, batch)
    assert float(loss) == pytest.approx(np.mean(list(pairs.values())))
    examples = task.example_losses({"logits": logits}, batch).tolist()
    for row, found in enumerate(examples):
        own = [value for rows, value in pairs.items() if row in rows]
        assert found == pytest.approx(np.mean(own))


def test_a_query_whose_items_are_alike_has_nothing_to_compare() -> None:
    logits = torch.randn(3, 1, requires_grad=True)
    batch = batch_of([1.0, 1.0, 0.0], [1, 1, 2])
    task = task_with(objective="pairwise")
    loss = task.loss({"logits": logits}, batch)
    assert float(loss.detach()) == 0
    assert not torch.autograd.grad(loss, logits)[0].any()
    assert task.example_losses({"logits": logits}, batch).tolist() == [0, 0, 0]


def test_predictions_are_in_the_unit_of_the_relevance() -> None:
    rows = judged([0.0, 4.0])
    outputs = {"logits": np.array([[0.0], [np.log(3)]])}
    expected = {"cross_entropy": [2.0, 3.0], "mse": [0.0, 4 * np.log(3)]}
    expected["pairwise"] = [0.0, np.log(3)]
    for objective, wanted in expected.items():
        task = task_with(objective=objective)
        task.fit(pa.table({"labels": [0.0, 4.0, 1.0]}), ())
        other = task_with(objective=objective)
        other.load_state(task.state())
        found = other.decode(outputs, rows, ())["prediction"].to_pylist()
        assert found == pytest.approx(wanted)


def test_rows_of_a_query_are_to_share_a_batch_where_pairs_are_compared(
    make_checkpoint: MakeCheckpoint,
) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("bert")))
    rows = judged([1.0, 0.0, 0.0], ["a", "b", "a"])
    encoded = {
        objective: task_with(objective=objective).encode(rows, processor, (), max_length=9)
        for objective in ("cross_entropy", "mse", "pairwise")
    }
    assert "together" not in encoded["mse"].column_names
    assert "together" not in encoded["cross_entropy"].column_names
    first, second, third = encoded["pairwise"]["together"].to_pylist()
    assert first == third != second


def test_a_relevance_below_0_is_refused_with_its_row(make_checkpoint: MakeCheckpoint) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("bert")))
    with pytest.raises(DataError, match=r"row '1' .* relevance -1, but 0 is not relevant"):
        task_with().encode(judged([1.0, -1.0]), processor, (), max_length=9)


@pytest.mark.parametrize(
    ("objective", "relevance", "message"),
    [
        ("cross_entropy", [1.0, 1.0], "than another of the split"),
        ("pairwise", [1.0, 0.0], "than another of the same query"),
    ],
)
def test_data_without_an_order_is_refused(
    objective: str, relevance: list[float], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        task_with(objective=objective).label_names(judged(relevance, ["a", "b"]), None)
    task_with().label_names(judged([1.0, 0.0], ["a", "b"]), None)


def test_the_items_of_a_user_are_ranked_whatever_the_history() -> None:
    """Recommendation: the text is what a user read, which grows; the user is the query."""
    rows = pa.table(
        {
            "text": ["read: chess", "read: chess; read: go", "read: tennis"],
            "text_pair": ["a book on go", "a book on golf", "a racket"],
            "relevance": [1.0, 0.0, 1.0],
            "query": ["ann", "ann", "bob"],
        }
    )
    task = task_with(query="column", cutoffs=[1])
    assert [column.name for column in task.columns if not column.is_target] == ["text", "text_pair"]
    units = task.units(rows)
    assert units is not None
    assert units.tolist() == [0, 0, 1]
    predictions = pa.table({"prediction": [0.2, 0.9, 0.1]})
    assert task.metrics(predictions, rows, ())["recall_at_1"].tolist() == [1 / 2]
    assert task.primary_metric.name == "ndcg_at_1"
