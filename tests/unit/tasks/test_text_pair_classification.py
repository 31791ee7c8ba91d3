from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.export.graph import export_onnx
from pipeline.export.runtime import OnnxModel
from pipeline.models.saving import save_model
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.processor import Processor
from pipeline.tasks.registry import load_task
from pipeline.tasks.tensors import to_tensors
from tests.checkpoints import MakeCheckpoint
from tests.task_contract import HandComputed, Source, TaskContract

torch.set_num_threads(1)

FIRST = ["home team won", "last 球赛", "the team", "in the last"]
SECOND = ["the match", "team", "won by home", "minute by home"]


def pairs(labels: list[str]) -> pa.Table:
    return pa.table(
        {
            "id": [str(i) for i in range(len(labels))],
            "text": (FIRST * 2)[: len(labels)],
            "text_pair": (SECOND * 2)[: len(labels)],
            "label": labels,
        }
    )


class TestTextPairClassification(TaskContract):
    kind = "text_pair_classification"

    def rows(self) -> pa.Table:
        return pairs(["follows", "contradicts", "neither", "follows"])

    def hand_computed(self) -> HandComputed:
        names = ("a", "b")
        rows = pairs(["a", "b", "b", "a"])
        logits = np.log(np.array([[3, 1], [3, 1], [1, 3], [1, 3]], float))
        predictions = load_task(self.kind, {}).decode({"logits": logits}, rows, names)
        expected = {"accuracy": 1 / 2, "f1_macro": 1 / 2, "mcc": 0.0}
        return HandComputed(predictions, rows, names, expected, (1, 0, 1, 0))


def made(kind: str, make_checkpoint: MakeCheckpoint) -> tuple[Any, Processor, Any, pa.Table]:
    directory = make_checkpoint(kind, initializer_range=0.2)
    processor = Processor(load_tokenizer(directory))
    task = load_task("text_pair_classification", {})
    task.attach(processor)
    rows = pairs(["a", "b", "a", "b"])
    torch.manual_seed(1)
    model = task.build_model(Source(directory, processor.pad_token_id), ("a", "b"))
    encoded = task.encode(rows, processor, ("a", "b"), max_length=32)
    for name in encoded.column_names:
        rows = rows.append_column(name, encoded[name])
    return task, processor, model, rows


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_pipeline_of_transformers_gives_the_same_labels(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str
) -> None:
    from transformers import pipeline

    task, processor, model, rows = made(kind, make_checkpoint)
    save_model(model, processor, tmp_path / "model")
    batch = to_tensors(
        task.collate(rows, pad_token_id=processor.pad_token_id, pad_to_multiple_of=8)
    )
    with torch.no_grad():
        logits = task.forward(model, batch)["logits"].numpy()
    ours = task.decode({"logits": logits}, rows, ("a", "b"))

    classify: Any = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = [
        classify({"text": one, "text_pair": other})
        for one, other in zip(FIRST, SECOND, strict=True)
    ]

    assert [found["label"] for found in theirs] == ours["prediction"].to_pylist()
    assert [found["score"] for found in theirs] == pytest.approx(
        ours["score"].to_pylist(), abs=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("bert", ("input_ids", "attention_mask", "token_type_ids")),
        ("gpt2", ("input_ids", "attention_mask")),
        ("distilbert", ("input_ids", "attention_mask")),
    ],
)
def test_token_types_reach_model_and_graph_where_tokenizer_and_model_know_them(
    make_checkpoint: MakeCheckpoint, tmp_path: Path, kind: str, inputs: tuple[str, ...]
) -> None:
    task, processor, model, rows = made(kind, make_checkpoint)
    arrays = task.collate(rows, pad_token_id=processor.pad_token_id, pad_to_multiple_of=1)
    assert ("token_type_ids" in arrays) == (kind != "gpt2")
    batch = to_tensors(arrays)
    with torch.no_grad():
        logits = task.forward(model, batch)["logits"]
        if kind == "bert":
            assert not torch.allclose(
                logits,
                task.forward(model, {**batch, "token_type_ids": 0 * batch["input_ids"]})["logits"],
            )
    path = tmp_path / "model.onnx"
    export_onnx(model, task.export_spec(model), path, opset=18)
    graph = OnnxModel(path, num_threads=1)
    assert graph.inputs == inputs
    np.testing.assert_allclose(graph.run(arrays)["logits"], logits.numpy(), atol=1e-5)
