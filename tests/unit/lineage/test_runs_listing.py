from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.lineage.listing import entries_of, list_runs
from pipeline.lineage.words import ago
from pipeline.tracking.reading import RunReader
from tests.unit.lineage.tracked_runs import TrackRun

TEST = {"test/accuracy": 0.943, "test/accuracy_low": 0.91, "test/accuracy_high": 0.971}


def arranged(reader: RunReader) -> list[tuple[str | None, list[str | None]]]:
    return [
        (entry.record.key, [child.key for child in entry.children])
        for entry in entries_of(reader.latest())
    ]


def test_a_line_tells_what_one_looks_for(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str], reader: RunReader
) -> None:
    track("a", name="sports_news-minilm-seed3", tags={"seed": "3"}, metrics=TEST)
    list_runs(root)
    head, columns, line = capsys.readouterr().out.splitlines()
    assert head == "experiment text_classification/newsroom_sports"
    assert columns.split() == ["run", "name", "seed", "accuracy", "status", "revision", "started"]
    run_id = reader.find("a").run_id
    assert (
        line.split()
        == (
            f"{run_id[:8]} sports_news-minilm 3 0.9430 (0.9100 … 0.9710) finished 3f2a1b4 just now"
        ).split()
    )


def test_a_model_stands_for_the_execution_that_trained_only_it(
    track: TrackRun, reader: RunReader
) -> None:
    track("a", role="pipeline")
    track("a-model", parent="a")
    assert arranged(reader) == [("a-model", [])]


def test_an_execution_that_came_to_no_model_stands_for_itself(
    track: TrackRun, reader: RunReader
) -> None:
    track("a", role="pipeline", status="FAILED")
    assert arranged(reader) == [("a", [])]


def test_the_models_of_a_group_stand_below_it_by_seed(
    root: Path, track: TrackRun, reader: RunReader, capsys: pytest.CaptureFixture[str]
) -> None:
    track("g", role="group")
    for seed, value in ((10, 0.9), (2, 0.8)):
        tags = {"seed": str(seed)}
        metrics = {"test/accuracy": value}
        name = f"name-g-seed{seed}" if seed == 2 else "another"
        track(f"g-seed{seed}", parent="g", name=name, tags=tags, metrics=metrics)
    assert arranged(reader) == [("g", ["g-seed2", "g-seed10"])]
    list_runs(root)
    lines = capsys.readouterr().out.splitlines()
    assert "2×  0.8500 mean of 2" in lines[2]
    assert lines[3].split()[1:4] == ["└", "2", "0.8000"]
    assert lines[4].split()[1:4] == ["└", "another", "10"]


def test_the_mean_that_a_group_tracked_is_told_with_its_interval(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = {"mean": 0.85, "low": 0.75, "high": 0.95}
    track("g", role="group", metrics={f"group/test/accuracy_{k}": v for k, v in ends.items()})
    list_runs(root)
    assert "0.8500 (0.7500 … 0.9500)" in capsys.readouterr().out


def test_a_study_has_one_line_and_its_trials_none(
    root: Path, track: TrackRun, reader: RunReader, capsys: pytest.CaptureFixture[str]
) -> None:
    best = {"best/accuracy": 0.9, "trials/finished": 12.0}
    track("s", role="study", metrics=best, tags={"sweep_role": "study"})
    track("s-1", role="trial", parent="s", tags={"sweep_role": "trial"})
    track("old-1", role=None, tags={"sweep_role": "trial"})
    list_runs(root)
    out = capsys.readouterr().out
    assert "0.9000 best of 12 trials" in out
    assert len(out.splitlines()) == 3


def test_runs_of_before_there_were_roles_are_listed(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    track("a", role=None, metrics={"val/accuracy": 0.5})
    list_runs(root)
    assert "0.5000 (val)" in capsys.readouterr().out


def test_what_went_wrong_and_changed_sources_are_seen(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    track("a", status="FAILED", tags={"git.dirty": "true"})
    list_runs(root)
    out, err = capsys.readouterr()
    assert "–         failed  3f2a1b4+" in out
    assert "+ with uncommitted changes" in err


def test_a_narrow_terminal_has_everything_in_80_columns(
    root: Path,
    track: TrackRun,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipeline.console.out._width", 80)
    track("a", name="sports_news-bert_scratch-seed0", tags={"seed": "0"}, metrics=TEST)
    track("b", name="sports_news-bert_scratch-seed1-a1b2c3", tags={"seed": "1"}, status="KILLED")
    list_runs(root)
    _, columns, *killed, finished = capsys.readouterr().out.splitlines()
    assert "status" not in columns
    seed = columns.index("seed")
    assert " sports_news-bert_scratch " in finished
    assert " 0.943 (0.910–0.971) " in finished
    assert "".join(line[9:seed].strip() for line in killed) == "sports_news-bert_scratch-a1b2c3"
    assert " killed " in killed[0]
    assert max(map(len, (columns, *killed, finished))) <= 80


def test_other_experiments_are_named(
    root: Path, track: TrackRun, capsys: pytest.CaptureFixture[str]
) -> None:
    track("a", experiment="text_classification/imdb")
    list_runs(root)
    out, err = capsys.readouterr()
    assert out == ""
    assert "the experiment text_classification/newsroom_sports has no runs yet" in err
    assert "other experiments: text_classification/imdb" in err


def test_a_project_in_which_nothing_ran_says_what_to_do(root: Path) -> None:
    (root / "mlflow.db").unlink()
    with pytest.raises(UserError, match="no tracked runs yet"):
        list_runs(root)


@pytest.mark.parametrize(
    ("passed", "words"),
    [(5, "just now"), (65, "1 min ago"), (3_700, "1 h ago"), (86_399, "24 h ago")],
)
def test_a_moment_is_told_as_a_person_would(passed: float, words: str) -> None:
    assert ago(1e9 - passed, 1e9) == words


def test_an_earlier_day_is_told_by_its_date() -> None:
    assert ago(1e9 - 10 * 86_400, 1e9).startswith("2001-08-")
