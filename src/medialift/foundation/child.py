"""A program that may get stuck in the kernel: listened to, killed, and never waited for.

A process that waits for a FUSE file system whose program does not answer ignores even SIGKILL; whoever waits
for its end (as `subprocess.run(timeout=...)` does after the kill) is stuck with it.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from threading import Event
from types import TracebackType

from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, wait_until

# How soon a stop event is seen.
_TICK_SECONDS = 0.1
# A killed child that is not stuck needs a moment to go; the list of processes is then kept clean.
_DYING_SECONDS = 0.3


class Late(Exception):
    """It said nothing more before the deadline."""


class Child:
    """A child with its input given; use it in a `with`: at the end of the block it is killed.

    It must take its whole input before it says much: until then nobody listens.

    Raises:
        OSError: it could not be started.
    """

    def __init__(self, argv: Sequence[str], given: bytes, *, clock: Clock, stop: Event) -> None:
        self._clock, self._stop = clock, stop
        self._complaints = TemporaryFile()  # noqa: SIM115 - closed with the child
        try:
            self._process = subprocess.Popen(
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                start_new_session=True,
                # It must not keep a folder of ours busy, nor start in one that is itself on the mount.
                cwd="/",
            )
        except OSError:
            self._complaints.close()
            raise
        assert self._process.stdin is not None  # noqa: S101 - a pipe, above
        with suppress(BrokenPipeError), self._process.stdin as told:  # it died at once: its silence will tell
            told.write(given)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        wait_until(self._gone, at_most=_DYING_SECONDS, every=0.01, clock=self._clock)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()

    def said(self, until: float) -> Iterator[bytes]:
        """What it writes, piece by piece as it comes, to the end of its output.

        Args:
            until: the deadline, as a time of the clock's `monotonic`.

        Raises:
            Late: the deadline passed.
            Stopped: the stop event was set.
        """
        while piece := self.more(until):
            yield piece

    def more(self, until: float) -> bytes:
        """What it wrote next, as soon as there is anything; nothing when its output has ended.

        Raises:
            Late, Stopped: as `said`.
        """
        assert self._process.stdout is not None  # noqa: S101 - a pipe, above
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not self._stop.is_set():
                left = until - self._clock.monotonic()
                if left <= 0:
                    raise Late()
                if selector.select(min(left, _TICK_SECONDS)):
                    return os.read(self._process.stdout.fileno(), 65536)
        raise Stopped()

    def ended(self, until: float) -> int:
        """Its exit code (negative: the signal), once it is there.

        Raises:
            Late, Stopped: as `said`.
        """
        while (code := self._process.poll()) is None:
            left = until - self._clock.monotonic()
            if left <= 0:
                raise Late()
            if self._clock.sleep(min(left, 0.01), self._stop):
                raise Stopped()
        return code

    def complaints(self) -> str:
        """What it wrote to its standard error so far."""
        self._complaints.seek(0)
        return self._complaints.read().decode(errors="replace")

    def _gone(self) -> bool:
        return self._process.poll() is not None
