"""The fault proxy before the S3 store: checks signatures, breaks what it is told to break, and counts.

    python -m sandbox.faultproxy --listen 127.0.0.1 --port 9000 --upstream 127.0.0.1:9001 --control 9002

Control, on 127.0.0.1: POST /faults with a `Rule` as JSON, GET /faults, DELETE /faults; GET /counters,
DELETE /counters. Replies are JSON. See `sandbox.faults` for a client.

A client's connection and the one to the store behind it live as long as the client likes, so a burst of small
reads costs no connection each. Bodies are passed on in pieces and never held.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from .faultrules import Counters, Rule, Rules
from .http_framing import Head, Malformed, ends_with_connection, read_head, reply_body, request_body
from .settings import ACCESS_KEY, SECRET_KEY
from .signatures import refusal

_LIMIT = 1024 * 1024
_HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "expect")
_ANSWERS = {
    "status403": (403, "Forbidden", "AccessDenied", "Access Denied"),
    "status404": (404, "Not Found", "NoSuchKey", "The specified key does not exist."),
    "status503": (503, "Slow Down", "SlowDown", "Please reduce your request rate."),
}


class _Cut(Exception):
    """A rule ends this connection now."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class _Upstream:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass
class Proxy:
    """The proxy.

    Args:
        upstream: host and port of the store.
        addresses: where it listens, all on `port`.
    """

    upstream: tuple[str, int]
    addresses: tuple[str, ...]
    port: int
    rules: Rules = field(default_factory=Rules)
    counters: Counters = field(default_factory=Counters)
    _servers: list[asyncio.Server] = field(default_factory=list)
    _clients: set[asyncio.StreamWriter] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def apply_rules(self) -> None:
        """Listen or not, as the rules say, and wake what hangs on a rule that is gone."""
        if self.rules.refusing and self._servers:
            for server in self._servers:
                server.close()
            self._servers = []
            for writer in list(self._clients):  # a connection kept alive would be a way round the refusal
                _reset(writer)
        elif not self.rules.refusing and not self._servers:
            for address in self.addresses:
                server = await asyncio.start_server(
                    self._serve, address, self.port, limit=_LIMIT, backlog=512, reuse_address=True
                )
                self._servers.append(server)
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        upstream: _Upstream | None = None
        try:
            while (head := await read_head(reader)) is not None:
                upstream = await self._exchange(head, reader, writer, upstream)
                if upstream is None:
                    break
        except _Cut as cut:
            if cut.reset:
                _reset(writer)
        except Malformed:
            with contextlib.suppress(ConnectionError):
                await _answer(writer, "GET", 400, "Bad Request", "BadRequest", "Not HTTP/1.1", close=True)
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            # Either side broke off, or a length was no number: the other must see that its body is not whole.
            _reset(writer)
        finally:
            self._clients.discard(writer)
            for end in (writer, upstream.writer if upstream else None):
                if end is not None:
                    end.close()

    async def _exchange(
        self,
        head: Head,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: _Upstream | None,
    ) -> _Upstream | None:
        """One request and its reply. Returns the connection to the store to go on with, None to end here."""
        method, target, _ = head.line.split(" ", 2)
        self.counters.requests += 1
        self.counters.by_method[method] += 1
        rule = self.rules.take(f"{method} {target}")
        action = rule.action if rule else "pass"
        self.counters.by_action[action] += 1
        if rule:
            print(f"{action}: {method} {target}", flush=True)
        if action == "reset" and rule and not rule.after_bytes:
            raise _Cut(reset=True)
        if action == "hang" and rule and not rule.after_bytes:
            await self._hang(reader)
            rule = None

        refused: tuple[int, str, str, str] | None = _ANSWERS.get(action)
        if refused is None:
            fields = {name.lower(): value for name, value in head.fields}
            wrong = refusal(method, target, fields, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
            refused = (403, "Forbidden", *wrong) if wrong else None
        if refused is not None:
            keeps = head.keeps_connection and not head.get("expect")
            if keeps:  # a body left unread would turn the answer into a reset
                async for piece in request_body(reader, head):
                    self.counters.uploaded += len(piece)
            await _answer(writer, method, *refused, close=not keeps)
            return (upstream or await self._connect()) if keeps else None

        if upstream is None or upstream.reader.at_eof() or upstream.writer.is_closing():
            try:
                upstream = await self._connect()
            except OSError:
                await _answer(writer, method, 502, "Bad Gateway", "InternalError", "No store", close=True)
                return None
        try:
            return await self._pass_on(head, method, rule, reader, writer, upstream)
        except BaseException:
            upstream.writer.transport.abort()
            raise

    async def _pass_on(
        self,
        head: Head,
        method: str,
        rule: Rule | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream: _Upstream,
    ) -> _Upstream | None:
        passed = _Passed()
        upstream.writer.write(head.without(*_HOP_BY_HOP).encode())
        if head.get("expect").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for piece in self._gated(request_body(reader, head), rule, passed, reader, upstream.writer):
            self.counters.uploaded += len(piece)
        await upstream.writer.drain()

        reply = await read_head(upstream.reader)
        while reply is not None and reply.status < 200:
            reply = await read_head(upstream.reader)
        if reply is None:
            raise ConnectionResetError("the store closed without an answer")
        keeps = head.keeps_connection and not ends_with_connection(reply, method)
        shown = reply.without(*_HOP_BY_HOP)
        writer.write((shown if keeps else shown.with_field("Connection", "close")).encode())
        body = reply_body(upstream.reader, reply, method)
        async for piece in self._gated(body, rule, passed, reader, writer):
            self.counters.bytes += len(piece)
        await writer.drain()
        if not keeps:
            upstream.writer.close()
            return None
        if not reply.keeps_connection:
            upstream.writer.close()
        return upstream

    async def _gated(
        self,
        pieces: AsyncIterator[bytes],
        rule: Rule | None,
        passed: _Passed,
        client: asyncio.StreamReader,
        out: asyncio.StreamWriter,
    ) -> AsyncIterator[bytes]:
        """Write the pieces to `out` as the rule allows, and yield what was written."""
        async for piece in pieces:
            if rule is None:
                out.write(piece)
                await out.drain()
                yield piece
                continue
            if rule.action == "slow":
                async for part in _slowly(piece, rule.bytes_per_second, out):
                    yield part
                continue
            left = rule.after_bytes - passed.bytes
            passed.bytes += len(piece)
            if len(piece) > left:
                out.write(piece[:left])
                await out.drain()
                yield piece[:left]
                if rule.action != "hang":
                    raise _Cut(reset=rule.action == "reset")
                await self._hang(client)
                rule, piece = None, piece[left:]
            out.write(piece)
            await out.drain()
            yield piece

    async def _hang(self, client: asyncio.StreamReader) -> None:
        """Hold until all rules are removed, or the client leaves."""
        generation = self.rules.generation
        while generation == self.rules.generation:
            if client.at_eof():
                raise _Cut(reset=True)
            async with self._changed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.5)

    async def _connect(self) -> _Upstream:
        return _Upstream(*await asyncio.open_connection(*self.upstream, limit=_LIMIT))

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one control request."""
        try:
            head = await read_head(reader)
            if head is None:
                return
            method, target, _ = head.line.split(" ", 2)
            body = b"".join([piece async for piece in request_body(reader, head)])
            status, content = await self._controlled(f"{method} {target}", body)
            encoded = json.dumps(content).encode()
            reply = Head(
                f"HTTP/1.1 {status}",
                (
                    ("Content-Type", "application/json"),
                    ("Content-Length", str(len(encoded))),
                    ("Connection", "close"),
                ),
            )
            writer.write(reply.encode() + encoded)
            await writer.drain()
        finally:
            writer.close()

    async def _controlled(self, request: str, body: bytes) -> tuple[str, object]:
        if request == "POST /faults":
            try:
                self.rules.add(Rule.of(json.loads(body)))
            except ValueError as fault:  # a BadRule, or no JSON at all
                return "400 Bad Request", {"error": str(fault)}
            await self.apply_rules()
            return "201 Created", self.rules.to_list()
        if request == "DELETE /faults":
            self.rules.clear()
            await self.apply_rules()
            return "200 OK", []
        if request == "GET /faults":
            return "200 OK", self.rules.to_list()
        if request == "DELETE /counters":
            self.counters = Counters()
        elif request != "GET /counters":
            return "404 Not Found", {"error": f"no such request: {request}"}
        return "200 OK", self.counters.to_dict()


@dataclass
class _Passed:
    """How many body bytes of this exchange went by, in both directions."""

    bytes: int = 0


async def _slowly(piece: bytes, rate: int, out: asyncio.StreamWriter) -> AsyncIterator[bytes]:
    step = max(1, rate // 10)
    for at in range(0, len(piece), step):
        part = piece[at : at + step]
        out.write(part)
        await out.drain()
        await asyncio.sleep(len(part) / rate)
        yield part


async def _answer(
    writer: asyncio.StreamWriter,
    method: str,
    status: int,
    reason: str,
    code: str,
    message: str,
    *,
    close: bool,
) -> None:
    """Answer as S3 does."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error>"
    ).encode()
    fields = [("Content-Type", "application/xml"), ("x-amz-request-id", "SANDBOX")]
    if method != "HEAD":
        fields.append(("Content-Length", str(len(body))))
    if close:
        fields.append(("Connection", "close"))
    writer.write(
        Head(f"HTTP/1.1 {status} {reason}", tuple(fields)).encode() + (b"" if method == "HEAD" else body)
    )
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _run(proxy: Proxy, control_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await proxy.apply_rules()
    control = await asyncio.start_server(proxy.control, "127.0.0.1", control_port)
    await stop.wait()
    control.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--listen", action="append", required=True, help="an address; may be repeated")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="host:port of the store")
    parser.add_argument("--control", type=int, required=True, help="the control port on 127.0.0.1")
    options = parser.parse_args()
    host, _, port = options.upstream.rpartition(":")
    proxy = Proxy((host, int(port)), tuple(options.listen), options.port)
    asyncio.run(_run(proxy, options.control))


if __name__ == "__main__":
    main()
