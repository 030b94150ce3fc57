"""The switch of the batch debug log: on for a while, in the ledger, and heard of by workers that run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from medialift.errors import Permanent
from medialift.queueing import debug_switch, events
from medialift.queueing.crew import Crew
from medialift.queueing.database import Database
from medialift.queueing.leases import Lease
from medialift.queueing.worker import Bounds, Pace, Worker
from tests.queue_world import Books

QUICK = Pace(lease=4.0, margin=0.5, heartbeat=0.1, poll=0.1, report=0.1)


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


class Watching:
    """A handler that holds its one item until the switch is as it is wanted, and tells what it saw."""

    def __init__(self, books: Books) -> None:
        self.books, self.saw = books, []

    async def open(self, crew: Crew) -> None:
        self.saw.append(crew.debugging)

    async def close(self) -> None:
        pass

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        await asyncio.to_thread(self.books.read, debug_switch.enable, 60, pipeline="books")
        await self._until(crew, True)
        await asyncio.to_thread(self.books.read, debug_switch.disable)
        await self._until(crew, False)
        for lease in leases:
            await crew.finish(lease)

    async def _until(self, crew: Crew, wanted: bool) -> None:
        async with asyncio.timeout(20):
            while crew.debugging is not wanted:
                await asyncio.sleep(0.02)
        self.saw.append(wanted)


@pytest.mark.parametrize("minutes", [1, 30, 59, 60, 61, 90, 1440])
def test_it_is_on_for_as_many_minutes_as_one_says_whatever_time_it_is(books: Books, minutes: int) -> None:
    found = books.read(debug_switch.enable, minutes)
    wanted = minutes * 60
    assert abs((found.until - datetime.now(UTC)).total_seconds() - wanted) < 10
    assert wanted - 10 < books.read(debug_switch.left, "posters") <= wanted


@pytest.mark.parametrize("minutes", [0, -1, 1441, 10**9])
def test_longer_than_a_day_and_shorter_than_a_minute_are_refused_and_nothing_is_on(
    books: Books, minutes: int
) -> None:
    with pytest.raises(Permanent, match="1 to 1440 minutes"):
        books.read(debug_switch.enable, minutes)
    assert books.read(debug_switch.on) == []


def test_a_pipeline_that_has_no_record_is_refused(books: Books) -> None:
    with pytest.raises(Permanent, match="books, audiobooks, posters"):
        books.read(debug_switch.enable, 5, pipeline="plex'; drop table item")


def test_it_is_off_by_itself_when_its_time_is_over(books: Books) -> None:
    books.read(debug_switch.enable, 1)
    books.execute("update debug_switch set until = now() - interval '1 second'")
    assert books.read(debug_switch.on) == []
    assert books.read(debug_switch.left, "books") == 0.0
    assert books.read(debug_switch.disable) is False


def test_a_scope_is_one_pipeline_and_all_is_every_one(books: Books) -> None:
    books.read(debug_switch.enable, 5, pipeline="posters")
    assert books.read(debug_switch.left, "posters") > 0 == books.read(debug_switch.left, "books")
    books.read(debug_switch.enable, 10)
    assert books.read(debug_switch.left, "posters") > 300
    assert books.read(debug_switch.disable, pipeline="posters") is True
    assert books.read(debug_switch.left, "posters") > 300
    assert books.read(debug_switch.disable) is True
    assert books.read(debug_switch.left, "posters") == 0.0


def test_switching_it_again_is_from_now_on_and_each_time_is_in_the_audit(books: Books) -> None:
    books.read(debug_switch.enable, 60, who="ann")
    books.read(debug_switch.enable, 2, who="bob")
    assert books.read(debug_switch.left, "books") <= 120
    books.read(debug_switch.disable, who="cyd")
    books.read(debug_switch.disable, who="dan")
    told = [(one.who, one.what, one.subject) for one in books.read(events.latest)]
    assert told == [(who, "batch debug", "all pipelines") for who in ("cyd", "bob", "ann")]


def test_a_worker_that_runs_hears_of_it_both_ways(books: Books) -> None:
    books.add("one")
    handler = Watching(books)
    worker = Worker(books.database, handler, "one", "books", "calibre", QUICK, Bounds(until_done=True))
    asyncio.run(asyncio.wait_for(worker.run(), 60))
    assert handler.saw == [False, True, False]
    with books.database.engine.connect() as connection:
        assert connection.execute(text("select state from item")).scalars().all() == ["done"]
