"""Puts the failures of a tracking store into plain words."""

from __future__ import annotations

import errno
import re
from typing import NamedTuple

from pipeline.errors import did_you_mean

_LOCKED = "the database is locked by another program"
_NO_ANSWER = "the server does not answer"
_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks")


class Fault(NamedTuple):
    """What is wrong with a store, and what to do about it."""

    message: str
    remedy: str


_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"malformed|not a database|disk image|file is encrypted",
        "the database is damaged",
        "move it away (`mv {path} {path}.damaged`), then `python -m pipeline sync` writes a new "
        "one from the journals in .cache/tracking",
    ),
    (
        r"out-of-date database schema|Can't locate revision",
        "the database was made by another version of MLflow",
        "make a copy of it, then run `mlflow db upgrade {uri}`",
    ),
    (
        r"database is locked|database table is locked|lock_timeout|file lock",
        _LOCKED,
        "end that program, or wait; then run `python -m pipeline sync`",
    ),
    (
        r"disk is full|No space left|disk I/O error",
        "there is no space left on the disk",
        "free some space, then run `python -m pipeline sync`",
    ),
    (
        r"Not a directory|No such file|File exists",
        "its directory is not there and cannot be made",
        "mend the address (tracking.uri or $MLFLOW_TRACKING_URI)",
    ),
    (
        r"unable to open database file|readonly database|read-only|Permission denied"
        r"|Operation not permitted",
        "there is no permission to write it",
        "mend the permissions of that file and its directory, then run `python -m pipeline sync`",
    ),
    (
        r"\b40[13]\b|UNAUTHENTICATED|PERMISSION_DENIED",
        "the server refuses these credentials",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    (
        r"Connection refused|Failed to establish|Name or service|getaddrinfo|Max retries"
        r"|Connection(?: was)? (?:reset|aborted)|timed? ?out|RemoteDisconnected|\b50\d\b"
        r"|could not connect|NameResolution",
        _NO_ANSWER,
        "start it or mend the address (tracking.uri or $MLFLOW_TRACKING_URI), "
        "then run `python -m pipeline sync`",
    ),
    (
        r"No module named",
        "the database driver is not installed",
        "install it with pip, for example psycopg2-binary for PostgreSQL",
    ),
)


def explain(error: BaseException, uri: str) -> Fault:
    """Says what is wrong with a store.

    Args:
        error: What MLflow, its database driver or the operating system raised.
        uri: The store's address, without secrets.

    Returns:
        A message that names the store, and the remedy. An unknown error's first line is part of
        the message, so the caller masks secrets in it.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        text = "No space left"
    scheme = re.match(r"([\w.-]+?)(?:\+\w+)?(?::|$)", uri)
    if scheme is None or scheme[1] not in _SCHEMES:
        wrong = "" if scheme is None else scheme[1]
        return Fault(
            f"the tracking store {uri} is of no kind that MLflow keeps",
            f"mend tracking.uri or $MLFLOW_TRACKING_URI: {did_you_mean(wrong, _SCHEMES)}",
        )
    path = re.sub(r"^sqlite(\+\w+)?:///", "", uri)
    deleted = getattr(error, "experiment_id", None)
    if deleted is not None:
        return Fault(
            f"{error} in the tracking store {uri}",
            f"restore it with `mlflow experiments restore -x {deleted}`, or set "
            "tracking.experiment to another name; then run `python -m pipeline sync`",
        )
    for pattern, message, remedy in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return Fault(
                f"the tracking store {uri} cannot be used: {message}",
                remedy.format(path=path, uri=uri),
            )
    return Fault(
        f"the tracking store {uri} cannot be used: {text.splitlines()[0][:300]}",
        "run `python -m pipeline doctor`, then `python -m pipeline sync`",
    )


def is_outage(message: str) -> bool:
    """Whether a fault's message says that the store takes nothing at the moment."""
    return message.endswith((_LOCKED, _NO_ANSWER))
