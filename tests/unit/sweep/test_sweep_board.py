from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from pipeline.sweep.board import Board, WorkerLine, time_left
from pipeline.sweep.study.records import StudyRecord, TrialRecord
from pipeline.sweep.words import ended_in_words, parameter, short_names
from tests.stored_studies import complete, record, running, settings, study_facts

PARAMS = {"optimizer.lr": 2e-4, "scheduler.warmup_ratio": 0.1}


def shown_on_terminal(study: StudyRecord, lines: list[WorkerLine], width: int = 80) -> str:
    """What the live display looks like just before it goes away."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=width, soft_wrap=True)
    board = Board(n_trials=40, workers=2, console=screen)
    with screen.capture() as capture, board:
        board.update(lines, study)
        board._live.refresh()
    return capture.get()


def plain(text: str) -> list[str]:
    from rich.text import Text

    return [line.plain.rstrip() for line in Text.from_ansi(text).split("\n")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0000234123, "2.34e-05"),
        (0.0002, "0.0002"),
        (0.00023412, "0.000234"),
        (0.8125, "0.8125"),
        (0.1, "0.1"),
        (12345.678, "12345.7"),
        (64, "64"),
        (True, "true"),
        (None, "null"),
        ("gpt2", "gpt2"),
        ("two\nlines", '"two\\nlines"'),
        ("", '""'),
        ([{"step": "html"}], '[{"step": "html"}]'),
    ],
)
def test_parameters_are_short_and_exact_enough(value: Any, words: str) -> None:
    assert parameter(value) == words


def test_names_are_cut_to_what_tells_them_apart() -> None:
    names = ["optimizer.lr", "optimizer.head_lr", "model", "a.model.size", "b.model.size"]
    assert short_names(names) == {
        "optimizer.lr": "lr",
        "optimizer.head_lr": "head_lr",
        "model": "model",
        "a.model.size": "a.model.size",
        "b.model.size": "b.model.size",
    }


def test_a_complete_trial_is_one_line() -> None:
    trial = replace(complete(3, 0.943, 12.0), params=PARAMS)
    assert ended_in_words(record(trial), trial) == (
        "trial 3 complete: accuracy 0.9430 (best) "
        "optimizer.lr=0.0002 scheduler.warmup_ratio=0.1, 12 s"
    )
    better = complete(4, 0.95)
    assert "(best)" not in ended_in_words(record(trial, better), trial)


def test_a_pruned_trial_says_at_which_validation_and_with_what_value() -> None:
    trial = TrialRecord(
        4, "pruned", params={"optimizer.lr": 0.01}, reported={0: 0.5, 1: 0.25}, seconds=3.0
    )
    assert ended_in_words(record(trial), trial) == (
        "trial 4 pruned at validation 2: accuracy 0.2500 optimizer.lr=0.01, 3 s"
    )
    over_seeds = study_facts(settings=settings("lr", seeds=3, pruner={"kind": "wilcoxon"}))
    assert "pruned at seed 2" in ended_in_words(record(trial, facts=over_seeds), trial)


def test_a_failed_trial_says_the_first_line_of_its_reason() -> None:
    trial = TrialRecord(
        5, "failed", params=PARAMS, reason="\nout of memory\n  at step 3", seconds=1
    )
    words = ended_in_words(record(trial), trial)
    assert words.startswith("trial 5 failed: out of memory; optimizer.lr=0.0002")
    assert "step 3" not in words


def test_an_infeasible_trial_says_what_it_breaks() -> None:
    trial = TrialRecord(
        6, "infeasible", (0.99,), {}, violations={"latency_ms": 2.5, "size_mb": -1.0}, seconds=1
    )
    words = ended_in_words(record(trial), trial)
    assert "breaks latency_ms by 2.5000" in words
    assert "size_mb" not in words
    assert "best" not in words


def test_with_several_objectives_the_front_is_marked() -> None:
    facts = study_facts(objectives=(("accuracy", "maximize"), ("latency_ms", "minimize")))
    quick = TrialRecord(0, "complete", (0.8, 2.0), {})
    good = TrialRecord(1, "complete", (0.9, 20.0), {})
    bad = TrialRecord(2, "complete", (0.7, 30.0), {})
    study = record(quick, good, bad, facts=facts)
    assert "accuracy 0.9000, latency_ms 20.00 (on the Pareto front)" in ended_in_words(study, good)
    assert "front" not in ended_in_words(study, bad)


def test_nobody_knows_the_time_left_before_a_trial_has_ended() -> None:
    assert time_left(record(running(0, 5)), 10, 2) is None


def test_the_time_left_shares_the_work_among_the_workers() -> None:
    study = record(complete(0, 0.9, 10), complete(1, 0.9, 30))
    assert time_left(study, 12, 1) == pytest.approx(200)
    assert time_left(study, 12, 2) == pytest.approx(100)
    assert time_left(study, 3, 8) == pytest.approx(20)
    assert time_left(study, 2, 8) == 0


def test_what_running_trials_have_done_is_not_left() -> None:
    study = record(complete(0, 0.9, 20), running(1, 15), running(2, 500))
    assert time_left(study, 3, 2) == pytest.approx((40 - 15 - 20) / 2, abs=0.5)


def test_in_a_pipe_there_is_a_line_a_trial_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = replace(complete(0, 0.5), params=PARAMS)
    study = record(trial)
    with Board(n_trials=40, workers=2) as board:
        board.update([WorkerLine(1, 0, "training")], study)
        board.trial_ended(study, trial)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ended_in_words(study, trial) + "\n"


def test_a_terminal_shows_workers_best_trials_and_a_headline() -> None:
    trials = [
        TrialRecord(number, "complete", (0.9 + number / 1000,), PARAMS, seconds=20.0)
        for number in range(7)
    ]
    lines = [
        WorkerLine(
            1, 8, "training", seed=2, seeds=3, epoch=2, epochs=5, step=40, total_steps=100,
            value=0.8, seconds=12, seconds_left=18,
        ),
        WorkerLine(2, None, "waiting"),
        WorkerLine(3, 9, "preparing data", seconds=2),
    ]  # fmt: skip
    frames = plain(shown_on_terminal(record(*trials, running(8, 3)), lines))
    last = max(number for number, line in enumerate(frames) if "of 40 trials" in line)
    screen = frames[last:]
    text = "\n".join(screen)
    assert "lr: 7 of 40 trials (7 complete, 1 running)" in text
    assert "best accuracy 0.9060 (trial 6); 0" in text
    assert "about 5 min" in text
    first = next(line for line in screen if line.startswith("worker 1"))
    assert "trial 8  seed 2/3  epoch 2/5  accuracy 0.8000" in first
    assert first.endswith("18 s left")
    assert any(line.startswith("worker 2") and line.endswith("waiting") for line in screen)
    assert any("trial 9  preparing data" in line for line in screen)
    rows = [line.split() for line in screen if "warmup_ratio=0.1" in line]
    assert [row[0] for row in rows] == ["6", "5", "4", "3", "2"]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_of_the_live_display_is_wider_than_the_terminal(width: int) -> None:
    params = {f"model.architecture.parameter_{number}": "x" * 30 for number in range(8)}
    study = record(TrialRecord(0, "complete", (0.5,), params))
    line = WorkerLine(1, 123456, "confirming", 10, 20, 100, 200, 3, 9, 0.123456, 1e5, 1e6)
    screen = plain(shown_on_terminal(study, [line], width))
    assert max(len(line) for line in screen) <= width


def test_a_trial_that_ends_is_told_above_the_live_display() -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=200, soft_wrap=True)
    trial = complete(0, 0.5)
    with screen.capture() as capture, Board(n_trials=3, workers=1, console=screen) as board:
        board.update([WorkerLine(1, 1, "training")], record(trial))
        board.trial_ended(record(trial), trial)
    text = "\n".join(plain(capture.get()))
    assert "trial 0 complete: accuracy 0.5000 (best)" in text
