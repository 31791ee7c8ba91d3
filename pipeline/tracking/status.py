"""Says whether the tracking store can be used, and how to look at a run in it."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from pipeline.config.schema import TrackingConfig
from pipeline.tracking.faults import explain
from pipeline.tracking.journal import journal_directory, journals, read_entries
from pipeline.tracking.secrets import Redactor
from pipeline.tracking.state import DeliveryState, pending_events
from pipeline.tracking.store import DATABASE_NAME, connect, resolve_uri, sqlite_path

_CONNECT_SECONDS = 3.0


@dataclass(frozen=True)
class StoreStatus:
    """The state of the tracking store.

    Attributes:
        enabled: Whether the config tracks at all; if not, the rest says nothing.
        uri: The store's address, secrets masked.
        reachable: Whether it answers.
        writable: Whether it can be written; of a server, whether it answers.
        latency_seconds: How long a small question took; None if it was not answered.
        message: What is wrong, in words, or that all is well.
        remedy: What to do about it; None if nothing.
        waiting_runs: How many runs have events that the store does not have yet.
    """

    enabled: bool
    uri: str
    reachable: bool
    writable: bool
    latency_seconds: float | None
    message: str
    remedy: str | None
    waiting_runs: int


@dataclass(frozen=True)
class RunHint:
    """Where a person finds a run in MLflow.

    Attributes:
        experiment: The experiment's name.
        run_name: The run's name.
        run_id: Its id; None while the store does not have it.
        command: What to type in the root to see it; None if a server shows it.
        url: The run's page on the server, or on the address of `command`; None without a run id.
    """

    experiment: str
    run_name: str
    run_id: str | None
    command: str | None
    url: str | None


def check_store(tracking: TrackingConfig, root: Path) -> StoreStatus:
    """Asks the store a small question; changes nothing in it.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.
    """
    if not tracking.enabled:
        return StoreStatus(False, "", False, False, None, "tracking is off", None, 0)
    root = root.resolve()
    uri = resolve_uri(tracking.uri, root)
    address = Redactor().text(uri)
    waiting = sum(pending_events(directory, address) > 0 for directory in journals(root))
    begin = time.monotonic()
    try:
        path = sqlite_path(uri)
        message = _ask_server(uri, root) if path is None else _ask_sqlite(path)
    except Exception as error:
        fault = explain(error, address)
        reason = Redactor().text(fault.message)
        reachable = "permission" in fault.message or "locked" in fault.message
        return StoreStatus(True, address, reachable, False, None, reason, fault.remedy, waiting)
    latency = time.monotonic() - begin
    remedy = "run `python -m pipeline sync`" if waiting else None
    return StoreStatus(True, address, True, True, latency, message, remedy, waiting)


def run_hint(tracking: TrackingConfig, root: Path, key: str) -> RunHint | None:
    """Tells where to find a run in the MLflow UI; nothing if it was never opened.

    Args:
        tracking: The tracking section.
        root: `artifacts.lasting_root()`.
        key: The run's key.
    """
    root = root.resolve()
    directory = journal_directory(root, key)
    first = next((event for event, _ in read_entries(directory) if event["type"] == "open"), None)
    if first is None:
        return None
    uri = resolve_uri(tracking.uri, root)
    address = Redactor().text(uri)
    state = DeliveryState.read(directory, address)
    shown = user_interface(uri, root)
    return RunHint(
        str(first["experiment"]),
        str(first["run_name"]),
        state.run_id,
        shown.command,
        shown.run_page(state.experiment_id, state.run_id) if state.run_id else None,
    )


class UserInterface(NamedTuple):
    """Where MLflow's UI shows a store.

    Attributes:
        base: The address of its first page.
        command: What to type in the root to have it there; None if a server shows it.
    """

    base: str
    command: str | None

    def run_page(self, experiment_id: str | None, run_id: str) -> str:
        """The page of a run."""
        return f"{self.base}/#/experiments/{experiment_id}/runs/{run_id}"


def user_interface(uri: str, root: Path) -> UserInterface:
    """Where MLflow's UI shows a store.

    Args:
        uri: The store's address, from `store.resolve_uri`.
        root: `artifacts.lasting_root()`, resolved.
    """
    address = Redactor().text(uri)
    if address.startswith(("http://", "https://")):
        return UserInterface(address.rstrip("/"), None)
    default = sqlite_path(uri) == root / DATABASE_NAME
    command = "mlflow ui" if default else f"mlflow ui --backend-store-uri {address}"
    return UserInterface("http://127.0.0.1:5000", command)


def _ask_sqlite(path: Path) -> str:
    """Reads from the database and takes its write lock for a moment."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"Permission denied: {folder}")
    if not path.exists():
        return f"{path.name} does not exist yet; the first run makes it"
    if not os.access(path, os.W_OK):
        raise PermissionError(f"Permission denied: {path}")
    connection = sqlite3.connect(path, timeout=_CONNECT_SECONDS, isolation_level=None)
    try:
        count = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    finally:
        connection.close()
    return "1 run" if count == 1 else f"{count:,} runs"


def _ask_server(uri: str, root: Path) -> str:
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and parts.hostname is not None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), _CONNECT_SECONDS).close()
    connect(uri, root).search_experiments(max_results=1)
    return "the store answers"
