"""What a worker makes of its stages: who gets which cores, who is stopped, and what is written down once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks.handler import Attempt, AudiobooksHandler
from medialift.audiobooks.outcome import Outcome
from medialift.audiobooks.stages import PIPELINE
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.waiting import wait_until
from medialift.queueing import doorbell, items
from medialift.queueing.database import Database
from medialift.queueing.items import Which
from medialift.queueing.outcome import Bounds
from medialift.queueing.worker import Pace, Worker
from medialift.settings import AudiobooksSettings

OF = "audiobooks"
QUICK = Pace(
    batch=1,
    job_size=1,
    concurrency=4,
    attempts=1000,
    lease=3.0,
    margin=0.5,
    heartbeat=0.3,
    poll=0.2,
    report=0.2,
)


@dataclass
class Stages:
    """Stages that do what a test says, in the place of a `Workshop`."""

    do: Callable[[Attempt], None] = lambda _attempt: None
    seen: list[tuple[str, int, int]] = field(default_factory=list)
    gave_up: list[tuple[str, str]] = field(default_factory=list)
    away: str = ""
    lock: Lock = field(default_factory=Lock)

    def work(self, stage: str, attempt: Attempt) -> Outcome:
        with self.lock:
            self.seen.append((attempt.name, attempt.cores, attempt.lease.attempts))
        self.do(attempt)
        return Outcome(result={"kind": "spliced"}, name=attempt.name, how="splice", played=60.0, bytes=9)

    def inbox_away(self) -> str:
        return self.away

    def failed(self, stage: str, name: str, error: MedialiftError) -> None:
        self.gave_up.append((stage, name))

    def close(self) -> None:
        """There is nothing to be left."""


class Works:
    """A worker of the intake on a real ledger."""

    def __init__(self, database: Database, folder: Path) -> None:
        for name in ("work", "converted"):
            (folder / name).mkdir()
        self.database, self.stages = database, Stages()
        self.settings = AudiobooksSettings(
            work=folder / "work", converted=folder / "converted", cores=4, retry_base=0.05, max_retries=2
        )

    def add(self, *keys: str) -> None:
        with self.database.engine.begin() as connection:
            for key in keys:
                connection.execute(
                    text(
                        "insert into item (pipeline, collection, key, bytes, payload)"
                        " values (:pipeline, :of, :key, 9, cast('{\"book\": {}}' as jsonb))"
                    ),
                    {"pipeline": PIPELINE, "of": OF, "key": key},
                )
            doorbell.ring(connection, PIPELINE, OF, job_size=1)

    @contextmanager
    def running(self, *, bounds: Bounds | None = None, drain: float = 30.0) -> Iterator[Event]:
        """A worker, until the block ends; setting the event drains it."""
        stop = Event()
        handler = AudiobooksHandler(self.settings, lambda: self.stages, drain=drain)  # type: ignore[arg-type,return-value]
        worker = Worker(
            self.database,
            handler,
            "one",
            PIPELINE,
            OF,
            pace=QUICK,
            bounds=bounds or Bounds(seconds=60),
            stop=stop,
        )
        thread = Thread(target=worker.run_alone)
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(60)

    def done(self) -> None:
        """Until nothing can be begun now."""
        with self.running(bounds=Bounds(until_done=True)):
            self.until(lambda: not self.rows("select from item where state in ('ready', 'leased')"))

    def rows(self, statement: str) -> list[Any]:
        with self.database.engine.connect() as connection:
            return list(connection.execute(text(statement)))

    def item(self, key: str) -> Any:
        (row,) = (row for row in self.rows("select * from item") if row.key == key)
        return row

    def until(self, true: Callable[[], bool]) -> None:
        assert wait_until(true, at_most=30, every=0.05), (self.stages.seen, self.rows("select * from item"))


@pytest.fixture
def works(database: Database, tmp_path: Path) -> Works:
    return Works(database, tmp_path)


def test_one_book_gets_all_cores_and_of_several_each_gets_its_share(works: Works) -> None:
    works.add("convert/a")
    works.done()
    assert works.stages.seen == [("a", 4, 1)]
    works.stages.seen.clear()
    go = Event()
    works.stages.do = lambda _attempt: (go.wait(30), None)[1]
    works.add(*(f"convert/{name}" for name in "bcdef"))
    with works.running():
        works.until(lambda: len(works.stages.seen) == 4)
        assert {cores for _, cores, _ in works.stages.seen} == {1}
        go.set()
        works.until(lambda: len(works.stages.seen) == 5)


def test_what_is_made_is_written_down_once_with_its_figures(works: Works) -> None:
    works.add("convert/a")
    works.done()
    (run,) = works.rows("select * from audiobook_run")
    assert (run.key, run.outcome, run.how, run.played, run.attempt) == ("a", "done", "splice", 60.0, 1)
    assert works.item("convert/a").result == {"kind": "spliced", "name": "a"}


def test_an_error_that_may_pass_is_tried_so_often_and_told_each_time(works: Works) -> None:
    def fail(_attempt: Attempt) -> None:
        raise Transient("The disk is full")

    works.stages.do = fail
    works.add("convert/a")
    works.done()
    assert [attempt for _, _, attempt in works.stages.seen] == [1, 2, 3]
    assert works.item("convert/a").state == "failed"
    told = [
        row.detail["event"]
        for row in works.rows("select * from audiobook_todo where what = 'tell' order by id")
    ]
    assert told == ["audiobook_retry", "audiobook_retry", "audiobook_failed"]
    (aside,) = works.rows("select * from audiobook_todo where what = 'put_aside'")
    assert aside.detail["tries"] == 3 and aside.detail["error"]["what"] == "The disk is full"


def test_tagging_that_failed_for_good_is_told_to_the_book(works: Works) -> None:
    def fail(_attempt: Attempt) -> None:
        raise Permanent("Nobody knows it")

    works.stages.do = fail
    works.add("tag/a")
    works.done()
    works.until(lambda: works.stages.gave_up == [("tag", "a")])
    (told,) = works.rows("select * from audiobook_todo")
    assert told.what == "tell" and told.detail["event"] == "audiobook_tagging_failed"


def test_what_nobody_foresaw_is_tried_once_more_and_the_worker_goes_on(works: Works) -> None:
    def fail(attempt: Attempt) -> None:
        if attempt.name == "a":
            raise KeyError("nobody thought of it")

    works.stages.do = fail
    works.add("convert/a", "convert/b")
    works.done()
    assert (works.item("convert/a").state, works.item("convert/b").state) == ("failed", "done")
    assert sum(name == "a" for name, _, _ in works.stages.seen) == 2


def wait_for_stop(attempt: Attempt) -> None:
    if not attempt.stop.wait(30):
        return
    raise Transient("It was stopped")


def test_what_takes_too_long_when_the_worker_is_to_end_is_stopped_and_costs_no_attempt(works: Works) -> None:
    works.stages.do = wait_for_stop
    works.add("convert/a")
    with works.running(drain=0.1) as stop:
        works.until(lambda: len(works.stages.seen) == 1)
        stop.set()
        works.until(lambda: works.item("convert/a").state == "ready")
    assert works.item("convert/a").attempts == 0
    assert works.rows("select * from audiobook_run") == works.rows("select * from audiobook_todo") == []


def test_what_is_in_hand_is_finished_when_the_worker_is_to_end(works: Works) -> None:
    go = Event()
    works.stages.do = lambda _attempt: (go.wait(30), None)[1]
    works.add("convert/a")
    with works.running(drain=30) as stop:
        works.until(lambda: len(works.stages.seen) == 1)
        stop.set()
        go.set()
    assert works.item("convert/a").state == "done"


def test_a_book_that_is_cancelled_is_stopped_and_taken_off_the_list(works: Works) -> None:
    works.stages.do = wait_for_stop
    works.add("convert/a")
    with works.running():
        works.until(lambda: len(works.stages.seen) == 1)
        with works.database.engine.begin() as connection:
            items.cancel(connection, PIPELINE, OF, Which.named(["convert/a"]))
        works.until(lambda: works.item("convert/a").state == "cancelled")
    assert works.rows("select * from audiobook_run") == []


def test_a_book_that_another_has_now_is_stopped_and_its_result_thrown_away(works: Works) -> None:
    works.stages.do = wait_for_stop
    works.add("convert/a")
    with works.running():
        works.until(lambda: len(works.stages.seen) == 1)
        with works.database.engine.begin() as connection:
            connection.execute(
                text("update item set lease_token = nextval('claim_token'), lease_owner = 'two'")
            )
        works.until(lambda: works.rows("select from worker where phase = 'waiting for books'") != [])
    row = works.item("convert/a")
    assert (row.state, row.lease_owner) == ("leased", "two") and works.rows(
        "select * from audiobook_run"
    ) == []


def test_an_inbox_that_is_away_costs_no_attempt_and_the_worker_rests(works: Works) -> None:
    def fail(_attempt: Attempt) -> None:
        raise FileNotFoundError(2, "No such file", "/srv/inbox/a")

    works.stages.do, works.stages.away = fail, "The inbox is away"
    works.add("convert/a")
    with works.running():
        works.until(lambda: works.rows("select from worker where paused_why = 'The inbox is away'") != [])
        assert (works.item("convert/a").state, works.item("convert/a").attempts) == ("ready", 0)


def test_how_far_a_long_conversion_is_shows_that_the_worker_gets_on(works: Works) -> None:
    def tell(attempt: Attempt) -> None:
        attempt.step("converting")
        for share in (0.5, 1.0, 1.0):
            attempt.tell(share)

    works.stages.do = tell
    works.add("convert/a")
    works.done()
    (progress,) = works.rows("select * from progress")
    assert progress.moved >= 9 and progress.items == 1
