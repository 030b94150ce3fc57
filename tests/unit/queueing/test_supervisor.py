"""The supervisor: what dead workers held is given back, bells are rung, stalled jobs are closed."""

from __future__ import annotations

import time
from datetime import datetime
from threading import Event, Thread

import pytest
from sqlalchemy import text

from medialift.errors import Transient
from medialift.queueing import control, events, workers
from medialift.queueing.supervisor import Supervisor
from tests.postgres_world import Postgres
from tests.queue_world import Books

STALLED_JOB = (
    "insert into procrastinate_jobs (queue_name, task_name, status, worker_id, queueing_lock)"
    " values ('books:calibre', 'medialift.work', 'doing', null, 'twin')"
)


def supervisor(books: Books, **given: object) -> Supervisor:
    return Supervisor(books.database, **given)  # type: ignore[arg-type]


def test_what_a_dead_worker_held_is_ready_again_and_the_loss_is_noted_but_does_not_count(
    books: Books,
) -> None:
    books.add("a", "b")
    books.claim(1, ttl=0.05)
    books.claim(1, ttl=60)
    time.sleep(0.1)
    assert supervisor(books).round().given_back == 1
    assert (books.state("a"), books.state("b")) == ("ready", "leased")
    assert books.attempts("a") == [(1, "lost")]
    assert [lease.attempts for lease in books.claim(1)] == [1]


def test_an_item_that_ends_its_worker_again_and_again_fails_in_the_end(books: Books) -> None:
    books.add("a")
    for _ in range(9):
        books.execute("update item set not_before = now()")
        books.claim(1, ttl=-1)
        assert books.sweep().given_back == 1
    assert books.scalar("select not_before > now() from item")
    books.execute("update item set not_before = now()")
    books.claim(1, ttl=-1)
    assert books.sweep().failed == 1
    assert "ended without a word 10 times" in books.row("a").error_text


def test_a_sweep_ends_cancelled_items(books: Books) -> None:
    books.add("a")
    books.claim(1, ttl=-1)
    books.execute("update item set cancel = true")
    books.sweep()
    assert books.state("a") == "cancelled"


def test_a_worker_without_a_sign_of_life_is_gone(books: Books) -> None:
    me = workers.Me("one", "books", "calibre")
    books.read(workers.register, me)
    assert supervisor(books, silence=60).round().workers_gone == ()
    books.execute("update worker set heartbeat = now() - interval '2 minutes'")
    assert supervisor(books, silence=60).round().workers_gone == ("one",)
    assert supervisor(books, silence=60).round().workers_gone == ()
    (event,) = [one for one in books.read(events.latest) if one.what == "sweep"]
    assert event.after == {"given_back": 0, "failed": 0, "workers_gone": ["one"]}


def test_a_bell_that_was_lost_is_rung(books: Books) -> None:
    books.add_many(500)
    assert supervisor(books).round().rung == 3
    assert supervisor(books).round().rung == 0


def test_a_stalled_job_is_closed_even_when_a_twin_waits_and_never_tried_again(books: Books) -> None:
    books.execute(STALLED_JOB)
    books.execute(STALLED_JOB.replace("'doing', null", "'todo', null"))
    assert supervisor(books).round().closed == 1
    assert sorted(books.read(jobs)) == ["failed", "todo"]


def test_a_job_of_a_worker_that_gives_signs_of_life_is_left_alone(books: Books) -> None:
    books.execute("insert into procrastinate_workers default values")
    books.execute(STALLED_JOB.replace("null", "(select max(id) from procrastinate_workers)"))
    assert supervisor(books, silence=60).round().closed == 0
    books.execute("update procrastinate_workers set last_heartbeat = now() - interval '2 minutes'")
    assert supervisor(books, silence=60).round().closed == 1


def test_a_step_that_fails_stops_no_other(books: Books) -> None:
    books.add_many(5)
    books.claim(1, ttl=-1)
    books.execute("drop function procrastinate_defer_jobs_v1")
    books.execute(STALLED_JOB)
    done = supervisor(books).round()
    assert (done.given_back, done.closed, done.rung) == (1, 1, 0)
    assert "procrastinate_defer_jobs_v1" in done.errors[0]


def test_only_jobs_that_ended_long_ago_are_deleted_in_chunks_and_hourly(books: Books) -> None:
    add_job = (
        "insert into procrastinate_jobs (queue_name, task_name) select 'books:calibre', 'medialift.work'"
        " from generate_series(1, :count)"
    )
    books.execute(add_job, count=5)
    books.execute("update procrastinate_jobs set status = 'doing'")
    books.execute("update procrastinate_jobs set status = 'succeeded'")
    books.execute("update procrastinate_events set at = now() - interval '2 days'")
    books.execute(add_job, count=2)
    books.execute("update procrastinate_jobs set status = 'doing' where status = 'todo'")
    watching = supervisor(books, silence=1e9)
    assert watching.round().cleaned == 5
    books.execute("update procrastinate_events set at = now() - interval '2 days'")
    books.execute("update procrastinate_jobs set status = 'failed'")
    assert watching.round().cleaned == 0


def test_two_supervisors_at_once_do_no_harm(books: Books) -> None:
    books.add_many(300)
    for _ in range(100):
        books.claim(1, ttl=-1)
    rounds = []
    threads = [Thread(target=lambda: rounds.append(supervisor(books).round())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(one.given_back for one in rounds) == 100
    assert books.scalar("select count(*) from procrastinate_jobs") == 2
    assert books.scalar("select count(*) from attempt") == 100


def test_while_another_is_at_it_a_supervisor_does_nothing(books: Books) -> None:
    books.add("a")
    with books.database.engine.begin() as other:
        other.execute(text("select pg_advisory_xact_lock(hashtextextended('medialift supervisor', 0))"))
        assert supervisor(books).round().active is False
    assert supervisor(books).round().rung == 1


def test_outside_of_its_hours_a_pipeline_rests_and_within_them_it_goes_on(books: Books) -> None:
    books.add("a")
    books.change(control.change, hours="22:00-06:30", who="anna")
    now = {"at": datetime(2026, 1, 1, 12, 0)}
    watching = supervisor(books, local_time=lambda: now["at"])
    assert watching.round().rung == 0 and books.claim(1) == []
    assert books.change(control.read).why == "outside of its hours 22:00-06:30"
    now["at"] = datetime(2026, 1, 1, 23, 0)
    assert watching.round().rung == 1 and len(books.claim(1)) == 1


def test_a_supervisor_outlives_a_database_that_is_away(postgres_of_test: Postgres, books: Books) -> None:
    books.add("a")
    stop = Event()
    watching = supervisor(books, every=0.1)
    thread = Thread(target=watching.run, args=(stop,))
    postgres_of_test.kill()
    with pytest.raises(Transient):
        watching.round()
    thread.start()
    time.sleep(0.5)
    postgres_of_test.start()
    until = time.monotonic() + 20
    while time.monotonic() < until and not books.read(jobs):
        time.sleep(0.05)
    stop.set()
    thread.join(20)
    assert books.read(jobs) == ["todo"]


def jobs(connection) -> list[str]:
    return list(connection.execute(text("select status::text from procrastinate_jobs")).scalars())
