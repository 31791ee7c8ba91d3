"""Opens a trained or exported model's directory to predict with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pyarrow as pa

from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.export.layout import ONNX_FILES
from pipeline.export.predictor import Predictor
from pipeline.export.runtime import PADDED_INPUTS, OnnxModel, pad_rows
from pipeline.manifest import Manifest
from pipeline.models.tokenizer import load_tokenizer
from pipeline.tasks.base import FloatArray, Task
from pipeline.tasks.registry import load_task

Backend = Literal["auto", "torch", "onnx", "onnx_int8"]


def load_predictor(directory: Path, backend: Backend = "auto") -> Predictor:
    """Loads a model with its task, tokenizer and cleaning; torch only where it runs.

    Args:
        directory: `outputs/export`, `outputs/model`, or a copy of one of them.
        backend: What runs the model. auto: ONNX Runtime where there is a graph, the float32 one
            first; otherwise PyTorch.

    Raises:
        UserError: If it is no such directory, or lacks the graph asked for.
        CheckpointError: If the model is damaged.
        ConfigError: If its task is not installed here.
    """
    if not directory.is_dir():
        raise UserError(
            f"{directory} is no directory of a model",
            remedy="run `dvc repro`, or name a directory with --model",
        )
    manifest = Manifest.read(directory)
    task = load_task(manifest.task, manifest.task_options)
    tokenizer = load_tokenizer(directory)
    pad_token_id = int(tokenizer.pad_token_id)
    chosen = _choose(directory, backend)
    return Predictor(
        task=task,
        label_names=manifest.label_names,
        tokenizer=tokenizer,
        preprocessing=Preprocessing.read(directory),
        forward=_torch(directory, task, pad_token_id)
        if chosen == "torch"
        else _onnx(directory / ONNX_FILES[chosen], task, pad_token_id),
    )


def _choose(directory: Path, backend: Backend) -> Literal["torch", "onnx", "onnx_int8"]:
    graphs = [name for name, file in ONNX_FILES.items() if (directory / file).is_file()]
    if backend == "auto":
        return graphs[0] if graphs else "torch"
    if backend != "torch" and backend not in graphs:
        raise UserError(
            f"{directory} has no {ONNX_FILES[backend]}; its formats are: "
            f"{', '.join(['torch', *graphs])}",
            remedy="name outputs/export with --model, and see export.formats: "
            "export=onnx_int8 makes the 8-bit one",
        )
    return backend


def _onnx(path: Path, task: Task, pad_token_id: int) -> Callable[[pa.Table], FloatArray]:
    graph = OnnxModel(path)
    if PADDED_INPUTS.issuperset(graph.inputs):
        return lambda rows: graph.forward(pad_rows(rows, pad_token_id))

    def forward(rows: pa.Table) -> FloatArray:
        batch = task.collate(rows, pad_token_id=pad_token_id, pad_to_multiple_of=1)
        return graph.forward({name: tensor.numpy() for name, tensor in batch.items()})

    return forward


def _torch(directory: Path, task: Task, pad_token_id: int) -> Callable[[pa.Table], FloatArray]:
    import torch

    from pipeline.evaluation.inference import torch_forward
    from pipeline.models.saving import load_saved_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    run = torch_forward(load_saved_model(directory), device, "fp32")
    return lambda rows: run(task.collate(rows, pad_token_id=pad_token_id, pad_to_multiple_of=1))
