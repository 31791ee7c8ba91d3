"""The journal file of a study: one writer at a time, and no torn line.

Imports optuna, and is imported where a journal is opened.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from optuna.storages.journal._file import BaseJournalFileLock

_BEGINNING = b'{"op_code":'
_BLOCK = 4_096


class JournalLock(BaseJournalFileLock):
    """Holds the journal for one writer of this machine.

    The lock belongs to the open file (flock), so the end of a process frees it, however it ended;
    Optuna's own lock, a link beside the file, is waited for half a minute after a kill. A holder
    that was killed in the middle of a line, or met a full disk, leaves a torn line; whoever takes
    the lock next cuts it off, since everything written behind it would be unreadable.

    Programs that open the journal with Optuna's own lock may read along, but not write.

    Args:
        path: The journal, which exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Waits for the journal.

        Raises:
            OSError: If the file is gone, or its file system knows no locks.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            cut_torn_line(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Frees it."""
        os.close(self._descriptor)
        self._descriptor = -1


def cut_torn_line(descriptor: int) -> None:
    """Cuts a last line that has no line break off an open file."""
    end = size = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        place = os.pread(descriptor, end - start, start).rfind(b"\n")
        if place >= 0:
            end = start + place + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def is_journal(path: Path) -> bool:
    """Whether a file begins as a journal does; an empty one may become one."""
    with path.open("rb") as file:
        return _BEGINNING.startswith(file.read(len(_BEGINNING)))
