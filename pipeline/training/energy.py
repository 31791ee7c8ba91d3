"""Energy counters of the machine, where they can be read."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

_RAPL = Path("/sys/class/powercap")


class EnergyCounter(Protocol):
    """A counter that only grows, until it runs over.

    Attributes:
        range_joules: Where it begins anew.
    """

    range_joules: float

    def joules(self) -> float:
        """Its reading, or the one before where it cannot be read just now."""
        ...


def energy_counters() -> list[EnergyCounter]:
    """The counters of processors and of the GPUs in use that can be read."""
    return [*processor_counters(_RAPL), *_gpu_counters()]


class _Processor:
    """A package's counter in the kernel's powercap interface (RAPL of Intel and AMD)."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "energy_uj"
        self.range_joules = int((directory / "max_energy_range_uj").read_text()) / 1e6
        self._known = self._read()

    def joules(self) -> float:
        with suppress(OSError, ValueError):
            self._known = self._read()
        return self._known

    def _read(self) -> float:
        return int(self._file.read_text()) / 1e6


class _Gpu:
    """A GPU's counter in NVML, which counts from the loading of the driver."""

    range_joules = 0.0

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml = nvml
        self._handle = handle
        self._known = self._read()

    def joules(self) -> float:
        with suppress(Exception):
            self._known = self._read()
        return self._known

    def _read(self) -> float:
        return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3


def processor_counters(rapl: Path) -> list[_Processor]:
    """Counters of the processor packages, which the kernel often shows to root alone."""
    found = []
    for directory in sorted(rapl.glob("*-rapl:*")):
        if directory.name.count(":") == 1:
            with suppress(OSError, ValueError):
                found.append(_Processor(directory))
    return found


def _gpu_counters() -> list[_Gpu]:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    try:
        import pynvml

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        numbers = [int(part) for part in visible.split(",")] if visible else range(count)
        return [_Gpu(pynvml, pynvml.nvmlDeviceGetHandleByIndex(number)) for number in numbers]
    except Exception:  # no binding, an older GPU, or devices named by their ids: not readable
        return []
