"""What a served model takes and gives, as a schema, and whose code loads it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pyarrow as pa

import pipeline
from pipeline.tasks.base import Task

LOADER = "pipeline.export.serving"
"""The module that MLflow loads a model with."""


def served_schema(task: Task, predictions: pa.Schema) -> pa.Schema:
    """The columns that `Predictor.predict` gives for a text.

    Args:
        task: The task.
        predictions: The schema of what it decodes.
    """
    text = pa.field("text", pa.string())
    if task.classification_scores:
        scores = pa.map_(pa.string(), pa.float64())
        label, score = pa.field("prediction", pa.string()), pa.field("score", pa.float64())
        return pa.schema([text, label, score, pa.field("scores", scores)])
    return pa.schema([text, *(pa.field(field.name, _placed(field.type)) for field in predictions)])


def _placed(kind: pa.DataType) -> pa.DataType:
    """Spans carry their text too."""
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        fields = [kind.value_type.field(number) for number in range(kind.value_type.num_fields)]
        if {"start", "end"} <= {field.name for field in fields}:
            return pa.list_(pa.struct([pa.field("text", pa.string()), *fields]))
    return kind


def serving_code(task: Task) -> tuple[Path, ...]:
    """This package, and the package or module of a task that is of the user's own.

    Not that of a task which is installed: it is a requirement, not part of the model.
    """
    package = Path(pipeline.__path__[0])
    top = type(task).__module__.partition(".")[0]
    if top in {package.name, "__main__"}:
        return (package,)
    module = importlib.import_module(top)
    source = Path(module.__path__[0] if hasattr(module, "__path__") else str(module.__file__))
    installed = any(part in {"site-packages", "dist-packages"} for part in source.parts)
    return (package,) if installed or not source.exists() else (package, source)
