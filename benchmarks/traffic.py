"""What the batch debug log costs: off, on, and on the disk.

Off, all that is added to a request is a look at a variable and one call: the time of a hundred thousand of
them, held against the time of real requests over the loopback. On, the same job is done with and without a
record, taking turns. The server is a process of its own that answers at once, as no real one does, so the
shares are the largest there can be.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import httpx
from pydantic import SecretStr

from medialift.books.server.session import Session
from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import current
from medialift.diagnostics.traffic.httpx_client import Watched
from medialift.settings import DiagnosticsSettings

from .figure import Figure

GROUP = "dashboard"

REQUESTS, POSTERS, CALLS = 200, 50, 100_000
_PAIRS = 7
_GOOD = b"x" * 2000
_BAD = b'{"title": "Not Found", "detail": "' + b"The item was not found. " * 100 + b'"}'
_HEADERS = (
    b"Content-Type: %s\r\nServer: Kestrel\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\n"
    b"Cache-Control: public, max-age=31536000\r\nLast-Modified: Sat, 28 Nov 2026 10:00:00 GMT\r\n"
    b"Vary: Accept\r\nX-Response-Time-ms: 3.1\r\nContent-Length: %d\r\n\r\n"
)


def measure() -> Iterator[Figure]:
    with _server() as url, tempfile.TemporaryDirectory() as folder:
        diagnostics = DiagnosticsSettings(folder=Path(folder) / "records")
        plain = _plain_seconds(url)
        yield Figure(
            "a request with httpx that is watched and not recorded: what is added / a request",
            100.0 * _added_by_watching() / plain,
            "%",
            "<= 1",
        )
        yield Figure(
            "a request of the books' client that is not recorded: what is added / a request",
            100.0 * _added_by_looking() / plain,
            "%",
            "<= 1",
        )
        for name, job in (("httpx", _with_httpx), ("the books' client (aiohttp)", _with_session)):
            yield Figure(
                f"a request that is recorded, with {name}: milliseconds more than one that is not",
                1000.0 * _more(job, url, diagnostics),
                "ms",
                "<= 10",
            )
        yield Figure(
            f"the record of a job of {POSTERS} posters (HEAD and GET of each)",
            _size(url, diagnostics, "good") / 1000,
            "kB",
            "<= 100",
        )
        yield Figure(
            f"the record of a job of {POSTERS} posters, each refused three times",
            _size(url, diagnostics, "bad") / 1000,
            "kB",
            "<= 100",
        )


class _AtOnce(httpx.BaseTransport):
    def __init__(self) -> None:
        self.answer = httpx.Response(200)

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002
        return self.answer


def _added_by_watching() -> float:
    """Seconds that a watched transport adds to a call while nothing is recorded."""
    inner = _AtOnce()
    watched, request = Watched(inner), httpx.Request("GET", "http://localhost/")

    def go(transport: httpx.BaseTransport) -> float:
        began = time.perf_counter()
        for _ in range(CALLS):
            transport.handle_request(request)
        return (time.perf_counter() - began) / CALLS

    return max(0.0, statistics.median(go(watched) - go(inner) for _ in range(_PAIRS)))


def _added_by_looking() -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        current.current_record()
    return (time.perf_counter() - began) / CALLS


def _plain_seconds(url: str) -> float:
    """Seconds of a request over the loopback by a client that nobody watches."""
    with httpx.Client(trust_env=False) as client:
        return statistics.median(_asked(client, url, REQUESTS) for _ in range(3)) / REQUESTS


def _asked(client: httpx.Client, url: str, count: int) -> float:
    began = time.perf_counter()
    for number in range(count):
        client.get(f"{url}/good/{number}")
    return time.perf_counter() - began


def _more(job: Any, url: str, diagnostics: DiagnosticsSettings) -> float:
    """Seconds that a request takes longer when it is recorded; what is written at the end counts too."""
    switched = [False]
    recorder = traffic.Recorder(diagnostics, pipeline="posters", on=lambda: switched[0])

    def go(on: bool) -> float:
        switched[0] = on
        began = time.perf_counter()
        with recorder.recording("bench"):
            job(url)
        recorder.close()
        return (time.perf_counter() - began) / REQUESTS

    go(True)
    return statistics.median(go(True) - go(False) for _ in range(_PAIRS))


def _with_httpx(url: str) -> None:
    with traffic.watch(httpx.Client(trust_env=False)) as client:
        _asked(client, url, REQUESTS)


def _with_session(url: str) -> None:
    async def ask() -> None:
        session = Session(url, "user", SecretStr("password"))
        try:
            for number in range(REQUESTS):
                await session._send("a good one", "GET", f"/good/{number}", None)
        finally:
            await session.close()

    asyncio.run(ask())


def _size(url: str, diagnostics: DiagnosticsSettings, kind: str) -> float:
    """Bytes of the record of a batch of posters."""
    recorder = traffic.Recorder(diagnostics, pipeline="posters", on=lambda: True)
    key = {"Authorization": f'MediaBrowser Token="{"a" * 32}"'}
    with traffic.watch(httpx.Client(trust_env=False, headers=key)) as client, recorder.recording(kind):
        for number in range(POSTERS):
            id = f"{number:032x}"
            with traffic.about(id):
                for _ in range(1 if kind == "good" else 3):
                    client.head(f"{url}/{kind}/Items/{id}/Images/Primary")
                    client.get(f"{url}/{kind}/Items/{id}/Images/Primary")
    recorder.close()
    return float(max(path.stat().st_size for path in diagnostics.folder.glob(f"job_{kind}_*.json")))


@contextmanager
def _server() -> Iterator[str]:
    """A server that answers at once, as a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    process.start()
    there.close()  # so that a server that does not start is noticed
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(told: Connection) -> None:
    class Answers(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.Transport, transport)

        def data_received(self, data: bytes) -> None:
            good = b" /good" in data.split(b"\r\n", 1)[0]
            body = _GOOD if good else _BAD
            status = b"HTTP/1.1 200 OK\r\n" if good else b"HTTP/1.1 404 Not Found\r\n"
            kind = b"image/jpeg" if good else b"application/problem+json; charset=utf-8"
            head = status + _HEADERS % (kind, len(body))
            self.transport.write(head if data.startswith(b"HEAD") else head + body)

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())
