"""Unpacking ahead: another thread reads and decompresses while this one hashes and writes files."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from types import TracebackType

from medialift.foundation.archive.stream import Unpacked

_PIECE = 1 << 20
_PIECES = 4


class Ahead:
    """The bytes of `unpacked`, up to four mebibytes of them fetched before they are asked for.

    Errors of the other thread are raised here, in their turn. When the block ends, the thread has ended.
    """

    def __init__(self, unpacked: Unpacked) -> None:
        self._unpacked = unpacked
        self._empty: SimpleQueue[memoryview | None] = SimpleQueue()
        self._filled: SimpleQueue[tuple[memoryview, int] | BaseException] = SimpleQueue()
        for _ in range(_PIECES):
            self._empty.put(memoryview(bytearray(_PIECE)))
        self._piece: memoryview | None = None
        self._at = self._end = 0
        self._over: BaseException | None = None
        self._thread = Thread(target=self._fetch, name="unpack-ahead", daemon=True)

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._empty.put(None)
        # It may be in the middle of a read of the caller's stream, which the caller closes next.
        self._thread.join()

    def readinto(self, buffer: memoryview) -> int:
        """Fill `buffer` with what is there, at least a byte; 0 only at the end."""
        if self._at == self._end and not self._next():
            return 0
        assert self._piece is not None  # noqa: S101  `_next` has just set it
        count = min(len(buffer), self._end - self._at)
        buffer[:count] = self._piece[self._at : self._at + count]
        self._at += count
        return count

    def _next(self) -> bool:
        if self._over is not None:
            raise self._over
        if self._piece is not None:
            self._empty.put(self._piece)
            self._piece = None
        filled = self._filled.get()
        if isinstance(filled, BaseException):
            self._over = filled
            raise filled
        piece, self._end = filled
        self._at = 0
        if not self._end:
            # The end stays the end: the empty piece is not given back, so nothing more is fetched.
            self._filled.put(filled)
            return False
        self._piece = piece
        return True

    def _fetch(self) -> None:
        while (piece := self._empty.get()) is not None:
            try:
                count = self._unpacked.readinto(piece)
            except BaseException as error:
                self._filled.put(error)
                return
            self._filled.put((piece, count))
            if not count:
                return
