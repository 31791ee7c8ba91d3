"""Samples what a run uses of the machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

_INTERVAL_SECONDS = 5.0
_MEGABYTE = 1e6


class SystemSampler:
    """Logs processor, memory, disk and GPU use every five seconds, from a thread.

    Names and units are those of MLflow's own system metrics, so that its UI groups them. The step
    is the number of seconds since the run began, which goes on when a run is resumed.

    Args:
        log: Called with the values and the step.
        since: When the run was first opened, Unix time in seconds.
    """

    def __init__(self, log: Callable[[Mapping[str, float], int], None], since: float) -> None:
        self._log = log
        self._since = since
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)

    def start(self) -> None:
        """Begins; the first sample comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the sampling."""
        self._stop.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        import psutil

        process = psutil.Process()
        psutil.cpu_percent()
        gpus = _Gpus()
        while not self._stop.wait(_INTERVAL_SECONDS):
            memory = psutil.virtual_memory()
            values = {
                "system/cpu_utilization_percentage": psutil.cpu_percent(),
                "system/system_memory_usage_megabytes": memory.used / _MEGABYTE,
                "system/system_memory_usage_percentage": memory.percent,
                "system/process_memory_megabytes": process.memory_info().rss / _MEGABYTE,
                "system/disk_usage_percentage": psutil.disk_usage(".").percent,
                **gpus.sample(),
            }
            self._log(values, int(time.time() - self._since))


class _Gpus:
    """NVIDIA GPUs through NVML, where its Python binding is installed."""

    def __init__(self) -> None:
        self._nvml: Any = None
        self._handles: list[Any] = []
        try:
            import pynvml

            pynvml.nvmlInit()
            count = pynvml.nvmlDeviceGetCount()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(count)]
            self._nvml = pynvml
        except Exception:  # no driver, no GPU or no binding: nothing to sample
            self._handles = []

    def sample(self) -> dict[str, float]:
        values = {}
        for index, handle in enumerate(self._handles):
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
            use = self._nvml.nvmlDeviceGetUtilizationRates(handle)
            values[f"system/gpu_{index}_utilization_percentage"] = float(use.gpu)
            values[f"system/gpu_{index}_memory_usage_megabytes"] = memory.used / _MEGABYTE
        return values
