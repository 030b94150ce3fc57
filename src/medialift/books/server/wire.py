"""HTTP/1.1 for one server over few connections, made for many small requests one after the other.

Bringing a book is half a dozen small requests, and with httpx's own transport most of a worker's time goes
into looking through its pool, into cancel scopes and into a parser that takes every byte of a header apart.
This one takes the connection that was free last, writes a request in one piece and reads the answer. To
httpx it is a transport like any other, and what can go wrong has httpx's own errors.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar, cast

import httpx

_T = TypeVar("_T")
# As httpx does: what was idle for longer may be given up by the server in this very moment.
_IDLE_SECONDS = 5.0
_LONGEST_HEAD = 1 << 16
_LONGEST_LINE = 1 << 12
_ENOUGH = 1 << 18
_BODILESS = (204, 304)


class Wire(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`.

    Args:
        connections: how many may be open at once; further requests wait for one.
        verify: for https; made when it is first needed otherwise.
    """

    def __init__(self, *, connections: int = 8, verify: ssl.SSLContext | None = None) -> None:
        self._free = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._verify = verify

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer, of which the body is still to be read.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol: nothing was sent.
            httpx.TransportError: any other failure; what was sent may have arrived.
        """
        limits = request.extensions.get("timeout", {})
        await _within(limits.get("pool"), self._free.acquire(), httpx.PoolTimeout)
        connection: _Connection | None = None
        try:
            connection = self._reusable(_place(request.url)) or await self._opened(request, limits)
            status, headers, body = await _exchange(connection, request, limits)
        except BaseException:
            self._release(connection, whole=False)
            raise
        return httpx.Response(status, headers=headers, stream=_Body(self, connection, body), request=request)

    async def aclose(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _reusable(self, place: tuple[bytes, bytes, int]) -> _Connection | None:
        until = time.monotonic() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.place == place and connection.since > until and connection.quiet:
                return connection
            connection.close()
        return None

    async def _opened(self, request: httpx.Request, limits: dict[str, float | None]) -> _Connection:
        place = scheme, host, port = _place(request.url)
        if scheme not in (b"http", b"https"):
            raise httpx.UnsupportedProtocol(f"There is no way to send to {scheme.decode()}://")
        context: ssl.SSLContext | None = None
        if scheme == b"https":
            context = self._verify = self._verify or httpx.create_ssl_context()
        opening = asyncio.get_running_loop().create_connection(
            lambda: _Connection(place), host.decode("ascii"), port, ssl=context
        )
        try:
            _, connection = await _within(limits.get("connect"), opening, httpx.ConnectTimeout)
        except OSError as error:
            raise httpx.ConnectError(str(error) or type(error).__name__) from error
        return connection

    def _release(self, connection: _Connection | None, *, whole: bool) -> None:
        """Have a connection back; one over which not all was read, or that ends, is closed."""
        self._free.release()
        if connection is None:
            return
        if whole and connection.lasting and connection.quiet:
            connection.since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its connection is free again when it is read or given up."""

    def __init__(self, wire: Wire, connection: _Connection, pieces: AsyncIterator[bytes]) -> None:
        self._wire, self._connection, self._pieces = wire, connection, pieces
        self._over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = False
        try:
            async for piece in self._pieces:
                yield piece
            whole = True
        finally:
            self._end(whole=whole)

    async def aclose(self) -> None:
        self._end(whole=False)

    def _end(self, *, whole: bool) -> None:
        if not self._over:
            self._over = True
            self._wire._release(self._connection, whole=whole)


class _Connection(asyncio.Protocol):
    """One connection: what came and was not read yet, and whether what is written goes out.

    Attributes:
        place: what it leads to.
        since: when it became idle, by the monotonic clock.
        lasting: the server keeps it after the answer that was read last.
    """

    def __init__(self, place: tuple[bytes, bytes, int]) -> None:
        self.place = place
        self.since = 0.0
        self.lasting = True
        self._came = bytearray()
        self._ended = False
        self._error: Exception | None = None
        self._transport: asyncio.Transport
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._full = self._paused = False

    # -- what the event loop tells ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._came += data
        if len(self._came) > _ENOUGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._ended = True
        _wake(self._reader)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended, self._error, self._full = True, exc, False
        _wake(self._reader)
        _wake(self._writer)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        _wake(self._writer)

    # -- for who speaks over it ------------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        """Whether nothing came that nobody asked for, nor the end; also nothing unseen so far."""
        if self._ended or self._came or self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self._transport.abort()

    async def write(self, data: bytes, seconds: float | None) -> bool:
        """Write, and wait while too much is on its way; False when the connection ended."""
        if self._ended or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._full:
            self._writer = asyncio.get_running_loop().create_future()
            await _within(seconds, self._writer, httpx.WriteTimeout)
        return not self._ended

    async def head(self, seconds: float | None) -> bytes:
        """All up to the next empty line."""
        return await self._until(b"\r\n\r\n", _LONGEST_HEAD, seconds)

    async def line(self, seconds: float | None) -> bytes:
        return await self._until(b"\r\n", _LONGEST_LINE, seconds)

    async def pieces(self, size: int, seconds: float | None) -> AsyncIterator[bytes]:
        """So many bytes, as they come."""
        while size:
            if not self._came and not await self._more(seconds):
                raise self._broken()
            piece = self._taken(min(size, len(self._came)))
            size -= len(piece)
            yield piece

    async def rest(self, seconds: float | None) -> AsyncIterator[bytes]:
        """All until the server closes the connection."""
        while self._came or await self._more(seconds):
            yield self._taken(len(self._came))
        if self._error is not None:
            raise self._broken()

    async def _until(self, end: bytes, longest: int, seconds: float | None) -> bytes:
        while (found := self._came.find(end)) < 0:
            if len(self._came) > longest:
                raise httpx.RemoteProtocolError("The server's answer has no end of its head")
            if not await self._more(seconds):
                raise self._broken()
        taken = self._taken(found + len(end))
        return taken[:found]

    async def _more(self, seconds: float | None) -> bool:
        """Wait until more came than is here; False when nothing comes any more."""
        if self._ended:
            return False
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        before = len(self._came)
        self._reader = asyncio.get_running_loop().create_future()
        await _within(seconds, self._reader, httpx.ReadTimeout)
        return len(self._came) > before

    def _taken(self, size: int) -> bytes:
        taken = bytes(self._came[:size])
        del self._came[:size]
        return taken

    def _broken(self) -> httpx.TransportError:
        if self._error is not None:
            return httpx.ReadError(str(self._error) or type(self._error).__name__)
        return httpx.RemoteProtocolError("The server closed the connection before its answer was whole")


_Headers = list[tuple[bytes, bytes]]


async def _exchange(
    connection: _Connection, request: httpx.Request, limits: dict[str, float | None]
) -> tuple[int, _Headers, AsyncIterator[bytes]]:
    """Send a request; the status, the headers, and the body that is to be read."""
    # Of a server that does not want the rest the answer is there all the same: it is read whatever was sent.
    await _send(connection, request, limits.get("write"))
    seconds = limits.get("read")
    status = 100
    while status < 200:
        version, status, headers = _parsed(await connection.head(seconds))
    fields = {name.lower(): value for name, value in headers}
    ending = fields.get(b"connection", b"").lower()
    connection.lasting = version != b"HTTP/1.0" and b"close" not in ending
    try:
        return status, headers, _body(connection, request.method, status, fields, seconds)
    except ValueError:
        raise httpx.RemoteProtocolError("The server's answer has no length") from None


def _body(
    connection: _Connection,
    method: str,
    status: int,
    fields: dict[bytes, bytes],
    seconds: float | None,
) -> AsyncIterator[bytes]:
    if method == "HEAD" or status in _BODILESS:
        return connection.pieces(0, seconds)
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        return _chunks(connection, seconds)
    if b"content-length" in fields:
        return connection.pieces(_number(fields[b"content-length"], 10), seconds)
    connection.lasting = False
    return connection.rest(seconds)


async def _chunks(connection: _Connection, seconds: float | None) -> AsyncIterator[bytes]:
    while size := _length(await connection.line(seconds)):
        async for piece in connection.pieces(size, seconds):
            yield piece
        await connection.line(seconds)
    while await connection.line(seconds):
        pass


def _length(line: bytes) -> int:
    try:
        return _number(line.partition(b";")[0].strip(), 16)
    except ValueError:
        raise httpx.RemoteProtocolError("The server's answer has a piece without a length") from None


def _number(digits: bytes, base: int) -> int:
    number = int(digits, base)
    if number < 0:
        raise ValueError(digits)
    return number


def _parsed(head: bytes) -> tuple[bytes, int, _Headers]:
    first, *lines = head.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise httpx.RemoteProtocolError("What answers there does not speak HTTP/1.1")
    split = (line.partition(b":") for line in lines)
    return version, int(rest[:3]), [(name, value.strip()) for name, _, value in split]


async def _send(connection: _Connection, request: httpx.Request, seconds: float | None) -> None:
    headers = request.headers.raw
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in headers]
    head = b"\r\n".join([*lines, b"", b""])
    if head.count(b"\n") != len(lines) + 1 or head.count(b"\r") != len(lines) + 1:
        raise httpx.LocalProtocolError("A header has more than one line")
    chunked = "transfer-encoding" in request.headers
    if not isinstance(request.stream, httpx.AsyncByteStream):
        raise httpx.LocalProtocolError("The body cannot be read beside other work")
    async for piece in request.stream:
        if chunked:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
        if not await connection.write(head + piece if head else piece, seconds):
            return
        head = b""
    await connection.write(head + (b"0\r\n\r\n" if chunked else b""), seconds)


async def _within(
    seconds: float | None,
    work: Coroutine[Any, Any, _T] | asyncio.Future[_T],
    late: type[httpx.TimeoutException],
) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise late(f"Nothing went on for {seconds} seconds") from error


def _place(url: httpx.URL) -> tuple[bytes, bytes, int]:
    scheme = url.raw_scheme
    return scheme, url.raw_host, url.port or (443 if scheme == b"https" else 80)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
