"""A trained model to ONNX graphs that are proved on real rows and timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.config.schema import ExportConfig
from pipeline.console import progress
from pipeline.data.store import EncodedDataset, EncodedSplit
from pipeline.evaluation.inference import Run, torch_run
from pipeline.export.generating import open_graph
from pipeline.export.latency import measure, typical_rows
from pipeline.export.layout import ONNX_FILES, Format, graph_bytes
from pipeline.export.parity import check_parity, compare, reference_batches
from pipeline.export.report import ExportedModel, ExportReport, Timing
from pipeline.export.runtime import OnnxModel
from pipeline.export.writing import quantize_graphs, remove_graphs, write_graphs
from pipeline.models.locate import weight_files
from pipeline.models.saving import load_saved_model
from pipeline.provenance import machine
from pipeline.tasks.base import Arrays, Task
from pipeline.tasks.tensors import to_tensors

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_PREFERRED_SPLITS = ("test", "validation", "train")


def export_model(
    directory: Path, task: Task, dataset: EncodedDataset, settings: ExportConfig
) -> ExportReport:
    """Writes the graphs that the settings ask for below a model's directory, and examines them.

    Args:
        directory: A trained model in the Hugging Face layout; `onnx/` is made in it.
        task: The model's task.
        dataset: What it was trained on; rows of its test split (without one, of validation) are
            compared and timed.
        settings: The section `export` of the config.

    Raises:
        CheckpointError: If the model is damaged.
        EnvironmentProblem: If a graph cannot be made or written, or the float32 one differs from
            PyTorch by more than `tolerance`.
    """
    import torch

    model = load_saved_model(directory)
    run = torch_run(task, model, "cpu", "fp32")
    split_name = next(name for name in _PREFERRED_SPLITS if dataset.info.rows.get(name))
    split = dataset.split(split_name)
    with progress() as bar:
        steps = bar.add_task("export", total=2 + len(settings.formats), note="PyTorch on real rows")
        references = reference_batches(
            torch_run(task, model, "cpu", "fp32", with_outputs=True),
            split,
            task,
            num_rows=settings.parity_rows,
            pad_token_id=dataset.info.pad_token_id,
        )
        graphs: dict[str, OnnxModel] = {}
        models: dict[str, ExportedModel] = {}
        for name in settings.formats:
            bar.update(steps, advance=1, note=name)
            path = directory / ONNX_FILES[name]
            _write_graph(model, task, name, path, opset=settings.opset)
            graphs[name] = open_graph(path, num_threads=torch.get_num_threads())
            parity = compare(graphs[name], references, task, dataset.info.label_names)
            if name == "onnx":
                check_parity(parity, settings.tolerance)
            models[name] = ExportedModel(ONNX_FILES[name], graph_bytes(path), parity)
        bar.update(steps, advance=1, note="latency")
        timings = tuple(
            _time(
                run,
                graphs,
                _typical_batch(split, task, size, dataset.info.pad_token_id),
                size,
                int(np.median(split.lengths)),
                repeats=settings.latency_repeats,
            )
            for size in settings.latency_batch_sizes
        )
        bar.update(steps, advance=1, note="")
    return ExportReport(
        opset=settings.opset,
        split=split_name,
        models=models,
        timings=timings,
        repeats=settings.latency_repeats,
        num_threads=torch.get_num_threads(),
        cpu=machine().cpu,
        pytorch_bytes=sum(path.stat().st_size for path in weight_files(directory)),
    )


def _write_graph(
    model: PreTrainedModel, task: Task, name: Format, path: Path, *, opset: int
) -> None:
    """Writes one format; the 8-bit one is made of the float32 one, which need not stay."""
    path.parent.mkdir(exist_ok=True)
    source = path.parent.parent / ONNX_FILES["onnx"]
    made_here = not source.is_file()
    if made_here:
        write_graphs(model, task.export_spec(model), source, opset=opset)
    if name == "onnx_int8":
        quantize_graphs(source, path)
        if made_here:
            remove_graphs(source)


def _typical_batch(split: EncodedSplit, task: Task, size: int, pad_token_id: int) -> Arrays:
    rows = split.rows(typical_rows(split.lengths, size))
    batch = dict(task.collate(rows, pad_token_id=pad_token_id, pad_to_multiple_of=1))
    if task.generates:
        batch.pop("labels", None)  # who is served has no target, and its loss would cost time
    return batch


def _time(
    run: Run,
    graphs: Mapping[str, OnnxModel],
    batch: Arrays,
    size: int,
    length: int,
    *,
    repeats: int,
) -> Timing:
    """Times PyTorch and the graphs on the same batch, of so many rows of such a length."""
    calls: dict[str, Callable[[], object]] = {"pytorch": partial(run, to_tensors(batch))}
    calls |= {name: partial(graph.run, batch) for name, graph in graphs.items()}
    return Timing(size, length, measure(calls, repeats=repeats))
