from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import DataError
from pipeline.models.saving import save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import Batch, Task
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)

TEXTS = ["home team won the match", "last 球赛", "the team", "in the last minute by home"]


def tagged(sets: Sequence[list[str] | None], texts: list[str] | None = None) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(sets))],
            "text": texts or ["the match"] * len(sets),
            "labels": pa.array(sets, pa.list_(pa.string())),
        }
    )


def task_with(**options: Any) -> Task:
    return load_task("multi_label_classification", options)


def logits_of(probabilities: Any) -> Any:
    given = np.array(probabilities, np.float64)
    return np.log(given / (1 - given))


class TestMultiLabel(TaskContract):
    kind = "multi_label_classification"

    def rows(self) -> pa.Table:
        return tagged([["sport", "news"], [], ["other"], ["news"]], TEXTS)

    def hand_computed(self) -> HandComputed:
        names = ("a", "b", "c")
        scores = [[0.9, 0.8, 0.1], [0.2, 0.3, 0.4], [0.6, 0.1, 0.2], [0.4, 0.7, 0.9]]
        rows = tagged([["a", "b"], [], ["b"], ["a", "b", "c"]])
        expected = {
            "f1_micro": 2 * 4 / (5 + 6),
            "precision_micro": 4 / 5,
            "recall_micro": 4 / 6,
            "f1/a": 2 * 1 / (2 + 2),
            "f1/b": 2 * 2 / (2 + 3),
            "f1/c": 1.0,
            "precision/c": 1.0,
            "recall/b": 2 / 3,
            "f1_macro": (0.5 + 0.8 + 1.0) / 3,
            "f1_samples": (1 + 1 + 0 + 0.8) / 4,
            "subset_accuracy": 2 / 4,
            "mean_average_precision": ((1 + 2 / 3) / 2 + (1 + 1 + 3 / 4) / 3 + 1) / 3,
            "log_loss": -np.log(
                [0.9, 0.8, 0.9, 0.8, 0.7, 0.6, 0.4, 0.1, 0.8, 0.4, 0.7, 0.9]
            ).mean(),
        }
        predictions = task_with().decode({"logits": logits_of(scores)}, rows, names)
        return HandComputed(predictions, rows, names, expected, (1, 1, 0, 0.8))


class TestUniform(TestMultiLabel):
    options: ClassVar[dict[str, Any]] = {
        "positive_weights": "uniform",
        "label_smoothing": 0.05,
        "thresholds": "shared",
    }


def test_names_are_sorted_or_as_configured() -> None:
    rows = tagged([["b", "a"], [], ["b"]])
    assert task_with().label_names(rows, None) == ("a", "b")
    assert task_with().label_names(rows, ["b", "c", "a"]) == ("b", "c", "a")


def test_a_label_that_is_not_configured_is_named_with_its_row() -> None:
    with pytest.raises(DataError, match=r"'1'.*label 'sprot'") as caught:
        task_with().label_names(tagged([["news"], ["news", "sprot"]]), ["sport", "news"])
    assert "did you mean 'sport'?" in str(caught.value.remedy)


def test_rows_without_any_label_are_refused_with_a_remedy() -> None:
    with pytest.raises(DataError, match="no row of the train split has a label") as caught:
        task_with().label_names(tagged([[], []]), None)
    assert "data.labels.separator" in str(caught.value.remedy)


def encoded(rows: pa.Table, processor: Processor, names: tuple[str, ...]) -> pa.Table:
    return task_with().encode(rows, processor, names, max_length=8)


def test_a_set_becomes_zeros_and_ones_and_no_set_is_ignored(
    make_checkpoint: MakeCheckpoint,
) -> None:
    processor = Processor(load_tokenizer(make_checkpoint("bert")))
    rows = encoded(tagged([["b", "a"], [], None, ["c"]]), processor, ("a", "b", "c"))
    batch = task_with().collate(rows, pad_token_id=0, pad_to_multiple_of=1)
    assert batch["labels"].tolist() == [[1, 1, 0], [0, 0, 0], [-100] * 3, [0, 0, 1]]
    assert batch["labels"].dtype == np.int64
    some = rows.slice(1, 2)
    assert task_with().collate(some, pad_token_id=0, pad_to_multiple_of=1)["labels"].tolist() == [
        [0, 0, 0],
        [-100] * 3,
    ]


def batch_of(labels: list[list[int]]) -> Batch:
    return {"labels": torch.tensor(labels)}


def test_the_loss_is_binary_cross_entropy_over_all_labels() -> None:
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.0], [9.0, 9.0]])
    chances = torch.sigmoid(logits)
    expected = -torch.log(
        torch.stack([torch.stack([chances[0, 0], 1 - chances[0, 1]]), 1 - chances[1]])
    )
    batch = batch_of([[1, 0], [0, 0], [-100, -100]])
    task = task_with()
    assert int(task.num_targets(batch)) == 4
    torch.testing.assert_close(task.loss({"logits": logits}, batch), expected.mean())
    torch.testing.assert_close(
        task.example_losses({"logits": logits}, batch),
        torch.cat([expected.mean(dim=1), torch.zeros(1)]),
    )


def test_smoothing_is_in_the_loss_but_not_in_the_losses_of_examples() -> None:
    logits = torch.tensor([[2.0]])
    plain, smoothed = (task_with(label_smoothing=s) for s in (0.0, 0.2))
    right, wrong = (float(plain.loss({"logits": logits}, batch_of([[one]]))) for one in (1, 0))
    assert float(smoothed.loss({"logits": logits}, batch_of([[1]]))) == pytest.approx(
        0.9 * right + 0.1 * wrong
    )
    assert float(smoothed.example_losses({"logits": logits}, batch_of([[1]]))) == pytest.approx(
        right
    )


def test_balanced_rows_with_a_label_weigh_as_much_as_those_without() -> None:
    task = task_with(positive_weights="balanced")
    hot = [[1, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    train = pa.table({"multi_hot": pa.array(hot, pa.list_(pa.int8(), 3))})
    task.fit(train, ("a", "none", "every"))
    logits = torch.zeros(4, 3, requires_grad=True)
    loss = task.loss({"logits": logits}, batch_of(hot))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert float(gradient[:, 0].sum()) == pytest.approx(0.0, abs=1e-7)
    assert float(loss.detach()) == pytest.approx(np.log(2) * (6 + 4 + 4) / 12)


def test_a_rare_label_does_not_drown_the_others() -> None:
    task = task_with()
    hot = [[1]] + [[0]] * 99
    task.fit(pa.table({"multi_hot": pa.array(hot, pa.list_(pa.int8(), 1))}), ("rare",))
    logits = {"logits": torch.zeros(1, 1)}
    weights = [float(task.loss(logits, batch_of([[one]]))) / np.log(2) for one in (1, 0)]
    assert weights == pytest.approx([20.0, 1.0])


def scored(scores: list[list[float]], task: Task, rows: pa.Table) -> pa.Table:
    names = ("a", "b")[: len(scores[0])]
    return task.decode({"logits": logits_of(scores)}, rows, names)


def tuned_on(**options: Any) -> tuple[Task, pa.Table, pa.Table]:
    """A task, rows and untuned predictions; the best thresholds are 0.3 of a and 0.75 of b."""
    of_both = [[0.4, 0.8], [0.35, 0.9], [0.5, 0.85], [0.45, 0.95], [0.6, 0.99]]
    of_none = [[0.2, 0.7], [0.25, 0.6], [0.1, 0.65]]
    rows = tagged([["a", "b"]] * 5 + [[]] * 3)
    task = task_with(**options)
    return task, rows, scored([*of_both, *of_none], task, rows)


def test_each_label_has_the_threshold_that_suits_it() -> None:
    task, rows, predictions = tuned_on()
    assert predictions["prediction"].to_pylist()[0] == ["b"]
    assert predictions["prediction"].to_pylist()[5] == ["b"]
    decided = task.tune(predictions, rows, ("a", "b"))
    assert decided["prediction"].to_pylist() == rows["labels"].to_pylist()
    assert decided["scores"].equals(predictions["scores"])
    assert task.state()["thresholds"] == pytest.approx([0.3, 0.75])


def test_a_shared_threshold_is_the_same_for_all_labels() -> None:
    task, rows, predictions = tuned_on(thresholds="shared")
    before = task.metrics(predictions, rows, ("a", "b"))["f1_micro"][0]
    decided = task.tune(predictions, rows, ("a", "b"))
    one, other = task.state()["thresholds"]
    assert one == other
    assert task.metrics(decided, rows, ("a", "b"))["f1_micro"][0] > before


def test_fixed_thresholds_stay_at_one_half() -> None:
    task, rows, predictions = tuned_on(thresholds="fixed")
    assert task.tune(predictions, rows, ("a", "b")).equals(predictions)
    assert task.state() == {}


def test_thresholds_are_kept_for_a_process_that_does_not_tune() -> None:
    task, rows, predictions = tuned_on()
    decided = task.tune(predictions, rows, ("a", "b"))
    other = task_with()
    other.load_state(task.state())
    scores = np.array(predictions["scores"].to_pylist())
    assert other.decode({"logits": logits_of(scores)}, rows, ("a", "b"))["prediction"].equals(
        decided["prediction"]
    )
    other.load_state({})
    assert other.state() == {}


def test_tuning_keeps_further_columns_of_the_predictions() -> None:
    task, rows, predictions = tuned_on()
    predictions = predictions.append_column("loss", pa.array([0.5] * rows.num_rows))
    decided = task.tune(predictions, rows, ("a", "b"))
    assert decided.column_names == predictions.column_names


def test_large_logits_do_not_overflow() -> None:
    rows = tagged([[], []])
    found = task_with().decode({"logits": np.array([[1e4, -1e4], [0.0, -0.0]])}, rows, ("a", "b"))
    assert found["scores"].to_pylist() == [[1.0, 0.0], [0.5, 0.5]]
    assert found["prediction"].to_pylist() == [["a"], ["a", "b"]]


@pytest.mark.parametrize("kind", ["bert", "gpt2", "ernie"])
def test_a_pipeline_of_transformers_gives_the_same_scores(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str
) -> None:
    from transformers import pipeline

    processor = Processor(load_tokenizer(make_checkpoint(kind)))
    task = task_with()
    rows = tagged([["sport", "news"], [], ["other"], ["news"]], TEXTS)
    names = task.label_names(rows, None)
    torch.manual_seed(1)
    model = task.build_model(Source(make_checkpoint(kind), processor.pad_token_id), names)
    save_model(model, processor, tmp_path / "model")
    coded = task.encode(rows, processor, names, max_length=32)
    batch = task.collate(coded, pad_token_id=processor.pad_token_id, pad_to_multiple_of=8)
    with torch.no_grad():
        logits = task.forward(model, to_tensors(batch))["logits"]
    ours = task.decode({"logits": logits.numpy()}, rows, names)

    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    theirs: Any = classify(TEXTS, batch_size=4, top_k=None)

    assert model.config.problem_type == "multi_label_classification"
    for found, scores in zip(theirs, ours["scores"].to_pylist(), strict=True):
        by_name = {one["label"]: one["score"] for one in found}
        assert [by_name[name] for name in names] == pytest.approx(scores, abs=1e-5)
