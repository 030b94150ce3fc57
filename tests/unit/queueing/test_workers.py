"""Workers register under a name of their own, and what an earlier life left is taken up."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import text

from medialift.errors import Permanent
from medialift.queueing import cleaning, events, workers
from medialift.queueing.workers import Me, Totals
from tests.queue_world import Books


def me(life: str = "1:1", host: str = "home", name: str = "one") -> Me:
    return Me(name, "books", "calibre", host=host, pid=1, life=life, settings={"batch": 5})


def test_a_life_that_is_over_on_this_host_leaves_its_items_to_the_next_at_once(books: Books) -> None:
    books.add("a", "b", "c")
    books.read(workers.register, me())
    books.claim(2, owner="one")
    books.claim(1, owner="two")
    assert books.read(workers.register, me("2:2"), lives=lambda life: False) == 2
    assert [books.state(key) for key in "abc"] == ["ready", "ready", "leased"]


def test_a_life_that_goes_on_keeps_its_name(books: Books) -> None:
    books.read(workers.register, me())
    with pytest.raises(Permanent, match="has this name already"):
        books.read(workers.register, me("2:2"), lives=lambda life: life == "1:1")


def test_a_name_of_another_host_is_free_when_that_has_been_silent(books: Books) -> None:
    books.add("a")
    books.read(workers.register, me(host="elsewhere"))
    books.claim(1, owner="one")
    with pytest.raises(Permanent):
        books.read(workers.register, me("2:2"), lives=lambda life: False)
    books.execute("update worker set heartbeat = now() - interval '1 minute'")
    assert books.read(workers.register, me("2:2"), lives=lambda life: False) == 0
    # Whether that host is dead nobody knows: its leases run out by themselves.
    assert books.state("a") == "leased"


def test_the_same_life_may_register_again_and_keeps_what_it_did(books: Books) -> None:
    books.read(workers.register, me())
    books.read(workers.report, me(), Totals(items=3, files=4))
    books.read(workers.register, me())
    (one,) = books.read(workers.listed)
    assert (one.items, one.files, one.settings) == (3, 4, {"batch": 5})


def test_a_later_life_starts_to_count_anew_and_the_rates_keep_both(books: Books) -> None:
    books.read(workers.register, me())
    books.read(workers.report, me(), Totals(files=4, slow=1))
    books.read(workers.register, me("2:2"), lives=lambda life: False)
    books.read(workers.report, me("2:2"), Totals(files=2))
    (one,) = books.read(workers.listed)
    assert (one.files, books.scalar("select sum(files) from rate")) == (2, 6)
    assert books.change(workers.speed).slow == 1


def test_progress_that_is_written_twice_counts_once_and_that_of_an_earlier_life_not_at_all(
    books: Books,
) -> None:
    books.read(workers.register, me())
    for _ in range(2):
        books.read(workers.report, me(), Totals(files=4))
    books.read(workers.register, me("2:2"), lives=lambda life: False)
    books.read(workers.report, me(), Totals(files=9))
    assert books.scalar("select sum(files) from rate") == 4


def test_a_sign_of_life_tells_what_the_worker_does_and_hears_that_it_is_to_end(books: Books) -> None:
    assert books.read(workers.beat, me()) == workers.Beat(known=False, drain=False)
    books.read(workers.register, me())
    beat = books.read(workers.beat, me(), state="paused", phase="waiting", paused_why="the server is down")
    assert beat == workers.Beat(known=True, drain=False)
    assert books.read(workers.drain, pipeline="posters") == []
    assert books.read(workers.drain, pipeline="books", who="anna") == ["one"]
    assert books.read(workers.beat, me()).drain
    (event,) = books.read(events.latest)
    assert (event.who, event.what, event.subject) == ("anna", "drain", "one")


def test_who_left_is_gone_and_its_name_is_free(books: Books) -> None:
    books.read(workers.register, me())
    books.read(workers.leave, me())
    (one,) = books.read(workers.listed)
    assert one.state == "gone"
    books.read(workers.register, me("2:2"), lives=lambda life: True)


def lives(books: Books) -> list[tuple[str, bool, bool]]:
    with books.database.engine.connect() as connection:
        rows = connection.execute(text("select life, told_to_end, progressed from worker_start order by at"))
        return [tuple(row) for row in rows]


def test_how_a_life_ended_and_whether_it_did_anything_is_kept_when_the_next_begins(books: Books) -> None:
    def dead(_life: str) -> bool:
        return False

    books.read(workers.register, me())
    books.read(workers.report, me(), Totals(items=1))
    books.read(workers.register, me("2:2"), lives=dead)
    books.read(workers.leave, me("2:2"))
    books.read(workers.register, me("3:3"), lives=dead)
    books.read(workers.leave, me("3:3"), told=False)
    books.read(workers.register, me("4:4"), lives=dead)
    assert lives(books) == [
        ("1:1", False, True),
        ("2:2", True, False),
        ("3:3", False, False),
        ("4:4", False, False),
    ]
    books.execute("update worker_start set at = now() - interval '2 days' where life <> '4:4'")
    books.read(cleaning.forget)
    assert [life for life, *_ in lives(books)] == ["4:4"]


def test_a_life_that_registers_again_is_no_start(books: Books) -> None:
    for _ in range(2):
        books.read(workers.register, me())
    assert len(lives(books)) == 1


def test_one_that_drains_was_told_to_end_even_if_it_never_says_that_it_has(books: Books) -> None:
    books.read(workers.register, me())
    books.read(workers.beat, me(), state="draining")
    assert books.scalar("select told_to_end from worker")
    books.read(workers.register, me("2:2"), lives=lambda life: False)
    assert not books.scalar("select told_to_end from worker")


def test_a_worker_that_was_cut_off_is_free_from_its_next_sign_of_life_on(books: Books) -> None:
    books.read(workers.register, me())
    books.execute("update worker set free_since = now() - interval '1 hour'")
    books.read(workers.beat, me())
    free = "select free_since < now() - interval '1 minute' from worker"
    assert books.scalar(free), "an ordinary sign of life changes nothing"
    books.execute("update worker set heartbeat = now() - interval '1 minute'")
    books.read(workers.beat, me())
    assert not books.scalar(free)


def test_there_is_work_from_the_first_sign_of_life_that_finds_some_until_one_finds_none(books: Books) -> None:
    since = "select work_since from worker"
    books.read(workers.register, me())
    books.read(workers.beat, me())
    assert books.scalar(since) is None
    books.add("a")
    books.read(workers.beat, me())
    first = books.scalar(since)
    (lease,) = books.claim(1, owner="one")
    books.read(workers.beat, me())
    books.give_back([lease])
    books.read(workers.beat, me())
    assert first is not None and books.scalar(since) == first
    books.finish(books.claim(1, owner="two")[0])
    books.read(workers.beat, me())
    assert books.scalar(since) is None


def test_a_life_is_over_when_its_process_is_even_if_another_has_its_number() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    life = Me("one", "books", "calibre", pid=process.pid).life
    assert workers.is_alive(life)
    assert not workers.is_alive(f"{os.getpid()}:1")
    process.kill()
    process.wait()
    assert not workers.is_alive(life)


def test_nothing_is_fast_when_nothing_was_done(books: Books) -> None:
    assert books.change(workers.speed) == workers.Speed()


def test_speed_is_per_minute(books: Books) -> None:
    books.execute(
        "insert into rate (pipeline, collection, minute, items, files, bytes) values"
        " ('books', 'calibre', date_trunc('minute', now()) - interval '2 minutes', 10, 20, 3000)"
    )
    speed = books.change(workers.speed)
    assert 2.0 <= speed.minutes <= 3.0
    assert speed.files == pytest.approx(20 / speed.minutes)


def test_the_minutes_with_a_sign_of_life_are_kept_for_a_day(books: Books) -> None:
    books.read(workers.register, me())
    assert books.read(workers.minutes) == {}
    for state in ("running", "running", "paused"):
        books.read(workers.beat, me(), state=state)
    books.execute(
        "insert into worker_minute (worker, minute, state) values"
        " ('one', date_trunc('minute', now()) - interval '7 minutes', 'running'),"
        " ('one', date_trunc('minute', now()) - interval '25 hours', 'running')"
    )
    told = books.read(workers.minutes)["one"]
    assert {state for _, state in told[:1]} == {"running"} and told[-1][1] == "paused"
    assert told[0][0] < told[-1][0]
    books.read(cleaning.forget)
    assert books.scalar("select count(*) from worker_minute where minute < now() - interval '1 day'") == 0
    assert len(books.read(workers.minutes)["one"]) == len(told)
