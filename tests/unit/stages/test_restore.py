from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from pipeline.stages.restore import restore_outputs


def keep(root: Path, content: bytes, suffix: str = "") -> str:
    """Puts content into DVC's cache as DVC does; returns what the lock file says of it."""
    digest = hashlib.md5(content).hexdigest() + suffix
    path = root / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose stage train made a directory of two files; DVC has removed it."""
    listing = [
        {"md5": keep(tmp_path, b"weights"), "relpath": "model.safetensors"},
        {"md5": keep(tmp_path, b"words"), "relpath": "tokenizer/vocab.txt"},
    ]
    digest = keep(tmp_path, json.dumps(listing).encode(), ".dir")
    outs = [{"path": "outputs/model", "md5": digest}]
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "x", "outs": outs}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    monkeypatch.setenv("DVC_STAGE", "train")
    return tmp_path


def test_a_removed_directory_comes_back_whole(project: Path) -> None:
    assert restore_outputs(project) == ("outputs/model",)
    model = project / "outputs" / "model"
    assert (model / "model.safetensors").read_bytes() == b"weights"
    assert (model / "tokenizer" / "vocab.txt").read_bytes() == b"words"


def test_an_output_that_is_there_is_left_alone(project: Path) -> None:
    newer = project / "outputs" / "model" / "model.safetensors"
    newer.parent.mkdir(parents=True)
    newer.write_bytes(b"newer")
    assert restore_outputs(project) == ()
    assert newer.read_bytes() == b"newer"


def test_without_the_cached_files_nothing_half_is_made(project: Path) -> None:
    for path in (project / ".dvc" / "cache" / "files" / "md5").rglob("*"):
        if path.is_file() and path.read_bytes() == b"words":
            path.unlink()
    assert restore_outputs(project) == ()
    assert not (project / "outputs" / "model").exists()


def test_outside_dvc_nothing_is_touched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE")
    assert restore_outputs(project) == ()
