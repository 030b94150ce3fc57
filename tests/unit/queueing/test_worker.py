"""The shell of a worker: it works through what there is, and ends well, by itself or when told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from medialift.errors import Permanent, Transient
from medialift.queueing import control, doorbell, items, workers
from medialift.queueing.items import Which
from medialift.queueing.leases import Lease
from medialift.queueing.worker import Bounds, Crew, Ended, Pace, Worker
from tests.queue_world import Books

QUICK = Pace(
    batch=5,
    job_size=20,
    lease=4.0,
    margin=0.5,
    heartbeat=0.2,
    poll=0.2,
    report=0.1,
    backoff_first=0.05,
    backoff_longest=0.1,
)


ALL = Bounds(until_done=True)


class Doing:
    """A handler that does to each lease what the test says."""

    def __init__(self, each: Callable[[Lease, Crew], Awaitable[object]]) -> None:
        self.each = each
        self.said: list[str] = []
        self.refuse: list[Exception] = []

    async def open(self, crew: Crew) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        self.said.append("open")

    async def close(self) -> None:
        self.said.append("close")

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        await asyncio.gather(*(self.each(lease, crew) for lease in leases))


async def finishing(lease: Lease, crew: Crew) -> None:
    if await crew.finish(lease, "done", {"by": crew.name}):
        crew.progress(items=1, files=lease.weight, bytes=lease.bytes)


def run(
    books: Books,
    handler: Doing | None = None,
    *,
    bounds: Bounds = ALL,
    pace: Pace = QUICK,
    name: str = "one",
    at_most: float = 90.0,
) -> Ended:
    worker = Worker(books.database, handler or Doing(finishing), name, "books", "calibre", pace, bounds)
    return asyncio.run(asyncio.wait_for(worker.run(), at_most))


async def told(books: Books, state: str = "running") -> workers.Worker:
    """The one worker, as soon as the ledger knows it in this state."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = [one for one in books.read(workers.listed) if one.state == state]
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(books.read(workers.listed))


def test_a_worker_that_runs_until_all_is_done_does_all_and_tells_it(books: Books) -> None:
    books.add_many(60)
    handler = Doing(finishing)
    ended = run(books, handler)
    assert (ended.why, ended.totals.items, books.counts().done) == ("done", 60, 60)
    assert handler.said == ["open", "close"]


def test_with_nothing_to_do_it_ends_at_once(books: Books) -> None:
    assert run(books).to_dict()["why"] == "done"


def test_a_worker_bounded_by_items_does_so_many_and_leaves_the_rest(books: Books) -> None:
    books.add_many(30)
    ended = run(books, bounds=Bounds(items=7))
    counted = books.counts()
    assert (ended.why, counted.done, counted.ready, counted.leased) == ("items", 7, 23, 0)


def test_a_worker_bounded_by_time_finishes_what_it_has_in_hand_and_gives_back_the_rest(books: Books) -> None:
    books.add_many(200)

    async def slowly(lease: Lease, crew: Crew) -> None:
        if not crew.draining.is_set():
            await asyncio.sleep(0.2)
            await finishing(lease, crew)

    ended = run(books, Doing(slowly), bounds=Bounds(seconds=1))
    counted = books.counts()
    assert ended.why == "seconds" and 0 < counted.done < 200
    assert (counted.leased, counted.ready) == (0, 200 - counted.done)
    assert books.scalar("select max(attempts) from item where state = 'ready'") == 0


def test_what_a_handler_leaves_is_given_back_and_its_attempt_does_not_count(books: Books) -> None:
    books.add("a", "b")
    seen: list[str] = []

    async def only_a_first(lease: Lease, crew: Crew) -> None:
        seen.append(lease.key)
        if lease.key == "a" or seen.count("b") > 1:
            await crew.finish(lease)

    run(books, Doing(only_a_first))
    assert sorted(seen) == ["a", "b", "b"]
    assert books.row("b").attempts == 1


def test_an_error_is_tried_again_after_a_delay_and_fails_after_the_last_attempt(books: Books) -> None:
    books.add("a")

    async def failing(lease: Lease, crew: Crew) -> None:
        await crew.fail(lease, Transient("The server does not answer", "http://book"))

    run(books, Doing(failing), pace=replace(QUICK, attempts=3))
    assert books.attempts("a") == [(1, "again"), (2, "again"), (3, "failed")]


def test_a_worker_that_runs_until_nothing_can_be_begun_leaves_what_waits_for_a_later_attempt(
    books: Books,
) -> None:
    books.add("1", "2")

    async def fail_the_first(lease: Lease, crew: Crew) -> None:
        if lease.key == "1":
            await crew.fail(lease, Transient("The server is busy"), delay=3600)
        else:
            await finishing(lease, crew)

    ended = run(books, Doing(fail_the_first), bounds=Bounds(until_idle=True))
    assert (ended.why, books.state("1"), books.state("2")) == ("done", "ready", "done")


def test_a_worker_in_another_thread_is_drained_by_an_event(books: Books) -> None:
    books.add_many(3)
    stop = threading.Event()

    async def tell(lease: Lease, crew: Crew) -> None:
        stop.set()
        await finishing(lease, crew)

    worker = Worker(
        books.database, Doing(tell), "one", "books", "calibre", replace(QUICK, batch=1, job_size=1), stop=stop
    )
    assert asyncio.run(asyncio.wait_for(worker.run(), 60)).why == "drained"
    assert books.counts().done >= 1


def test_what_is_written_with_a_failure_is_written_with_its_end_and_with_no_other(books: Books) -> None:
    books.add("1", "2")
    books.execute("create table noted (key text, state text)")

    async def fail(lease: Lease, crew: Crew) -> None:
        if lease.key == "2":
            books.steal("2")

        def note(connection: Connection, state: str) -> None:
            given = {"key": lease.key, "state": state}
            connection.execute(text("insert into noted values (:key, :state)"), given)

        await crew.fail(lease, Transient("The server is busy"), delay=0, limit=2, also=note)

    run(books, Doing(fail), bounds=Bounds(seconds=3), pace=replace(QUICK, lease=30.0))
    with books.database.engine.connect() as connection:
        noted = connection.execute(text("select key, state from noted order by state desc")).all()
    assert [tuple(row) for row in noted] == [("1", "ready"), ("1", "failed")]


def test_a_handler_that_breaks_fails_its_items_and_not_the_worker(books: Books) -> None:
    books.add_many(6)
    broken: list[str] = []

    async def breaking(lease: Lease, crew: Crew) -> None:
        if lease.key == "2" and not broken:
            broken.append(lease.key)
            raise ZeroDivisionError("surprise")
        await crew.finish(lease)

    run(books, Doing(breaking))
    assert books.counts().done == 6
    told = books.scalar("select error_text from attempt where outcome = 'again' limit 1")
    assert "ZeroDivisionError('surprise')" in told


def test_a_permanent_error_of_the_handler_fails_what_it_has_in_hand(books: Books) -> None:
    books.add("a")

    async def refusing(lease: Lease, crew: Crew) -> None:
        raise Permanent("The server knows no such user", "anna")

    run(books, Doing(refusing))
    assert (books.state("a"), books.row("a").error_kind) == ("failed", "permanent")


def test_a_server_that_is_down_at_the_start_is_waited_for(books: Books) -> None:
    books.add("a")
    handler = Doing(finishing)
    handler.refuse = [Transient("The server does not answer")]
    run(books, handler)
    assert handler.said == ["open", "close"] and books.state("a") == "done"


def test_a_handler_that_cannot_be_opened_ends_the_worker(books: Books) -> None:
    handler = Doing(finishing)
    handler.refuse = [Permanent("The password is wrong")]
    with pytest.raises(Permanent, match="password is wrong"):
        run(books, handler)
    assert handler.said == ["close"]
    assert books.scalar("select state = 'gone' and not told_to_end from worker"), "a fault ended it"


def test_leases_are_renewed_while_the_work_takes_longer_than_they_last(books: Books) -> None:
    books.add("a")

    async def long(lease: Lease, crew: Crew) -> None:
        await asyncio.sleep(3.5)
        assert crew.held(lease)
        await crew.finish(lease)

    ended = run(books, Doing(long), pace=replace(QUICK, lease=2.0, margin=0.2))
    assert ended.why == "done" and books.row("a").attempts == 1


def test_leases_are_renewed_even_while_the_event_loop_is_busy(books: Books) -> None:
    books.add("a")

    async def blocking(lease: Lease, crew: Crew) -> None:
        time.sleep(3.5)
        await crew.finish(lease)

    run(books, Doing(blocking), pace=replace(QUICK, lease=2.0, margin=0.2))
    assert (books.state("a"), books.row("a").attempts) == ("done", 1)


def test_a_lost_lease_is_heard_of_and_its_result_thrown_away(books: Books) -> None:
    books.add("a")
    heard: list[object] = []

    async def robbed(lease: Lease, crew: Crew) -> None:
        books.steal("a")
        await asyncio.wait_for(crew.lost(lease).wait(), 5)
        heard.append(crew.held(lease))
        heard.append(await crew.finish(lease, "done", also=lambda c: c.execute(text("select 1/0"))))
        heard.append(await crew.fail(lease, Transient("Too late")))
        books.execute("update item set state = 'done' where key = 'a'")

    run(books, Doing(robbed))
    assert heard == [False, False, "lost"]


def test_a_handler_that_does_not_hear_that_all_is_lost_is_stopped(books: Books, monkeypatch) -> None:
    monkeypatch.setattr("medialift.queueing.worker._GRACE_SECONDS", 0.2)
    books.add("a")
    stopped: list[bool] = []

    async def deaf(lease: Lease, crew: Crew) -> None:
        books.steal("a")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped.append(True)
            books.execute("update item set state = 'done' where key = 'a'")
            raise

    run(books, Doing(deaf))
    assert stopped == [True]


def test_a_cancelled_item_is_heard_of_while_it_is_worked_on(books: Books) -> None:
    books.add("a")

    async def asked(lease: Lease, crew: Crew) -> None:
        books.change(items.cancel, Which.named(["a"]))
        while not crew.cancelled(lease):
            await asyncio.sleep(0.02)
        await crew.give_back([lease])

    run(books, Doing(asked))
    assert books.state("a") == "cancelled"


def test_a_paused_pipeline_is_left_alone_until_it_goes_on(books: Books) -> None:
    books.add_many(5)
    books.change(control.pause, why="moving the server", who="anna")

    async def goes_on() -> Ended:
        worker = Worker(
            books.database, Doing(finishing), "one", "books", "calibre", QUICK, Bounds(until_done=True)
        )
        running = asyncio.create_task(worker.run())
        one = await told(books, "paused")
        await asyncio.sleep(0.5)
        assert (books.counts().ready, one.paused_why) == (5, "moving the server")
        books.change(control.resume, who="anna")
        return await asyncio.wait_for(running, 60)

    assert asyncio.run(goes_on()).totals.items == 5


def test_a_worker_that_rests_claims_nothing_and_says_why(books: Books) -> None:
    books.add_many(30)
    rested: list[float] = []

    async def resting_once(lease: Lease, crew: Crew) -> None:
        if not rested:
            rested.append(time.monotonic())
            crew.rest(1.0, "the server is down")
            assert crew.resting == "the server is down"
        await crew.finish(lease)

    run(books, Doing(resting_once), pace=replace(QUICK, concurrency=1))
    assert time.monotonic() - rested[0] >= 1.0 and books.counts().done == 30


def test_a_worker_ends_when_it_is_asked_to_through_the_ledger(books: Books) -> None:
    async def drained() -> Ended:
        worker = Worker(books.database, Doing(finishing), "one", "books", "calibre", QUICK)
        running = asyncio.create_task(worker.run())
        await told(books)
        with books.database.engine.begin() as connection:
            assert workers.drain(connection, name="one", who="anna") == ["one"]
        return await asyncio.wait_for(running, 60)

    assert asyncio.run(drained()).why == "drained"
    (one,) = books.read(workers.listed)
    assert one.state == "gone"
    assert books.scalar("select told_to_end from worker")


def test_a_worker_forgotten_by_the_ledger_registers_again_and_keeps_its_leases(books: Books) -> None:
    books.add("a")

    async def forgotten(lease: Lease, crew: Crew) -> None:
        crew.progress(items=1, files=1)
        while not books.scalar("select count(*) from rate"):
            await asyncio.sleep(0.05)
        books.execute("delete from worker")
        while not books.read(workers.listed):
            await asyncio.sleep(0.05)
        assert crew.held(lease)
        await crew.finish(lease)

    run(books, Doing(forgotten))
    assert (books.state("a"), books.row("a").attempts) == ("done", 1)
    (one,) = books.read(workers.listed)
    assert (one.files, books.scalar("select sum(files) from rate")) == (1, 1)


def test_progress_reaches_the_ledger_as_totals_and_as_rates(books: Books) -> None:
    books.add_many(40)
    books.execute("update item set weight = 2, bytes = 100")
    run(books)
    (one,) = books.read(workers.listed)
    assert (one.items, one.files, one.bytes) == (40, 80, 4000)
    assert books.scalar("select sum(files) from rate") == 80
    assert books.change(workers.speed).files > 0


def test_a_name_is_used_by_one_worker_only(books: Books) -> None:
    async def two() -> None:
        first = asyncio.create_task(
            Worker(books.database, Doing(finishing), "one", "books", "calibre", QUICK).run()
        )
        await told(books)
        books.execute("update worker set life = life || '0', host = 'elsewhere'")
        with pytest.raises(Permanent, match="has this name already"):
            await Worker(books.database, Doing(finishing), "one", "books", "calibre", QUICK).run()
        # The first finds that another has its name, and ends.
        assert (await asyncio.wait_for(first, 60)).why == "drained"

    asyncio.run(two())


def test_the_bell_is_rung_for_what_is_ready_in_a_window_and_no_more(books: Books) -> None:
    books.add_many(1000)
    assert books.change(doorbell.ring, window=3) == 3
    assert books.change(doorbell.ring, window=3) == 0
    assert books.change(doorbell.ring, window=8) == 2
    books.change(control.pause)
    books.execute("delete from procrastinate_jobs")
    assert books.change(doorbell.ring) == 0


def test_a_bell_of_a_transaction_that_is_rolled_back_never_rings(books: Books) -> None:
    books.add_many(10)
    with books.database.engine.connect() as connection:
        assert doorbell.ring(connection, "books", "calibre") == 1
        connection.rollback()
    assert books.scalar("select count(*) from procrastinate_jobs") == 0


@pytest.mark.parametrize("collection", ["calibre", "Große Bibliothek mit langem Namen " * 3])
def test_the_queue_of_any_collection_has_a_name_that_can_be_listened_to(collection: str) -> None:
    name = doorbell.queue_of("books", collection)
    assert len(f"procrastinate_queue_v1#{name}".encode()) <= 63
    assert name != doorbell.queue_of("books", collection + "x")
