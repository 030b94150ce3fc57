"""Reading an archive forward once: checked as it goes, and called good only at its proven end.

Of a large archive other processes hash the members and create the files.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol

from medialift.errors import Unsafe
from medialift.foundation.archive import legacy
from medialift.foundation.archive.ahead import Ahead
from medialift.foundation.archive.crew import FULL_WEIGHT, SLOT, UNPACK, WORTHWHILE, Crew, hands, weight
from medialift.foundation.archive.header import BLOCK, END, PAX, REGULAR, decode, decode_pax, padding
from medialift.foundation.archive.member import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Entry,
    Verified,
    checked_name,
    checksum_line,
)
from medialift.foundation.archive.stream import (
    GZIP_MAGIC,
    ZSTD_MAGIC,
    Source,
    Unpacked,
    Zstd,
    cut_short,
    prove_end,
)
from medialift.foundation.archive.unpacking import Unpacking

_LONGEST_PAX = 1 << 20
_LARGEST_MANIFEST = 16 << 20
_HINT = "Use another archive, or export again"

Write = Callable[[memoryview], object]


class Sink(Protocol):
    """Who receives the members' contents."""

    def begin(self, entry: Entry) -> Write | None:
        """A member starts; its content goes to what is returned, or nowhere with None."""
        ...

    def end(self, entry: Entry) -> None:
        """The member that began last is complete (called only when `begin` returned something)."""
        ...


class _Nowhere:
    folder = ""

    def wants(self, name: str) -> bool:  # noqa: ARG002
        return False

    def begin(self, entry: Entry) -> Write | None:  # noqa: ARG002
        return None

    def end(self, entry: Entry) -> None:
        raise AssertionError(entry)


def verify(stream: BinaryIO, *, workers: int | None = None) -> Verified:
    """Read the whole archive and compare every member with its checksum.

    Raises:
        Unsafe: it is truncated or altered, a member is missing, extra, no regular file, or its name
            leaves the folder; or it is no archive at all.
        OSError, Transient: as `stream.read` raises them.
    """
    return open_archive(stream, workers=workers).drain(_Nowhere())


def extract(
    stream: BinaryIO,
    into: Path,
    *,
    want: Callable[[str], bool] = lambda _name: True,
    workers: int | None = None,
) -> Verified:
    """Unpack the members whose name `want` accepts; all are verified, wanted or not.

    `into` must not exist, or be an empty folder. The members are unpacked beside it under a hidden name,
    which becomes `into` only when the whole archive has been found good: `into` never holds a part of one.

    Raises:
        Unsafe: as `verify`, or `into` has something in it.
        OSError: disk full, no permission.
    """
    with Unpacking(into, want) as sink:
        verified = open_archive(stream, workers=workers).drain(sink)
        sink.publish()
    return verified


def read_manifest(stream: BinaryIO) -> Mapping[str, Any]:
    """Only the manifest, from the first kilobytes; {} for an archive of the old kind."""
    return open_archive(stream).manifest


def open_archive(stream: BinaryIO, *, workers: int | None = None) -> Reader | legacy.LegacyReader:
    """The manifest is read at once, the rest by `drain`.

    Args:
        workers: processes that hash and create the files of a large archive; None takes what pays off here.

    Raises:
        Unsafe: this is neither an archive of ours nor a `.tar.gz`.
    """
    source = Source(stream)
    magic = source.magic()
    if magic == ZSTD_MAGIC:
        return Reader(source, hands(UNPACK) if workers is None else workers)
    if magic[:2] == GZIP_MAGIC:
        return legacy.LegacyReader(source)
    if not magic:
        raise cut_short()
    raise Unsafe("This is not an archive (neither tar.zst nor tar.gz)", "", "Name another file")


class Reader:
    """An archive of ours, positioned behind its manifest."""

    def __init__(self, source: Source, workers: int) -> None:
        self._source = source
        self._workers = workers
        self._zstd = Zstd(source)
        self._unpacked: Unpacked = self._zstd
        self._buffer = memoryview(bytearray(SLOT))
        self._start = self._end = 0
        self._crew: Crew | None = None
        self._slot = -1
        self._pending: list[tuple[int, bool, str, int, int, int]] = []
        self._weight = 0
        self._folder = ""
        self._computed: IO[bytes]
        self._manifest_line, self.manifest = self._read_manifest()

    def drain(self, sink: Sink) -> Verified:
        """Pass every member to `sink`, then prove checksums and end. Once only."""
        with Ahead(self._zstd) as self._unpacked:
            return self._drain(sink)

    def _drain(self, sink: Sink) -> Verified:
        members = content_bytes = 0
        with tempfile.SpooledTemporaryFile(max_size=1 << 20) as computed, ExitStack() as crews:
            computed.write(self._manifest_line)
            self._computed = computed
            for entry in self._entries():
                if entry.name == CHECKSUMS_NAME:
                    self._settle()
                    self._compare(entry, computed)
                    break
                if members == WORTHWHILE and self._workers and isinstance(sink, _Nowhere | Unpacking):
                    self._enlist(crews.enter_context(Crew(UNPACK, self._workers)))
                if self._crew and isinstance(sink, _Nowhere | Unpacking) and entry.size <= SLOT - BLOCK:
                    self._hand_over(entry, sink)
                else:
                    self._settle()
                    computed.write(self._pass_on(entry, sink.begin(entry), sink))
                members += 1
                content_bytes += entry.size
            else:
                raise Unsafe("The archive has no checksums and cannot be trusted", "", _HINT)
        if self._take(len(END)) != END:
            raise Unsafe("The archive has members behind its checksums", "", _HINT)
        prove_end(self._unpacked, bytes(self._buffer[self._start : self._end]))
        self._source.drain()
        return Verified(
            manifest=self.manifest,
            members=members,
            content_bytes=content_bytes,
            bytes=self._source.bytes,
            sha256=self._source.sha256(),
        )

    def _enlist(self, crew: Crew) -> None:
        """From here on read into slots, so that a crew can work on what lies in them."""
        self._crew, self._slot = crew, crew.slot()
        self._move_to(crew.memory(self._slot))

    def _hand_over(self, entry: Entry, sink: _Nowhere | Unpacking) -> None:
        whole = entry.size + padding(entry.size)
        self._need(whole)
        wanted = sink.wants(entry.name)
        self._pending.append((self._start, wanted, entry.name, entry.size, entry.mode, entry.mtime))
        self._start += whole
        self._folder = sink.folder
        self._weight += weight(entry.name)
        if self._crew is not None and self._weight >= FULL_WEIGHT:
            self._give(self._crew)

    def _give(self, crew: Crew) -> None:
        """Have the members in this slot hashed and put in their places, and go on in another slot."""
        if crew.full():
            self._accept(crew)
        crew.give(self._slot, (self._folder, self._pending))
        self._slot, self._pending, self._weight = crew.slot(), [], 0
        self._move_to(crew.memory(self._slot))

    def _accept(self, crew: Crew) -> None:
        slot, lines = crew.take()
        self._computed.write(lines)
        crew.give_back(slot)

    def _settle(self) -> None:
        """See that every member so far is hashed and in its place."""
        if self._crew is not None:
            if self._pending:
                self._give(self._crew)
            while self._crew.busy():
                self._accept(self._crew)

    def _read_manifest(self) -> tuple[bytes, Mapping[str, Any]]:
        entry = next(self._entries(), None)
        if entry is None or entry.name != MANIFEST_NAME or entry.size > _LARGEST_MANIFEST:
            raise Unsafe("The archive has no manifest: it was not made by medialift", "", "Name another file")
        content = bytearray()
        line = self._pass_on(entry, content.extend, None)
        try:
            manifest = json.loads(content)
        except ValueError as error:
            raise Unsafe("The archive's manifest cannot be read", str(error), _HINT) from error
        if not isinstance(manifest, dict):
            raise Unsafe("The archive's manifest cannot be read", "it is no object", _HINT)
        return line, manifest

    def _pass_on(self, entry: Entry, write: Write | None, sink: Sink | None) -> bytes:
        digest = hashlib.sha256()
        for piece in self._content(entry.size):
            digest.update(piece)
            if write:
                write(piece)
        if write and sink:
            sink.end(entry)
        return checksum_line(digest.hexdigest(), entry.size, entry.name)

    def _entries(self) -> Iterator[Entry]:
        records: dict[str, bytes] = {}
        while True:
            block = self._take(BLOCK)
            if block == END[:BLOCK]:
                # Half of the end mark is given back, so that `drain` can ask for all of it.
                self._start -= BLOCK
                return
            kind, name, size, mode, mtime = decode(block)
            if kind == PAX:
                if size > _LONGEST_PAX:
                    raise Unsafe("The archive is damaged: a header is too long", "", _HINT)
                records = decode_pax(b"".join(bytes(piece) for piece in self._content(size)))
                continue
            if records:
                name = _text(records["path"]) if "path" in records else name
                size = int(records.get("size", b"%d" % size))
                records = {}
            if kind != REGULAR:
                raise Unsafe("The archive holds something else than files", repr(name), "Do not use it")
            yield Entry(checked_name(name), size, mode, mtime)

    def _content(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes in pieces, each valid until the next is asked for; then the padding is
        skipped."""
        left = size
        while left > SLOT - BLOCK:
            self._need(BLOCK)
            piece = self._buffer[self._start : min(self._end, self._start + left)]
            self._start += len(piece)
            left -= len(piece)
            yield piece
        whole = left + padding(size)
        self._need(whole)
        piece = self._buffer[self._start : self._start + left]
        self._start += whole
        if left:
            yield piece

    def _take(self, size: int) -> bytes:
        self._need(size)
        self._start += size
        return bytes(self._buffer[self._start - size : self._start])

    def _need(self, size: int) -> None:
        """Have `size` bytes (at most the buffer's) in one piece at `_start`."""
        if self._end - self._start >= size:
            return
        if self._start + size > len(self._buffer):
            if self._crew is not None and self._pending:
                self._give(self._crew)
            else:
                self._move_to(self._buffer)
        while self._end - self._start < size:
            count = self._unpacked.readinto(self._buffer[self._end :])
            if not count:
                raise cut_short()
            self._end += count

    def _move_to(self, buffer: memoryview) -> None:
        """Go on in `buffer`, which may be the one there is, with what was read and not used yet."""
        rest = self._end - self._start
        buffer[:rest] = bytes(self._buffer[self._start : self._end])
        self._buffer, self._start, self._end = buffer, 0, rest

    def _compare(self, entry: Entry, computed: IO[bytes]) -> None:
        """The archive's own list against what was read; the first difference is named."""
        computed.seek(0)
        with tempfile.SpooledTemporaryFile(max_size=1 << 20) as listed:
            for piece in self._content(entry.size):
                listed.write(piece)
            listed.seek(0)
            for want, have in zip_longest(listed, computed):
                if want != have:
                    raise _difference(want, have)


def _difference(want: bytes | None, have: bytes | None) -> Unsafe:
    listed, found = _listed_name(want), _listed_name(have)
    if have is None:
        return Unsafe("A member of the archive is missing", listed, _HINT)
    if want is None:
        return Unsafe("The archive holds a member that its list does not name", found, _HINT)
    if listed == found:
        return Unsafe("A member of the archive has a wrong checksum", found, _HINT)
    return Unsafe(
        "The archive's members are not those of its list", f"expected {listed}, found {found}", _HINT
    )


def _listed_name(line: bytes | None) -> str:
    return _text((line or b"").rstrip(b"\n").split(b"  ", 2)[-1])


def _text(raw: bytes) -> str:
    # As os.fsdecode, whatever the locale: names were bytes on the disk they came from.
    return raw.decode("utf-8", "surrogateescape")
