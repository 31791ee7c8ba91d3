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


def graph_bytes(path: Path) -> int:
    """Size of a graph with its external weights."""
    external = path.with_name(path.name + ".data")
    return path.stat().st_size + (external.stat().st_size if external.is_file() else 0)
