"""A server that answers, refuses, breaks off and is slow by its paths, and clients whose traffic is recorded.

/status/404      this status, with a body that holds a token
/ok/…            200 and a thousand bytes
/reset           the connection is cut before an answer
/truncated       a tenth of what was promised, then cut
/slow            no answer until the server ends
/first/503/2/…   this status so many times for this path, then 200
/zip             an error whose body is compressed
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from typing import Any

import aiohttp
import httpx
import pytest

from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import aiohttp_client, current
from medialift.diagnostics.traffic.exchange import Client
from medialift.foundation.waiting import wait_until
from medialift.settings import DiagnosticsSettings

SECRET = "s3cr3t-value-nobody-may-see"


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        server: Any = self.server
        server.asked[self.path.split("?")[0]] += 1
        words = self.path.split("?")[0].strip("/").split("/")
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        match words:
            case ["reset", *_]:
                self._cut()
            case ["truncated", *_]:
                self._head(200, 1000)
                self.wfile.write(b"x" * 100)
                self.wfile.flush()
                self._cut()
            case ["slow", *_]:
                server.ends.wait(20)
                self.close_connection = True
            case ["first", status, times, *_]:
                again = server.asked[self.path] > int(times)
                self._body(200 if again else int(status), b"x" * 10, "text/plain")
            case ["status", status, *_]:
                said = json.dumps({"said": f"no, {status}", "access_token": SECRET, "more": "y" * 20_000})
                self._body(int(status), said.encode(), "application/json")
            case ["zip", *_]:
                packed = gzip.compress(f'{{"password": "{SECRET}", "why": "packed"}}'.encode())
                self._body(500, packed, "application/json", {"Content-Encoding": "gzip"})
            case _:
                self._body(200, b"x" * 1000, "application/octet-stream")

    do_GET = do_HEAD = do_POST = do_DELETE = _answer

    def _body(self, status: int, body: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self._head(status, len(body), {"Content-Type": kind, **(more or {})})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        if status in (429, 503):
            self.send_header("Retry-After", "7")
        self.send_header("Set-Cookie", f"id={SECRET}")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _cut(self) -> None:
        # Without the last words of TCP: as a server that is killed.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[str, Counter[str]]]:
    """The server's address, and how often each path was asked for."""
    server = _Server(("127.0.0.1", 0), _Answers)
    asked: Counter[str] = Counter()
    ends = Event()
    vars(server).update(asked=asked, ends=ends)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        ends.set()
        server.shutdown()
        server.server_close()


@dataclass
class Traffic:
    """A server, and a recorder that is on, whose records go into a folder of the test.

    Attributes:
        asked: how often the server was asked for each path.
    """

    url: str
    asked: Counter[str]
    folder: Path
    switched: list[bool] = field(default_factory=lambda: [True])
    settings: dict[str, Any] = field(default_factory=dict)

    def recorder(self, pipeline: str = "posters", **more: Any) -> traffic.Recorder:
        settings = DiagnosticsSettings(folder=self.folder, **self.settings)
        return traffic.Recorder(
            settings, pipeline=pipeline, secrets=[SECRET], on=lambda: self.switched[0], **more
        )

    def files(self, end: str = ".json") -> list[Path]:
        return sorted(self.folder.glob(f"*{end}"))

    def ask(
        self, library: str, *requests: str, job: str = "job-1", timeout: float = 5.0, **more: Any
    ) -> dict[str, Any]:
        """Send requests such as `GET /ok/1` one after the other as one job; its document."""
        recorder = self.recorder(**more)
        with recorder.recording(job):
            ASK[library](self.url, requests, timeout)
        recorder.close()
        found = self.files()
        return json.loads(found[-1].read_text()) if found else {}

    def document(self, count: int = 1) -> dict[str, Any]:
        """The last record, when so many are there."""
        assert wait_until(lambda: len(self.files()) >= count, at_most=10, every=0.02)
        return json.loads(self.files()[-1].read_text())


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Traffic]:
    with serving() as (url, asked):
        yield Traffic(url, asked, tmp_path / "diagnostics")


def _with_httpx(url: str, requests: tuple[str, ...], timeout: float) -> None:
    with traffic.watch(httpx.Client(timeout=timeout, trust_env=False, verify=False)) as client:
        for one in requests:
            method, path = one.split(" ")
            with suppress(httpx.HTTPError):
                client.request(method, _address(url, path))


def _with_async_httpx(url: str, requests: tuple[str, ...], timeout: float) -> None:
    async def send() -> None:
        async with traffic.watch(httpx.AsyncClient(timeout=timeout, trust_env=False, verify=False)) as client:
            for one in requests:
                method, path = one.split(" ")
                with suppress(httpx.HTTPError):
                    await client.request(method, _address(url, path))

    asyncio.run(send())


def _with_aiohttp(url: str, requests: tuple[str, ...], timeout: float) -> None:
    async def send() -> None:
        limit = aiohttp.ClientTimeout(sock_read=timeout, sock_connect=timeout)
        of = Client("aiohttp")
        async with aiohttp.ClientSession(timeout=limit, trace_configs=aiohttp_client.traces()) as session:
            for one in requests:
                method, path = one.split(" ")
                record = current.current_record()
                assert record is not None
                try:
                    async with aiohttp_client.Asked(
                        record, of, session, method, _address(url, path)
                    ) as reply:
                        await reply.read()
                except (aiohttp.ClientError, TimeoutError):
                    pass

    asyncio.run(send())


def _address(url: str, path: str) -> str:
    return path if path.startswith("http") else url + path


ASK: dict[str, Callable[[str, tuple[str, ...], float], None]] = {
    "httpx": _with_httpx,
    "async httpx": _with_async_httpx,
    "aiohttp": _with_aiohttp,
}
LIBRARIES = tuple(ASK)
