"""Where every file of the pipeline lives, and how files are written as a whole."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import EnvironmentProblem, UserError

PROCESSOR_DIRECTORY = "processor"
"""Below a prepared dataset: what encoded its rows, such as a tokenizer."""
MANIFEST_FILE = "manifest.json"
"""Beside the weights of a model that this pipeline trained: what made it."""


@dataclass(frozen=True)
class Outputs:
    """The files of one run of the pipeline, below one directory (`outputs/` for the pinned one).

    Attributes:
        root: The directory.
        prepared: Where the dataset lies, if runs share it.
    """

    root: Path
    prepared: Path | None = None

    @property
    def config(self) -> Path:
        """The whole resolved configuration, YAML."""
        return self.root / "config.yaml"

    @property
    def dataset(self) -> Path:
        """Encoded splits, tokenizer and quality report, written by prepare."""
        return self.prepared or self.root / "dataset"

    @property
    def model(self) -> Path:
        """The fine-tuned model in the Hugging Face layout and its manifest, written by train."""
        return self.root / "model"

    @property
    def evaluation(self) -> Path:
        """Metrics, plots and predictions, written by evaluate."""
        return self.root / "evaluation"

    @property
    def export(self) -> Path:
        """ONNX models, parity and latency report and model card, written by export."""
        return self.root / "export"


def project_root(start: Path | None = None) -> Path:
    """Finds the project: the nearest directory at or above `start` that holds `conf/config.yaml`.

    Args:
        start: Where to look first; the current directory by default.

    Raises:
        UserError: If there is none.
    """
    here = (start or Path.cwd()).resolve()
    for directory in (here, *here.parents):
        if (directory / "conf" / "config.yaml").is_file():
            return directory
    raise UserError(
        f"no project here: neither {here} nor a directory above it holds conf/config.yaml",
        remedy="change into the directory you cloned, then run the command again",
    )


def lasting_root(start: Path | None = None) -> Path:
    """The directory for what outlives a run: tracking store, training states, journals.

    `dvc exp run --queue` and `--temp` run in a copy of the project that is deleted afterwards;
    there `DVC_ROOT` still names the user's own directory.
    """
    dvc_root = os.environ.get("DVC_ROOT")
    return Path(dvc_root) if dvc_root else project_root(start)


def cache_root(start: Path | None = None) -> Path:
    """The directory of training states, prepared datasets of ad-hoc runs and tracking journals."""
    return lasting_root(start) / ".cache"


def shown(path: Path, root: Path) -> str:
    """A path as a person reads it: from the project's root where it lies below."""
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


@contextmanager
def replace_directory(target: Path) -> Iterator[Path]:
    """Writes a directory as a whole: the target changes only when the block ends without error.

    Args:
        target: The directory to make or replace.

    Yields:
        An empty directory beside the target to write into.

    Raises:
        EnvironmentProblem: If there is no permission or no space.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        fresh.chmod(0o755)
    except OSError as error:
        raise cannot_write(target, error) from error
    try:
        yield fresh
        if target.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
            target.rename(old / target.name)
            fresh.rename(target)
            shutil.rmtree(old, ignore_errors=True)
        else:
            fresh.rename(target)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def cannot_write(target: Path, error: OSError) -> EnvironmentProblem:
    """The one message for a write that the machine refused."""
    return EnvironmentProblem(
        f"cannot write {target}: {error.strerror or error}",
        remedy="free disk space or mend the permissions of that directory; "
        "existing outputs were left as they were",
    )


def write_text(path: Path, text: str) -> None:
    """Writes a file as a whole: readers see the old content or the new, never a part."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        scratch.replace(path)
    except OSError as error:
        with suppress(OSError):
            scratch.unlink()
        raise cannot_write(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Writes JSON with sorted keys, indented by two spaces, atomically."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: Path) -> Any:
    """Reads a JSON file that a stage wrote.

    Raises:
        UserError: If the file is missing or damaged; the remedy names the command that makes it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path} is missing",
            remedy="run `dvc repro`, which makes it, or name another directory",
        ) from None
    except ValueError as error:
        raise UserError(
            f"{path} is not valid JSON: {error}", remedy="run `dvc repro --force` to make it anew"
        ) from error


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def unchanged_file_sha256(path: Path) -> str:
    """The SHA-256 of a file that is only ever replaced, such as a checkpoint's.

    Computed once a process for each version of it, as size and time of change tell them apart.
    """
    status = path.stat()
    return _sha256_of_version(path, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256_of_version(path: Path, *_version: int) -> str:
    return file_sha256(path)


def content_hash(value: Any) -> str:
    """The SHA-256 of a JSON-able value, independent of the order of keys, as 64 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
