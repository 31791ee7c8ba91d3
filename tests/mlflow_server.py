"""A real MLflow server on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

START_SECONDS = 90.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Seven processes for jobs that tracking has none of; starting them takes 20 s of a core.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(
    folder: Path,
    *arguments: str,
    port: int | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:
    """Runs `mlflow server` and gives its address.

    Args:
        folder: Where it runs; its log is `mlflow_server.log` there.
        *arguments: What follows, for example `--backend-store-uri`.
        port: Where it listens; by default a free one.
        environment: Further variables.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    with (folder / "mlflow_server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            env={**os.environ, **_QUIET, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(address, process, folder / "mlflow_server.log")
        yield address
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            urllib.request.urlopen(f"{address}/health", timeout=2).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
