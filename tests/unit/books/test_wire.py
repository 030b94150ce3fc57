"""The transport to the book server: every shape of an answer, and a sure word when there is none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from medialift.books.server.wire import Wire

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Gives the same answer to every request, over as many connections as come."""

    def __init__(self, answer: bytes = OK, *, closes: bool = False, reads: bool = True) -> None:
        self.answer, self.closes, self.reads = answer, closes, reads
        self.connections = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.url = ""
        self.hang = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if self.reads:
                    self.bodies.append(await self._body(head, reader))
                if self.hang:
                    await asyncio.sleep(30)
                writer.write(self.answer)
                await writer.drain()
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @staticmethod
    async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        if b"transfer-encoding" in fields:
            return await reader.readuntil(b"0\r\n\r\n")
        return await reader.readexactly(int(fields.get(b"content-length", b"0")))


def with_server(server: Server, go: Callable[[Wire, str], Awaitable[Any]], **options: Any) -> Any:
    @asynccontextmanager
    async def listening() -> AsyncIterator[str]:
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/a%20b?c=d"
        listener.close()

    async def run() -> Any:
        async with listening() as url:
            wire = Wire(**options)
            try:
                return await go(wire, url)
            finally:
                await wire.aclose()

    return asyncio.run(run())


def asked(server: Server, times: int = 1, **request: Any) -> list[str]:
    """The bodies of the answers to so many requests, one after the other."""

    async def go(wire: Wire, url: str) -> list[str]:
        return [await ask(wire, url, **request) for _ in range(times)]

    found: list[str] = with_server(server, go)
    return found


async def ask(wire: Wire, url: str, seconds: float = 5.0, **request: Any) -> str:
    limits = {"timeout": httpx.Timeout(seconds).as_dict()}
    answer = await wire.handle_async_request(httpx.Request("POST", url, extensions=limits, **request))
    await answer.aread()
    return answer.text


def test_one_connection_carries_many_requests() -> None:
    server = Server()

    assert asked(server, 3, json={"a": 1}) == ["ok"] * 3
    assert (server.connections, server.bodies) == (1, [b'{"a":1}'] * 3)
    assert server.heads[0].startswith(b"POST /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n", "abcd"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:  3 \r\n\r\nabc", "abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ""),
    ],
    ids=["chunked", "after a continue", "no content", "empty"],
)
def test_an_answer_of_any_shape_is_read_whole(answer: bytes, body: str) -> None:
    server = Server(answer)

    assert asked(server, 2) == [body] * 2
    assert server.connections == 1


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\n\r\nall of it", closes=True)

    assert asked(server, 2) == ["all of it"] * 2
    assert server.connections == 2


def test_a_connection_that_the_server_ends_is_not_used_again() -> None:
    assert asked(quiet := Server(closes=True), 3) == ["ok"] * 3
    assert quiet.connections == 3

    told = Server(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert asked(told, 2) == ["ok"] * 2
    assert told.connections == 2


def test_what_nobody_asked_for_makes_a_connection_unusable() -> None:
    server = Server(OK + b"HTTP/1.1 200 OK\r\n")

    assert asked(server, 2) == ["ok"] * 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 100_000,
    ],
    ids=["none", "head cut", "body cut", "piece cut", "no size", "no number", "no HTTP", "endless head"],
)
def test_an_answer_that_is_not_whole_is_none(answer: bytes) -> None:
    with pytest.raises(httpx.TransportError) as failed:
        asked(Server(answer, closes=True))

    assert not isinstance(failed.value, httpx.ConnectError | httpx.ConnectTimeout)


def test_nobody_there_means_that_nothing_was_sent() -> None:
    with pytest.raises(httpx.ConnectError):
        asyncio.run(ask(Wire(), "http://127.0.0.1:1/"))
    with pytest.raises(httpx.UnsupportedProtocol):
        asyncio.run(ask(Wire(), "ftp://127.0.0.1/"))


def test_a_server_that_is_silent_is_not_waited_for_for_ever() -> None:
    server = Server()
    server.hang = True

    async def go(wire: Wire, url: str) -> str:
        with pytest.raises(httpx.ReadTimeout):
            await ask(wire, url, 0.05)
        server.hang = False
        return await ask(wire, url)

    assert with_server(server, go, connections=1) == "ok"
    assert server.connections == 2


def test_a_request_that_is_given_up_leaves_no_answer_for_the_next() -> None:
    server = Server()
    server.hang = True

    async def go(wire: Wire, url: str) -> str:
        given_up = asyncio.create_task(ask(wire, url))
        await asyncio.sleep(0.05)
        given_up.cancel()
        await asyncio.wait({given_up})
        server.hang = False
        return await ask(wire, url)

    assert with_server(server, go, connections=1) == "ok"
    assert server.connections == 2


async def pieces(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("reads", [True, False])
def test_a_large_body_goes_in_pieces(reads: bool) -> None:
    """A server that has read enough of it answers before its end, and is heard."""
    length = {"Content-Length": str(8 << 20)}
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch"
    server = Server(OK if reads else refusal, closes=not reads, reads=reads)

    async def go(wire: Wire, url: str) -> str:
        return await ask(wire, url, content=pieces(8, 1 << 20), headers=length)

    if reads:
        assert with_server(server, go) == "ok"
        assert server.bodies == [b"x" * (8 << 20)]
    else:
        # The reset that follows may come before what was said: then it counts as lost, never as done.
        with suppress(httpx.ReadError):
            assert with_server(server, go) == "much"


def test_a_body_of_unknown_length_goes_in_chunks() -> None:
    server = Server()

    async def go(wire: Wire, url: str) -> str:
        return await ask(wire, url, content=pieces(2, 3))

    assert with_server(server, go) == "ok"
    assert server.bodies == [b"3\r\nxxx\r\n3\r\nxxx\r\n0\r\n\r\n"]


def test_no_more_connections_are_open_than_allowed() -> None:
    server = Server()

    async def go(wire: Wire, url: str) -> list[str]:
        return await asyncio.gather(*(ask(wire, url) for _ in range(20)))

    assert with_server(server, go, connections=3) == ["ok"] * 20
    assert server.connections <= 3


def test_an_answer_that_is_not_read_frees_its_place() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000)

    async def go(wire: Wire, url: str) -> list[str]:
        lengths = []
        for _ in range(2):
            answer = await wire.handle_async_request(httpx.Request("GET", url))
            lengths.append(answer.headers["Content-Length"])
            await answer.aclose()
        return lengths

    assert with_server(server, go, connections=1) == ["9000000"] * 2


def test_a_header_of_two_lines_is_never_sent() -> None:
    with pytest.raises(httpx.LocalProtocolError):
        asked(server := Server(), headers={"Authorization": "bearer x\r\nHost: other"})
    assert server.heads == []
