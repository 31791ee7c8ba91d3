from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.tracking.journal import (
    FILE_NAME,
    SPOOL_NAME,
    JournalWriter,
    finish_dead_run,
    has_writer,
    is_unfinished,
    read_entries,
)
from pipeline.tracking.steps import StepSet


def logged(directory: Path) -> list[tuple[str, int, float]]:
    return [
        (name, event["step"], value)
        for event, _ in read_entries(directory)
        if event["type"] == "metrics"
        for name, value in event["metrics"].items()
    ]


def test_a_step_set_knows_its_steps_and_no_others() -> None:
    steps = StepSet()
    chosen = [0, 1, 1023, 1024, 5_000_000_000, -3]
    assert all(steps.add(step) for step in chosen)
    assert not any(steps.add(step) for step in chosen)
    assert all(step in steps for step in chosen)
    assert not any(step in steps for step in [2, 1022, 1025, -1, -1027])


def test_a_point_is_logged_once_also_after_reopening(tmp_path: Path) -> None:
    first = JournalWriter(tmp_path)
    for step in range(5):
        first.append_metrics({"loss": 1.0 / (step + 1)}, step, replace=False)
    first.close()
    second = JournalWriter(tmp_path)
    for step in range(3, 8):
        second.append_metrics({"loss": 9.0, "lr": 0.1}, step, replace=False)
    second.close()
    assert [step for name, step, _ in logged(tmp_path) if name == "loss"] == list(range(8))
    assert [step for name, step, _ in logged(tmp_path) if name == "lr"] == [3, 4, 5, 6, 7]
    assert ("loss", 3, 0.25) in logged(tmp_path)


def test_replace_logs_a_changed_value_again_and_an_equal_one_not(tmp_path: Path) -> None:
    for value in (0.5, 0.5, 0.7):
        journal = JournalWriter(tmp_path)
        journal.append_metrics({"test/f1": value}, 10, replace=True)
        journal.close()
    assert logged(tmp_path) == [("test/f1", 10, 0.5), ("test/f1", 10, 0.7)]


def test_sequence_numbers_go_on_after_reopening(tmp_path: Path) -> None:
    for _ in range(2):
        journal = JournalWriter(tmp_path)
        journal.append("tags", tags={"a": "b"})
        journal.append("tags", tags={"a": "c"})
        journal.close()
    assert [entry.event["seq"] for entry in read_entries(tmp_path)] == [1, 2, 3, 4]


def test_a_torn_last_line_costs_that_line_only(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path)
    journal.append_metrics({"loss": 1.0}, 0, replace=False)
    journal.append_metrics({"loss": 0.9}, 1, replace=False)
    journal.close()
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes()[:-9])
    assert [step for _, step, _ in logged(tmp_path)] == [0]
    journal = JournalWriter(tmp_path)
    journal.append_metrics({"loss": 0.9}, 1, replace=False)
    journal.close()
    assert [step for _, step, _ in logged(tmp_path)] == [0, 1]
    assert [entry.event["type"] for entry in read_entries(tmp_path)] == [
        "metrics",
        "torn",
        "metrics",
    ]


def test_what_was_logged_before_a_kill_is_on_disk_and_the_run_ends_as_killed(
    tmp_path: Path,
) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from pipeline.tracking.journal import JournalWriter\n"
        "journal = JournalWriter(Path(sys.argv[1]))\n"
        "for step in range(100): journal.append_metrics({'loss': 1.0}, step, replace=False)\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert has_writer(tmp_path)
    finish_dead_run(tmp_path)
    assert is_unfinished(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not has_writer(tmp_path)
    assert len(logged(tmp_path)) == 100
    finish_dead_run(tmp_path)
    finish_dead_run(tmp_path)
    ends = [entry.event for entry in read_entries(tmp_path) if entry.event["type"] == "finish"]
    assert [event["status"] for event in ends] == ["KILLED"]


@pytest.mark.parametrize("size", [10, 9 * 2**20])
def test_a_spooled_file_keeps_its_content_when_the_original_is_replaced(
    tmp_path: Path, size: int
) -> None:
    original = tmp_path / "model.bin"
    original.write_bytes(b"a" * size)
    journal = JournalWriter(tmp_path / "journal")
    name = journal.spool(original)
    fresh = tmp_path / "fresh"
    fresh.write_bytes(b"b")
    fresh.replace(original)
    assert (tmp_path / "journal" / SPOOL_NAME / name).read_bytes() == b"a" * size
