"""Workers of the queue die, freeze, are drained, and lose their database: nothing is lost, nothing twice."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults import catalogue
from tests.postgres_world import Postgres
from tests.queue_scene import SILENCE, Scene, scene

ITEMS = 60
# The leases of the workers last 2 s: what they held is taken over meanwhile.
_LONGER_THAN_A_LEASE = 3.0


@pytest.fixture
def ready(postgres_of_test: Postgres, ledger_url: str, tmp_path: Path) -> Iterator[Scene]:
    """Work, a supervisor, and no workers yet."""
    with scene(ledger_url, tmp_path, ITEMS) as made:
        yield made


@pytest.fixture
def work(ready: Scene) -> Scene:
    """Two workers in the middle of their work."""
    return two(ready)


def two(work: Scene, **options: object) -> Scene:
    for name in ("one", "two"):
        work.start(name, seconds_per_item=0.15, **options)
    return work


def some(work: Scene, fault_moment: int) -> None:
    """Wait until so many items are done, and until worker one has others in hand."""
    work.wait_for(Random(fault_moment).randrange(2, ITEMS // 2))
    work.wait(lambda: work.holding("one") > 0)


@pytest.mark.fault(catalogue.WORKER_KILLED)
def test_what_a_killed_worker_held_is_done_by_another(work: Scene, fault_moment: int) -> None:
    some(work, fault_moment)
    work.signal("one", signal.SIGKILL)
    work.wait_for(ITEMS)
    assert work.all_is_done_once()
    assert work.books.scalar("select count(*) from attempt where outcome = 'lost'") > 0
    assert work.books.scalar("select count(*) from procrastinate_jobs where status = 'doing'") <= 2


@pytest.mark.fault(catalogue.WORKER_KILLED)
def test_a_killed_worker_that_is_started_again_takes_up_its_own_at_once(
    ready: Scene, fault_moment: int
) -> None:
    work = ready
    work.start("one", seconds_per_item=0.15, lease=600)
    some(work, fault_moment)
    work.signal("one", signal.SIGKILL)
    work.workers["one"].wait()
    assert work.holding("one") > 0
    work.start("one", seconds_per_item=0.01, lease=600)
    work.wait_for(ITEMS, at_most=60)
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.WORKER_FROZEN)
def test_a_frozen_worker_that_goes_on_finds_its_leases_lost(work: Scene, fault_moment: int) -> None:
    some(work, fault_moment)
    work.signal("one", signal.SIGSTOP)
    held = work.holding("one")
    work.wait(lambda: work.books.scalar("select count(*) from attempt where outcome = 'lost'") >= held)
    work.wait(lambda: work.holding("one") == 0)
    work.signal("one", signal.SIGCONT)
    work.wait_for(ITEMS)
    work.wait(lambda: "is lost" in work.log("one"), at_most=60)
    assert work.workers["one"].poll() is None
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.WORKER_DRAINED)
def test_a_drained_worker_finishes_what_is_in_flight_and_gives_back_the_rest(
    ready: Scene, fault_moment: int
) -> None:
    work = two(ready, lease=60)
    some(work, fault_moment)
    work.signal("one", signal.SIGTERM)
    assert work.workers["one"].wait(30) == 0
    assert work.holding("one") == 0
    assert work.said("one").splitlines()[-1].startswith("ended drained")
    begun, done = (
        [line for line in work.said("one").splitlines() if line.startswith(word)]
        for word in ("began", "finished")
    )
    assert len(begun) == len(done)
    work.wait_for(ITEMS)
    assert work.all_is_done_once()
    assert work.books.scalar("select count(*) from attempt") == 0


@pytest.mark.fault(catalogue.WORKER_DRAINED)
def test_a_worker_that_takes_long_to_drain_is_not_taken_for_dead(ready: Scene) -> None:
    work, long = ready, SILENCE + 1.5
    work.start("slow", seconds_per_item=long, lease=60, stalled=SILENCE, heartbeat=0.5)
    work.wait(lambda: "began" in work.said("slow"))
    work.signal("slow", signal.SIGTERM)
    began = time.monotonic()
    assert work.workers["slow"].wait(60) == 0
    assert time.monotonic() - began > SILENCE
    assert work.books.scalar("select count(*) from finished where worker = 'slow'") > 0
    assert work.books.scalar("select count(*) from attempt where worker = 'slow'") == 0
    assert work.books.scalar("select count(*) from procrastinate_jobs where status = 'failed'") == 0
    assert work.books.scalar("select count(*) from event where after->'workers_gone' ? 'slow'") == 0
    work.start("one", seconds_per_item=0.01)
    work.wait_for(ITEMS)
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.WORKER_DRAINED)
def test_a_worker_that_is_asked_twice_ends_at_once(ready: Scene) -> None:
    work = ready
    work.start("slow", seconds_per_item=60)
    work.wait(lambda: "began" in work.said("slow"))
    work.signal("slow", signal.SIGTERM)
    work.wait(lambda: "The worker ends" in work.log("slow"))
    work.signal("slow", signal.SIGTERM)
    assert work.workers["slow"].wait(20) == 128 + signal.SIGTERM
    work.start("one", seconds_per_item=0.01)
    work.wait_for(ITEMS)
    assert work.all_is_done_once()


def outage(work: Scene, postgres: Postgres, fault_moment: int, seconds: float) -> None:
    some(work, fault_moment)
    postgres.kill()
    time.sleep(seconds)
    postgres.start()
    work.wait_for(ITEMS, at_most=seconds + 120)
    assert [process.poll() for process in work.workers.values()] == [None, None], work.told()
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.DATABASE_GONE)
def test_workers_outlive_a_database_that_is_gone_for_longer_than_their_leases(
    work: Scene, postgres_of_test: Postgres, fault_moment: int
) -> None:
    outage(work, postgres_of_test, fault_moment, _LONGER_THAN_A_LEASE)


@pytest.mark.soak
@pytest.mark.fault(catalogue.DATABASE_GONE)
def test_workers_outlive_a_database_that_is_gone_for_a_minute(
    work: Scene, postgres_of_test: Postgres, fault_moment: int
) -> None:
    outage(work, postgres_of_test, fault_moment, 60.0)


@pytest.mark.fault(catalogue.DATABASE_GONE)
def test_a_database_that_does_not_answer_for_a_while_loses_nothing(
    work: Scene, postgres_of_test: Postgres, fault_moment: int
) -> None:
    some(work, fault_moment)
    postgres_of_test.freeze()
    time.sleep(_LONGER_THAN_A_LEASE)
    postgres_of_test.thaw()
    work.wait_for(ITEMS)
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.DATABASE_GONE)
def test_a_worker_started_before_its_database_waits_for_it(work: Scene, postgres_of_test: Postgres) -> None:
    postgres_of_test.stop()
    work.start("early", seconds_per_item=0.01)
    time.sleep(1.5)
    assert work.workers["early"].poll() is None
    postgres_of_test.start()
    work.wait_for(ITEMS)
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.CONNECTIONS_CUT)
def test_workers_whose_connections_are_cut_again_and_again_connect_anew(
    work: Scene, postgres_of_test: Postgres, fault_moment: int
) -> None:
    some(work, fault_moment)
    for _ in range(5):
        assert postgres_of_test.cut(work.url) > 0
        time.sleep(0.4)
    work.wait_for(ITEMS)
    assert [process.poll() for process in work.workers.values()] == [None, None], work.told()
    assert work.all_is_done_once()


@pytest.mark.fault(catalogue.WORKER_FORGOTTEN)
def test_workers_that_the_queue_forgot_register_again(work: Scene, fault_moment: int) -> None:
    some(work, fault_moment)
    for table in ("procrastinate_workers", "worker", "procrastinate_workers"):
        work.books.execute(f"delete from {table}")
        time.sleep(0.8)
    work.wait_for(ITEMS)
    assert [process.poll() for process in work.workers.values()] == [None, None], work.told()
    assert work.all_is_done_once()
    work.wait(lambda: work.books.scalar("select count(*) from procrastinate_workers") >= 2, at_most=60)
    assert work.books.scalar("select count(*) from worker where state = 'running'") == 2
