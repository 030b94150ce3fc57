"""What the ledger shows of real workers: they work, freeze, die, rest, drain and run out of work."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from medialift.foundation.waiting import wait_until
from medialift.healing import care, observing
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.detect import Limits, judge
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble
from medialift.queueing import control, workers
from medialift.queueing.workers import Me, Totals
from tests.migration_world import Migration
from tests.postgres_world import Postgres
from tests.queue_scene import Scene, scene
from tests.queue_world import Books

HOST = socket.gethostname()
RESTART = Decision(Cause.HUNG, Remedy.RESTART, "rule hung", "It hangs")
# Time is compressed by what the settings say: a heartbeat of half a second, and thresholds of seconds.
FAST = Limits(floor=0.0, progress=3.0, starting=12.0, activity=3.0, silence=2.5, crashes=3)


@pytest.fixture
def stage(ledger_url: str, tmp_path: Path) -> Iterator[Scene]:
    with scene(ledger_url, tmp_path, 0) as made:
        yield made


def observed(stage: Scene, name: str = "one") -> Observed:
    found = [one for one in stage.books.read(observing.observe, HOST, "books") if one.name == name]
    assert found, stage.told()
    return found[0]


def member(stage: Scene, name: str = "one") -> Member:
    process = stage.workers[name]
    active = process.poll() is None
    return Member(name, 1, name, enabled=True, active=active, pid=process.pid if active else 0)


def trouble(stage: Scene, name: str = "one") -> Trouble | None:
    return judge(observed(stage, name), FAST, member(stage, name)).trouble


def seen_to_be(stage: Scene, is_so: Callable[[Observed], bool], name: str = "one") -> Observed:
    def look() -> bool:
        rows = stage.books.read(observing.observe, HOST, "books")
        return any(one.name == name and is_so(one) for one in rows)

    stage.wait(look, at_most=60)
    return observed(stage, name)


def test_one_that_works_is_seen_to_progress_and_is_well(stage: Scene) -> None:
    stage.books.add_many(2000)
    stage.start("one")
    before = seen_to_be(stage, lambda one: one.items > 0)
    assert (before.host, before.collection, before.pid) == (HOST, "calibre", stage.workers["one"].pid)
    assert before.lives == 1 and before.held > 0 and 0 < before.waiting <= observing.COUNTED
    after = seen_to_be(stage, lambda one: one.items > before.items)
    assert after.idle is not None and after.idle < 3
    assert trouble(stage) is None


def test_one_that_is_frozen_goes_from_silent_to_well_when_it_is_thawed(stage: Scene) -> None:
    stage.books.add_many(2000)
    stage.start("one")
    seen_to_be(stage, lambda one: one.items > 0)
    stage.signal("one", signal.SIGSTOP)
    stage.wait(lambda: trouble(stage) is Trouble.SILENT)
    # The supervisor takes it for dead: it is silent nevertheless, since its process is there.
    seen_to_be(stage, lambda one: one.state == "gone")
    assert trouble(stage) is Trouble.SILENT
    stage.signal("one", signal.SIGCONT)
    thawed = seen_to_be(stage, lambda one: one.state == "running")
    assert thawed.free < 3, "what it did not do while it was frozen is not held against it"
    assert trouble(stage) is None


def test_one_that_hangs_on_an_item_is_stuck_although_it_gives_signs_of_life(stage: Scene) -> None:
    stage.books.add_many(20)
    stage.start("one", seconds_per_item=3600)
    hung = seen_to_be(stage, lambda one: one.due > 4)
    assert hung.silence < 2.5 and hung.held > 0 and hung.idle is None
    assert judge(hung, FAST, member(stage)).trouble is Trouble.NO_ACTIVITY


def test_one_that_sends_a_large_file_for_long_gets_on_before_any_file_is_done(migration: Migration) -> None:
    """Slow is not stuck: bytes that move are progress while the file is under way."""
    size = 8_000_000
    migration.library.add("A large book", ["A B"], formats={"PDF": b"x" * size})
    migration.plan()
    migration.spawn("one", books={"bandwidth": 500_000})
    books = Books(migration.database)

    def figures() -> tuple[int, int]:
        found = books.read(observing.observe, HOST, "books")
        return (found[0].files, found[0].moved) if found else (0, 0)

    migration.until(lambda: figures()[1] > size + 500_000)
    files, moved = figures()
    assert files == 0, "the whole is not there yet"
    migration.until(lambda: figures()[1] > moved)
    (found,) = books.read(observing.observe, HOST, "books")
    assert any(found.progress) and found.idle is not None and found.idle < 3


def test_one_that_has_nothing_to_do_is_well_and_so_it_is_in_the_moment_when_work_comes(stage: Scene) -> None:
    stage.books.add_many(5)
    stage.start("one", seconds_per_item=0.01, poll=0.2)
    seen_to_be(stage, lambda one: one.items == 5)
    resting = seen_to_be(stage, lambda one: (one.idle or 0) > 4)
    assert (resting.held, resting.waiting) == (0, 0)
    assert trouble(stage) is None
    # An item that takes long comes after a long time without any: only from then on the clock runs.
    stage.signal("one", signal.SIGSTOP)
    stage.books.add("late")
    found = observed(stage)
    stage.signal("one", signal.SIGCONT)
    assert found.waiting == 1 and (found.idle or 0) > 4 and found.due < 2
    assert judge(found, FAST, member(stage)).trouble is None


def test_an_item_that_comes_and_goes_does_not_make_the_work_younger(stage: Scene) -> None:
    """A spin: claimed, given back, claimed again, and nothing is ever done."""
    books = stage.books
    me = Me("one", "books", "calibre")
    books.read(workers.register, me)
    books.add("poison")

    def spin() -> bool:
        books.give_back(books.claim(1, owner="one"))
        books.read(workers.beat, me, phase="bringing books")
        return observed(stage).due > 3.5

    assert wait_until(spin, at_most=30, every=0.2)
    running = Member("one", 1, "one", enabled=True, active=True, pid=me.pid)
    assert judge(observed(stage), FAST, running).trouble is Trouble.NO_ACTIVITY


def test_one_that_dies_again_and_again_is_a_crash_loop_and_a_remedy_begins_the_count_anew(
    stage: Scene,
) -> None:
    stage.books.add_many(30)
    for life in (1, 2, 3):
        stage.start("one", seconds_per_item=3600, lease=60)
        pid = stage.workers["one"].pid
        found = seen_to_be(stage, lambda one, pid=pid: one.pid == pid and one.held > 0)  # type: ignore[misc]
        assert found.lives == life
        stage.signal("one", signal.SIGKILL)
        stage.workers["one"].wait()
    assert trouble(stage) is Trouble.CRASH_LOOP
    stage.books.read(care.remedied, observed(stage), RESTART)
    assert observed(stage).lives == 1


def test_an_item_that_was_lost_with_its_worker_is_known_to_the_next(stage: Scene) -> None:
    stage.books.add("poison")
    for losses in (0, 1):
        stage.start("one", seconds_per_item=3600, lease=60)
        pid = stage.workers["one"].pid
        found = seen_to_be(stage, lambda one, pid=pid: one.pid == pid and one.held > 0)  # type: ignore[misc]
        assert found.again == losses
        stage.signal("one", signal.SIGKILL)
        stage.workers["one"].wait()


def test_one_that_is_told_to_end_and_started_again_has_not_crashed(stage: Scene) -> None:
    for _ in range(3):
        stage.start("one")
        pid = stage.workers["one"].pid
        seen_to_be(stage, lambda one, pid=pid: one.pid == pid and one.state == "running")  # type: ignore[misc]
        stage.signal("one", signal.SIGTERM)
        assert stage.workers["one"].wait(60) == 0
        ended = observed(stage)
        assert (ended.state, ended.ending, ended.lives) == ("gone", True, 1)
    assert trouble(stage) is None


def test_one_that_a_remedy_told_to_end_is_missed_when_it_does_not_start_again(stage: Scene) -> None:
    stage.books.add_many(3)
    stage.start("one")
    seen_to_be(stage, lambda one: one.state == "running" and one.items == 3)
    stage.books.read(care.remedied, observed(stage), RESTART)
    stage.signal("one", signal.SIGTERM)
    assert stage.workers["one"].wait(60) == 0
    assert observed(stage).ending is False
    stage.wait(lambda: trouble(stage) is Trouble.SILENT)


def test_one_whose_work_cannot_be_opened_for_good_has_ended_by_a_fault(stage: Scene) -> None:
    stage.books.read(workers.register, Me("one", "books", "calibre"))
    stage.books.read(workers.leave, Me("one", "books", "calibre"), told=False)
    ended = observed(stage)
    assert (ended.state, ended.ending) == ("gone", False)


def test_one_that_drains_and_one_whose_queue_rests_are_left_alone(stage: Scene) -> None:
    stage.books.add_many(50)
    stage.start("one", seconds_per_item=3600)
    seen_to_be(stage, lambda one: one.held > 0)
    stage.books.change(control.pause, why="backup")
    rests = seen_to_be(stage, lambda one: one.state == "paused")
    assert (rests.queue_rests, rests.resting) == ("backup", "backup")
    stage.books.change(control.resume)
    resumed = seen_to_be(stage, lambda one: one.state == "running")
    assert resumed.queue_rests == "" and resumed.free < 3
    stage.books.read(workers.drain, name="one")
    assert observed(stage).ending
    assert trouble(stage) is None


def test_a_change_of_the_speed_is_no_rest(stage: Scene) -> None:
    stage.books.read(workers.register, Me("one", "books", "calibre"))
    stage.books.change(control.change, hours="22:00-06:30", closed=True)
    assert observed(stage).queue_rests == "outside of its hours 22:00-06:30"
    stage.books.change(control.change, closed=False)
    stage.books.execute(
        "update control set turned = now() - interval '1 hour';"
        "update worker set free_since = now() - interval '1 hour'"
    )
    stage.books.change(control.change, bandwidth=1000)
    up = stage.books.scalar("select extract(epoch from now() - pg_postmaster_start_time())::float")
    assert observed(stage).free == pytest.approx(min(3600.0, up), abs=5)
    stage.books.change(control.pause)
    assert observed(stage).free < 5


def test_no_worker_is_silent_for_longer_than_the_database_is_there(
    postgres_of_test: Postgres, stage: Scene
) -> None:
    stage.books.add_many(20)
    stage.books.read(workers.register, Me("one", "books", "calibre"))
    stage.books.read(workers.report, Me("one", "books", "calibre"), Totals(items=1))
    stage.books.execute(
        "update worker set heartbeat = now() - interval '1 hour', last_progress = now() - interval '1 hour',"
        " started = now() - interval '2 hours', free_since = now() - interval '2 hours',"
        " work_since = now() - interval '2 hours'"
    )
    postgres_of_test.stop()
    postgres_of_test.start()
    stage.database.engine.dispose()
    found = observed(stage)
    assert found.silence < 60 and found.free < 60 and (found.idle or 0) > 3000
    running = Member("one", 1, "one", enabled=True, active=True, pid=found.pid)
    assert judge(found, Limits(), running).trouble is None


def test_a_phase_has_the_age_of_its_beginning_and_not_of_its_last_sign_of_life(books: Books) -> None:
    me = Me("one", "books", "calibre", host="home", life="1:1")
    books.read(workers.register, me)
    books.read(workers.beat, me, phase="logging in")
    books.execute("update worker set phase_since = now() - interval '1 hour'")
    books.read(workers.beat, me, phase="logging in")
    assert _only(books).phase_age > 3000
    books.read(workers.beat, me, phase="bringing books")
    assert _only(books).phase_age < 60


def test_only_the_workers_of_this_host_and_pipeline_are_seen(books: Books) -> None:
    for name, pipeline, host in (("a", "books", "home"), ("b", "posters", "home"), ("c", "books", "away")):
        books.read(workers.register, Me(name, pipeline, "calibre", host=host))
    assert _only(books).name == "a"


def test_items_that_are_to_be_tried_later_are_no_work_yet(books: Books) -> None:
    me = Me("one", "books", "calibre", host="home", life="1:1")
    books.read(workers.register, me)
    books.add("a", "b")
    books.execute("update item set not_before = now() + interval '1 hour' where key = 'a'")
    assert _only(books).waiting == 1
    books.execute("update item set state = 'paused' where key = 'b'")
    books.read(workers.beat, me)
    assert (_only(books).waiting, _only(books).due) == (0, 0.0)


def test_a_transaction_that_lasts_does_not_make_anybody_younger(books: Books) -> None:
    books.read(workers.register, Me("one", "books", "calibre", host="home"))
    with books.database.engine.begin() as connection:
        before = observing.observe(connection, "home", "books")[0]
        connection.execute(text("select pg_sleep(0.3)"))
        after = observing.observe(connection, "home", "books")[0]
    assert after.uptime >= before.uptime + 0.3


def _only(books: Books) -> Observed:
    (one,) = books.read(observing.observe, "home", "books")
    return one


@pytest.fixture
def books(stage: Scene) -> Books:
    return stage.books
