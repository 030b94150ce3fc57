"""Programs that hand sound on through pipes: started, watched, poured from one to the next, and always ended.

What goes through is counted on the way and never copied into this process (splice). Every program of a chain
reads or writes a pipe of ours, so when this process is killed they all end by themselves.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from threading import Event
from typing import IO

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import Clock, SystemClock

_PIPE_BYTES = 1 << 20
_TICK_SECONDS = 0.2
_DRAIN_SECONDS = 0.02
"""A full pipe is given so long to empty: woken for every free page of it, we would be a load of our own. Not
even 50 MB a second, which no encoder takes, empty it within."""
_DYING_SECONDS = 2.0
_SPOKEN_BYTES = 1 << 20
"""How much of what a program complains is read, from its end: of a damaged file there may be no end of it."""


class GivenUp(Transient):
    """It ended only because something that it belongs to failed: that other error says why."""


@dataclass(frozen=True)
class Watch:
    """What ends a chain before its time: a stop event, the failure of its sibling, a deadline.

    Attributes:
        until: the deadline, as a time of the clock's `monotonic`.
        failed: set when another chain of the same work failed.
    """

    stop: Event
    until: float
    clock: Clock = field(default_factory=SystemClock)
    failed: Event = field(default_factory=Event)

    def check(self) -> None:
        """
        Raises:
            Transient: it has to end now.
        """
        if self.stop.is_set():
            raise Transient("The conversion was stopped", "ffmpeg")
        if self.failed.is_set():
            raise GivenUp("The conversion was given up", "ffmpeg")
        if self.clock.monotonic() >= self.until:
            raise Transient(
                "The conversion did not end in time and was stopped",
                "ffmpeg",
                "Raise audiobooks.conversion_timeout if the book is that long",
            )


class Program:
    """A program that runs; `running` makes it."""

    def __init__(self, child: subprocess.Popen[bytes], complaints: IO[bytes], watch: Watch) -> None:
        self._child, self._complaints, self._watch = child, complaints, watch

    @property
    def output(self) -> int:
        """The pipe that it writes."""
        assert self._child.stdout is not None  # noqa: S101 - asked for when it was started
        return self._child.stdout.fileno()

    @property
    def input(self) -> int:
        """The pipe that it reads."""
        assert self._child.stdin is not None  # noqa: S101 - asked for when it was started
        return self._child.stdin.fileno()

    def ended(self) -> int:
        """Its exit code, once it is there; its input ends here.

        Raises:
            Transient: as `Watch.check`.
        """
        if self._child.stdin is not None:
            with suppress(BrokenPipeError):
                self._child.stdin.close()
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self._child.wait(_TICK_SECONDS)
            self._watch.check()

    def said(self) -> str:
        """What it wrote to its standard error so far; the end of it when that is much."""
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - _SPOKEN_BYTES))
        return self._complaints.read().decode(errors="replace")

    def end(self) -> None:
        """Kill it, when it still runs, with all that it started."""
        if self._child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(_DYING_SECONDS)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._complaints.close()


def start(argv: Sequence[str], watch: Watch, *, reads: bool = False, writes: bool = False) -> Program:
    """Start a program of a chain; whoever starts it calls its `end`.

    Raises:
        Permanent: there is no such program, or it may not be run.
    """
    complaints = TemporaryFile()  # noqa: SIM115 - closed by `end`
    try:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.PIPE if writes else subprocess.DEVNULL,
            stderr=complaints,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        complaints.close()
        raise Permanent(
            f"A program cannot be started ({error.strerror})", argv[0], "Install the package ffmpeg"
        ) from error
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # more than this user may have: it is only slower
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return Program(child, complaints, watch)


@contextmanager
def running(
    argv: Sequence[str], watch: Watch, *, reads: bool = False, writes: bool = False
) -> Iterator[Program]:
    """A program that is ended with the block, however the block ends."""
    program = start(argv, watch, reads=reads, writes=writes)
    try:
        yield program
    finally:
        program.end()


def pour(source: int, sink: int, watch: Watch, at_most: int | None = None) -> int:
    """Move bytes from a pipe to a pipe (or /dev/null), to its end or `at_most` of them; how many they were.

    Raises:
        BrokenPipeError: nobody reads the sink any more.
        Transient: as `Watch.check`.
    """
    moved = 0
    full = select.poll()
    full.register(source, select.POLLIN)
    while at_most is None or moved < at_most:
        watch.check()
        wanted = _PIPE_BYTES if at_most is None else min(_PIPE_BYTES, at_most - moved)
        try:
            piece = os.splice(source, sink, wanted, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            # One of them holds it up; which one is not said.
            if full.poll(_TICK_SECONDS * 1000):
                watch.stop.wait(_DRAIN_SECONDS)
            continue
        if not piece:
            break
        moved += piece
    return moved
