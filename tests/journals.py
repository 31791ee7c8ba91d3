"""Runs that stay in their journals, for tests of what is logged and not of how it travels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from pipeline.tracking import sender


@contextmanager
def no_senders() -> Iterator[None]:
    """The system has no process for a sender: journals wait for `sync`, or for who reads runs."""
    with mock.patch.object(sender, "SenderProcess", _no_process):
        yield


def _no_process(*_: object) -> None:
    raise OSError("Resource temporarily unavailable")
