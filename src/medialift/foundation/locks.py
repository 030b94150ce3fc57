"""The kernel's lock on a file: it goes with the process that holds it, so none is ever left over."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from medialift.foundation.waiting import Clock, wait_until

# Whoever looks whether a lock is held holds it for an instant.
PATIENCE_SECONDS = 5.0


@contextmanager
def trying(path: Path, *, mode: int = 0o600) -> Iterator[Callable[[], bool]]:
    """A function that tries once to take the lock, and says whether it has it. The block's end gives it back.

    Args:
        mode: of the file, if it is new. Whoever may read it may hold it.

    Raises:
        OSError: the file cannot be written, or is a link.
    """
    # Not inherited: a child that outlives the block must not hold it.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def taken() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield taken
    finally:
        os.close(handle)


@contextmanager
def alone(
    path: Path,
    *,
    at_most: float = PATIENCE_SECONDS,
    every: float = 0.05,
    clock: Clock | None = None,
    stop: Event | None = None,
) -> Iterator[bool]:
    """Hold the lock for the length of the block; whether it came to be held within `at_most` seconds.

    The file's text is then the number of this process, for `holder`; everybody may read it.

    Raises:
        OSError: as `trying`.
    """
    with trying(path, mode=0o644) as taken:
        held = wait_until(taken, at_most=at_most, every=every, clock=clock, stop=stop)
        if held:
            path.write_text(str(os.getpid()))
        yield held


def busy(path: Path) -> bool:
    """Whether a process holds the lock now."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def holder(path: Path) -> int:
    """The number of the process that holds the lock now; 0 when none does."""
    return int(path.read_text() or 0) if busy(path) else 0
