from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from rich.console import Console

from pipeline import console
from pipeline.errors import UserError
from pipeline.sweep import status
from pipeline.sweep.layout import StudyLayout
from pipeline.sweep.status import show_status
from tests.stored_studies import SPACE, add_trial, make_study, settings, study_facts

PARAMS = {"optimizer.lr": 2e-4, "scheduler.warmup_ratio": 0.1}


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_SECONDS_BETWEEN_LOOKS", 0.05)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with the sweep `lr`, which was not started."""
    write_sweep(tmp_path, "lr", n_trials=40)
    return tmp_path


@pytest.fixture
def driver(root: Path) -> Iterator[FileLock]:
    """What a command that runs the sweep `lr` holds."""
    layout = StudyLayout.of(root, "lr")
    layout.root.mkdir(parents=True, exist_ok=True)
    with FileLock(layout.driver_lock, is_singleton=False, thread_local=False) as lock:
        yield lock


def write_sweep(root: Path, name: str, **values: Any) -> None:
    path = root / "sweeps" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"space": SPACE, **values}), encoding="utf-8")


def shown(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> list[str]:
    show_status("lr", arguments, root, watch=False)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def row(lines: list[str], number: int) -> list[str]:
    """The words of a trial's row; there is no such row before the empty line."""
    table = lines[lines.index("") + 1 :]
    return next(line.split() for line in table if line.split()[:1] == [str(number)])


def files(root: Path) -> set[Path]:
    return set(root.rglob("*"))


def test_a_study_that_was_not_started_is_not_made(root: Path) -> None:
    before = files(root)
    with pytest.raises(UserError, match="python -m pipeline sweep lr"):
        show_status("lr", [], root, watch=False)
    assert files(root) == before


def test_a_journal_without_the_study_says_how_to_start_it(root: Path) -> None:
    make_study(root, study_facts("other"))
    write_sweep(root, "other", study="else")
    StudyLayout.of(root, "other").root.rename(StudyLayout.of(root, "else").root)
    with pytest.raises(UserError, match="python -m pipeline sweep other"):
        show_status("other", [], root, watch=False)


def test_a_wrong_name_gets_a_suggestion(root: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'lr'"):
        show_status("lrr", [], root, watch=False)


def test_looking_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_trial(make_study(root, study_facts()), PARAMS, [0.9])
    before = {path: path.read_bytes() for path in files(root) if path.is_file()}
    shown(capsys, root)
    assert {path: path.read_bytes() for path in files(root) if path.is_file()} == before


def test_a_study_of_another_program_is_named_as_such(root: Path) -> None:
    study = make_study(root, study_facts())
    study.set_user_attr("facts", "{}")
    with pytest.raises(UserError, match="did not make it"):
        show_status("lr", [], root, watch=False)


def test_a_study_whose_file_is_gone_is_read_from_its_journal(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_trial(make_study(root, study_facts(settings=settings("lr", n_trials=7))), PARAMS, [0.9])
    (root / "sweeps" / "lr.yaml").unlink()
    assert "1 of 7 trials (1 complete)" in shown(capsys, root)


def test_the_sweeps_file_may_be_named_by_its_path(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(root, study_facts())
    show_status("sweeps/lr.yaml", [], root, watch=False)
    assert "0 of 40 trials" in capsys.readouterr().out


def test_every_trial_is_listed_by_number_with_how_it_stands(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make_study(root, study_facts())
    add_trial(study, PARAMS, [0.9])
    add_trial(study, PARAMS, [0.95])
    add_trial(study, PARAMS, state="PRUNED", reported={0: 0.5}, reason="worse than the median")
    add_trial(study, PARAMS, state="FAIL", reason="out of memory\nat step 7")
    add_trial(study, PARAMS, [0.99], constraints={"latency_ms": 3.0})
    add_trial(study, PARAMS, state="RUNNING", reported={0: 0.5, 1: 0.7})
    add_trial(study, {}, state="WAITING")
    lines = shown(capsys, root)
    assert lines[0] == "lr: not running; 1 trial is cut off, to be taken up at the next start"
    assert lines[1] == "experiment sports_news, maximize accuracy"
    assert lines[2].startswith("5 of 40 trials (2 complete, 1 infeasible, 1 pruned, 1 failed")
    assert lines[3] == "best accuracy 0.9500 (trial 1)"
    assert lines[5].split() == [
        "trial",
        "outcome",
        "accuracy",
        "lr",
        "warmup_ratio",
        "time",
        "note",
    ]
    expected = ["1", "complete", "0.9500", "0.0002", "0.1", "12", "s", "best"]
    assert row(lines, 1) == expected
    assert row(lines, 0) == ["0", "complete", "0.9000", *expected[3:-1]]
    assert row(lines, 2)[1] == "pruned"
    assert lines[8].endswith("worse than the median")
    assert lines[9].endswith("out of memory")
    assert "breaks latency_ms by 3.0000" in lines[10]
    assert lines[11].endswith("last accuracy 0.7000")
    assert row(lines, 6) == ["6", "waiting"]


def test_with_several_objectives_the_front_is_marked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = study_facts(objectives=(("accuracy", "maximize"), ("latency_ms", "minimize")))
    study = make_study(root, facts)
    for values in ([0.8, 2.0], [0.9, 20.0], [0.7, 30.0]):
        add_trial(study, PARAMS, values)
    lines = shown(capsys, root)
    assert "2 on the Pareto front (trials 0, 1)" in lines
    assert [line.split()[0] for line in lines if line.endswith("on the front")] == ["0", "1"]
    assert row(lines, 2)[2:4] == ["0.7000", "30.00"]


@pytest.mark.parametrize("width", [80, 120])
def test_many_parameters_stay_readable(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    names = [f"section_{number}.some_long_name_{number}" for number in range(12)]
    study = make_study(root, study_facts())
    add_trial(study, dict.fromkeys(names, 0.5), [0.9])
    monkeypatch.setattr(console.out, "width", width)
    lines = shown(capsys, root)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for number in range(12):
        assert f"some_long_name_{number}=0.5" in words


def test_a_long_word_is_folded_rather_than_lost(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"word{number}" for number in range(30)]
    add_trial(make_study(root, study_facts()), {"data.cleaning": words}, [0.9])
    monkeypatch.setattr(console.out, "width", 80)
    lines = shown(capsys, root)
    assert max(map(len, lines)) <= 80
    assert "word29" in "".join("".join(line.split()) for line in lines)


def test_a_sweep_that_runs_says_so_and_how_long_it_takes(
    root: Path, capsys: pytest.CaptureFixture[str], driver: FileLock
) -> None:
    add_trial(make_study(root, study_facts()), PARAMS, [0.9])
    lines = shown(capsys, root, "n_trials=11", "workers=2")
    assert lines[0] == "lr: running"
    assert lines[2] == "1 of 11 trials (1 complete), about 1 min 00 s left"
    driver.release()
    assert shown(capsys, root)[0] == "lr: not running"


def test_watching_in_a_pipe_tells_changes_until_the_sweep_ends(
    root: Path, capsys: pytest.CaptureFixture[str], driver: FileLock
) -> None:
    study = make_study(root, study_facts())
    add_trial(study, PARAMS, [0.9])

    def run() -> None:
        time.sleep(0.3)
        add_trial(study, PARAMS, [0.95])
        time.sleep(0.3)
        driver.release()

    sweep = threading.Thread(target=run)
    sweep.start()
    show_status("lr", [], root, watch=True)
    sweep.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1 of 40 trials (1 complete)"
    assert lines[1].startswith("trial 1 complete: accuracy 0.9500 (best)")
    assert lines[2] == "2 of 40 trials (2 complete)"
    assert lines[3] == "lr: not running"
    assert row([line.rstrip() for line in lines], 1)[-1] == "best"


def test_watching_a_sweep_that_does_not_run_prints_it_once(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(root, study_facts())
    show_status("lr", [], root, watch=True)
    assert capsys.readouterr().out.splitlines()[0] == "lr: not running"


def test_ctrl_c_ends_watching_quietly(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    driver: FileLock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    make_study(root, study_facts())
    monkeypatch.setattr(time, "sleep", interrupted)
    show_status("lr", [], root, watch=True)
    assert capsys.readouterr().out.splitlines() == ["0 of 40 trials"]


def test_watching_on_a_terminal_shows_the_newest_trials_that_fit(
    root: Path, driver: FileLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(root, study_facts())
    for number in range(20):
        add_trial(study, {"data.cleaning": [{"step": "x" * 200}]}, [0.9 + number / 1000])
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, color_system=None, width=80, height=16)
    monkeypatch.setattr(status, "out", terminal)

    def ended(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", ended)
    show_status("lr", [], root, watch=True)
    lines = screen.getvalue().split("\x1b[2K")[-1].splitlines()
    assert "12 earlier trials are not shown" in [line.rstrip() for line in lines]
    assert [line.split()[0] for line in lines if "complete" in line][1:] == [
        str(number) for number in range(12, 20)
    ]


def test_sweep_settings_and_facts_may_differ_in_the_number_of_trials(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(root, study_facts(settings=settings("lr", n_trials=3)))
    assert "0 of 40 trials" in shown(capsys, root)
    assert "0 of 9 trials" in shown(capsys, root, "n_trials=9")
