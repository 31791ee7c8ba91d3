from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from pipeline.data.loader import BatchLoader
from pipeline.data.store import EncodedDataset
from pipeline.evaluation.inference import predict_split, torch_run
from pipeline.models.saving import load_saved_model
from pipeline.tasks.base import Arrays, Batch, FloatArray, IntArray
from pipeline.tasks.registry import load_task
from tests.trained import write_stages

torch.set_num_threads(1)


def predict(root: Path, task_kind: str, max_tokens: int, *, shuffle: bool) -> pa.Table:
    dataset = EncodedDataset.open(root / "outputs" / "dataset")
    task, split = load_task(task_kind, {}), dataset.split("test")
    model = load_saved_model(root / "outputs" / "model")
    run = torch_run(task, model, "cpu", "fp32")
    loader = BatchLoader(split, task, pad_token_id=0, max_tokens=max_tokens, shuffle=shuffle)
    return predict_split(run, split, loader, task, dataset.info.label_names)


def numbers(predictions: pa.Table) -> tuple[list[Any], FloatArray]:
    """What was predicted, and how sure the model was."""
    if "prediction" in predictions.column_names:
        scores = pc.list_flatten(predictions["scores"]).to_numpy()
        return predictions["prediction"].to_pylist(), scores
    entities = predictions["entities"].to_pylist()
    spans = [[(one["start"], one["end"], one["type"]) for one in row] for row in entities]
    return spans, np.array([one["score"] for row in entities for one in row])


@pytest.mark.parametrize("task_kind", ["text_classification", "token_classification"])
def test_predictions_do_not_depend_on_the_batches(tmp_path: Path, task_kind: str) -> None:
    write_stages(tmp_path, task_kind=task_kind)
    alone = predict(tmp_path, task_kind, 1, shuffle=False)
    assert len({str(row) for row in alone.to_pylist()}) > 5, "rows differ, so order shows"
    for max_tokens, shuffle in ((40, False), (4_096, False), (40, True)):
        together = predict(tmp_path, task_kind, max_tokens, shuffle=shuffle)
        assert numbers(together)[0] == numbers(alone)[0]
        assert numbers(together)[1] == pytest.approx(numbers(alone)[1], abs=1e-5)
        assert together["loss"].to_numpy() == pytest.approx(alone["loss"].to_numpy(), abs=1e-5)


def test_the_loss_of_a_row_is_the_log_of_its_label_s_probability(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path)
    found = predict(tmp_path, "text_classification", 100, shuffle=False)
    dataset = EncodedDataset.open(outputs.dataset)
    labels = dataset.split("test").table["labels"].to_pylist()
    right = [
        scores[label] for scores, label in zip(found["scores"].to_pylist(), labels, strict=True)
    ]
    assert found["loss"].to_numpy() == pytest.approx(-np.log(right), abs=1e-5)


def test_rows_without_labels_are_predicted_without_losses(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path)
    dataset = EncodedDataset.open(outputs.dataset)
    task, split = load_task("text_classification", {}), dataset.split("test")
    told: list[int] = []

    def run(batch: Batch) -> Arrays:
        return {"logits": np.zeros((len(batch["index"]), 2))}

    class Unlabelled(BatchLoader):
        def _make(self, indices: IntArray) -> Batch:
            batch = super()._make(indices)
            del batch["labels"]
            return batch

    loader = Unlabelled(split, task, pad_token_id=0, max_tokens=50, shuffle=False)
    found = predict_split(run, split, loader, task, dataset.info.label_names, on_rows=told.append)
    assert found.num_rows == sum(told) == len(split)
    assert len(told) == len(loader) > 1
    assert "loss" not in found.column_names


def test_bf16_is_near_and_the_logits_are_whole(tmp_path: Path) -> None:
    outputs = write_stages(tmp_path)
    dataset = EncodedDataset.open(outputs.dataset)
    task = load_task("text_classification", {})
    loader = BatchLoader(
        dataset.split("test"),
        task,
        pad_token_id=0,
        max_tokens=4_096,
        shuffle=False,
    )
    batch = next(iter(loader))
    model = load_saved_model(outputs.model)
    model.train()
    whole = torch_run(task, model, "cpu", "fp32")(batch)["logits"]
    assert not model.training, "dropout is off"
    assert np.array_equal(torch_run(task, model, "cpu", "fp32")(batch)["logits"], whole)
    half = torch_run(task, model, "cpu", "bf16")(batch)["logits"]
    assert half.dtype == np.float64
    assert half == pytest.approx(whole, abs=0.05)
    assert not np.array_equal(half, whole)
