"""What a prepared dataset depends on, and datasets that runs share: each of them made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.artifacts import (
    Outputs,
    cache_root,
    cannot_write,
    content_hash,
    unchanged_file_sha256,
)
from pipeline.config.schema import Config
from pipeline.data.sources.hub import hub_version
from pipeline.data.sources.pins import directory_sha256
from pipeline.data.store import INFO_FILE
from pipeline.provenance import versions
from pipeline.stages import prepare
from pipeline.stages.checkpoints import fetch_checkpoint
from pipeline.training.identity import code_hashes

_LIBRARIES = ("python", "tokenizers", "transformers", "pyarrow", "numpy")
_OF_MODEL = {"name", "audio", "checkpoint", "image", "tokenizer", "max_length"}
_TOKENIZER_FILES = ("*.json", "*.txt", "*.model", "*.spm")
"""All that a tokenizer is made of, whatever its kind."""


def prepared_dataset(config: Config, *, root: Path) -> Path:
    """The prepared dataset of a configuration, made if there is none yet.

    Processes that want the same one at once wait for the first, which makes it.

    Args:
        config: The resolved configuration.
        root: The project's root.

    Returns:
        A directory as prepare writes it, below `.cache/datasets/`.

    Raises:
        UserError: If the data, the configuration or the checkpoint are at fault.
        EnvironmentProblem: If the machine refuses.
    """
    from filelock import FileLock

    fetch_checkpoint(config.model.checkpoint, config.tracking, root)
    outputs = Outputs(cache_root(root) / "datasets" / dataset_key(config, root=root)[:32])
    if not (outputs.dataset / INFO_FILE).is_file():
        try:
            outputs.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(outputs.root, error) from error
        with FileLock(outputs.root / ".lock"):
            if not (outputs.dataset / INFO_FILE).is_file():
                prepare.run(config, root=root, outputs=outputs)
    return outputs.dataset


def dataset_key(config: Config, *, root: Path) -> str:
    """Hashes all that a prepared dataset depends on, as 64 hex digits.

    Raw files count with their content, the tokenizer's with theirs; the code that prepares and the
    versions of libraries are in.
    """
    installed = versions()
    return content_hash(
        {
            "data": config.data.model_dump(mode="json"),
            "task": config.task.model_dump(mode="json", exclude={"primary_metric"}),
            "model": config.model.model_dump(mode="json", include=_OF_MODEL),
            "raw": _raw(config, root),
            "tokenizer": _tokenizer(config, root),
            "code": code_hashes(config.task.kind),
            "versions": {name: installed.get(name) for name in _LIBRARIES},
        }
    )


def _raw(config: Config, root: Path) -> Any:
    paths: dict[str, Path] = {key: root / file.path for key, file in config.data.all_files.items()}
    if config.data.media is not None:
        paths["media"] = root / config.data.media.path
    found: dict[str, Any] = {role: _content(path) for role, path in paths.items()}
    if config.data.hub is not None:
        found["hub"] = hub_version(config.data.hub, root)
    return found


def _content(path: Path) -> str | None:
    """A hash of a file or directory; None where there is none: prepare says so in its words."""
    if path.is_dir():
        return directory_sha256(path, unchanged_file_sha256)
    return unchanged_file_sha256(path) if path.is_file() else None


def _tokenizer(config: Config, root: Path) -> Any:
    checkpoint = config.model.checkpoint
    if checkpoint.source != "directory":
        return None
    directory = root / checkpoint.location
    files = (path for pattern in _TOKENIZER_FILES for path in directory.glob(pattern))
    return {path.name: unchanged_file_sha256(path) for path in files}
