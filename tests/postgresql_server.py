"""A PostgreSQL server for a test, where the machine has the binaries."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.mlflow_server import free_port

USER = "tester"
PASSWORD = "not-in-any-message"


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server that only this machine reaches."""

    port: int

    def create(self, database: str) -> str:
        """Makes a database and returns its URL."""
        psycopg2 = pytest.importorskip("psycopg2")
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user=USER, password=PASSWORD, dbname="postgres"
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{database}"')
        connection.close()
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"


@contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Starts a server on an empty directory; skips the test where that cannot be done."""
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    initdb, postgres = _binary("initdb"), _binary("postgres")
    account = _account()
    # Not in pytest's own directory, which other accounts may not enter.
    directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        if "user" in account:
            shutil.chown(directory, account["user"], account["group"])
        password = directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = directory / "data"
        options = ["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"]
        subprocess.run(
            [initdb, "-D", str(data), "-U", USER, f"--pwfile={password}", *options],
            check=True,
            capture_output=True,
            cwd=directory,
            **account,
        )
        port = free_port()
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", str(directory), "-c", "fsync=off"]
        process = subprocess.Popen(
            [postgres, "-D", str(data), *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=directory,
            **account,
        )
        try:
            _wait_for(port, process)
            yield PostgresqlServer(port)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _binary(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name)
    found = shutil.which(name, path=os.pathsep.join(map(str, reversed(folders))))
    found = found or shutil.which(name)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not on this machine")
    return found


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    psycopg2 = pytest.importorskip("psycopg2")
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            psycopg2.connect(
                host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname="postgres"
            ).close()
        except psycopg2.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the PostgreSQL server does not start")
