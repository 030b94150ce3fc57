"""How fast a server is asked: a time between the starts of two requests, longer while it is too busy."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from medialift.posters.answers import Stopped

LONGEST_INTERVAL = 10.0
_LEAST_WHEN_BUSY = 0.2
_BACK = 0.9


class Tempo:
    """Turns for the requests of one batch.

    Args:
        interval: seconds between the starts of two requests, when all goes well.
        stop: when it is set, no turn is given any more.
    """

    def __init__(self, interval: float, stop: asyncio.Event) -> None:
        self._usual, self._stop = interval, stop
        self._lock = asyncio.Lock()
        self._next = 0.0
        self.interval = interval

    async def turn(self) -> None:
        """Wait for a turn.

        Raises:
            Stopped: `stop` was set.
        """
        async with self._lock:
            # Whoever waits here makes all behind him wait; `pause` may move the moment while he does.
            while (wait := self._next - self._now()) > 0 and not self._stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), wait)
            if self._stop.is_set():
                raise Stopped("The worker ends", "", "The picture is given back")
            self._next = self._now() + self.interval

    def pause(self, seconds: float) -> None:
        """The server asked for it: nothing for so long, and slower from then on."""
        self._next = max(self._next, self._now() + seconds)
        self.interval = min(max(2 * self.interval, _LEAST_WHEN_BUSY), max(LONGEST_INTERVAL, self._usual))

    def went_well(self) -> None:
        """An answer came: back to the usual, step by step."""
        slower = self.interval * _BACK
        self.interval = slower if slower > self._usual * 1.05 + 0.01 else self._usual

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
