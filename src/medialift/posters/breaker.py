"""A circuit breaker: when Jellyfin is down, the worker waits until it answers, and no picture pays for it.

It opens when a request fails over the server and the server does not answer a simple question either, or when
so many pictures in a row met such failures that it cannot be theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from medialift.posters.answers import OF_THE_SERVER

IN_A_ROW = 8
_FIRST, _LONGEST = 1.0, 30.0


class Breaker:
    """Shared by all that one worker has in flight.

    Args:
        answers: asks the server something simple.
    """

    def __init__(self, answers: Callable[[], Awaitable[bool]]) -> None:
        self._answers = answers
        self._row: set[int] = set()
        self._asking = asyncio.Lock()
        self.open = False
        self.why = ""

    def succeeded(self) -> None:
        """The server did something for a picture, or refused it with reason."""
        self._row.clear()

    async def failed(self, item: int, error: Exception) -> bool:
        """Note a failure; whether the breaker is open now, so that the picture is not to blame."""
        if self.open or not isinstance(error, OF_THE_SERVER):
            return self.open
        self._row.add(item)
        async with self._asking:
            if not self.open and not await self._answers():
                self.open, self.why = True, str(error)
            elif not self.open and len(self._row) >= IN_A_ROW:
                # It answers what is simple and fails at all else: these pay, or it would go on for ever.
                self.open, self.why = True, str(error)
                self._row.clear()
                return False
        return self.open

    async def until_up(self, stop: asyncio.Event) -> bool:
        """Return when the server answers; whether it does, or `stop` was set first."""
        pause = _FIRST
        while self.open and not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
                break
            if await self._answers():
                self.open = False
            pause = min(pause * 2, _LONGEST)
        return not self.open
