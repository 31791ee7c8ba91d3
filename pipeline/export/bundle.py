"""Opens a trained or exported model's directory to predict with it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.export.generating import open_graph
from pipeline.export.layout import ONNX_FILES
from pipeline.export.predictor import Predictor, Run
from pipeline.manifest import Manifest
from pipeline.models.processor import load_processor
from pipeline.tasks.base import Task
from pipeline.tasks.registry import load_trained_task
from pipeline.tasks.tensors import to_tensors

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
    processor = load_processor(directory)
    task = load_trained_task(manifest.task, manifest.task_options, manifest.task_state, processor)
    chosen = _choose(directory, backend)
    return Predictor(
        task=task,
        label_names=manifest.label_names,
        processor=processor,
        preprocessing=Preprocessing.read(directory),
        run=_torch(directory, task)
        if chosen == "torch"
        else open_graph(directory / ONNX_FILES[chosen]).run,
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


def _torch(directory: Path, task: Task) -> Run:
    import torch

    from pipeline.evaluation.inference import torch_run
    from pipeline.models.saving import load_saved_model

    device = "cuda" if torch.cuda.is_available() else "cpu"
    run = torch_run(task, load_saved_model(directory), device, "fp32")
    return lambda batch: run(to_tensors(batch))
