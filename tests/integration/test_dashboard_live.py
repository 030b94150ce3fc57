"""Who listens hears that something changed: once for each change, soon, and until they are told to go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, text

from medialift.healing import history
from medialift.healing.history import Entry, What
from medialift.queueing import bursts, control, debug_switch, events, workers
from medialift.queueing.bursts import Known
from medialift.queueing.database import Database
from medialift.queueing.workers import Me
from medialift.web import changes
from medialift.web.changes import TOPICS
from medialift.web.server import serving
from tests.dashboard_world import over_http, settings_of
from tests.queue_world import Books

ME = Me("attic@1", "books", "calibre", host="attic", life="1:1")


def _pause_books(connection: Connection) -> None:
    control.pause(connection, "books", "calibre", why="by hand")


def _worker_comes(connection: Connection) -> None:
    workers.register(connection, ME, lives=lambda _life: False)


def _healing_finds(connection: Connection) -> None:
    history.record(connection, Entry(What.FINDING, "attic", "books", "attic@1", "stuck", "It hangs"))


def _burst_begins(connection: Connection) -> None:
    bursts.tell(connection, "films-1", "controller", [], Known(library="films"))


def _mount_hangs(connection: Connection) -> None:
    connection.execute(text("insert into mount_state (host, point, state) values ('nas', '/media', 'hung')"))


def _somebody_acts(connection: Connection) -> None:
    events.record(connection, who="anna", what="retry", subject="books")


def _recording_begins(connection: Connection) -> None:
    debug_switch.enable(connection, 30, who="anna")


def _batch_begins(connection: Connection) -> None:
    connection.execute(
        text(
            "insert into poster_batch (collection, action, image) values ('jellyfin', 'download', 'Primary')"
        )
    )


CASES: list[tuple[Callable[[Connection], None], set[str]]] = [
    (_pause_books, {"queue", "overview"}),
    (_worker_comes, {"workers", "overview"}),
    (_healing_finds, {"healing", "overview"}),
    (_burst_begins, {"bursts", "overview"}),
    (_mount_hangs, {"mounts", "overview"}),
    (_somebody_acts, {"audit", "queue"}),
    (_recording_begins, {"diagnostics"}),
    (_batch_begins, {"posters"}),
]


def look(database: Database, records: Path = Path("/nonexistent")) -> dict[str, str]:
    with database.engine.begin() as connection:
        return dict(changes.look(connection, TOPICS, records))


@pytest.mark.parametrize(("change", "topics"), CASES, ids=[case[0].__name__[1:] for case in CASES])
def test_each_change_is_seen_in_the_topics_that_show_it(database, change, topics):
    before = look(database)
    assert look(database) == before
    with database.engine.begin() as connection:
        change(connection)
    after = look(database)
    assert topics <= {topic for topic in TOPICS if before[topic] != after[topic]}


def test_a_worker_that_takes_an_item_is_seen_at_once_and_a_record_that_is_written_too(database, tmp_path):
    books = Books(database)
    books.add("1", "2")
    before = look(database, tmp_path)
    books.claim(1)
    (tmp_path / "job_1_20261129T150000Z.json").write_text("{}")
    after = look(database, tmp_path)
    assert before["queue"] != after["queue"] and before["diagnostics"] != after["diagnostics"]
    assert before["bursts"] == after["bursts"]


class Ear:
    """A listener: the events that it hears, as (name, id)."""

    def __init__(self, answer: httpx.Response) -> None:
        self.lines = answer.iter_lines()

    def next(self) -> tuple[str, str]:
        """The next event; StopIteration when the stream ends."""
        heard: dict[str, str] = {}
        for line in self.lines:
            name, _, value = line.partition(": ")
            if line == "" and "event" in heard:
                return heard["event"], heard["id"]
            heard[name] = value
        raise StopIteration

    def retry(self) -> str:
        """The first line: from then on it listens."""
        return next(self.lines)


@contextmanager
def listening(client: httpx.Client, topics: str, **headers: str) -> Iterator[Ear]:
    with client.stream(
        "GET", "/api/v1/events", params={"topics": topics}, headers=headers, timeout=20
    ) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        ear = Ear(answer)
        assert ear.retry() == "retry: 3000"
        yield ear


def change(database: Database, what: Callable[[Connection], None]) -> None:
    with database.engine.begin() as connection:
        what(connection)


def test_a_listener_hears_of_its_topics_only_and_of_what_it_missed(database):
    with over_http(database) as client:
        with listening(client, "bursts,audit") as ear:
            change(database, _mount_hangs)
            change(database, _somebody_acts)
            name, number = ear.next()
            assert name == "audit"
            change(database, _burst_begins)
            assert ear.next()[0] == "bursts"
        with listening(client, "bursts,audit", **{"Last-Event-ID": number}) as ear:
            assert ear.next()[0] == "bursts"
        # Of an earlier life of the dashboard it is not known what was heard: everything is told.
        with listening(client, "bursts,mounts", **{"Last-Event-ID": "0badcafe-7"}) as ear:
            assert [ear.next()[0], ear.next()[0]] == ["bursts", "mounts"]


def test_all_listeners_are_sent_away_when_the_dashboard_ends(database):
    with ExitStack() as stack:
        dashboard = ExitStack()
        address = dashboard.enter_context(serving(settings_of(), database))
        client = stack.enter_context(httpx.Client(base_url=address))
        ear = stack.enter_context(listening(client, "queue"))
        began = time.monotonic()
        dashboard.close()
        assert time.monotonic() - began < 8
        with pytest.raises(StopIteration):
            ear.next()


def test_listeners_are_sent_away_while_the_ledger_is_and_come_again(database, postgres_of_test):
    with over_http(database) as client:
        with listening(client, "queue") as ear:
            postgres_of_test.stop()
            with pytest.raises(StopIteration):
                ear.next()
        assert client.get("/api/v1/events?topics=queue").status_code == 503
        postgres_of_test.start()
        with listening(client, "audit") as ear:
            change(database, _somebody_acts)
            assert ear.next()[0] == "audit"


def test_no_more_listen_than_may(database):
    with over_http(database, dashboard={"listeners": 1}) as client, listening(client, "queue"):
        refused = client.get("/api/v1/events?topics=queue")
        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "30"


@pytest.mark.parametrize("topics", ["", "nonsense", "queue,<script>", "queue;drop", "x" * 300])
def test_a_topic_that_is_none_is_refused(database, topics):
    with over_http(database) as client:
        refused = client.get("/api/v1/events", params={"topics": topics})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == "application/problem+json"
