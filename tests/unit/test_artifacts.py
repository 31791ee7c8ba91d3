from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.artifacts import (
    content_hash,
    lasting_root,
    project_root,
    read_json,
    replace_directory,
    write_json,
    write_text,
)
from pipeline.errors import EnvironmentProblem, UserError

NOBODY = 65534


@contextmanager
def without_privileges() -> Iterator[None]:
    """Root may write anywhere; permissions only show to another user."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file may grow beyond `room` bytes, which fails a write as a full disk does."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "outputs" / "model"
    directory.mkdir(parents=True)
    (directory / "weights").write_text("old")
    return directory


def test_a_directory_is_replaced_as_a_whole(model: Path) -> None:
    with replace_directory(model) as fresh:
        (fresh / "others").write_text("new")
        assert (model / "weights").read_text() == "old"
    assert [path.name for path in model.iterdir()] == ["others"]
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_an_error_leaves_the_old_directory_and_no_litter(model: Path) -> None:
    def fail() -> None:
        with replace_directory(model) as fresh:
            (fresh / "weights").write_text("half")
            raise ValueError("midway")

    with pytest.raises(ValueError, match="midway"):
        fail()
    assert (model / "weights").read_text() == "old"
    assert [path.name for path in model.parent.iterdir()] == ["model"]


def test_a_full_disk_leaves_the_old_directory(model: Path) -> None:
    with (
        pytest.raises(EnvironmentProblem, match="free disk space"),
        full_disk(1_000),
        replace_directory(model) as fresh,
    ):
        (fresh / "weights").write_bytes(b"x" * 10_000)
    assert (model / "weights").read_text() == "old"


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_text(path, "old")
    with pytest.raises(EnvironmentProblem, match=r"metrics\.json"), full_disk(1_000):
        write_text(path, "x" * 10_000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_without_permission_says_so(tmp_path: Path) -> None:
    locked = tmp_path / "outputs"
    locked.mkdir()
    locked.chmod(0o555)
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)
    with (
        pytest.raises(EnvironmentProblem, match="Permission denied"),
        without_privileges(),
        replace_directory(locked / "model"),
    ):
        pass
    assert list(locked.iterdir()) == []


def test_json_is_sorted_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a" / "values.json"
    write_json(path, {"b": 1, "a": "球"})
    assert path.read_text(encoding="utf-8") == '{\n  "a": "球",\n  "b": 1\n}\n'
    assert read_json(path) == {"a": "球", "b": 1}


@pytest.mark.parametrize(("text", "remedy"), [(None, "dvc repro"), ("{", "--force")])
def test_missing_and_damaged_json_name_the_remedy(
    tmp_path: Path, text: str | None, remedy: str
) -> None:
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=remedy):
        read_json(path)


def test_a_content_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": [2]}) == content_hash({"b": [2], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})


def test_the_project_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "config.yaml").touch()
    below = tmp_path / "data" / "raw"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert project_root() == tmp_path.resolve()


def test_what_lasts_lies_in_the_user_s_own_root_when_dvc_runs_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert lasting_root() == tmp_path
