"""HTTP/1.1 as it goes over the wire: heads, and bodies passed on without being understood.

Enough for a proxy between S3 clients and a server: lengths, chunks, interim replies, replies that end with
the connection. Nothing is decoded; a body arrives byte for byte as it was sent, framing included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

PIECE = 256 * 1024
_HEAD_LIMIT = 64 * 1024
_BODILESS = frozenset({204, 304})


class Malformed(Exception):
    """What arrived is not HTTP/1.x."""


@dataclass(frozen=True)
class Head:
    """The first line and the headers of a request or a reply. `fields` are in order, as they came."""

    line: str
    fields: tuple[tuple[str, str], ...]

    def get(self, name: str, default: str = "") -> str:
        """The value of a header by its lower-case name; the last one counts."""
        return next((value for key, value in reversed(self.fields) if key.lower() == name), default)

    def without(self, *names: str) -> Head:
        """The same head without these headers (lower-case names)."""
        return Head(self.line, tuple(field for field in self.fields if field[0].lower() not in names))

    def with_field(self, name: str, value: str) -> Head:
        """The same head with one more header."""
        return Head(self.line, (*self.fields, (name, value)))

    @property
    def status(self) -> int:
        """Of a reply."""
        return int(self.line.split(" ", 2)[1])

    @property
    def chunked(self) -> bool:
        return self.get("transfer-encoding").lower().endswith("chunked")

    @property
    def keeps_connection(self) -> bool:
        """Whether its sender means to go on using the connection."""
        words = self.get("connection").lower()
        if self.line.startswith("HTTP/1.0") or self.line.endswith("HTTP/1.0"):
            return "keep-alive" in words
        return "close" not in words

    def encode(self) -> bytes:
        lines = [self.line, *(f"{name}: {value}" for name, value in self.fields), "", ""]
        return "\r\n".join(lines).encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None when the sender closed between two of them.

    Raises:
        Malformed: it is not HTTP/1.x.
        ConnectionError: it broke off in the middle.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as fault:
        if fault.partial.strip():
            raise ConnectionResetError("the head broke off") from fault
        return None
    except asyncio.LimitOverrunError as fault:
        raise Malformed("the head has no end") from fault
    if len(raw) > _HEAD_LIMIT:
        raise Malformed("the head is too long")
    line, *rest = raw.decode("latin-1").strip("\r\n").split("\r\n")
    if "HTTP/1." not in line or line.count(" ") < 1:
        raise Malformed(f"not an HTTP/1 line: {line[:80]!r}")
    fields = [field.partition(":") for field in rest]
    return Head(line, tuple((name, value.strip()) for name, _, value in fields))


def request_body(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[bytes]:
    """The pieces of a request's body."""
    return _chunks(reader) if head.chunked else _exactly(reader, int(head.get("content-length", "0")))


def reply_body(reader: asyncio.StreamReader, head: Head, method: str) -> AsyncIterator[bytes]:
    """The pieces of a reply's body; see `ends_with_connection` for one without a length."""
    if method == "HEAD" or head.status in _BODILESS:
        return _exactly(reader, 0)
    if head.chunked:
        return _chunks(reader)
    if ends_with_connection(head, method):
        return _until_closed(reader)
    return _exactly(reader, int(head.get("content-length")))


def ends_with_connection(head: Head, method: str) -> bool:
    """Whether only the end of the connection tells the end of this reply."""
    bodiless = method == "HEAD" or head.status in _BODILESS
    return not bodiless and not head.chunked and not head.get("content-length")


async def _exactly(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        piece = await reader.read(min(length, PIECE))
        if not piece:
            raise ConnectionResetError("the body broke off")
        length -= len(piece)
        yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await _line(reader)
        yield line
        length = int(line.split(b";")[0], 16)
        if length == 0:
            break
        async for piece in _exactly(reader, length + 2):
            yield piece
    while True:  # trailers, and the empty line after them
        line = await _line(reader)
        yield line
        if line == b"\r\n":
            return


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("the body broke off")
    return line


async def _until_closed(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(PIECE):
        yield piece
