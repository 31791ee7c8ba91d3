"""The files of an exported model: one graph, or an encoder's beside a decoder's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import write_json
from pipeline.errors import EnvironmentProblem
from pipeline.export.layout import encoder_file, graph_files, search_file
from pipeline.export.quantization import quantize_int8
from pipeline.tasks.base import ExportSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def write_graphs(model: PreTrainedModel, spec: ExportSpec, path: Path, *, opset: int) -> None:
    """Writes the graph of a spec, that which runs before it, and how sequences are searched for.

    Args:
        model: In evaluation mode, in float32, on the CPU.
        spec: What is exported.
        path: The file of the spec's own graph.
        opset: Version of the ONNX operators.

    Raises:
        EnvironmentProblem: If the installed torch cannot export this model, or there is no space.
    """
    from pipeline.export.graph import export_onnx

    if spec.otherwise is not None:
        try:
            write_graphs(model, replace(spec, otherwise=None), path, opset=opset)
        except EnvironmentProblem:
            remove_graphs(path)
            write_graphs(model, spec.otherwise, path, opset=opset)
        return
    if spec.before is not None:
        export_onnx(model, spec.before, encoder_file(path), opset=opset)
    export_onnx(model, spec, path, opset=opset)
    if spec.search is not None:
        write_json(search_file(path), dict(spec.search))


def quantize_graphs(source: Path, target: Path) -> None:
    """Makes 8-bit copies of a float32 graph and of that which runs before it."""
    quantize_int8(source, target)
    if encoder_file(source).is_file():
        quantize_int8(encoder_file(source), encoder_file(target))
    if search_file(source).is_file():
        search_file(target).write_bytes(search_file(source).read_bytes())


def remove_graphs(path: Path) -> None:
    """Deletes the files of an exported model."""
    for file in graph_files(path):
        file.unlink()
