"""The MLflow store: where it is, and how it is made safely; the one module that imports mlflow."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.artifacts import content_hash

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

URI_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE_NAME = "mlflow.db"
_DRIVERS = {"postgresql": "psycopg2", "mysql": "pymysql"}
"""What this project's extras install."""
_INIT_TIMEOUT_SECONDS = 120
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""No telemetry, no chatter; the sender has its own patience, so a request fails soon."""
_NO_RETRIES = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""MLflow would repeat a request whose answer was lost, and so make a run twice."""


def resolve_uri(uri: str | None, root: Path) -> str:
    """The address of the store.

    Args:
        uri: The address in the config, which comes first; then `$MLFLOW_TRACKING_URI`; then
            `mlflow.db` in the root.
        root: The directory against which a relative SQLite path is taken.
    """
    uri = uri or os.environ.get(URI_VARIABLE) or f"sqlite:///{DATABASE_NAME}"
    path = sqlite_path(uri)
    if path is None or str(path) == ":memory:":
        return uri
    return f"sqlite:///{(root / path).resolve()}"


def sqlite_path(uri: str) -> Path | None:
    """The database file of a SQLite address; nothing for any other address."""
    match = re.match(r"sqlite(?:\+\w+)?:///(.+)", uri)
    return Path(match[1]) if match else None


def connect(uri: str, root: Path) -> MlflowClient:
    """Opens the store, and makes it first where it is a SQLite file that does not exist.

    Args:
        uri: An address from `resolve_uri`.
        root: Where the artifacts of a store without a server lie, in `mlruns/`.

    Raises:
        Exception: Whatever MLflow or its database driver raises; `faults.explain` puts it in words.
    """
    _be_quiet()
    path = sqlite_path(uri)
    if path is not None:
        ensure_database(path, artifacts=root / "mlruns")
    from mlflow.tracking import MlflowClient

    _silence_loggers()
    uri = _with_driver(uri)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def _with_driver(uri: str) -> str:
    """Names the installed driver; the one that SQLAlchemy would choose may be missing."""
    kind, separator, rest = uri.partition("://")
    driver = _DRIVERS.get(kind)
    return (
        uri if driver is None or find_spec(driver) is None else f"{kind}+{driver}{separator}{rest}"
    )


def artifact_location(uri: str, root: Path, experiment: str) -> str | None:
    """Where the artifacts of a new experiment go.

    Without a server, a directory below `<root>/mlruns/`, as an absolute path: then it does not
    depend on where a command was started, and a bare `mlflow ui` serves it. A server decides
    itself.
    """
    if uri.startswith(("http:", "https:", "databricks")):
        return None
    slug = re.sub(r"[^\w.-]+", "-", experiment).strip("-.")[:60] or "experiment"
    return str(root / "mlruns" / f"{slug}-{content_hash(experiment)[:8]}")


def ensure_database(path: Path, *, artifacts: Path) -> None:
    """Makes MLflow's SQLite database if it is missing.

    Processes that start together would destroy it, so one makes it, under a file lock, in a scratch
    file that takes its name only when it is complete: a kill in the middle leaves nothing behind.
    The database is put into WAL mode, in which a reader such as `mlflow ui` never blocks a writer.

    Args:
        path: The database file.
        artifacts: The directory for the artifacts of MLflow's own "Default" experiment.

    Raises:
        OSError: If the directory cannot be written.
        sqlite3.DatabaseError: If the file exists and is no database.
        filelock.Timeout: If another process holds the lock for two minutes.
    """
    if _is_complete(path):
        return
    from filelock import FileLock

    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=_INIT_TIMEOUT_SECONDS):
        if _is_complete(path) or (path.exists() and path.stat().st_size > 0):
            return
        with tempfile.TemporaryDirectory(prefix=f"{path.name}-", dir=path.parent) as scratch:
            fresh = Path(scratch) / path.name
            _create(fresh, artifacts)
            for leftover in ("", "-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
            fresh.rename(path)


def _is_complete(path: Path) -> bool:
    """Whether the database has its tables, and MLflow's first experiment, which it makes last."""
    if not path.exists():
        return False
    connection = sqlite3.connect(path, timeout=20)
    try:
        found = connection.execute("SELECT 1 FROM experiments WHERE experiment_id = 0").fetchone()
        return found is not None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return False
        raise
    finally:
        connection.close()


def _create(path: Path, artifacts: Path) -> None:
    _be_quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    _silence_loggers()
    store = SqlAlchemyStore(f"sqlite:///{path}", str(artifacts))  # type: ignore[no-untyped-call]
    store.engine.dispose()
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _be_quiet() -> None:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.update(_NO_RETRIES)
    warnings.filterwarnings("ignore", module=r"mlflow|alembic|sqlalchemy")


def _silence_loggers() -> None:
    for name in ("mlflow", "alembic", "sqlalchemy", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
