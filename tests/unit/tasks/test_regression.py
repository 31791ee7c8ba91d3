from __future__ import annotations

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


def rated(numbers: list[float | None], texts: list[str] | None = None) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(numbers))],
            "text": texts or ["the match"] * len(numbers),
            "target": pa.array(numbers, pa.float64()),
        }
    )


def task_with(**options: Any) -> Task:
    return load_task("regression", options)


class TestSquaredError(TaskContract):
    kind = "regression"
    ignored = float("nan")
    nearly = 0.02

    def rows(self) -> pa.Table:
        return rated([100.0, 130.0, 80.0, 90.0], TEXTS)

    def hand_computed(self) -> HandComputed:
        rows = rated([1.0, 2.0, 3.0, 4.0])
        predictions = task_with().decode({"logits": np.array([[2.0], [2], [4], [4]])}, rows, ())
        expected = {
            "mse": 0.5,
            "rmse": 0.5**0.5,
            "mae": 0.5,
            "r2": 1 - 0.5 / 1.25,
            "pearson": 1.0 / (1.25 * 1.0) ** 0.5,
            "spearman": 1.0 / (1.25 * 1.0) ** 0.5,
        }
        return HandComputed(predictions, rows, (), expected, (0.5, 1, 0.5, 1))


class TestHuber(TestSquaredError):
    options: ClassVar[dict[str, Any]] = {"loss": "huber", "delta": 0.5}


@pytest.mark.parametrize(
    ("numbers", "message"),
    [([2.0, 2.0], "only the number 2"), ([None, None], "no number at all")],
)
def test_numbers_that_are_all_the_same_are_refused(
    numbers: list[float | None], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        task_with().label_names(rated(numbers), None)
    assert "data.columns.target" in str(caught.value.remedy)


def fitted(numbers: list[float | None], **options: Any) -> Task:
    task = task_with(**options)
    task.fit(pa.table({"labels": pa.array(numbers, pa.float64())}), ())
    return task


def collated(task: Task, numbers: list[float | None]) -> Any:
    rows = pa.table({"input_ids": [[1]] * len(numbers), "labels": pa.array(numbers, pa.float64())})
    return task.collate(rows, pad_token_id=0, pad_to_multiple_of=1)["labels"]


def test_targets_are_standardised_by_the_train_split_and_come_back_in_their_unit() -> None:
    task = fitted([10.0, 30.0, None])
    labels = collated(task, [20.0, 40.0, None])
    assert labels.dtype == np.float32
    np.testing.assert_array_equal(labels, [0.0, 2.0, np.nan])
    predictions = task.decode({"logits": labels[:2, np.newaxis]}, rated([0.0] * 2), ())
    assert predictions["prediction"].to_pylist() == [20.0, 40.0]
    assert task.state() == {"mean": 20.0, "scale": 10.0}


def test_large_numbers_that_differ_little_keep_their_digits() -> None:
    numbers = [1_700_000_000.0 + second for second in range(4)]
    task = fitted([*numbers])
    labels = collated(task, [*numbers])
    found = task.decode({"logits": labels[:, np.newaxis]}, rated([*numbers]), ())
    np.testing.assert_allclose(found["prediction"].to_numpy(), numbers, rtol=0, atol=1e-5)


def test_what_was_learned_is_kept_for_a_process_that_does_not_fit() -> None:
    task, other = fitted([10.0, 30.0]), task_with()
    other.load_state(task.state())
    rows = rated([20.0, 40.0])
    for one in (task, other):
        predictions = one.decode({"logits": np.array([[1.0], [1.0]])}, rows, ())
        assert predictions["prediction"].to_pylist() == [30.0, 30.0]
        assert one.example_scores(predictions, rows, ()).tolist() == [0.5, 0.5]


def test_the_losses_are_those_of_standardised_numbers() -> None:
    batch: Batch = {"labels": torch.tensor([1.0, 0.0, float("nan")])}
    outputs = {"logits": torch.tensor([[1.5], [3.0], [9.0]])}
    squared, huber = task_with(), task_with(loss="huber", delta=2.0)
    assert int(squared.num_targets(batch)) == 2
    assert squared.example_losses(outputs, batch).tolist() == [0.25, 9.0, 0.0]
    assert float(squared.loss(outputs, batch)) == pytest.approx(9.25 / 2)
    assert huber.example_losses(outputs, batch).tolist() == [0.125, 2.0 * (3.0 - 1.0), 0.0]


def test_a_single_example_is_a_batch() -> None:
    batch: Batch = {"labels": torch.tensor([1.0])}
    assert task_with().example_losses({"logits": torch.tensor([[3.0]])}, batch).tolist() == [4.0]


def test_a_pipeline_of_transformers_gives_the_standardised_number(
    make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    from transformers import pipeline

    processor = Processor(load_tokenizer(make_checkpoint("bert")))
    task = fitted([10.0, 30.0])
    rows = rated([0.0] * 4, TEXTS)
    torch.manual_seed(1)
    model = task.build_model(Source(make_checkpoint("bert"), processor.pad_token_id), ())
    save_model(model, processor, tmp_path / "model")
    coded = task.encode(rows, processor, (), max_length=32)
    batch = task.collate(coded, pad_token_id=processor.pad_token_id, pad_to_multiple_of=8)
    with torch.no_grad():
        logits = task.forward(model, to_tensors(batch))["logits"]
    ours = task.decode({"logits": logits.numpy()}, rows, ())["prediction"].to_numpy()

    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = classify(TEXTS, batch_size=4)

    assert model.config.problem_type == "regression"
    assert {found["label"] for found in theirs} == {"target"}
    numbers = [20.0 + 10.0 * found["score"] for found in theirs]
    assert numbers == pytest.approx(ours.tolist(), abs=1e-4)
