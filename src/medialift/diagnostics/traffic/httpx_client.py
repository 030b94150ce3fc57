"""Watches clients of httpx. Without a record each request costs one look at a variable."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from inspect import isawaitable
from typing import Any, TypeVar

import httpx

from medialift.diagnostics.traffic import current
from medialift.diagnostics.traffic.exchange import Client, Exchange
from medialift.diagnostics.traffic.record import Record

_C = TypeVar("_C", httpx.Client, httpx.AsyncClient)
_CONNECTS = ("connection.connect_tcp.started", "connection.connect_unix_socket.started")
_SENDS = (".send_request_headers.started",)


class Watched(httpx.BaseTransport):
    """A transport that tells the record of what goes through it, if there is one."""

    def __init__(self, inner: httpx.BaseTransport, client: Client | None = None) -> None:
        self._inner, self._client = inner, client or Client("httpx")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        record = current.current_record()
        if record is None:
            return self._inner.handle_request(request)
        exchange = _begun(record, self._client, request)
        _listen(request, exchange, awaited=False)
        try:
            response = self._inner.handle_request(request)
        except BaseException as error:
            exchange.broke(error)
            raise
        _answered(exchange, response)
        assert isinstance(response.stream, httpx.SyncByteStream)  # noqa: S101  of a client that does not wait
        response.stream = _Stream(response.stream, exchange)
        return response

    def close(self) -> None:
        self._inner.close()


class AsyncWatched(httpx.AsyncBaseTransport):
    """The same for a client of an event loop."""

    def __init__(self, inner: httpx.AsyncBaseTransport, client: Client | None = None) -> None:
        self._inner, self._client = inner, client or Client("httpx")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        record = current.current_record()
        if record is None:
            return await self._inner.handle_async_request(request)
        exchange = _begun(record, self._client, request)
        _listen(request, exchange, awaited=True)
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            exchange.broke(error)
            raise
        _answered(exchange, response)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  of a client that waits
        response.stream = _AsyncStream(response.stream, exchange)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def watch(client: _C) -> _C:
    """The client itself, all of whose transports are watched, those of the environment's proxies too."""
    of = Client("httpx")

    def around(inner: Any) -> Any:
        if inner is None or isinstance(inner, Watched | AsyncWatched):
            return inner
        return AsyncWatched(inner, of) if isinstance(client, httpx.AsyncClient) else Watched(inner, of)

    # A client that is given a transport does not look at the environment's proxies any more, and offers no
    # other way to them.
    client._transport = around(client._transport)
    client._mounts = {pattern: around(inner) for pattern, inner in client._mounts.items()}
    return client


class _Stream(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, exchange: Exchange) -> None:
        self._inner, self._exchange = inner, exchange

    def __iter__(self) -> Iterator[bytes]:
        try:
            for piece in self._inner:
                self._exchange.read(piece)
                yield piece
        except GeneratorExit:
            # Its reader has seen enough.
            self._exchange.ended()
            raise
        except BaseException as error:
            self._exchange.broke(error)
            raise
        self._exchange.ended()

    def close(self) -> None:
        try:
            self._inner.close()
        finally:
            self._exchange.ended()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, exchange: Exchange) -> None:
        self._inner, self._exchange = inner, exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._inner:
                self._exchange.read(piece)
                yield piece
        except GeneratorExit:
            self._exchange.ended()
            raise
        except BaseException as error:
            self._exchange.broke(error)
            raise
        self._exchange.ended()

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._exchange.ended()


def _begun(record: Record, client: Client, request: httpx.Request) -> Exchange:
    sent = request.headers.get("content-length", "0")
    return record.begin(
        client,
        request.method,
        str(request.url),
        request.headers.multi_items(),
        sent=int(sent) if sent.isdigit() else 0,
    )


def _answered(exchange: Exchange, response: httpx.Response) -> None:
    version = response.extensions.get("http_version", b"")
    with suppress(AttributeError):
        version = version.decode("ascii", "replace")
    exchange.answered(response.status_code, response.headers.multi_items(), version=str(version))


def _listen(request: httpx.Request, exchange: Exchange, *, awaited: bool) -> None:
    """Hear of the connection's steps, beside whoever listens to them already."""
    before: Callable[[str, Any], Any] | None = request.extensions.get("trace")
    exchange.connected(new=False)

    def tell(event: str) -> None:
        if event in _CONNECTS:
            exchange.connected(new=True)
        elif event.endswith(_SENDS):
            exchange.sending()

    def heard(event: str, info: Any) -> Any:
        tell(event)
        return None if before is None else before(event, info)

    async def heard_async(event: str, info: Any) -> None:
        tell(event)
        if before is not None and isawaitable(told := before(event, info)):
            await told

    request.extensions = {**request.extensions, "trace": heard_async if awaited else heard}
