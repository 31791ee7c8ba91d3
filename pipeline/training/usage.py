"""What a training uses: time, memory and energy, over all parts of an interrupted one."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.training.energy import EnergyCounter, energy_counters

_INTERVAL_SECONDS = 10.0
_MEGABYTE = 1e6
_JOULES_PER_WATT_HOUR = 3600.0


@dataclass
class Usage:
    """What was used until now.

    Attributes:
        seconds: Time, all parts together.
        peak_memory_mb: Largest resident memory of the process, in 10^6 bytes.
        gpu_peak_memory_mb: Largest memory that torch held on all GPUs together; None without one.
        energy_joules: Of the whole processors and the GPUs in use, also for other processes; None
            where the machine does not let it be read.
    """

    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    gpu_peak_memory_mb: float | None = None
    energy_joules: float | None = None

    @property
    def energy_wh(self) -> float | None:
        """The energy in watt-hours."""
        joules = self.energy_joules
        return None if joules is None else joules / _JOULES_PER_WATT_HOUR

    def metrics(self) -> dict[str, float]:
        """What of it is known, by the names that tracking gives it."""
        found = {"cost/peak_memory_mb": self.peak_memory_mb}
        if self.gpu_peak_memory_mb is not None:
            found["cost/gpu_peak_memory_mb"] = self.gpu_peak_memory_mb
        if self.energy_wh is not None:
            found["cost/energy_wh"] = self.energy_wh
        return found


class UsageMeter:
    """Measures a block; a context manager.

    A thread reads the counters every ten seconds, before they can run over, and writes the sum down
    for the case that the process is killed.

    Args:
        record: A file in which an earlier part of the same training may have left its sum; None
            keeps nothing.
        counters: What counts energy; by default all counters that can be read.

    Attributes:
        usage: The sum; final when the block has ended.
    """

    def __init__(
        self, record: Path | None, *, counters: Sequence[EnergyCounter] | None = None
    ) -> None:
        self._record = record
        self._earlier = _read(record)
        self.usage = Usage(**asdict(self._earlier))
        self._counters = energy_counters() if counters is None else counters
        self._joules = 0.0
        self._last: list[float] = []
        self._begin = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)

    def __enter__(self) -> Self:
        _reset_peaks()
        self._begin = time.monotonic()
        self._last = [counter.joules() for counter in self._counters]
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._take()

    def _run(self) -> None:
        while not self._stop.wait(_INTERVAL_SECONDS):
            self._take()

    def _take(self) -> None:
        readings = [counter.joules() for counter in self._counters]
        for counter, before, after in zip(self._counters, self._last, readings, strict=True):
            self._joules += after - before + (counter.range_joules if after < before else 0.0)
        self._last = readings
        earlier, usage = self._earlier, self.usage
        usage.seconds = earlier.seconds + time.monotonic() - self._begin
        usage.peak_memory_mb = max(earlier.peak_memory_mb, _peak_memory() / _MEGABYTE)
        gpu = _gpu_peak_memory()
        if gpu is not None:
            usage.gpu_peak_memory_mb = max(earlier.gpu_peak_memory_mb or 0.0, gpu / _MEGABYTE)
        if self._counters:
            usage.energy_joules = (earlier.energy_joules or 0.0) + self._joules
        if self._record is not None:
            with suppress(OSError):
                scratch = self._record.with_suffix(".tmp")
                scratch.write_text(json.dumps(asdict(usage)), encoding="utf-8")
                scratch.replace(self._record)


def _reset_peaks() -> None:
    """Forgets the peaks of what the process did before; where it may not, they count too."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        for device in range(torch.cuda.device_count()):
            torch.cuda.reset_peak_memory_stats(device)


def _peak_memory() -> float:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def _gpu_peak_memory() -> float | None:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    devices = range(torch.cuda.device_count())
    return float(sum(torch.cuda.max_memory_allocated(device) for device in devices))


def _read(record: Path | None) -> Usage:
    if record is not None:
        with suppress(OSError, ValueError, TypeError):
            return Usage(**json.loads(record.read_text(encoding="utf-8")))
    return Usage()
