from __future__ import annotations

import json
import mmap
from pathlib import Path

import pytest

from pipeline.training import usage
from pipeline.training.energy import processor_counters
from pipeline.training.usage import Usage, UsageMeter


class Counter:
    """An energy counter that gives what a test says, and runs over at 100 J."""

    range_joules = 100.0

    def __init__(self, *readings: float) -> None:
        self._readings = list(readings)

    def joules(self) -> float:
        return self._readings.pop(0) if len(self._readings) > 1 else self._readings[0]


def test_a_counter_that_runs_over_is_counted_on() -> None:
    with UsageMeter(None, counters=[Counter(90.0, 10.0), Counter(5.0, 7.0)]) as meter:
        pass
    assert meter.usage.energy_joules == pytest.approx(20.0 + 2.0)
    assert meter.usage.metrics()["cost/energy_wh"] == pytest.approx(22 / 3600)


def test_energy_that_cannot_be_read_is_no_metric() -> None:
    with UsageMeter(None, counters=[]) as meter:
        pass
    assert meter.usage.metrics().keys() - {"cost/gpu_peak_memory_mb"} == {"cost/peak_memory_mb"}


def test_memory_that_was_given_back_counts_and_what_came_before_does_not() -> None:
    use_memory(600)  # the kernel's count is off by tens of megabytes on many cores
    with UsageMeter(None, counters=[]) as small:
        pass
    with UsageMeter(None, counters=[]) as large:
        use_memory(400)
    assert large.usage.peak_memory_mb - small.usage.peak_memory_mb > 250


def use_memory(megabytes: int) -> None:
    """Takes memory from the kernel and gives it back, however the C library was told to keep it."""
    with mmap.mmap(-1, megabytes * 1_000_000) as pages:
        pages[::4096] = b"x" * len(pages[::4096])


def test_the_parts_of_an_interrupted_training_are_added(tmp_path: Path) -> None:
    record = tmp_path / "usage.json"
    with UsageMeter(record, counters=[Counter(0.0, 3.0)]) as first:
        pass
    with UsageMeter(record, counters=[Counter(50.0, 54.0)]) as second:
        assert second.usage.seconds == first.usage.seconds
    assert second.usage.energy_joules == pytest.approx(7.0)
    assert second.usage.seconds > first.usage.seconds
    assert second.usage.peak_memory_mb >= first.usage.peak_memory_mb
    assert Usage(**json.loads(record.read_text())) == second.usage


def test_a_killed_part_leaves_its_last_sum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "_INTERVAL_SECONDS", 0.01)
    record = tmp_path / "usage.json"
    with UsageMeter(record, counters=[Counter(0.0, 3.0)]):
        while not record.is_file():
            pass
        left = json.loads(record.read_text())
    assert left["energy_joules"] == pytest.approx(3.0)


@pytest.mark.parametrize("content", ["", "no JSON", '{"unknown": 1}'])
def test_a_damaged_record_is_a_fresh_start(tmp_path: Path, content: str) -> None:
    record = tmp_path / "usage.json"
    record.write_text(content)
    with UsageMeter(record, counters=[]) as meter:
        assert meter.usage == Usage()


def test_processor_packages_are_read_without_their_parts(tmp_path: Path) -> None:
    for name, microjoules in (("intel-rapl:0", 7_000_000), ("intel-rapl:0:0", 1), ("other", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("9000000\n")
    (tmp_path / "intel-rapl:1").mkdir()
    (counter,) = processor_counters(tmp_path)
    assert (counter.joules(), counter.range_joules) == (7.0, 9.0)
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()
    assert counter.joules() == 7.0
