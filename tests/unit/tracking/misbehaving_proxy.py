"""An HTTP proxy in front of a real server, which misbehaves as a test says."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.mlflow_server import free_port

Mode = Literal["pass", "error", "slow", "lose_answer", "cut_request", "cut_answer"]
"""What happens to a request.

pass         it is forwarded and answered
error        500, nothing is forwarded
slow         it is forwarded after a delay
lose_answer  it is forwarded; the connection is reset instead of an answer
cut_request  half of its body is forwarded, then both connections are reset
cut_answer   it is forwarded; half of the answer comes back, then the connection ends
"""
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class MisbehavingProxy:
    """A proxy that can be switched while it runs.

    Args:
        upstream: The port of the real server on 127.0.0.1.

    Attributes:
        mode: What happens to each request from now on.
        delay: Seconds that a request waits in mode "slow".
        choose: Says the mode of a request by its number (from 0) and path; by default `mode`.
        requests: How many requests came, by path.
        points: How many metric points came in requests that were forwarded whole.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.mode: Mode = "pass"
        self.delay = 10.0
        self.choose: Callable[[int, str], Mode] = lambda _number, _path: self.mode
        self.requests: Counter[str] = Counter()
        self.points = 0
        self._number = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = free_port()

    @property
    def uri(self) -> str:
        """The proxy's address."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listens; before it, and after `down`, connections are refused."""
        if self._server is None:
            self._stopping.clear()
            self._server = _Server(("127.0.0.1", self.port), self)
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuses connections."""
        server, self._server = self._server, None
        if server is not None:
            self._stopping.set()
            server.shutdown()
            server.server_close()

    def take(self, path: str) -> Mode:
        """Counts a request and says what happens to it."""
        with self._lock:
            number, self._number = self._number, self._number + 1
            self.requests[path] += 1
        return self.choose(number, path)

    def count_points(self, path: str, body: bytes) -> None:
        """Counts the metric points of a request that is forwarded."""
        if path.endswith("/runs/log-batch"):
            with self._lock:
                self.points += len(json.loads(body).get("metrics", ()))

    def wait(self) -> None:
        """Waits for the delay, or until the proxy goes down."""
        self._stopping.wait(self.delay)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], proxy: MisbehavingProxy) -> None:
        self.proxy = proxy
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: clients that give up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keeps the tests quiet."""

    def _handle(self) -> None:
        proxy, path = self.server.proxy, self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        mode = proxy.take(path)
        self.close_connection = True
        if mode == "error":
            self._answer(500, {}, b"the store is on fire")
        elif mode == "cut_request":
            self._forward_half(body)
            self._reset()
        else:
            if mode == "slow":
                proxy.wait()
            proxy.count_points(path, body)
            status, headers, answer = self._forward(body)
            if mode == "lose_answer":
                self._reset()
            elif mode == "cut_answer":
                self._answer(status, headers, answer, sent=len(answer) // 2)
            else:
                self._answer(status, headers, answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream)
        with closing(connection):
            connection.request(self.command, self.path, body or None, self._headers())
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()

    def _forward_half(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream)
        with closing(connection):
            connection.putrequest(self.command, self.path)
            for name, value in self._headers().items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body[: len(body) // 2])

    def _headers(self) -> dict[str, str]:
        return {
            name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS
        }

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, sent: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(body[:sent])

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
