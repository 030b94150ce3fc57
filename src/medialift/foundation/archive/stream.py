"""The compressed side of reading: what kind of archive it is, its bytes hashed, its end proven."""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO, Protocol

import zstandard

from medialift.errors import Unsafe

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
GZIP_MAGIC = b"\x1f\x8b"

_READ = 1 << 20
_SEAL = b"medialift: the frame before this one was complete"
_DAMAGED = "The archive is damaged and cannot be unpacked"
_HINT = "Use another archive, or export again"


def cut_short() -> Unsafe:
    """The error of an archive that ends before it is complete."""
    return Unsafe("The archive is truncated", "", _HINT)


class Unpacked(Protocol):
    """The uncompressed bytes of an archive."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as the next bytes allow; 0 only at the proven end."""
        ...


class Source:
    """A compressed archive read forward once; everything read is counted and hashed."""

    def __init__(self, stream: BinaryIO) -> None:
        self._read = stream.read
        self._head = b""
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def magic(self) -> bytes:
        """The first four bytes, which stay to be read."""
        while len(self._head) < 4 and (more := self._take(4 - len(self._head))):
            self._head += more
        return self._head

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            return head
        return self._take(_READ if size < 0 else size)

    def sha256(self) -> str:
        """Of all bytes read so far."""
        return self._sha256.hexdigest()

    def drain(self) -> None:
        while self.read(_READ):
            pass

    def _take(self, size: int) -> bytes:
        data = self._read(size)
        self.bytes += len(data)
        self._sha256.update(data)
        return data


class Zstd:
    """The content of one zstd frame, with proof that the frame was whole and nothing followed it.

    zstd's reader takes the end of its input for the end of the content even in the middle of a frame. So a
    second frame with known content is put behind the source: it can be read back only when the first
    frame was complete.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._seal = zstandard.ZstdCompressor().compress(_SEAL)
        self._reader = zstandard.ZstdDecompressor().stream_reader(
            self,  # type: ignore[arg-type]
            read_size=_READ,
            read_across_frames=True,
        )

    def read(self, size: int) -> bytes:
        """What zstd reads: the source, then the seal."""
        data = self._source.read(size)
        if not data:
            data, self._seal = self._seal, b""
        return data

    def readinto(self, buffer: memoryview) -> int:
        try:
            return self._reader.readinto(buffer)
        except zstandard.ZstdError as error:
            # When the seal has been reached the fault is that the frame ended too early.
            if not self._seal:
                raise cut_short() from error
            raise Unsafe(_DAMAGED, str(error), _HINT) from error


def prove_end(unpacked: Unpacked, unread: bytes) -> None:
    """See that behind the end of the tar there is the seal, and nothing else.

    Args:
        unread: what was unpacked beyond the tar already.

    Raises:
        Unsafe: the archive ends too early, or something is behind its end.
    """
    tail = bytearray(unread)
    piece = memoryview(bytearray(4096))
    while (count := unpacked.readinto(piece)) and len(tail) <= len(_SEAL):
        tail += piece[:count]
    if bytes(tail) == _SEAL:
        return
    if _SEAL.startswith(bytes(tail)):
        raise cut_short()
    raise Unsafe("The archive has something behind its end", "", _HINT)


class Gzip:
    """The content of a gzip file, for the archives of old; its CRC and length are checked by zlib."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._inflate = zlib.decompressobj(wbits=31)
        self._pending = b""

    def readinto(self, buffer: memoryview) -> int:
        filled = 0
        while filled < len(buffer) and not self._inflate.eof:
            packed = self._pending or self._source.read(_READ)
            if not packed:
                raise cut_short()
            try:
                data = self._inflate.decompress(packed, len(buffer) - filled)
            except zlib.error as error:
                raise Unsafe(_DAMAGED, str(error), _HINT) from error
            self._pending = self._inflate.unconsumed_tail
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        return filled

    def read(self, size: int) -> bytes:
        """What `tarfile` reads in stream mode."""
        buffer = bytearray(size)
        return bytes(buffer[: self.readinto(memoryview(buffer))])

    def prove_end(self) -> None:
        """Unpack what tar left unread, up to the CRC at the end."""
        while self.read(_READ):
            pass
