"""A limit on bytes per second: each worker keeps to its share of what all may use together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic


class Bandwidth:
    """How fast this worker sends. It lends one second's worth, so that small files need not wait.

    Args:
        rate: bytes per second of this worker; 0: no limit.
        clock, sleep: for tests.
    """

    def __init__(
        self,
        rate: float = 0,
        *,
        clock: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.rate = rate
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    def share(self, whole: int, workers: int) -> None:
        """Set the rate to this worker's part of the whole."""
        self.rate = whole / max(1, workers)

    async def spend(self, count: int) -> None:
        """Wait until `count` bytes may go."""
        if not self.rate:
            return
        now = self._clock()
        begin = max(self._free_at, now - 1.0)
        self._free_at = begin + count / self.rate
        if begin > now:
            await self._sleep(begin - now)

    async def limited(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces, no faster than the rate."""
        async for chunk in chunks:
            await self.spend(len(chunk))
            yield chunk
