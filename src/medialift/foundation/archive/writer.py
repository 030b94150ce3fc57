"""Writing an archive: members are read and hashed here, and compressed in large batches by another thread.

Of a large archive other processes read and hash the files, where there are processors for them.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO

import zstandard

from medialift.foundation.archive.behind import BATCH, Behind
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
from medialift.foundation.archive.packing import Packed, changed, head, open_file, pack

_SPOOL_IN_MEMORY = 1 << 20
_PIECE = 1 << 18
# Members that a worker is given at a time, when they are small.
_MOST_QUEUED = 256
# Members that are listed before the first of them is read: a processor that goes to and fro between the two
# takes longer for both.
_TOGETHER = 256

# zstd's own choice is 8 MiB at level 3: three times the memory for the same size and no more speed.
_JOB = 2 << 20


def write(
    members: Iterable[Member],
    out: BinaryIO,
    *,
    manifest: Mapping[str, Any],
    level: int = 3,
    threads: int | None = None,
    workers: int | None = None,
) -> Written:
    """Stream `members` to `out` as one archive; `members` may be a generator and is never listed.

    Args:
        out: anything with `write(bytes)`; it is neither seeked, flushed nor closed.
        manifest: written first, as JSON.
        level: zstd's, 1 to 19.
        threads: zstd's own; None takes what pays off here, 0 leaves all work to the caller's thread.
        workers: processes that read and hash the files of a large archive; None takes what pays off here.

    Raises:
        Transient: a file shrank, grew or vanished while it was read.
        Permanent: a source is not a regular file or may not be read.
        OSError: as `out.write` raises it.
    """
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as checksums, ExitStack() as helpers:
        hashing = _Hashing(out)
        zstd = _compressing(hashing, level, _worthwhile_threads() if threads is None else threads)
        behind = helpers.enter_context(Behind(zstd.write, here=threads == 0))
        team = hands(PACK) if workers is None else workers
        writer = _Writer(behind, team, checksums, helpers)
        content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        writer.add([Member(MANIFEST_NAME, content)])
        # Without a crew it is this thread that reads, and two threads would only take turns.
        each = iter(helpers.enter_context(listed_ahead(members)) if team else members)
        while batch := list(islice(each, _TOGETHER)):
            writer.add(batch)
        writer.settle()
        size = checksums.tell()
        checksums.seek(0)
        writer.header(CHECKSUMS_NAME, size, 0o644, 0)
        while chunk := checksums.read(_PIECE):
            writer.content(memoryview(chunk))
        writer.pad(size)
        writer.finish()
        behind.finish()
        zstd.close()  # type: ignore[no-untyped-call]
        return Written(hashing.bytes, hashing.sha256.hexdigest(), writer.members, writer.content_bytes)


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


def _worthwhile_threads(processors: int | None = None) -> int:
    """zstd's own threads on so many processors (None: those of this machine).

    One thread reads and another compresses. That keeps two processors busy, and more threads would only cut
    up and copy what goes through one.
    """
    count = len(os.sched_getaffinity(0)) if processors is None else processors
    return count if count > 2 else 0


def _compressing(out: _Hashing, level: int, threads: int) -> zstandard.ZstdCompressionWriter:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, threads=threads, job_size=_JOB if threads else 0, write_checksum=True
    )
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return compressor.stream_writer(out, write_size=1 << 20, closefd=False)  # type: ignore[arg-type]


class _Writer:
    def __init__(self, behind: Behind, workers: int, checksums: IO[bytes], helpers: ExitStack) -> None:
        self._behind = behind
        self._batch = behind.empty()
        self._fill = 0
        self.members = 0
        self.content_bytes = 0
        self._checksums = checksums
        self._helpers = helpers
        self._crew: Crew | None = None
        self._workers = workers
        self._queue: list[Member] = []
        self._given: deque[list[Member]] = deque()
        self._weight = 0
        self._length = _MOST_QUEUED

    def add(self, members: Sequence[Member]) -> None:
        """Write these members, or have them written in their turn by the crew."""
        for member in members:
            checked_name(member.name)
        if self._crew is None:
            self._add_here(members)
            if self._workers and self.members >= WORTHWHILE:
                self._crew = self._helpers.enter_context(Crew(PACK, self._workers))
            return
        for member in members:
            if isinstance(member.source, bytes):
                self.settle()
                self._add_here([member])
                continue
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
            taken = min(len(data), BATCH - self._fill)
            self._batch[self._fill : self._fill + taken] = data[:taken]
            self._fill += taken
            data = data[taken:]
            if self._fill == BATCH:
                self._flush()

    def pad(self, size: int) -> None:
        if missing := padding(size):
            self.content(memoryview(bytes(missing)))

    def finish(self) -> None:
        self.content(memoryview(END))
        self._flush()

    def _flush(self) -> None:
        if self._fill:
            self._behind.give(self._batch, self._fill)
            self._batch = self._behind.empty()
            self._fill = 0

    def _give(self, crew: Crew) -> None:
        members, self._queue, self._weight = self._queue, [], 0
        done = crew.take() if crew.full() else None
        crew.give(crew.slot(), [(one.name, os.fspath(_path(one)), one.mode, one.mtime) for one in members])
        self._given.append(members)
        if done:  # not before the worker has something to do again
            self._accept(crew, *done)

    def _accept(self, crew: Crew, slot: int, packed: Packed) -> None:
        """What a worker packed goes to zstd; what did not fit into its slot is written here."""
        members = self._given.popleft()
        self.content(crew.memory(slot)[: packed.end])
        crew.give_back(slot)
        self._took(packed.members, packed.content_bytes, packed.lines)
        self._add_here(members[packed.members :])
        # As many at a time as nearly always fit: artwork has other sizes than XML.
        fits = packed.members
        if fits == len(members):
            fits = fits * SLOT // max(packed.end, 1)
        self._length = max(1, min(_MOST_QUEUED, fits * 3 // 4))

    def _add_here(self, members: Sequence[Member]) -> None:
        while members:
            # The common case, small files: read straight into the batch, no copy in between.
            packed = pack(members, self._batch, self._fill)
            self._fill = packed.end
            self._took(packed.members, packed.content_bytes, packed.lines)
            members = members[packed.members :]
            if not members:
                return
            first = members[0]
            if isinstance(first.source, bytes):
                self._add_content(first, first.source)
            elif self._fill:
                self._flush()
                continue
            else:
                self._add_large(first, first.source)
            members = members[1:]

    def _took(self, count: int, content_bytes: int, lines: bytes) -> None:
        self.members += count
        self.content_bytes += content_bytes
        self._checksums.write(lines)

    def _add_content(self, member: Member, content: bytes) -> None:
        size = len(content)
        self.header(member.name, size, 0o644 if member.mode is None else member.mode, member.mtime or 0)
        self.content(memoryview(content))
        self.pad(size)
        line = checksum_line(hashlib.sha256(content).hexdigest(), size, member.name)
        # The manifest comes from nobody, and is counted for nobody.
        self._took(*((0, 0) if member.name == MANIFEST_NAME else (1, size)), line)

    def _add_large(self, member: Member, path: str | Path) -> None:
        handle = open_file(path)
        try:
            header, size = head(handle, member)
            self.content(memoryview(header))
            digest = self._stream(handle, size, path).hexdigest()
        finally:
            os.close(handle)
        self._took(1, size, checksum_line(digest, size, member.name))

    def _stream(self, handle: int, size: int, path: str | Path) -> hashlib._Hash:
        digest = hashlib.sha256()
        left = size
        while left:
            if self._fill == BATCH:
                self._flush()
            window = self._batch[self._fill : self._fill + min(left, BATCH - self._fill)]
            read = os.readv(handle, [window])
            if not read:
                raise changed(path)
            digest.update(window[:read])
            self._fill += read
            left -= read
        if os.read(handle, 1):
            raise changed(path)
        if self._fill == BATCH:
            self._flush()
        self.pad(size)
        return digest


def _path(member: Member) -> str | Path:
    assert not isinstance(member.source, bytes)  # noqa: S101  contents in memory are never queued
    return member.source
