"""Watches a session of aiohttp.

The traces of aiohttp end when the head of an answer is there: an answer that breaks off in its body would
count as a good one. So the block that reads it is watched, and the traces only tell of the connection, of
what was sent, and of the body.
"""

from __future__ import annotations

from types import SimpleNamespace, TracebackType
from typing import Any

import aiohttp

from medialift.diagnostics.traffic.exchange import Client, Exchange
from medialift.diagnostics.traffic.record import Record


def traces() -> list[aiohttp.TraceConfig]:
    """For the ClientSession that `Asked` sends by."""
    config = aiohttp.TraceConfig(trace_config_ctx_factory=_context)  # type: ignore[arg-type]
    config.on_connection_create_end.append(_created)
    config.on_connection_reuseconn.append(_reused)
    config.on_request_headers_sent.append(_sent)
    config.on_response_chunk_received.append(_received)
    return [config]


class Asked:
    """What `session.request(…)` is, an asynchronous context, and recorded."""

    def __init__(
        self, record: Record, of: Client, session: aiohttp.ClientSession, method: str, url: Any, **more: Any
    ) -> None:
        self._record, self._of, self._session = record, of, session
        self._method, self._url, self._more = method, url, more
        self._exchange: Exchange
        self._request: Any = None

    async def __aenter__(self) -> aiohttp.ClientResponse:
        content = self._more.get("data")
        sent = len(content) if isinstance(content, bytes) else 0
        exchange = self._exchange = self._record.begin(self._of, self._method, str(self._url), sent=sent)
        self._request = self._session.request(
            self._method, self._url, trace_request_ctx=exchange, **self._more
        )
        try:
            reply: aiohttp.ClientResponse = await self._request.__aenter__()
        except BaseException as error:
            exchange.broke(error)
            raise
        version = reply.version
        exchange.answered(
            reply.status,
            reply.headers.items(),
            version=f"HTTP/{version.major}.{version.minor}" if version else "",
            decoded=True,
        )
        return reply

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._exchange.broke(error)
        else:
            self._exchange.ended()
        await self._request.__aexit__(kind, error, trace)


def _context(trace_request_ctx: Any = None) -> SimpleNamespace:
    return SimpleNamespace(exchange=trace_request_ctx)


async def _created(_session: aiohttp.ClientSession, context: SimpleNamespace, _told: Any) -> None:
    context.exchange.connected(new=True)


async def _reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _told: Any) -> None:
    context.exchange.connected(new=False)


async def _sent(
    _session: aiohttp.ClientSession, context: SimpleNamespace, told: aiohttp.TraceRequestHeadersSentParams
) -> None:
    context.exchange.sending(told.headers.items())


async def _received(
    _session: aiohttp.ClientSession,
    context: SimpleNamespace,
    told: aiohttp.TraceResponseChunkReceivedParams,
) -> None:
    context.exchange.read(told.chunk)
