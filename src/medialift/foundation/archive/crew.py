"""Other processes that read, hash and create files for an archive: one interpreter has not the hands for
200,000 files. Contents pass through shared memory, in slots.
"""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

import medialift
from medialift.errors import Transient, from_dict

# A batch of small files; a file that does not fit is worked on where the crew is led from.
SLOT = 4 << 20
# So many files are done before a crew is worth starting: that takes about a tenth of a second.
WORTHWHILE = 2000
_MOST = 4
_BATCHES = 2

# What a batch may weigh. Linux gives a socket about 200 kB (net.core.wmem_default).
FULL_WEIGHT = 60_000

PACK, UNPACK = "pack", "unpack"


def hands(duty: str, processors: int | None = None) -> int:
    """How many workers are worth their cost on so many processors (None: those of this machine).

    Packing keeps one processor busy besides zstd's threads, so with two there is nobody to gain; creating
    files costs the kernel more than everything else, so there two are better than one.
    """
    count = len(os.sched_getaffinity(0)) if processors is None else processors
    return max(0, min(_MOST, count - 2 if duty == PACK else count if count > 1 else 0))


def weight(name: str) -> int:
    """What one member adds to the weight of a batch, in bytes: its name and what is told besides."""
    return 80 + (len(name) if name.isascii() else 4 * len(name))


@dataclass
class _Worker:
    process: subprocess.Popen[bytes]
    link: Connection


class Crew:
    """Workers who take turns, so that what was given first is taken first.

    A worker has at most two batches, so that it has the next one at hand. Each is told and answered in less
    than half of what a socket holds (`weight`), so neither side can wait for the other to read. A worker
    ends when this process does, however that ends.
    """

    def __init__(self, duty: str, workers: int) -> None:
        """A crew for one duty, PACK or UNPACK; the block it is used in starts and ends it."""
        self._duty = duty
        self._count = workers
        self._all: list[_Worker] = []
        self._idle: deque[_Worker] = deque()
        # Those at work, and the slot that is each one's until it answers; oldest first.
        self._busy: deque[tuple[_Worker, int]] = deque()
        self._handle = -1
        self._free: list[int] = []

    def __enter__(self) -> Crew:
        slots = self._count * _BATCHES + 1
        self._handle = os.memfd_create("medialift-archive", os.MFD_CLOEXEC)
        os.ftruncate(self._handle, SLOT * slots)
        self._memory = memoryview(mmap.mmap(self._handle, SLOT * slots))
        self._free = list(range(slots))
        try:
            for _ in range(self._count):
                self._all.append(self._start())
            self._idle.extend(self._all * _BATCHES)
        except BaseException:
            self._end(kill=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kill=kind is not None)

    def slot(self) -> int:
        """A slot to fill; there is always one when no worker could be given more."""
        return self._free.pop()

    def give_back(self, slot: int) -> None:
        """The slot's content is not needed any more."""
        self._free.append(slot)

    def memory(self, slot: int) -> memoryview:
        return self._memory[slot * SLOT : (slot + 1) * SLOT]

    def full(self) -> bool:
        """Whether the oldest batch must be taken before another can be given."""
        return not self._idle

    def busy(self) -> bool:
        return bool(self._busy)

    def give(self, slot: int, batch: Any) -> None:
        """Have a batch worked on."""
        worker = self._idle.popleft()
        try:
            worker.link.send((slot, batch))
        except OSError as error:
            raise _lost() from error
        self._busy.append((worker, slot))

    def take(self) -> tuple[int, Any]:
        """The oldest batch: its slot and the answer.

        Raises:
            MedialiftError, OSError: as the worker met it.
            Transient: the worker died.
        """
        worker, slot = self._busy.popleft()
        try:
            outcome, answer = worker.link.recv()
        except (EOFError, OSError) as error:
            raise _lost() from error
        if outcome == "refused":
            raise from_dict(answer)
        if outcome == "failed":
            try:
                raise answer
            finally:
                # Error and frame would hold each other, and both of them the memory.
                del answer
        self._idle.append(worker)
        return slot, answer

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-P", "-m", "medialift.foundation.archive.worker", self._duty]
            package = str(Path(medialift.__file__).parent.parent)
            process = subprocess.Popen(
                [*command, str(theirs.fileno()), str(self._handle)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), self._handle),
                env={**os.environ, "PYTHONPATH": package},
            )
        return _Worker(process, Connection(ours.detach()))

    def _end(self, *, kill: bool) -> None:
        for worker in self._all:
            if kill:
                worker.process.kill()
            worker.link.close()
            worker.process.wait()
        os.close(self._handle)


def _lost() -> Transient:
    return Transient(
        "A process that worked on an archive died", "", "See whether the machine ran out of memory; try again"
    )
