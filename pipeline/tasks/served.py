"""What a served model takes and gives, as a schema, and whose code loads it."""

from __future__ import annotations

import importlib
from pathlib import Path

import pyarrow as pa

import pipeline
from pipeline.tasks.base import Task
from pipeline.tasks.columns import MEDIA_KINDS, input_columns

LOADER = "pipeline.export.serving"
"""The module that MLflow loads a model with."""
_ROOMS = {
    "__init__",
    "artifacts",
    "audio",
    "config",
    "console",
    "data",
    "errors",
    "evaluation",
    "export",
    "images",
    "manifest",
    "metrics",
    "models",
    "provenance",
    "tasks",
}
"""The rooms and modules of this package that predicting takes."""


def served_inputs(task: Task) -> pa.Schema:
    """What a row is given as: texts, and recordings or pictures as their content."""
    return pa.schema(
        [
            pa.field(one.name, pa.binary() if one.kind in MEDIA_KINDS else pa.string())
            for one in input_columns(task.columns)
        ]
    )


def served_schema(task: Task, predictions: pa.Schema) -> pa.Schema:
    """The columns that `Predictor.predict` gives for a row.

    Args:
        task: The task.
        predictions: The schema of what it decodes.
    """
    given = [pa.field(column.name, pa.string()) for column in input_columns(task.columns)]
    if task.classification_scores:
        scores = pa.map_(pa.string(), pa.float64())
        label, score = pa.field("prediction", pa.string()), pa.field("score", pa.float64())
        return pa.schema([*given, label, score, pa.field("scores", scores)])
    return pa.schema([*given, *(_served(one, names_scores(task)) for one in predictions)])


def names_scores(task: Task) -> bool:
    """Whether `scores` has a number for each label name, so that it is shown by name."""
    return task.classification_scores or any(
        column.is_target and column.kind == "labels" for column in task.columns
    )


def _served(field: pa.Field, named: bool) -> pa.Field:
    if named and field.name == "scores":
        return pa.field(field.name, pa.map_(pa.string(), pa.float64()))
    return pa.field(field.name, _placed(field.type))


def _placed(kind: pa.DataType) -> pa.DataType:
    """Spans carry their text too."""
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        fields = [kind.value_type.field(number) for number in range(kind.value_type.num_fields)]
        if {"start", "end"} <= {field.name for field in fields}:
            return pa.list_(pa.struct([pa.field("text", pa.string()), *fields]))
    return kind


def serving_code(task: Task) -> dict[str, Path]:
    """What predicts, of this package, and the package or module of a task of the user's own.

    Not the code of a task that is installed: it is a requirement, not part of the model.

    Returns:
        Directories and files by their path in a directory of `sys.path`.
    """
    package = Path(pipeline.__path__[0])
    code = {
        f"{package.name}/{path.name}": path
        for path in sorted(package.iterdir())
        if path.stem in _ROOMS and (path.is_dir() or path.suffix == ".py")
    }
    top = type(task).__module__.partition(".")[0]
    if top in {package.name, "__main__"}:
        return code
    module = importlib.import_module(top)
    source = Path(module.__path__[0] if hasattr(module, "__path__") else str(module.__file__))
    installed = any(part in {"site-packages", "dist-packages"} for part in source.parts)
    return code if installed or not source.exists() else {**code, source.name: source}
