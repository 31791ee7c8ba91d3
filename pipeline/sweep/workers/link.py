"""The line between the driver and a worker: JSON messages over a connection.

Driver to worker: `{"job": …}`, `{"verdict": true}`, `{"stop": true}`.
Worker to driver: `{"ready": …}`, `{"progress": …}`, `{"ended": …}`, and two that want a verdict:
`{"validation": …}` and `{"trained": …}`.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
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


def knows_key(connection: Connection, key: bytes) -> bool:
    """Whether a worker, with this key as its `authkey`, is at the other end of a new connection."""
    try:
        deliver_challenge(connection, key)
        answer_challenge(connection, key)
    except (AuthenticationError, EOFError, OSError):
        return False
    return True


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
        self._is_closed = False
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
        """Reports a validation and asks whether the trial should go on."""
        return self._ask(validation=validation)

    def keeps(self, metrics: Mapping[str, float]) -> bool:
        """Reports what training came to and asks whether its weights are worth keeping."""
        return self._ask(trained=dict(metrics))

    def _ask(self, **question: Any) -> bool:
        """Waits for the driver's verdict; no driver, no objection."""
        self.send(**question)
        while not self.is_stopping:
            try:
                return self._verdicts.get(timeout=0.2)
            except queue.Empty:
                continue
        return True

    def close(self) -> None:
        """Lets go of the driver, which sees the end of the connection at once; no signal follows.

        Closing alone would not do: a read under way keeps the connection open.
        """
        self._is_closed = True
        with (
            suppress(OSError),
            socket.socket(fileno=os.dup(self._connection.fileno())) as handle,
        ):
            handle.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._connection.close()

    def _listen(self) -> None:
        while True:
            try:
                message = receive(self._connection)
            except (EOFError, OSError):
                message = {"stop": True}
            if self._is_closed:
                return
            if "job" in message:
                self._jobs.put(message["job"])
            elif "verdict" in message:
                self._verdicts.put(bool(message["verdict"]))
            elif "stop" in message:
                os.kill(os.getpid(), signal.SIGTERM)
                self.is_stopping = True
                self._jobs.put(None)
                return
