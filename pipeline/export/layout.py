"""Which files an export directory holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Format = Literal["onnx", "onnx_int8"]

ONNX_FILES: dict[Format, str] = {
    "onnx": "onnx/model.onnx",
    "onnx_int8": "onnx/model_int8.onnx",
}
"""Graphs below an export's directory, the preferred one first."""
REPORT = "report.json"
CARD = "README.md"


def encoder_file(path: Path) -> Path:
    """The graph that runs before another, once for each batch."""
    return path.with_name(f"{path.stem}_encoder{path.suffix}")


def search_file(path: Path) -> Path:
    """How sequences are searched for with a graph."""
    return path.with_name(f"{path.stem}_search.json")


def graph_files(path: Path) -> list[Path]:
    """The files there are of a graph: itself, its external weights, and what belongs to it."""
    graphs = [path, encoder_file(path)]
    external = [graph.with_name(graph.name + ".data") for graph in graphs]
    return [file for file in (*graphs, *external, search_file(path)) if file.is_file()]


def graph_bytes(path: Path) -> int:
    """Size of a graph with its external weights, and of those that belong to it."""
    return sum(file.stat().st_size for file in graph_files(path))
