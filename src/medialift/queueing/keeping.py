"""What a worker holds, by its own clock: it stops working on an item before another may begin.

The clock goes on while the machine sleeps (CLOCK_BOOTTIME): a process that was frozen, or whose host was
suspended, finds its leases over as soon as it looks.
"""

from __future__ import annotations

import time
from asyncio import Event
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

from medialift.queueing.leases import Lease, Renewed


def boot_clock() -> float:
    """Seconds since the machine started, those in which it slept too."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class _Kept:
    lease: Lease
    until: float
    lost: Event = field(default_factory=Event)
    cancelled: bool = False


class Keeping:
    """The leases of a worker. Safe to use from its threads; `Event`s are set in the event loop only."""

    def __init__(self, *, ttl: float, margin: float, clock: Callable[[], float] = boot_clock) -> None:
        """
        Args:
            ttl: seconds that a lease lasts after it was claimed or renewed.
            margin: seconds before its end at which we take it for lost.
        """
        self.ttl, self._margin, self._clock = ttl, margin, clock
        self._kept: dict[int, _Kept] = {}
        self._lock = Lock()

    def now(self) -> float:
        """To be asked before a claim or a renewal is sent: the lease counts from then on."""
        return self._clock()

    def take(self, leases: Iterable[Lease], asked: float) -> None:
        """They were claimed by a statement that was sent at `asked`. In the event loop only."""
        until = asked + self.ttl - self._margin
        with self._lock:
            for lease in leases:
                # Claimed again while work on an earlier lease has not heard yet that it is over.
                if (before := self._kept.get(lease.item_id)) is not None:
                    before.lost.set()
                self._kept[lease.item_id] = _Kept(lease, until)

    def drop(self, lease: Lease) -> None:
        """It has ended, whichever way."""
        with self._lock:
            if (kept := self._kept.get(lease.item_id)) is not None and kept.lease.token == lease.token:
                del self._kept[lease.item_id]

    def held(self, lease: Lease) -> bool:
        """Whether it is still ours, and work on it may go on."""
        kept = self._of(lease)
        return kept is not None and not kept.lost.is_set() and self._clock() < kept.until

    def lost(self, lease: Lease) -> Event:
        """Set when the lease is lost; one that is not kept any more is lost from the start."""
        if (kept := self._of(lease)) is not None:
            return kept.lost
        gone = Event()
        gone.set()
        return gone

    def cancelled(self, lease: Lease) -> bool:
        """Whether somebody asked for the item not to be done."""
        kept = self._of(lease)
        return kept is not None and kept.cancelled

    def all(self) -> list[Lease]:
        with self._lock:
            return [kept.lease for kept in self._kept.values()]

    def to_renew(self) -> list[Lease]:
        """Those that are ours: prolonging one that counts as lost would withhold it from others."""
        now = self._clock()
        with self._lock:
            kept = list(self._kept.values())
        return [one.lease for one in kept if now < one.until and not one.lost.is_set()]

    def unended(self, leases: Iterable[Lease]) -> list[Lease]:
        """Those that nobody has ended yet, lost or not."""
        return [lease for lease in leases if self._of(lease) is not None]

    def renewed(self, asked: Iterable[Lease], answer: Renewed, at: float) -> list[Lease]:
        """Take over what a renewal that was sent at `at` answered; the leases that are lost by it."""
        gone = []
        for lease in asked:
            if (kept := self._of(lease)) is None:
                continue  # it ended while we asked
            if lease.item_id in answer.held:
                kept.until = at + self.ttl - self._margin
                kept.cancelled = kept.cancelled or lease.item_id in answer.cancelled
            else:
                kept.until = float("-inf")
                gone.append(lease)
        return gone

    def fence(self) -> list[Lease]:
        """Set `lost` of all whose time is over; those that are lost by it. In the event loop only."""
        now = self._clock()
        with self._lock:
            over = [kept for kept in self._kept.values() if now >= kept.until and not kept.lost.is_set()]
        for kept in over:
            kept.lost.set()
        return [kept.lease for kept in over]

    def _of(self, lease: Lease) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(lease.item_id)
        return kept if kept is not None and kept.lease.token == lease.token else None
