"""Studies that several machines share: a database, or Optuna's gRPC proxy before one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipeline.errors import EnvironmentProblem, UserError
from pipeline.tracking.secrets import Redactor

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import URL

DATABASES = {
    "postgresql": {"psycopg2": "psycopg2", "psycopg": "psycopg"},
    "mysql": {"mysqldb": "MySQLdb", "pymysql": "pymysql"},
}
"""For each kind of database SQLAlchemy's drivers and the packages they import, the best first."""

_CONNECT_SECONDS = 10
_TABLES_LOCK = 0x4F7074756E61
_PROXY_PORT = 13_000
_PROXY_SECONDS = 5.0
_START_PROXY = (
    'start it with: python -c "from optuna.storages import *; run_grpc_proxy_server('
    "get_storage('postgresql+psycopg2://…'), host='0.0.0.0', port={port})\""
)
_REMEDIES = {
    r"refused|translate host|resolve|time[d ]*out|no route|unreachable|can't connect": (
        "start the server, or mend host and port of `storage`"
    ),
    r"password|access denied|authentication|role .* does not exist": (
        "mend user and password of `storage`"
    ),
    r"database .* does not exist|unknown database": "create the database, or mend its name",
    r"permission denied": "let the user make tables in the database",
    r"no longer compatible": "run `optuna storage upgrade --storage URL`",
    r"no space|disk full": "make room, then run the command again",
}


def open_database(text: str) -> BaseStorage:
    """Opens a database of studies, and makes its tables if they are not there.

    Any number of processes may do so at once. Finished trials are cached in the process, and
    connections that the server has closed are replaced.

    Args:
        text: `postgresql://user:password@host/database`, or mysql; a driver may be named.

    Raises:
        UserError: If the URL cannot be read.
        EnvironmentProblem: If there is no driver for it, or the database does not let us in.
    """
    from optuna.storages import RDBStorage, get_storage

    url = _with_driver(_parse(text))
    kind, _, driver = url.drivername.partition("+")
    arguments: dict[str, Any] = {}
    if driver in DATABASES[kind] and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = _CONNECT_SECONDS
    # Optuna fills `{SCHEMA_VERSION}` in; other braces may be part of a password.
    literal = url.render_as_string(hide_password=False).replace("{", "{{").replace("}", "}}")
    options = {"pool_pre_ping": True, "connect_args": arguments}
    # Drivers say so when a package of theirs is missing, and Optuna when its tables are of another
    # version.
    with storage_problems(text, ImportError, RuntimeError), _making_tables(url, arguments):
        return get_storage(RDBStorage(literal, engine_kwargs=options))


def open_proxy(text: str) -> BaseStorage:
    """Connects to Optuna's gRPC proxy and waits some seconds until it answers.

    Args:
        text: `grpc://host:port`; the port is 13000 by default.

    Raises:
        UserError: If the URL cannot be read.
        EnvironmentProblem: If grpcio is not installed, or no proxy answers.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.storages import GrpcStorageProxy

    host, port = _parse_proxy(text)
    if find_spec("grpc") is None:
        raise _not_installed(text, "grpc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = GrpcStorageProxy(host=host, port=port)
    try:
        storage.wait_server_ready(_PROXY_SECONDS)
    except ConnectionError as error:
        raise EnvironmentProblem(
            f"no Optuna proxy answers at {text}", remedy=_START_PROXY.format(port=port)
        ) from error
    # Something else may listen there, or the proxy's own database be away.
    with storage_problems(text), suppress(KeyError):
        storage.get_study_id_from_name("")
    return storage


@contextmanager
def storage_problems(url: str | None, *others: type[Exception]) -> Iterator[None]:
    """Tells in plain words what a storage cannot do; for every use of one, not only its opening.

    Args:
        url: The storage as the settings name it; None for a journal.
        *others: Further errors that are the storage's here.

    Raises:
        EnvironmentProblem: For errors of the file system, the database or the proxy. Passwords in
            it are masked.
    """
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except Exception as error:
        library = type(error).__module__.partition(".")[0]
        if not isinstance(error, (OSError, StorageInternalError, *others)) and (
            library not in {"sqlalchemy", "alembic", "grpc"}
        ):
            raise
        reason = Redactor().text(_reason(error))
        remedies = (r for pattern, r in _REMEDIES.items() if re.search(pattern, reason, re.I))
        where = "the study's journal" if url is None else Redactor().text(url)
        raise EnvironmentProblem(
            f"the storage {where} failed: {reason}", remedy=next(remedies, None)
        ) from error


def _reason(error: BaseException) -> str:
    """The words of the server, without what the libraries between say."""
    from optuna.exceptions import StorageInternalError

    if isinstance(error, StorageInternalError) and error.__cause__ is not None:
        return _reason(error.__cause__)
    if isinstance(original := getattr(error, "orig", None), BaseException):
        return _reason(original)
    details = getattr(error, "details", None)
    text = str(details() if callable(details) else error)
    return " ".join(text.split()) or type(error).__name__


def _parse(text: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text)
    except (ArgumentError, ValueError) as error:
        raise UserError(
            f"storage {Redactor().text(text)} is not a database URL",
            remedy="write kind://user:password@host:port/database, with special characters of the "
            "password as %xx",
        ) from error


def _parse_proxy(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise UserError(f"storage {text} names no proxy", remedy=f"write grpc://host:{_PROXY_PORT}")
    return f"[{host}]" if ":" in host else host, port or _PROXY_PORT


def _with_driver(url: URL) -> URL:
    """The URL with a driver that is installed."""
    kind, _, driver = url.drivername.partition("+")
    known = DATABASES[kind]
    wanted = [driver] if driver else list(known)
    for name in wanted:
        # A driver that is not in the table is SQLAlchemy's to judge.
        if name not in known or find_spec(known[name]) is not None:
            return url.set(drivername=f"{kind}+{name}")
    raise _not_installed(Redactor().text(str(url)), kind)


def _not_installed(text: str, extra: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"storage {text} needs a package that is not installed",
        remedy=f"pip install 'finetune-pipeline[{extra}]'",
    )


@contextmanager
def _making_tables(url: URL, arguments: dict[str, Any]) -> Iterator[None]:
    """Lets one process at a time make tables: of several, all but one would crash."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    with engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_TABLES_LOCK})"))
            yield
            return
        connection.execute(text(f"SELECT GET_LOCK('{_TABLES_LOCK}', 60)"))
        try:
            yield
        finally:
            connection.execute(text(f"SELECT RELEASE_LOCK('{_TABLES_LOCK}')"))
