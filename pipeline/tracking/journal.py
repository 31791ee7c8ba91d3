"""The journal: every logged event on disk first, one JSON object a line, only ever appended to."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.tracking.steps import StepSet

FILE_NAME = "journal.jsonl"
STATE_NAME = "delivered.json"
SPOOL_NAME = "artifacts"
LINK_FROM_BYTES = 8 * 2**20
"""From this size on a file is linked, not copied."""
_TAIL_BYTES = 4_096
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Event = dict[str, Any]


class Entry(NamedTuple):
    """An event and the journal offset, in bytes, just behind it."""

    event: Event
    end: int


def journal_directory(root: Path, key: str) -> Path:
    """The directory of a run's journal."""
    return root / ".cache" / "tracking" / key


def journals(root: Path) -> list[Path]:
    """The directories of all runs that have a journal, oldest first."""
    found = journal_directory(root, "").glob(f"*/{FILE_NAME}")
    return [path.parent for path in sorted(found, key=lambda path: path.stat().st_mtime)]


def family(directory: Path) -> list[Path]:
    """The journals of a run and of all runs nested in it, a parent before its children."""
    nested = directory.parent.glob(f"{directory.name}-*/{FILE_NAME}")
    return [directory, *sorted(path.parent for path in nested)]


def read_entries(directory: Path, offset: int = 0) -> Iterator[Entry]:
    """Reads the complete events behind an offset.

    A last line without its line break is still being written, or was torn by a crash: it is not
    read. A torn line that a later session ended is an event of type `torn`.
    """
    try:
        stream = (directory / FILE_NAME).open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            yield Entry(event if isinstance(event, dict) else {"type": "torn"}, offset)


def has_writer(directory: Path) -> bool:
    """Whether a live process has the journal open for writing."""
    with _alone(directory) as descriptor:
        return descriptor is None


def is_unfinished(directory: Path) -> bool:
    """Whether the journal does not end with a finish, as after a crash or while a run goes on."""
    with (directory / FILE_NAME).open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
        lines = stream.read().splitlines()
    return not lines or b'"type":"finish"' not in lines[-1]


def finish_dead_run(directory: Path) -> None:
    """Ends the journal of a run whose process died without a word: KILLED at its last event.

    Raises:
        OSError: If the journal cannot be written.
    """
    with _alone(directory) as descriptor:
        if descriptor is None or not is_unfinished(directory):
            return
        last: Event = {}
        for event, _ in read_entries(directory):
            last = event if "seq" in event else last
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        finish = {"seq": last.get("seq", 0) + 1, "type": "finish", "time": last.get("time", 0)}
        os.write(descriptor, b"\n" * torn + _line({**finish, "status": "KILLED"}))


@contextmanager
def _alone(directory: Path) -> Iterator[int | None]:
    """The open journal, with no writer and none that can come; nothing if there is a writer."""
    descriptor = os.open(directory / FILE_NAME, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield descriptor
    finally:
        os.close(descriptor)


def _line(event: Event) -> bytes:
    return _encode(event).encode() + b"\n"


def link_or_copy(source: Path, target: Path) -> None:
    """Links a large file where the file system allows it, and copies any other.

    Raises:
        OSError: If it cannot be copied.
    """
    if source.stat().st_size >= LINK_FROM_BYTES:
        with suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)


class JournalWriter:
    """Appends events; a call costs some microseconds and survives a kill of the process.

    Events go to the operating system at once (no buffer in the process), and to the disk when the
    session finishes. Opening an existing journal reads what it holds, so that a resumed run logs no
    point twice.

    Args:
        directory: The run's own directory, made if needed.

    Attributes:
        session: Identifies this process's part of the run.
        started: When the run was first opened, Unix time in seconds.
        params: The parameters in the journal.

    Raises:
        OSError: If the directory or the file cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.session = uuid.uuid4().hex
        self.started = time.time()
        self.params: dict[str, str] = {}
        self._steps: dict[str, StepSet] = {}
        self._last: dict[str, float] = {}
        self._sequence = 0
        self._lock = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / FILE_NAME
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")
        for entry in read_entries(directory):
            self._remember(entry.event)

    def append(self, event_type: str, **fields: Any) -> None:
        """Writes one event.

        Raises:
            OSError: If the disk is full or the file is gone.
        """
        with self._lock:
            self._write(event_type, fields)

    def append_metrics(self, metrics: dict[str, float], step: int, *, replace: bool) -> None:
        """Writes metric points that the journal does not have.

        Args:
            metrics: Values by name.
            step: The step of all of them.
            replace: Whether a point at a known step is written again if its value differs from the
                metric's last one.

        Raises:
            OSError: If the disk is full or the file is gone.
        """
        fresh: dict[str, float] = {}
        with self._lock:
            for name, value in metrics.items():
                steps = self._steps.get(name)
                if steps is None:
                    steps = self._steps[name] = StepSet()
                if steps.add(step) or (replace and self._last.get(name) != value):
                    fresh[name] = self._last[name] = value
            if fresh:
                self._write("metrics", {"step": step, "metrics": fresh})

    def spool(self, source: Path) -> str:
        """Keeps a file's present content until it is delivered; returns its name in the spool.

        Small files are copied. Large ones are hard-linked where the file system allows it: stages
        replace their outputs as a whole, which leaves the linked content alone.
        """
        target = self.spool_folder() / source.name
        link_or_copy(source, target)
        return target.parent.name + "/" + target.name

    def spool_text(self, name: str, text: str) -> str:
        """Keeps a text as a file until it is delivered; returns its name in the spool."""
        target = self.spool_folder() / name
        target.write_text(text, encoding="utf-8")
        return target.parent.name + "/" + target.name

    def close(self) -> None:
        """Puts everything on the disk and lets go of the journal."""
        with self._lock:
            if self._file >= 0:
                os.fsync(self._file)
                os.close(self._file)
                self._file = -1

    def spool_folder(self) -> Path:
        """A fresh folder of the spool."""
        folder = self.directory / SPOOL_NAME / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def _write(self, event_type: str, fields: Event) -> None:
        self._sequence += 1
        event = {"seq": self._sequence, "type": event_type, "time": time.time_ns() // 1_000_000}
        event.update(fields)
        data = _line(event)
        if os.write(self._file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _remember(self, event: Event) -> None:
        self._sequence = max(self._sequence, event.get("seq", 0))
        kind = event.get("type")
        if kind == "metrics":
            step = event["step"]
            for name, value in event["metrics"].items():
                self._steps.setdefault(name, StepSet()).add(step)
                self._last[name] = value
        elif kind == "params":
            self.params.update(event["params"])
        elif kind == "open":
            self.started = min(self.started, event["time"] / 1000)
