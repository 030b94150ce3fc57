"""Writing an archive: members are read, hashed and handed to zstd's own threads in large batches.

Of a large archive other processes read and hash the files.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, BinaryIO

import zstandard

from medialift.foundation.archive.crew import FULL_WEIGHT, PACK, SLOT, WORTHWHILE, Crew, hands, weight
from medialift.foundation.archive.header import END, encode, padding
from medialift.foundation.archive.listing import listed_ahead
from medialift.foundation.archive.member import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Member,
    Written,
    checked_name,
    checksum_line,
)
from medialift.foundation.archive.packing import changed, head, open_file, pack

# Small files are gathered up to this size before zstd sees them: a call per file would cost more than
# the file. It also bounds the memory, whatever the archive holds.
_BATCH = 4 << 20
_SPOOL_IN_MEMORY = 1 << 20
_PIECE = 1 << 18
# Members that a worker is given at a time, when they are small.
_MOST_QUEUED = 256

# zstd's own choice is 8 MiB at level 3: three times the memory for the same size and no more speed.
_JOB = 2 << 20


def write(
    members: Iterable[Member],
    out: BinaryIO,
    *,
    manifest: Mapping[str, Any],
    level: int = 3,
    threads: int = -1,
    workers: int | None = None,
) -> Written:
    """Stream `members` to `out` as one archive; `members` may be a generator and is never listed.

    Args:
        out: anything with `write(bytes)`; it is neither seeked, flushed nor closed.
        manifest: written first, as JSON.
        level: zstd's, 1 to 19.
        threads: zstd's worker threads; -1 is one per processor.
        workers: processes that read and hash the files of a large archive; None takes what pays off here.

    Raises:
        Transient: a file shrank, grew or vanished while it was read.
        Permanent: a source is not a regular file or may not be read.
        OSError: as `out.write` raises it.
    """
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as checksums, ExitStack() as crews:
        team = hands(PACK) if workers is None else workers
        writer = _Writer(out, level, threads, team, checksums, crews)
        content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        writer.add(Member(MANIFEST_NAME, content))
        with listed_ahead(members) as listed:
            for member in listed:
                writer.add(member)
        writer.settle()
        size = checksums.tell()
        checksums.seek(0)
        writer.header(CHECKSUMS_NAME, size, 0o644, 0)
        while chunk := checksums.read(_PIECE):
            writer.content(memoryview(chunk))
        writer.pad(size)
        return writer.finish()


class _Hashing:
    """Passes writes on, counting and hashing them."""

    def __init__(self, out: BinaryIO) -> None:
        self._write = out.write
        self.bytes = 0
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._write(data)
        self.sha256.update(data)
        self.bytes += len(data)
        return len(data)


class _Writer:
    def __init__(
        self, out: BinaryIO, level: int, threads: int, workers: int, checksums: IO[bytes], crews: ExitStack
    ) -> None:
        self._out = _Hashing(out)
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level, threads=threads, job_size=_JOB if threads else 0, write_checksum=True
        )
        compressor = zstandard.ZstdCompressor(compression_params=parameters)
        self._zstd = compressor.stream_writer(self._out, write_size=1 << 20, closefd=False)  # type: ignore[arg-type]
        self._batch = memoryview(bytearray(_BATCH))
        self._fill = 0
        self._members = 0
        self._content_bytes = 0
        self._checksums = checksums
        self._crews = crews
        self._crew: Crew | None = None
        self._workers = workers
        self._queue: list[Member] = []
        self._given: deque[list[Member]] = deque()
        self._weight = 0
        self._length = _MOST_QUEUED

    def add(self, member: Member) -> None:
        """Write one member, or have it written in its turn by one of the crew."""
        checked_name(member.name)
        if isinstance(member.source, bytes) or not self._workers:
            self.settle()
            self._add_here(member)
        elif self._crew is None:
            self._add_here(member)
            if self._members >= WORTHWHILE:
                self._crew = self._crews.enter_context(Crew(PACK, self._workers))
        else:
            self._queue.append(member)
            self._weight += weight(member.name) + weight(os.fspath(member.source))
            if len(self._queue) >= self._length or self._weight >= FULL_WEIGHT:
                self._give(self._crew)

    def settle(self) -> None:
        """See that everything that was added is written."""
        if self._crew is not None:
            if self._queue:
                self._give(self._crew)
            while self._crew.busy():
                self._accept(self._crew, *self._crew.take())

    def header(self, name: str, size: int, mode: int, mtime: int) -> None:
        self.content(memoryview(encode(name, size, mode, mtime)))

    def content(self, data: memoryview) -> None:
        while data:
            taken = min(len(data), _BATCH - self._fill)
            self._batch[self._fill : self._fill + taken] = data[:taken]
            self._fill += taken
            data = data[taken:]
            if self._fill == _BATCH:
                self._flush()

    def pad(self, size: int) -> None:
        if missing := padding(size):
            self.content(memoryview(bytes(missing)))

    def finish(self) -> Written:
        self.content(memoryview(END))
        self._flush()
        self._zstd.close()  # type: ignore[no-untyped-call]
        return Written(
            bytes=self._out.bytes,
            sha256=self._out.sha256.hexdigest(),
            members=self._members,
            content_bytes=self._content_bytes,
        )

    def _flush(self) -> None:
        self._zstd.write(self._batch[: self._fill])
        self._fill = 0

    def _give(self, crew: Crew) -> None:
        members, self._queue, self._weight = self._queue, [], 0
        done = crew.take() if crew.full() else None
        crew.give(crew.slot(), [(one.name, os.fspath(_path(one)), one.mode, one.mtime) for one in members])
        self._given.append(members)
        if done:  # not before the worker has something to do again
            self._accept(crew, *done)

    def _accept(self, crew: Crew, slot: int, answer: tuple[int, int, int, bytes]) -> None:
        """What a worker packed goes to zstd; what did not fit into its slot is written here."""
        members = self._given.popleft()
        count, filled, content, lines = answer
        if self._fill:
            self._flush()
        self._zstd.write(crew.memory(slot)[:filled])
        crew.give_back(slot)
        self._checksums.write(lines)
        self._members += count
        self._content_bytes += content
        for member in members[count:]:
            self._add_here(member)
        # As many at a time as nearly always fit: artwork has other sizes than XML.
        fits = count if count < len(members) else count * SLOT // max(filled, 1)
        self._length = max(1, min(_MOST_QUEUED, fits * 3 // 4))

    def _add_here(self, member: Member) -> None:
        source = member.source
        if isinstance(source, bytes):
            size = len(source)
            sha256 = hashlib.sha256(source).hexdigest()
            self.header(member.name, size, 0o644 if member.mode is None else member.mode, member.mtime or 0)
            self.content(memoryview(source))
            self.pad(size)
        else:
            size, sha256 = self._add_file(source, member)
        if member.name != MANIFEST_NAME:
            self._members += 1
            self._content_bytes += size
        self._checksums.write(checksum_line(sha256, size, member.name))

    def _add_file(self, path: str | Path, member: Member) -> tuple[int, str]:
        # The common case, one small file: read straight into the batch, no copy in between.
        packed = pack(member, self._batch[self._fill :])
        if packed is None and self._fill:
            self._flush()
            packed = pack(member, self._batch)
        if packed is not None:
            self._fill += packed.filled
            return packed.size, packed.sha256
        handle = open_file(path)
        try:
            header, size = head(handle, member)
            self.content(memoryview(header))
            return size, self._stream(handle, size, path).hexdigest()
        finally:
            os.close(handle)

    def _stream(self, handle: int, size: int, path: str | Path) -> hashlib._Hash:
        digest = hashlib.sha256()
        left = size
        while left:
            if self._fill == _BATCH:
                self._flush()
            window = self._batch[self._fill : self._fill + min(left, _BATCH - self._fill)]
            read = os.readv(handle, [window])
            if not read:
                raise changed(path)
            digest.update(window[:read])
            self._fill += read
            left -= read
        if os.read(handle, 1):
            raise changed(path)
        if self._fill == _BATCH:
            self._flush()
        self.pad(size)
        return digest


def _path(member: Member) -> str | Path:
    assert not isinstance(member.source, bytes)  # noqa: S101  contents in memory are never queued
    return member.source
