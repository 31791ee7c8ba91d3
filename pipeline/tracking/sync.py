"""Delivers what earlier runs left in their journals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import Timeout

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.delivery import Delivery, journal_lock
from pipeline.tracking.faults import is_outage
from pipeline.tracking.journal import (
    finish_dead_run,
    has_writer,
    is_unfinished,
    journals,
    read_entries,
)
from pipeline.tracking.secrets import MASK, Redactor
from pipeline.tracking.state import DeliveryState, pending_events
from pipeline.tracking.store import resolve_uri

_OTHER_SECONDS = 5.0
"""How long to wait for another process that delivers a journal."""


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
    that is going on is left to its own sender. A store that does not answer is asked once.

    Args:
        root: `artifacts.lasting_root()`.
        tracking: Gives the address of a store that needs a password, which journals never hold;
            otherwise `$MLFLOW_TRACKING_URI` does.
    """
    root = root.resolve()
    configured = resolve_uri(None if tracking is None else tracking.uri, root)
    runs, events = 0, 0
    waiting: list[Waiting] = []
    outages: dict[str, Waiting] = {}
    for directory, address in _left(root):
        if address in outages:
            count = pending_events(directory, address)
            waiting.append(replace(outages[address], key=directory.name, events=count))
            continue
        uri = configured if Redactor().text(configured) == address else address
        result = _deliver(directory, address, uri, root, timeout=_OTHER_SECONDS)
        if isinstance(result, int):
            runs, events = runs + 1, events + result
        else:
            waiting.append(result)
            if is_outage(result.reason):
                outages[address] = result
    return SyncReport(runs, events, tuple(waiting))


def deliver_left(root: Path, uri: str) -> None:
    """Delivers to one store what earlier runs left for it; stops where that fails.

    Args:
        root: The directory of the journals.
        uri: The store's address.
    """
    own = Redactor().text(uri)
    for directory, address in _left(root):
        if address == own:
            result = _deliver(directory, address, uri, root, timeout=0.0)
            if isinstance(result, Waiting) and is_outage(result.reason):
                return


def _left(root: Path) -> Iterator[tuple[Path, str]]:
    """Journals that nobody writes and that are not whole in their store, and its address."""
    for directory in journals(root):
        if DeliveryState.has_all(directory) and not is_unfinished(directory):
            continue  # of a long history nearly every journal, which need not be read
        address = _store_of(directory)
        if address is None or has_writer(directory):
            continue
        if pending_events(directory, address) > 0 or is_unfinished(directory):
            yield directory, address


def _deliver(
    directory: Path, address: str, uri: str, root: Path, *, timeout: float
) -> int | Waiting:
    """Delivers one journal; returns how many events went, or why they wait."""
    count = pending_events(directory, address)
    if MASK in uri and uri == address:
        return Waiting(
            directory.name,
            count,
            f"the address of the store {address} needs its password",
            "set MLFLOW_TRACKING_URI to the whole address, then run it again",
        )
    try:
        with journal_lock(directory).acquire(timeout=timeout):
            finish_dead_run(directory)
            delivery = Delivery(directory, uri, root)
            try:
                return delivery.drain()
            except Exception as error:
                delivery.note(error)
                state = delivery.state
                count = pending_events(directory, address)
                return Waiting(directory.name, count, state.error or "", state.remedy or "")
    except Timeout:
        return Waiting(directory.name, count, "another process is delivering it", "wait for it")


def _store_of(directory: Path) -> str | None:
    """The masked address of the store that the journal's last session meant."""
    address = None
    for event, _ in read_entries(directory):
        if event["type"] == "open":
            address = str(event["store"])
    return address
