from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.lineage.inputs import input_paths, levels_above, provide
from pipeline.lineage.worktree import CleanTree, alone, require_revision


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A User", "-c", "user.email=user@example.com")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose project has one commit."""
    root = tmp_path / "home" / "clone"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "config.yaml").write_text("old\n", encoding="utf-8")
    (root / ".gitignore").write_text("/data/\n/.cache/\n", encoding="utf-8")
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    return root


def head(root: Path) -> str:
    return git(root, "rev-parse", "HEAD").strip()


def clean(root: Path, above: int = 0) -> CleanTree:
    return CleanTree(root, root / ".cache" / "reproduce" / "run", above=above)


def test_a_worktree_is_at_its_revision_and_leaves_the_tree_as_it_is(repository: Path) -> None:
    revision = head(repository)
    (repository / "conf" / "config.yaml").write_text("new\n", encoding="utf-8")
    tree = clean(repository)
    tree.make(revision)
    assert (tree.project / "conf" / "config.yaml").read_text() == "old\n"
    assert git(repository, "status", "--porcelain").splitlines() == [" M conf/config.yaml"]
    tree.remove()
    assert not tree.folder.exists()
    assert len(git(repository, "worktree", "list").splitlines()) == 1


def test_a_worktree_that_was_left_behind_is_replaced(repository: Path) -> None:
    tree = clean(repository)
    for _ in range(2):
        tree.make(head(repository))
    shutil.rmtree(tree.folder)
    tree.make(head(repository))
    tree.remove()
    tree.remove()


def test_hooks_of_the_user_do_not_run(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    tree = clean(repository)
    tree.make(head(repository))
    assert not (tree.project / "ran").exists()


def test_a_project_below_the_top_of_its_repository(repository: Path) -> None:
    root = repository / "inner"
    (root / "conf").mkdir(parents=True)
    (root / "conf" / "config.yaml").write_text("inner\n", encoding="utf-8")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "two")
    (root / "conf" / "config.yaml").write_text("changed\n", encoding="utf-8")
    patch = git(root, "diff", "HEAD", "--", ".")
    tree = clean(root)
    tree.make(head(root))
    assert (tree.project / "conf" / "config.yaml").read_text() == "inner\n"
    tree.apply(patch.encode())
    assert (tree.project / "conf" / "config.yaml").read_text() == "changed\n"


def test_a_patch_that_does_not_fit_is_refused(repository: Path) -> None:
    tree = clean(repository)
    tree.make(head(repository))
    with pytest.raises(UserError, match="cannot be applied"):
        tree.apply(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")


def test_a_revision_that_is_not_here_says_how_to_get_it(repository: Path) -> None:
    require_revision(repository, head(repository))
    with pytest.raises(UserError, match="git fetch"):
        require_revision(repository, "9" * 40)


def test_a_revision_without_the_project_is_refused(repository: Path) -> None:
    git(repository, "rm", "--quiet", "-r", "conf")
    git(repository, "commit", "--quiet", "--message", "gone")
    with pytest.raises(UserError, match=r"holds no conf/config\.yaml"):
        clean(repository).make(head(repository))


def test_only_one_process_reproduces_a_run(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "run"),
        pytest.raises(UserError, match="another process"),
        alone(tmp_path / "run"),
    ):
        pass
    with alone(tmp_path / "run"):
        pass


def test_the_paths_of_a_configuration_are_its_data_and_local_checkpoint() -> None:
    config = {
        "data": {
            "files": {"train": {"path": "data/x.csv"}, "test": {"path": "/abs/x.csv"}},
            "hub": {"dataset": "./data/sst2"},
        },
        "model": {"checkpoint": {"source": "directory", "location": "../models/bert"}},
    }
    assert input_paths(config) == ["data/x.csv", "./data/sst2", "../models/bert"]
    hub = {"data": {"hub": {"dataset": "glue"}}, "model": {"checkpoint": {"source": "scratch"}}}
    assert input_paths(hub) == []


@pytest.mark.parametrize(
    ("paths", "levels"),
    [([], 0), (["data/x"], 0), (["../a", "data/../../../b"], 2), (["a/../b"], 0)],
)
def test_how_far_above_the_project_paths_lead(paths: list[str], levels: int) -> None:
    assert levels_above(paths) == levels


def test_what_git_does_not_hold_is_linked_and_never_copied(repository: Path) -> None:
    (repository / "data").mkdir()
    (repository / "data" / "own.csv").write_text("own", encoding="utf-8")
    shared = repository.parent / "shared"
    shared.mkdir()
    (shared / "x.csv").write_text("shared", encoding="utf-8")
    paths = ["data/own.csv", "../shared/x.csv", "conf/config.yaml"]
    tree = clean(repository, levels_above(paths))
    tree.make(head(repository))
    provide(paths, tree, repository)
    assert [(tree.project / path).read_text() for path in paths] == ["own", "shared", "old\n"]
    assert (tree.project / "../shared/x.csv").resolve() == shared / "x.csv"
    assert (tree.project / "../shared/x.csv").is_symlink()
    tree.remove()
    assert (shared / "x.csv").read_text() == "shared"
    assert (repository / "data" / "own.csv").read_text() == "own"


def test_what_is_nowhere_is_named(repository: Path) -> None:
    tree = clean(repository)
    tree.make(head(repository))
    with pytest.raises(UserError, match=r"data/gone\.csv.*neither in git"):
        provide(["data/gone.csv"], tree, repository)


def test_what_dvc_tracks_comes_from_the_cache_as_it_was_at_the_revision(repository: Path) -> None:
    def dvc(*arguments: str) -> None:
        subprocess.run(["dvc", *arguments], cwd=repository, check=True, capture_output=True)

    (repository / ".gitignore").write_text("/.cache/\n", encoding="utf-8")
    dvc("init", "--quiet")
    (repository / "data" / "set").mkdir(parents=True)
    for text in ("old", "new"):
        (repository / "data" / "set" / "x.csv").write_text(text, encoding="utf-8")
        dvc("add", "--quiet", "data/set")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", text)
    tree = clean(repository)
    tree.make(git(repository, "rev-parse", "HEAD~1").strip())
    provide(["data/set/x.csv"], tree, repository)
    assert (tree.project / "data/set/x.csv").read_text() == "old"
    tree.remove()
    assert (repository / "data/set/x.csv").read_text() == "new"
    dvc("status", "--quiet")
