"""Waiting: the only place that sleeps. A stop event ends any wait at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Protocol


class Clock(Protocol):
    """The two clocks and the one sleep, passed in so that tests need no patches."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def sleep(self, seconds: float, stop: Event) -> bool:
        """Sleep, or return at once when `stop` is set. True when it was set."""
        ...


class SystemClock:
    """The real clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, stop: Event) -> bool:
        return stop.wait(max(0.0, seconds))


def wait_until(
    done: Callable[[], bool],
    *,
    at_most: float,
    every: float = 1.0,
    clock: Clock | None = None,
    stop: Event | None = None,
) -> bool:
    """Ask `done` every `every` seconds until it says True, `at_most` seconds pass or `stop` is set.

    Returns whether `done` said True. It is asked at least once, and once more at the deadline.
    """
    clock = clock or SystemClock()
    stop = stop or Event()
    deadline = clock.monotonic() + at_most
    while True:
        if done():
            return True
        left = deadline - clock.monotonic()
        if left <= 0 or clock.sleep(min(every, left), stop):
            return False
