"""Contents of files that lie inside rows, kept on disk until the rows are encoded."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from pipeline.artifacts import cannot_write


class ContentStore:
    """Contents in one file, found by their SHA-256; equal ones are kept once.

    Threads may share it. Its memory is some bytes for each content.

    Args:
        path: The file to write; it is made with the first content.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        self._lock = Lock()

    def add(self, sha256: str, content: bytes) -> None:
        """Keeps a content.

        Args:
            sha256: Its hash, 64 hex digits.
            content: The file's bytes.

        Raises:
            EnvironmentProblem: If the machine refuses, for want of space or permission.
        """
        key = bytes.fromhex(sha256)
        with self._lock:
            if key in self._places:
                return
            try:
                with self._path.open("ab") as stream:
                    stream.write(content)
            except OSError as error:
                raise cannot_write(self._path, error) from error
            self._places[key] = (self._end, len(content))
            self._end += len(content)

    def get(self, sha256: str) -> bytes | None:
        """The content with a hash; None where none was kept."""
        place = self._places.get(bytes.fromhex(sha256))
        if place is None:
            return None
        start, size = place
        with self._path.open("rb") as stream:
            stream.seek(start)
            return stream.read(size)
