from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.comparison import terminal
from pipeline.comparison.command import run_compare
from pipeline.errors import UserError
from tests.unit.comparison.tracked_models import guesses, news, track

CONFIGURED = "text_classification/newsroom_sports"
TEXT = "A [bold]text[/bold] with brackets, and so long that it has to be cut somewhere " * 6


@pytest.fixture
def project(root: Path, repository: Path) -> Path:
    """A project whose store has three runs of the configured experiment."""
    shutil.copytree(repository / "conf", root / "conf")
    (root / "params.yaml").write_text("experiment: sports_news\n", encoding="utf-8")
    rows = news(120)
    texts = rows["text"].to_pylist()
    rows = rows.set_column(1, "text", [[*texts[:8], TEXT, *texts[9:]]])
    for key, wrong, lr in (("old", 9, 0.1), ("mid", 30, 0.2), ("new", 0, 0.3)):
        track(
            root,
            key,
            rows=rows,
            predictions=guesses(rows, range(wrong)),
            settings={"optimizer": {"lr": lr}},
            experiment=CONFIGURED,
            metrics={"cost/train_seconds": 75.0, "cost/num_parameters": 22_700_000.0},
        )
    return root


def compare(
    root: Path, *words: str, metric: str | None = None, capsys: pytest.CaptureFixture[str]
) -> str:
    assert run_compare(words, metric=metric, html=None, root=root) == 0
    return capsys.readouterr().out


def test_without_words_the_newest_is_compared_with_the_earlier_ones(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = compare(project, capsys=capsys)
    first, second, *_ = shown.splitlines()
    assert first.startswith("A is better than B by 25.0 points, 95 % interval ")
    assert second.startswith("A is better than C by 7.5 points, 95 % interval ")
    assert "adjusted p" in first
    third = next(line.split()[1] for line in shown.splitlines() if line.startswith(" C "))
    assert third == "old-seed0"


def test_named_runs_are_shown_with_all_that_was_found(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = compare(project, "old", "new", capsys=capsys)
    assert shown.startswith("B is better than A by 7.5 points, 95 % interval ")
    for part in (
        f"(accuracy; news, 120 test examples, experiment {CONFIGURED})",
        "optimizer.lr",
        "1 min 15 s",
        "22,700,000",
        "B is more right than A on 9 examples of 120, 3 of them:",
        "A is more right than B on none of 120.",
        "A [bold]text[/bold] with brackets",
        "--html report.html",
    ):
        assert part in shown
    assert "\x1b" not in shown, "a pipe gets no colours"


def test_a_metric_where_lower_is_better_is_said_to_be_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = compare(project, "old", "new", metric="log_loss", capsys=capsys)
    assert "(log_loss, lower is better; " in shown
    assert shown.startswith("B is better than A by 0.")


@pytest.mark.parametrize("width", [80, 120])
def test_everything_fits_the_terminal(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
) -> None:
    from rich.console import Console

    monkeypatch.setattr(terminal, "out", Console(width=width, highlight=False))
    shown = compare(project, "old", "mid", "new", capsys=capsys)
    lines = shown.splitlines()
    assert max(map(len, lines)) <= width
    (accuracy,) = [line for line in lines if line.strip().startswith("accuracy  ")]
    assert accuracy.split()[:3] == ["accuracy", "A", "0.925"]
    calibration = next(n for n, line in enumerate(lines) if line.startswith(" expected_"))
    assert "calibration_error" in "".join(lines[calibration : calibration + 2])


def test_a_wrong_metric_is_a_users_mistake(project: Path) -> None:
    with pytest.raises(UserError, match="has no metric 'acuracy'"):
        run_compare(["old", "new"], metric="acuracy", html=None, root=project)


def test_a_report_is_written_where_it_is_wanted(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.html"
    assert run_compare(["old", "new"], metric=None, html=path, root=project) == 0
    shown = capsys.readouterr()
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "report.html" in shown.err
    assert "--html" not in shown.out
