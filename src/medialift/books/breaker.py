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

from medialift.books.server.answers import Broken, Lost, NotLetIn, Unauthorized, Unreachable
from medialift.errors import MedialiftError

IN_A_ROW = 6
"""Books in a row that fail over the server until it counts as broken even though it answers."""
_FIRST, _LONGEST = 1.0, 30.0
_OF_THE_SERVER = (Unreachable, Lost, Broken, Unauthorized, NotLetIn)


class Breaker:
    """Shared by all that one worker has in flight.

    Args:
        healthy: asks the server something simple.
    """

    def __init__(self, healthy: Callable[[], Awaitable[bool]]) -> None:
        self._healthy = healthy
        self._row: set[int] = set()
        self._trial: int | None = None
        self._probing = asyncio.Lock()
        self.open = False
        self.half_open = False
        self.why = ""

    def succeeded(self) -> None:
        """A file went through."""
        self._row.clear()
        self._trial = None
        self.open = self.half_open = False

    async def failed(self, item: int, error: Exception) -> bool:
        """Note a book's failure; whether the breaker is open now, so that the book is not to blame."""
        if self.open:
            return item != self._trial
        if not isinstance(error, _OF_THE_SERVER):
            return False
        self.why = str(error)
        self._row.add(item)
        if self.half_open:
            # The one book that was let through: it may be its own fault, so whatever it meets in this attempt
            # counts. Else it would be the first one again at the next trial, and no other ever tried.
            self.open, self._trial = True, item
            return False
        async with self._probing:
            if not self.open and (len(self._row) >= IN_A_ROW or not await self._answers()):
                self.open, self._trial = True, None
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
        # One that refuses us is of no more use than one that is away.
        with suppress(MedialiftError):
            return await self._healthy()
        return False
