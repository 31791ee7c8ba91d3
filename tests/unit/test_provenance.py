from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import provenance


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    result = subprocess.run(
        ["git", "-C", str(root), *identity, *arguments], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text("cache/\n")
    (root / "code.py").write_text("a = 1\n")
    (root / "outputs").mkdir()
    (root / "outputs" / "config.yaml").write_text("seed: 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


def test_a_clean_tree_has_a_revision_and_no_diff(repo: Path) -> None:
    state = provenance.git_state(repo)
    assert state.revision == git(repo, "rev-parse", "HEAD")
    assert (state.branch, state.dirty, state.diff) == ("main", False, "")


def test_what_stages_write_does_not_make_the_tree_dirty(repo: Path) -> None:
    (repo / "outputs" / "config.yaml").write_text("seed: 2\n")
    (repo / "dvc.lock").write_text("x\n")
    (repo / "cache").mkdir()
    (repo / "cache" / "x").write_text("x\n")
    assert provenance.git_state(repo).dirty is False


def test_the_diff_restores_a_dirty_tree(repo: Path, tmp_path: Path) -> None:
    (repo / "code.py").write_text("a = 2\n")
    (repo / "neu 文.py").write_text("b = 3\n")
    (repo / "big.bin").write_bytes(b"\0" * 300_000)
    before = git(repo, "status", "--porcelain")
    state = provenance.git_state(repo)
    assert state.dirty is True
    assert git(repo, "status", "--porcelain") == before
    git(tmp_path, "clone", "-q", str(repo), "copy")
    (tmp_path / "patch").write_text(state.diff)
    git(tmp_path / "copy", "apply", str(tmp_path / "patch"))
    assert (tmp_path / "copy" / "code.py").read_text() == "a = 2\n"
    assert (tmp_path / "copy" / "neu 文.py").read_text() == "b = 3\n"
    assert not (tmp_path / "copy" / "big.bin").exists()


def test_outside_a_repository_nothing_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_state(tmp_path) == provenance.GitState(None, None, None, "")
    monkeypatch.setenv("PATH", "")
    assert provenance.git_state(tmp_path).revision is None


def test_tags_hold_versions_machine_git_and_dvc(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "fuzzy-mole")
    monkeypatch.setenv("DVC_STAGE", "train")
    tags = provenance.collect(repo).tags()
    assert tags["dvc.experiment"] == "fuzzy-mole"
    assert tags["dvc.stage"] == "train"
    assert tags["version.python"] == ".".join(map(str, sys.version_info[:3]))
    assert tags["version.numpy"]
    assert tags["git.revision"] == git(repo, "rev-parse", "HEAD")
    assert tags["git.dirty"] == "false"
    assert tags["host"]
    assert tags["cpu"]
    assert int(tags["threads"]) >= 1


def test_it_imports_nothing_heavy(repo: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline import provenance\n"
        f"provenance.collect(Path({str(repo)!r})); provenance.packages()\n"
        "print(sorted({'torch', 'mlflow', 'numpy', 'transformers'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert result.stdout.strip() == "[]"


def test_the_environment_names_machine_packages_and_variables_but_no_secret(
    monkeypatch: pytest.MonkeyPatch, repo: Path
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "planted")
    found = provenance.collect(repo).environment()
    assert found["variables"]["OMP_NUM_THREADS"] == "3"
    assert found["packages"]["pydantic"] == found["versions"]["pydantic"]
    assert found["machine"]["cores"] >= 1
    assert "planted" not in json.dumps(found)


def test_the_hash_of_the_difference_is_a_tag_of_a_dirty_tree(repo: Path) -> None:
    assert "git.diff_sha256" not in provenance.collect(repo).tags()
    (repo / "new.py").write_text("x = 1\n")
    found = provenance.collect(repo)
    expected = hashlib.sha256(found.git.diff.encode()).hexdigest()
    assert found.tags()["git.diff_sha256"] == expected


def test_requirements_are_pinned_to_versions_that_an_index_has() -> None:
    found = provenance.serving_requirements(["pytest", "no-such-distribution"])
    names = [line.partition("==")[0] for line in found]
    assert {"torch", "transformers", "pytest"} <= set(names)
    assert "no-such-distribution" not in names
    assert all("==" in line and "+" not in line for line in found)
