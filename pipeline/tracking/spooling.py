"""Keeps files as they are now until they are delivered; secrets are masked in small texts."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.tracking.journal import LINK_FROM_BYTES, JournalWriter, link_or_copy
from pipeline.tracking.schemas import column_specs
from pipeline.tracking.secrets import Redactor

_TEXT_SUFFIXES = {".yaml", ".yml", ".json", ".txt", ".md", ".diff", ".patch", ".toml", ".log"}
_LARGEST_TEXT_BYTES = 4 * 2**20
_MANIFEST = "manifest.json"
"""The one file of a model that may hold an address; masking others could change the model."""


@dataclass(frozen=True)
class ModelFiles:
    """A trained model, as MLflow is to keep it.

    Attributes:
        directory: Its files.
        code: Python packages and modules that load it, by their path in a directory of `sys.path`.
        loader: Dotted name of the module with `_load_pyfunc`.
        inputs: What it takes.
        example: Inputs to try it with, texts or contents by the input's name; may be empty.
        outputs: What it gives for a text.
        requirements: Distributions it needs, as pip reads them.
        step: The optimizer step of its weights.
        kind: What it does, for example `text_classification`.
        tags: What models are found by.
    """

    directory: Path
    code: Mapping[str, Path]
    loader: str
    inputs: pa.Schema
    example: Mapping[str, Sequence[str] | Sequence[bytes]]
    outputs: pa.Schema
    requirements: Sequence[str]
    step: int
    kind: str
    tags: Mapping[str, str] = field(default_factory=dict)


def spool_file(journal: JournalWriter, redactor: Redactor, path: Path) -> str:
    """Keeps a file; returns its name in the spool.

    Raises:
        OSError: If it cannot be read or kept.
    """
    text = _small_text(path)
    if text is None:
        return journal.spool(path)
    return journal.spool_text(path.name, redactor.document(text))


def spool_model(journal: JournalWriter, redactor: Redactor, model: ModelFiles) -> dict[str, Any]:
    """Keeps a model; returns what the event about it says.

    In the spool, `data` holds the small files, `large` links to the large ones, and `code` the
    source that loads them, as it is now.

    Raises:
        OSError: If a file cannot be read or kept.
    """
    folder = journal.spool_folder()
    for path in sorted(file for file in model.directory.rglob("*") if file.is_file()):
        part = "large" if path.stat().st_size >= LINK_FROM_BYTES else "data"
        target = folder / part / path.relative_to(model.directory)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.name == _MANIFEST:
            target.write_text(redactor.text(path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            link_or_copy(path, target)
    for name, source in model.code.items():
        target = folder / "code" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = partial(_copy_code, redactor)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*")
            shutil.copytree(source, target, ignore=ignored, copy_function=copy)
        else:
            copy(str(source), str(target))
    return {
        "files": folder.name,
        "loader": model.loader,
        "inputs": column_specs(model.inputs),
        "example": {
            name: [_as_text(value, redactor) for value in values]
            for name, values in model.example.items()
        },
        "outputs": column_specs(model.outputs, required=False),
        "requirements": list(model.requirements),
        "step": model.step,
        "kind": model.kind,
        "tags": dict(model.tags),
    }


def _as_text(value: str | bytes, redactor: Redactor) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return redactor.text(value)


def _copy_code(redactor: Redactor, source: str, target: str) -> None:
    """Copies a file of a package; secrets in its source are masked."""
    path = Path(source)
    text = path.read_text(encoding="utf-8") if path.suffix == ".py" else _small_text(path)
    if text is None:
        shutil.copyfile(source, target)
    else:
        Path(target).write_text(redactor.source(text), encoding="utf-8")


def _small_text(path: Path) -> str | None:
    """The content of a small text file; nothing for any other."""
    if path.suffix not in _TEXT_SUFFIXES or path.stat().st_size > _LARGEST_TEXT_BYTES:
        return None
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
