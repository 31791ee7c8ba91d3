"""Delivers what earlier runs left in their journals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.delivery import Delivery, journal_lock
from pipeline.tracking.journal import (
    finish_dead_run,
    has_writer,
    is_unfinished,
    journals,
    read_entries,
)
from pipeline.tracking.secrets import MASK, Redactor
from pipeline.tracking.state import pending_events
from pipeline.tracking.store import resolve_uri


@dataclass(frozen=True)
class Waiting:
    """A journal that could not be delivered.

    Attributes:
        key: The run's key.
        events: How many events wait.
        reason: Why.
        remedy: What to do about it.
    """

    key: str
    events: int
    reason: str
    remedy: str


@dataclass(frozen=True)
class SyncReport:
    """What `sync` did.

    Attributes:
        runs: How many runs were brought up to date.
        events: How many events were delivered.
        waiting: What is left.
    """

    runs: int
    events: int
    waiting: tuple[Waiting, ...]


def sync(root: Path, tracking: TrackingConfig | None = None) -> SyncReport:
    """Delivers every journal below a root that its store does not have whole.

    A journal goes to the store it was meant for. A run whose process died is ended as KILLED; one
    that is going on is left to its own sender.

    Args:
        root: `artifacts.lasting_root()`.
        tracking: Gives the address of a store that needs a password, which journals never hold;
            otherwise `$MLFLOW_TRACKING_URI` does.
    """
    root = root.resolve()
    configured = resolve_uri(None if tracking is None else tracking.uri, root)
    runs, events = 0, 0
    waiting: list[Waiting] = []
    for directory in journals(root):
        address = _store_of(directory)
        if address is None:
            continue
        count = pending_events(directory, address)
        if (count == 0 and not is_unfinished(directory)) or has_writer(directory):
            continue
        uri = configured if Redactor().text(configured) == address else address
        if MASK in uri and uri == address:
            waiting.append(
                Waiting(
                    directory.name,
                    count,
                    f"the address of the store {address} needs its password",
                    "set MLFLOW_TRACKING_URI to the whole address, then run it again",
                )
            )
            continue
        try:
            with journal_lock(directory).acquire(timeout=0):
                finish_dead_run(directory)
                delivery = Delivery(directory, uri, root)
                try:
                    events += delivery.drain()
                    runs += 1
                except Exception as error:
                    delivery.note(error)
                    state = delivery.state
                    count = pending_events(directory, address)
                    reason, remedy = state.error or "", state.remedy or ""
                    waiting.append(Waiting(directory.name, count, reason, remedy))
        except Timeout:
            reason = "another process is delivering it"
            waiting.append(Waiting(directory.name, count, reason, "wait for it"))
    return SyncReport(runs, events, tuple(waiting))


def _store_of(directory: Path) -> str | None:
    """The masked address of the store that the journal's last session meant."""
    address = None
    for event, _ in read_entries(directory):
        if event["type"] == "open":
            address = str(event["store"])
    return address
