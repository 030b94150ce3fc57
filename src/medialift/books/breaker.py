"""A circuit breaker: when the server is down, workers wait, and no book pays for it.

It opens when the server fails and does not answer a simple request either, or when so many books in a row met
failures of the server that it cannot be theirs. While it is open nothing is sent but a probe, after 1, 2, 4 …
seconds. It closes when a probe succeeds; after a row of failures it is then half open: one book at a time
goes through until one succeeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from medialift.books.server.answers import Broken, Lost, Unreachable

IN_A_ROW = 6
"""Books in a row that fail over the server until it counts as broken even though it answers."""
_FIRST, _LONGEST = 1.0, 30.0


class Breaker:
    """Shared by all that one worker has in flight.

    Args:
        healthy: asks the server something simple.
    """

    def __init__(self, healthy: Callable[[], Awaitable[bool]]) -> None:
        self._healthy = healthy
        self._row: set[int] = set()
        self._probing = asyncio.Lock()
        self.open = False
        self.half_open = False

    def succeeded(self) -> None:
        """A book went through."""
        self._row.clear()
        self.open = self.half_open = False

    async def failed(self, item: int, error: Exception) -> bool:
        """Note a book's failure; whether the breaker is open now, so that the book is not to blame."""
        if not isinstance(error, Unreachable | Lost | Broken):
            return self.open
        if self.open:
            return True
        self._row.add(item)
        if self.half_open:
            # The one book that was let through: it may be its own fault, so this attempt counts.
            self.open = True
            return False
        async with self._probing:
            if not self.open and (len(self._row) >= IN_A_ROW or not await self._answers()):
                self.open = True
                self.half_open = len(self._row) >= IN_A_ROW
        return self.open

    async def wait(self, stop: asyncio.Event) -> bool:
        """Return when the server answers; whether it does, or `stop` was set first."""
        pause = _LONGEST / 3 if self.half_open else _FIRST
        while self.open and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
                break
            if await self._answers():
                self.open = False
            pause = min(pause * 2, _LONGEST)
        return not self.open

    async def _answers(self) -> bool:
        with suppress(Unreachable, Lost, Broken):
            return await self._healthy()
        return False
