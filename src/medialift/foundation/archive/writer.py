"""Writing an archive: members are read, hashed and handed to zstd's own threads in large batches."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from medialift.errors import Permanent, Transient
from medialift.foundation.archive.header import END, encode, padding
from medialift.foundation.archive.member import (
    CHECKSUMS_NAME,
    MANIFEST_NAME,
    Member,
    Written,
    checked_name,
    checksum_line,
)

# Small files are gathered up to this size before zstd sees them: a call per file would cost more than
# the file. It also bounds the memory, whatever the archive holds.
_BATCH = 4 << 20
_SPOOL_IN_MEMORY = 1 << 20
_PIECE = 1 << 18

# zstd's own choice is 8 MiB at level 3: three times the memory for the same size and no more speed.
_JOB = 2 << 20


def write(
    members: Iterable[Member],
    out: BinaryIO,
    *,
    manifest: Mapping[str, Any],
    level: int = 3,
    threads: int = -1,
) -> Written:
    """Stream `members` to `out` as one archive; `members` may be a generator and is never listed.

    Args:
        out: anything with `write(bytes)`; it is neither seeked, flushed nor closed.
        manifest: written first, as JSON.
        level: zstd's, 1 to 19.
        threads: zstd's worker threads; -1 is one per processor.

    Raises:
        Transient: a file shrank, grew or vanished while it was read.
        Permanent: a source is not a regular file or may not be read.
        OSError: as `out.write` raises it.
    """
    writer = _Writer(out, level, threads)
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY) as checksums:
        content = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        checksums.write(writer.add(Member(MANIFEST_NAME, content)))
        for member in members:
            checksums.write(writer.add(member))
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
    def __init__(self, out: BinaryIO, level: int, threads: int) -> None:
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

    def add(self, member: Member) -> bytes:
        """Write one member; returns its line for the checksums."""
        name = checked_name(member.name)
        source = member.source
        if isinstance(source, bytes):
            size = len(source)
            digest = hashlib.sha256(source)
            self.header(name, size, 0o644 if member.mode is None else member.mode, member.mtime or 0)
            self.content(memoryview(source))
            self.pad(size)
        else:
            size, digest = self._add_file(name, source, member)
        if name != MANIFEST_NAME:
            self._members += 1
            self._content_bytes += size
        return checksum_line(digest.hexdigest(), size, name)

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

    def _add_file(self, name: str, path: str | Path, member: Member) -> tuple[int, hashlib._Hash]:
        handle = _open(path)
        try:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode):
                raise Permanent("This is not a regular file and cannot be archived", str(path), "Remove it")
            size = facts.st_size
            header = encode(
                name,
                size,
                stat.S_IMODE(facts.st_mode) if member.mode is None else member.mode,
                int(facts.st_mtime) if member.mtime is None else member.mtime,
            )
            whole = len(header) + size + padding(size)
            if whole > _BATCH:
                self.content(memoryview(header))
                return size, self._stream(handle, size, path)
            if whole > _BATCH - self._fill:
                self._flush()
            # The common case, one small file: read straight into the batch, no copy in between.
            start = self._fill + len(header)
            end = start + size
            batch = self._batch
            batch[self._fill : start] = header
            content = batch[start:end]
            read = os.readv(handle, [content]) if size else 0
            if read != size or os.read(handle, 1):
                raise _changed(path)
            batch[end : self._fill + whole] = bytes(padding(size))
            self._fill += whole
            return size, hashlib.sha256(content)
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
                raise _changed(path)
            digest.update(window[:read])
            self._fill += read
            left -= read
        if os.read(handle, 1):
            raise _changed(path)
        if self._fill == _BATCH:
            self._flush()
        self.pad(size)
        return digest


def _open(path: str | Path) -> int:
    try:
        # O_NONBLOCK: a pipe, which is refused afterwards, must not hold us up. Files know no such thing.
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise _changed(path) from error
    except OSError as error:
        raise Permanent(
            f"A file cannot be read ({error.strerror})", str(path), "Run as its owner or root"
        ) from error


def _changed(path: str | Path) -> Transient:
    return Transient(
        "A file changed while it was being archived", str(path), "Wait until Plex is idle, or stop it first"
    )
