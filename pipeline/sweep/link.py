"""The line between the driver and a worker: JSON messages over a connection.

Driver to worker: `{"job": …}`, `{"goes_on": true}`, `{"stop": true}`.
Worker to driver: `{"ready": true, …}`, `{"progress": …}`, `{"validation": …}`, `{"ended": …}`,
`{"stopped": true}`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

Message = dict[str, Any]


def send(connection: Connection, **message: Any) -> None:
    """Sends one message.

    Raises:
        OSError: If the other side has gone.
    """
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> Message:
    """Waits for one message.

    Raises:
        EOFError: If the other side has gone.
        OSError: If the connection broke.
    """
    message: Message = json.loads(connection.recv_bytes())
    return message


class Line:
    """The worker's end.

    A thread listens, so that a wish to stop is heard while the main thread trains: it becomes a
    SIGTERM to the own process, on which training saves its state. The driver's death is such a
    wish.

    Args:
        connection: To the driver.

    Attributes:
        is_stopping: Whether the driver wants the worker to end, or is gone.
    """

    def __init__(self, connection: Connection) -> None:
        self.is_stopping = False
        self._connection = connection
        self._jobs: queue.Queue[Message | None] = queue.Queue()
        self._verdicts: queue.Queue[bool] = queue.Queue()
        self._sending = threading.Lock()
        self._listener = threading.Thread(target=self._listen, name="line", daemon=True)
        self._listener.start()

    def send(self, **message: Any) -> None:
        """Sends a message; a driver that is gone is noticed by the listener, not here."""
        with self._sending:
            try:
                send(self._connection, **message)
            except OSError:
                self.is_stopping = True

    def next_job(self) -> Message | None:
        """Waits for a job; None when there will be no more."""
        return self._jobs.get()

    def goes_on(self, **validation: Any) -> bool:
        """Reports a validation and waits for the driver's verdict; no driver, no objection."""
        self.send(validation=validation)
        while not self.is_stopping:
            try:
                return self._verdicts.get(timeout=0.2)
            except queue.Empty:
                continue
        return True

    def _listen(self) -> None:
        while True:
            try:
                message = receive(self._connection)
            except (EOFError, OSError):
                message = {"stop": True}
            if "job" in message:
                self._jobs.put(message["job"])
            elif "goes_on" in message:
                self._verdicts.put(bool(message["goes_on"]))
            elif "stop" in message:
                self.is_stopping = True
                self._jobs.put(None)
                os.kill(os.getpid(), signal.SIGTERM)
                return
