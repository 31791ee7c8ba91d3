from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.comparison.selecting import Selection, common_name, latest_groups, named_groups
from pipeline.errors import UserError
from pipeline.tracking.reading import RunReader
from tests.unit.comparison.tracked_models import EXPERIMENT, guesses, news, track

ROWS = news(30)
PREDICTIONS = guesses(ROWS)


def model(root: Path, key: str, lr: float = 0.001, **options: Any) -> None:
    settings = {"optimizer": {"lr": lr}}
    track(root, key, rows=ROWS, predictions=PREDICTIONS, settings=settings, name=key, **options)


def names(found: Selection) -> list[list[str]]:
    return [[record.name for record in group] for group in found.groups]


def test_the_latest_runs_are_grouped_with_the_newest_first(root: Path, reader: RunReader) -> None:
    model(root, "old", lr=0.1)
    for seed in (0, 1):
        model(root, f"mid{seed}", seed=seed)
    model(root, "new", lr=0.2)
    found = latest_groups(reader, EXPERIMENT, root)
    assert names(found) == [["new"], ["mid0", "mid1"], ["old"]]
    assert found.notes == ()


def test_the_latest_runs_leave_out_what_has_other_test_data(root: Path, reader: RunReader) -> None:
    other = news(31)
    track(root, "other", rows=other, predictions=guesses(other), name="other")
    track(root, "unevaluated", settings={"optimizer": {"lr": 9}})
    model(root, "old", lr=0.1)
    model(root, "new")
    found = latest_groups(reader, EXPERIMENT, root)
    assert names(found) == [["new"], ["old"]]
    (note,) = found.notes
    assert note.startswith("Left out, since measured on other test data: other (")


def test_no_more_of_the_latest_groups_are_compared_than_fit(root: Path, reader: RunReader) -> None:
    for number in range(6):
        model(root, f"run{number}", lr=0.1 * (number + 1))
    found = latest_groups(reader, EXPERIMENT, root)
    assert names(found) == [[f"run{number}"] for number in (5, 4, 3, 2, 1)]
    assert "newest 5 of 6 configurations" in found.notes[0]


def test_one_configuration_alone_is_nothing_to_compare(root: Path, reader: RunReader) -> None:
    model(root, "only0", seed=0)
    model(root, "only1", seed=1)
    with pytest.raises(UserError, match=r"one configuration only .*nothing to compare"):
        latest_groups(reader, EXPERIMENT, root)


def test_an_experiment_without_evaluated_runs_says_what_to_do(
    root: Path, reader: RunReader
) -> None:
    track(root, "unevaluated")
    with pytest.raises(UserError, match="has no run with test predictions") as caught:
        latest_groups(reader, EXPERIMENT, root)
    assert "dvc repro" in str(caught.value.remedy)


def test_a_parent_stands_for_the_runs_nested_in_it(root: Path, reader: RunReader) -> None:
    track(root, "g", role="group", name="the group")
    for seed in (2, 0, 1):
        model(root, f"g-seed{seed}", seed=seed, parent="g", tags={"group": "g"})
    track(root, "p", role="pipeline", name="the pipeline")
    model(root, "p-model", lr=0.1, parent="p")
    found = named_groups(reader, ["the pipeline", "g"], root)
    assert names(found) == [["p-model"], ["g-seed0", "g-seed1", "g-seed2"]]


@pytest.mark.parametrize(
    ("names", "common"),
    [
        (["news-seed0-1f2e3d"], "news-seed0-1f2e3d"),
        (["news-seed0-1f2e3d", "news-seed1-1f2e3d"], "news-1f2e3d"),
        (["news-seed0-1f2e3d", "news-seed1-abcdef"], "news"),
        (["mine-seed0", "mine-seed1"], "mine"),
        (["one", "two"], "one"),
    ],
)
def test_a_group_is_called_what_its_runs_have_in_common(
    root: Path, reader: RunReader, names: list[str], common: str
) -> None:
    for number, name in enumerate(names):
        track(root, f"r{number}", seed=number, name=name)
    assert common_name([reader.find(f"r{number}") for number in range(len(names))]) == common


def test_named_seeds_of_one_configuration_are_one_group(root: Path, reader: RunReader) -> None:
    for seed in (0, 1):
        model(root, f"a{seed}", seed=seed)
    model(root, "b", lr=0.1)
    assert names(named_groups(reader, ["b", "a1", "a0"], root)) == [["b"], ["a0", "a1"]]


def test_two_seeds_of_one_configuration_alone_are_compared_with_each_other(
    root: Path, reader: RunReader
) -> None:
    for seed in (0, 1):
        model(root, f"a{seed}", seed=seed)
    found = named_groups(reader, ["a1", "a0"], root)
    assert names(found) == [["a1"], ["a0"]]
    assert "the same configuration and code" in found.notes[0]


def test_a_run_named_twice_is_nothing_to_compare(root: Path, reader: RunReader) -> None:
    model(root, "a")
    with pytest.raises(UserError, match="nothing to compare it with"):
        named_groups(reader, ["a", reader.find("a").run_id], root)
    with pytest.raises(UserError, match=r"a names a .* only"):
        named_groups(reader, ["a"], root)


def test_of_equal_seeds_the_newest_counts(root: Path, reader: RunReader) -> None:
    model(root, "first", tags={"weights.sha256": "x"})
    model(root, "again", tags={"weights.sha256": "x"})
    model(root, "b", lr=0.1)
    found = named_groups(reader, ["b", "first", "again"], root)
    assert names(found) == [["b"], ["again"]]
    (note,) = found.notes
    assert "trained 2 times with seed 0; the newest counts (the weights are the same" in note


def test_equal_seeds_with_other_weights_are_said(root: Path, reader: RunReader) -> None:
    model(root, "first", tags={"weights.sha256": "x"})
    model(root, "again", tags={"weights.sha256": "y"})
    model(root, "b", lr=0.1)
    found = named_groups(reader, ["b", "first", "again"], root)
    assert "2 different sets of weights" in found.notes[0]


def test_other_code_or_other_data_is_another_group(root: Path, reader: RunReader) -> None:
    model(root, "a", seed=0)
    model(root, "changed", seed=1, patch=patch("pipeline/x.py"), tags={"git.diff_sha256": "d"})
    model(root, "data", seed=2, tags={"data.hash": "other"})
    model(root, "commit", seed=3, tags={"git.revision": "2" * 40})
    found = named_groups(reader, ["a", "changed", "data", "commit"], root)
    assert len(found.groups) == 4


def test_a_seed_that_was_edited_in_params_is_no_other_code(root: Path, reader: RunReader) -> None:
    model(root, "a", seed=0)
    model(root, "edited", seed=1, patch=patch("params.yaml"), tags={"git.diff_sha256": "d"})
    model(root, "b", lr=0.1)
    assert names(named_groups(reader, ["b", "a", "edited"], root)) == [["b"], ["a", "edited"]]


def test_a_seed_that_was_committed_is_no_other_code(root: Path, reader: RunReader) -> None:
    (root / "pipeline").mkdir()
    revisions = []
    git(root, "init", "--quiet")
    for path, text in (("pipeline/x.py", "1"), ("params.yaml", "seed: 1"), ("pipeline/x.py", "2")):
        (root / path).write_text(text, encoding="utf-8")
        git(root, "add", path)
        git(root, "commit", "--quiet", "--message", path)
        revisions.append(git(root, "rev-parse", "HEAD"))
    for seed, revision in enumerate(revisions):
        model(root, f"a{seed}", seed=seed, tags={"git.revision": revision})
    assert names(named_groups(reader, ["a0", "a1", "a2"], root)) == [["a0", "a1"], ["a2"]]


def test_a_group_holds_together_whatever_was_committed_between_its_seeds(
    root: Path, reader: RunReader
) -> None:
    for seed in (0, 1):
        tags = {"group": "g", "git.revision": str(seed) * 40}
        model(root, f"g{seed}", seed=seed, tags=tags)
    model(root, "b", lr=0.1)
    assert names(named_groups(reader, ["g0", "b", "g1"], root)) == [["g0", "g1"], ["b"]]


def patch(path: str) -> str:
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-1\n+2\n"


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A User", "-c", "user.email=user@example.com"]
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
