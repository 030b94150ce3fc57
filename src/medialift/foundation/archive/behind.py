"""Writing behind: another thread compresses and passes on what this one has read, while it reads on."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from types import TracebackType

# Small files are gathered up to this size before zstd sees them: a call per file would cost more than
# the file. With their number it also bounds the memory, whatever the archive holds.
BATCH = 1 << 20
_BATCHES = 6


class Behind:
    """Calls `write` with one batch after the other, in another thread unless told otherwise.

    An error of the other thread is raised when the next batch is wanted, or by `finish`. When the block
    ends, the thread has ended.
    """

    def __init__(self, write: Callable[[memoryview], object], *, here: bool = False) -> None:
        self._write = write
        self._empty: SimpleQueue[memoryview] = SimpleQueue()
        self._filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        for _ in range(1 if here else _BATCHES):
            self._empty.put(memoryview(bytearray(BATCH)))
        self._error: BaseException | None = None
        self._given_up = False
        self._thread = None if here else Thread(target=self._work, name="write-behind", daemon=True)

    def __enter__(self) -> Behind:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What waits is not wanted any more. The thread may be in the middle of a write to the caller's
        # stream, which the caller closes next.
        self._given_up = self._given_up or kind is not None
        self._end()

    def empty(self) -> memoryview:
        """A batch to fill, which is `give`n afterwards."""
        batch = self._empty.get()
        self._raise_error()
        return batch

    def give(self, batch: memoryview, filled: int) -> None:
        """Have so much of a batch written."""
        if self._thread is None:
            self._write(batch[:filled])
            self._empty.put(batch)
        else:
            self._filled.put((batch, filled))

    def finish(self) -> None:
        """Everything that was given is written when this returns."""
        self._end()
        self._raise_error()

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                # Error and frame would hold each other, and both of them the memory.
                del error

    def _end(self) -> None:
        if self._thread is not None:
            self._filled.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (given := self._filled.get()) is not None:
            batch, filled = given
            try:
                if not self._given_up:
                    self._write(batch[:filled])
            except BaseException as error:
                self._error, self._given_up = error, True
            # After an error too: nobody waits for a batch that never comes.
            self._empty.put(batch)
