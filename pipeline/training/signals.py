"""SIGINT and SIGTERM as a wish that training fulfils between two steps."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

from pipeline.console import notice
from pipeline.errors import PipelineError


class Interrupted(PipelineError):
    """Training was stopped by a signal, its state is saved.

    Args:
        number: The signal's number; the exit code is 128 more, as shells have it.
        step: Optimizer steps made.
    """

    run_status = "KILLED"

    def __init__(self, number: int, step: int) -> None:
        super().__init__(
            f"stopped by {signal.Signals(number).name} after step {step}; the state is saved",
            remedy="run the same command again: it goes on from here, with the same result",
        )
        self.exit_code = 128 + number


class StopRequest:
    """Remembers the first SIGINT or SIGTERM; a second SIGINT interrupts at once.

    A context manager that puts the former handlers back. Outside the main thread, where Python
    allows no handlers, it does nothing.

    Args:
        promise: What is said on the first signal.

    Attributes:
        received: The signal's number; 0 for none.
    """

    def __init__(self, promise: str = "saving the training state after this step") -> None:
        self.received = 0
        self._promise = promise
        self._former: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.install()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
        self._former = {}

    def install(self) -> None:
        """Takes the signals, also from handlers that were set since the first call."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            former = signal.signal(number, self._receive)
            self._former.setdefault(number, former)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        if not self.received:
            self.received = number
            notice(f"{signal.Signals(number).name}: {self._promise}")
