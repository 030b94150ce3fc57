"""Checks of what decides about the pace: the limit on bytes, the circuit breaker, the meters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

from medialift.books.bandwidth import Bandwidth
from medialift.books.breaker import IN_A_ROW, Breaker
from medialift.books.server.answers import Broken, Lost, NotLetIn, TooLarge
from medialift.books.speed import (
    SLOW_SECONDS,
    TELL_EVERY,
    WINDOW_MINUTES,
    Meter,
    Minute,
    Speed,
    Upload,
    Whole,
    speed,
)
from medialift.foundation.selftesting import Check, Wrong, equal, true

_AT_MOST_SECONDS = 15.0


def within_time(work: Coroutine[Any, Any, None]) -> None:
    """Run it to its end.

    Raises:
        Wrong: it did not end in time.
    """
    try:
        asyncio.run(asyncio.wait_for(work, _AT_MOST_SECONDS))
    except TimeoutError as error:
        raise Wrong(f"it did not end within {_AT_MOST_SECONDS:g} s") from error


class _Time:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def _bandwidth(_: Path) -> None:
    within_time(_limits())


async def _limits() -> None:
    time = _Time()
    limit = Bandwidth(1000, clock=time.clock, sleep=time.sleep)
    for _ in range(10):
        await limit.spend(1000)
    true("ten seconds' worth takes eight to ten seconds", 8.0 <= time.slept <= 10.0)
    time.now += 3600
    before = time.slept
    for _ in range(4):
        await limit.spend(1000)
    true("a rest lends one second, not an hour", 2.0 <= time.slept - before <= 4.0)
    limit.share(8000, 4)
    equal("a worker's share", limit.rate, 2000.0)
    limit.share(8000, 0)
    equal("the share of one that counts itself as none", limit.rate, 8000.0)
    free = Bandwidth(0, clock=time.clock, sleep=time.sleep)
    before = time.slept
    await free.spend(10**9)
    equal("the wait without a limit", time.slept - before, 0.0)

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one", b"two" * 1000, b"three"):
            yield piece

    before = time.slept
    slow = Bandwidth(1000, clock=time.clock, sleep=time.sleep)
    whole = b"".join([piece async for piece in slow.limited(pieces())])
    equal("what goes through a limit", whole, b"one" + b"two" * 1000 + b"three")
    true("a stream is slowed down", 1.0 <= time.slept - before <= 4.0)


class _Server:
    """Says whether it is healthy, and counts how often it was asked."""

    def __init__(self, *, healthy: bool) -> None:
        self.well, self.lets_in, self.asked = healthy, True, 0

    async def healthy(self) -> bool:
        self.asked += 1
        if not self.lets_in:
            raise NotLetIn("The server does not let us in", "a probe")
        return self.well


def _breaker(_: Path) -> None:
    within_time(_trips())
    within_time(_rows_of_failures())


async def _trips() -> None:
    server = _Server(healthy=False)
    breaker = Breaker(server.healthy)
    true("a breaker begins closed", not breaker.open and not breaker.half_open)
    true("a book's own fault is none of the server's", not await breaker.failed(1, TooLarge("too large")))
    true("nor does it open it", not breaker.open and server.asked == 0)
    true("a server that is down opens it", await breaker.failed(1, Lost("lost", "an upload")))
    true("it is open, and not half", breaker.open and not breaker.half_open)
    true("it says why", "lost" in breaker.why)
    true("while it is open no book is to blame", await breaker.failed(2, TooLarge("too large")))
    stop, waiting = asyncio.Event(), asyncio.create_task(breaker.wait(asyncio.Event()))
    await asyncio.sleep(0.1)
    true("what waits goes on waiting while the server is down", not waiting.done())
    server.well = True
    true("it closes when the server answers", await waiting and not breaker.open)
    true("a closed one is not waited for", await breaker.wait(stop))
    server.well = False
    await breaker.failed(3, Broken("broken", "an upload"))
    stop.set()
    true("who is to end does not wait", not await breaker.wait(stop))
    breaker.succeeded()
    true("a success closes it", not breaker.open and not breaker.half_open)
    server.well, server.lets_in = True, False
    true("a server that lets nobody in opens it", await breaker.failed(4, NotLetIn("no", "login")))


async def _rows_of_failures() -> None:
    true("some failures in a row are a server's", 2 <= IN_A_ROW <= 50)
    server = _Server(healthy=True)
    breaker = Breaker(server.healthy)
    for book in range(IN_A_ROW - 1):
        true("a server that answers is not broken yet", not await breaker.failed(book, Broken("broken")))
    true("the same book again is no other one", not await breaker.failed(0, Broken("broken")))
    true("so many in a row are the server's fault", await breaker.failed(IN_A_ROW, Broken("broken")))
    true("then it is half open next", breaker.open and breaker.half_open)
    breaker.open = False
    true("the trial book's fault is its own", not await breaker.failed(40, Broken("broken")))
    true("and shuts the way again", breaker.open)
    true("whatever it meets then", not await breaker.failed(40, Broken("broken")))
    true("another one is not to blame", await breaker.failed(41, Broken("broken")))
    breaker.succeeded()
    true("a success ends it", not breaker.open and not breaker.half_open)
    true("and the row begins anew", not await breaker.failed(1, Broken("broken")))


def _meters(_: Path) -> None:
    told: list[str] = []
    warned: list[str] = []
    time = _Time()
    meter = Meter(told.append, warned.append, time.clock)
    true("a quick upload is not slow", not meter.uploaded(Upload(1, "EPUB", 2_000_000, 1.0)))
    true("a slow one is", meter.uploaded(Upload(2, "PDF", 1_000_000, SLOW_SECONDS + 1)))
    equal("what was counted", (meter.files, meter.bytes, meter.slow_count), (2, 3_000_000, 1))
    equal("the time", meter.seconds, SLOW_SECONDS + 2)
    equal("the slow ones", [one.book for one in meter.slow], [2])
    true("a slow one is told", len(warned) == 1 and "book 2 (PDF)" in warned[0])
    time.now += 60
    for book in range(TELL_EVERY - 2):
        meter.uploaded(Upload(book, "EPUB", 1000, 1.0))
    true("the average is told", len(told) == 1 and f"{TELL_EVERY} files uploaded" in told[0])
    true("with its figures", f"{TELL_EVERY} files and" in told[0] and "1 slower than" in told[0])


def _speeds(_: Path) -> None:
    now = 100_000.0
    recent = [Minute(now - 60 * age, items=5, files=10, bytes=6000, slow=1) for age in (1, 2, 3, 4)]
    old = Minute(now - WINDOW_MINUTES * 60 - 1, items=500, files=1000, bytes=10**9)
    found = speed([old, *recent], Whole(minutes=100, files=800, slow=7), now=now, items_left=50)
    expected = Speed(
        files_per_minute=10.0,
        items_per_minute=5.0,
        bytes_per_minute=6000.0,
        average_files_per_minute=8.0,
        seconds_left=600.0,
        slow=7,
    )
    equal("the speed", found, expected)
    equal("the sentence", found.sentence(), "10 files and 6 kB per minute, 10 min left")
    equal("the speed as JSON", found.to_dict()["seconds_left"], 600.0)
    still = speed([], Whole(), now=now, items_left=3)
    equal("the speed of nothing", (still, still.sentence()), (Speed(), "nothing moves"))
    equal("the time of nothing left", speed([], Whole(), now=now, items_left=0).seconds_left, 0.0)
    short = speed([Minute(now - 1, files=3)], Whole(), now=now, items_left=1)
    equal("the speed of a second", short.files_per_minute, 12.0)
    slow = Speed(files_per_minute=2.5, bytes_per_minute=10.0, seconds_left=None)
    true("a slow speed has a fraction", slow.sentence().startswith("2.5 files"))


CHECKS = [
    Check("the limit on bytes per second", _bandwidth),
    Check("the circuit breaker", _breaker),
    Check("a worker's meter", _meters),
    Check("the speed of all workers", _speeds),
]
