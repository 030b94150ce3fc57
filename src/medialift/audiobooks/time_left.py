"""How long a piece of work may still go on: one deadline and one stop event, handed from step to step."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event

from medialift.errors import Transient
from medialift.foundation.waiting import Clock, SystemClock


@dataclass(frozen=True)
class TimeLeft:
    """Until when something may go on.

    Attributes:
        until: of the clock's `monotonic`.
    """

    until: float
    clock: Clock
    stop: Event

    @classmethod
    def of(cls, seconds: float, stop: Event | None = None, clock: Clock | None = None) -> TimeLeft:
        """So many seconds from now on."""
        clock = clock or SystemClock()
        return cls(clock.monotonic() + seconds, clock, stop or Event())

    def seconds(self) -> float:
        """Seconds that remain.

        Raises:
            Transient: none do, or it is to stop.
        """
        if self.stop.is_set():
            raise Transient("Tagging was stopped")
        left = self.until - self.clock.monotonic()
        if left <= 0:
            raise Transient("Tagging took too long", "", "Give it a longer [audiobooks.tagging] timeout")
        return left
