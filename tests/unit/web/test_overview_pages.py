"""The overview, workers, bursts and mounts: the ledger's own figures, and nothing that is in it as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from medialift.books import status as books
from medialift.errors import Permanent
from medialift.healing import care, history, requests
from medialift.healing.history import Entry, What
from medialift.queueing import bursts, mount_states, rates, workers
from medialift.queueing.bursts import Known, Line
from medialift.queueing.database import Database
from medialift.queueing.mount_states import MountState
from medialift.queueing.workers import Me
from medialift.web import crew, mounts
from medialift.web.mounts import Shown
from tests.dashboard_world import settings_of, within
from tests.queue_world import Books

NASTY = "<script>alert(1)</script>"
PAGES = ["/", "/workers", "/bursts", "/mounts"]
PARTS = [
    "/?part=now",
    "/?part=day",
    "/workers?part=crew",
    "/workers?part=history",
    "/bursts?part=rows",
    "/mounts?part=rows",
]


class House:
    """A dashboard, and the ledger behind it."""

    def __init__(self, database: Database, client: Any) -> None:
        self.database, self.client, self.books = database, client, Books(database)

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []

    def read(self, function: Any, *given: Any, **more: Any) -> Any:
        with self.database.engine.begin() as connection:
            return function(connection, *given, **more)

    def shown(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return str(answer.text)

    def tile(self, path: str, name: str) -> str:
        """The figure with this name on a page."""
        told = re.search(rf"<dt>{re.escape(name)}</dt><dd[^>]*>(.*?)</dd>", self.shown(path))
        assert told, f"{path} has no figure {name}"
        return re.sub(r"<[^>]+>", "", told[1])

    def worker(self, name: str, host: str = "attic") -> Me:
        me = Me(name, "books", "calibre", host=host, life=f"1:{name}")
        self.read(workers.register, me, lives=_over)
        return me

    def mount(self, point: str, state: str, **given: Any) -> MountState:
        now = datetime.now(UTC)
        told = {"host": "nas", "name": point, "since": now - timedelta(days=1), "at": now, **given}
        return MountState(point=point, state=state, **told)


def _without_times(html: str) -> str:
    """What does not change while one looks."""
    return re.sub(r"<time[^>]*>[^<]*</time>", "", html)


def _over(_life: str) -> bool:
    return False


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    with within(database) as client:
        yield House(database, client)


def test_an_empty_house_is_shown_as_one(house):
    for path in PAGES + PARTS:
        html = house.shown(path)
        assert ("<h1>" in html) == ("part=" not in path), path
        assert 'class="empty"' in html, path


def test_a_part_that_is_none_is_refused(house):
    for path in ("/?part=main", "/?part=none", "/workers?part=..%2Fbase", "/mounts?part=%3Cb%3E"):
        assert "no such part" in house.shown(path, 404)


def test_the_overview_says_what_the_command_says(house):
    house.books.add(*map(str, range(1, 8)), size=1000)
    done, broken, _running = house.books.claim(3)
    house.books.finish(done)
    house.books.fail(broken, Permanent(NASTY, NASTY), limit=1)
    counts = house.read(books.status, "calibre").items
    assert (counts.open, counts.failed) == (5, 1)
    assert house.tile("/", "To be done") == f"{counts.open:,}"
    assert house.tile("/", "Being done") == f"{counts.leased:,}"
    assert house.tile("/", "Failed") == f"{counts.failed:,}"
    html = house.shown("/")
    assert NASTY not in html and NASTY in unescape(html)
    found = int(house.run("select id from item where state = 'failed'")[0].id)
    assert f'href="/items/{found}"' in html
    assert _without_times(house.shown("/?part=now")).strip() in _without_times(html)


def test_the_speed_on_the_overview_is_that_of_the_workers(house):
    me = house.worker("attic@1")
    house.books.add("1")
    house.run(
        "insert into rate (pipeline, collection, minute, items, bytes)"
        " select 'books', 'calibre', date_trunc('minute', now()) - make_interval(mins => n), 6, 1000"
        " from generate_series(1, 4) n"
    )
    assert me.collection == "calibre"
    assert house.tile("/", "Items a minute") == f"{house.read(workers.speed, 'books', 'calibre').items:.1f}"
    assert "items a minute" in house.shown("/").lower()


def test_steps_of_a_line_have_no_gaps_and_lose_nothing(house):
    house.run(
        "insert into rate (pipeline, collection, minute, items, files, bytes, slow)"
        " values ('books', 'calibre', date_trunc('minute', now()), 1, 2, 3, 1),"
        " ('books', 'calibre', date_trunc('minute', now()) - interval '3 minutes', 10, 20, 30, 0),"
        " ('books', 'other', date_trunc('minute', now()), 99, 0, 0, 0)"
    )
    minutes = house.read(rates.series, "books", "calibre", steps=5)
    assert [one.items for one in minutes] in ([0, 10, 0, 0, 1], [10, 0, 0, 1, 0])
    quarters = house.read(rates.series, "books", "calibre", steps=3, minutes=15)
    assert (len(quarters), sum(one.items for one in quarters)) == (3, 11)
    assert (quarters[1].at - quarters[0].at).total_seconds() == 900


def test_each_worker_is_shown_with_its_state_and_why(house):
    for name in ("attic@1", "attic@2", "attic@3", "attic@4"):
        house.worker(name)
    house.read(care.pause, "attic@2", why=f"Nothing helped {NASTY}")
    house.run("update worker set heartbeat = now() - interval '2 minutes' where name = 'attic@3'")
    house.run(
        "update worker set state = 'gone', heartbeat = now() - interval '2 days' where name = 'attic@4'"
    )
    found = house.read(crew.hands, settings_of())
    assert [(one.name, one.state) for one in found] == [
        ("attic@3", "silent"),
        ("attic@2", "paused"),
        ("attic@1", "well"),
    ]
    html = house.shown("/workers")
    assert NASTY not in html and "Nothing helped" in html
    assert "No healing watches the workers of <strong>attic</strong>" in html
    assert house.tile("/", "Unwell") == "2"


def test_the_workers_of_a_host_whose_healing_makes_rounds_are_watched(house):
    house.worker("attic@1")
    house.run("insert into healer (host, workers) values ('attic', 1)")
    assert "No healing" not in house.shown("/workers")
    house.run("update healer set at = now() - interval '1 day'")
    assert "made its last round" in house.shown("/workers")


def test_the_day_of_a_worker_shows_when_it_started_and_what_was_wrong(house):
    house.worker("attic@1")
    house.run("update worker_start set at = now() - interval '5 hours'")
    house.run(
        "insert into worker_minute (worker, minute, state)"
        " select 'attic@1', date_trunc('minute', now()) - make_interval(mins => n), 'running'"
        " from generate_series(0, 300) n where n not between 100 and 110 on conflict do nothing"
    )
    for ago in (3, 40):
        number = house.read(
            history.record, Entry(What.FINDING, "attic", "books", "attic@1", "stuck", "It hangs")
        )
        house.run(
            "update finding set at = now() - make_interval(hours => :ago) where id = :id", ago=ago, id=number
        )
    number = house.read(
        history.record, Entry(What.REMEDY, "attic", "books", "attic@1", "applied", "Restarted")
    )
    house.run("update finding set at = now() - interval '3 hours' where id = :id", id=number)
    known = {one.name: one for one in house.read(workers.listed)}
    slots = house.read(crew.strips, known)["attic@1"]
    kinds = [one.kind for one in slots]
    assert len(kinds) == 48
    assert kinds.count("bad") == 1 and kinds.count("busy") == 1
    assert kinds.index("busy") in (37, 38) and kinds.index("bad") in (41, 42)
    assert [slots[number].words for number in range(48) if kinds[number] == "warn"] in (
        ["silent for 11 min"],
        ["silent for 10 min"],
    )
    assert set(kinds[:37]) == {""} and set(kinds[45:]) == {"well"}
    assert "It hangs" in house.shown("/workers")


def test_a_person_asks_the_healing_of_a_host_and_is_named_in_the_audit(house):
    house.worker("attic@1")
    answer = house.client.post(
        "/workers/pause", data={"name": "attic@1", "why": "the disk is full"}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/workers")
    ((one),) = house.read(requests.listed)
    assert (one.worker, one.host, one.what, one.why) == ("attic@1", "attic", "pause", "the disk is full")
    ((event),) = house.run("select who, what, subject from event")
    assert (event.what, event.subject) == ("ask to pause", "attic@1")
    assert "local" in event.who and "dashboard" in event.who
    assert "the healing of attic does it in its next round" in house.shown("/workers")


def test_what_was_asked_of_a_worker_can_be_taken_back_until_it_is_done(house):
    house.worker("attic@1")
    house.client.post("/workers/pause", data={"name": "attic@1"})
    assert "Ask no more" in house.shown("/workers")
    assert "asked for no more" in house.client.post("/workers/withdraw", data={"name": "attic@1"}).text
    assert house.read(requests.listed) == []
    assert "Nothing was asked" in house.client.post("/workers/withdraw", data={"name": "attic@1"}).text
    assert [row.what for row in house.run("select what from event order by id")] == [
        "ask to pause",
        "ask no more",
    ]


def test_programs_ask_the_same_of_workers(house):
    house.worker("attic@1")
    for what, changed, host in (
        ("pause", True, "attic"),
        ("release", True, "attic"),
        ("withdraw", True, ""),
        ("withdraw", False, ""),
        ("drain", True, ""),
        ("drain", False, ""),
    ):
        answer = house.client.post(f"/api/v1/workers/attic@1/{what}")
        assert (answer.status_code, answer.json()) == (200, {"changed": changed, "host": host})
        assert house.client.post(f"/api/v1/workers/nobody/{what}").status_code == 404
        assert house.client.post(f"/api/v1/workers/%00/{what}").status_code == 422
    assert house.client.post("/api/v1/workers/attic@1/pause", json={"way": "?"}).status_code == 422


def test_a_worker_is_asked_to_end_when_it_has_finished_what_it_has_in_hand(house):
    house.worker("attic@1")
    assert house.client.post("/workers/drain", data={"name": "attic@1"}).status_code == 200
    assert house.run("select drain from worker")[0].drain
    assert house.run("select what from event")[0].what == "drain"


BAD_FORMS: list[tuple[str, dict[str, str], int]] = [
    ("/workers/pause", {"name": "nobody"}, 404),
    ("/workers/release", {"name": NASTY}, 404),
    ("/workers/drain", {"name": "nobody"}, 404),
    ("/workers/pause", {}, 422),
    ("/workers/pause", {"name": "a\0b"}, 422),
    ("/workers/pause", {"name": "x" * 600}, 422),
    ("/workers/withdraw", {"name": "nobody"}, 404),
    ("/workers/destroy", {"name": "attic@1"}, 422),
]


def test_what_cannot_be_asked_of_a_worker_is_refused_and_changes_nothing(house):
    house.worker("attic@1")
    for path, data, status in BAD_FORMS:
        answer = house.client.post(path, data=data)
        assert answer.status_code == status, (path, data)
        assert NASTY not in answer.text
    assert house.run("select 1 from worker_request") == [] and house.run("select 1 from event") == []


def test_a_history_that_is_none_is_refused(house):
    for path, status in (
        ("/workers?what=nonsense", 404),
        ("/workers?cursor=nonsense", 400),
        ("/workers?worker=%00", 422),
    ):
        assert "<h1" in house.shown(path, status)


def test_the_whole_history_is_there_page_by_page(house):
    for number in range(70):
        house.read(
            history.record, Entry(What.SCALING, "attic", "books", "", "up", f"sentence {number} of it")
        )
    seen: list[str] = []
    path = "/workers"
    while path:
        html = house.shown(path)
        seen += re.findall(r"sentence (\d+) of it", html)
        following = re.search(r'rel="next" href="([^"]+)"', html)
        path = unescape(following[1]) if following else ""
    assert seen == [str(number) for number in reversed(range(70))]


def _tell(house: House, burst: str = "home-1", **known: Any) -> None:
    at = datetime.now(UTC) - timedelta(minutes=10)
    lines = [
        Line(1, at, NASTY, "start"),
        Line(2, at + timedelta(seconds=30), NASTY, "progress", data={"text": NASTY}),
    ]
    house.read(bursts.tell, burst, "controller", lines, Known(library=NASTY, **known))


def test_a_burst_under_way_is_shown_by_its_journal(house):
    _tell(house, mode="delta", cost_eur=0.5, budget_eur=3.0)
    for path in ("/", "/bursts", "/bursts/home-1"):
        html = house.shown(path)
        assert NASTY not in html and "home-1" in html and "running" in html
    html = house.shown("/bursts/home-1")
    assert 'data-picture="timeline"' in html and "Report as one page" not in html
    assert "0.50 €" in html


def test_a_report_of_another_release_is_told_and_not_drawn(house):
    _tell(house, outcome="failed", report={"of": "another release"})
    html = house.shown("/bursts/home-1")
    assert "another release" in html and 'data-picture="money"' not in html
    assert house.tile("/", "Unwell") == "0"
    assert "Burst home-1" in house.shown("/")


def test_a_burst_that_is_none_is_refused(house):
    for burst in ("nothing", "..%2F..%2Fetc", "%3Cscript%3E", "a" * 200):
        answer = house.client.get(f"/bursts/{burst}")
        assert answer.status_code in (404, 422)
        assert "<script>" not in answer.text


def test_mounts_that_need_somebody_come_first_and_old_news_is_told_as_such(house):
    long_ago = datetime.now(UTC) - timedelta(hours=2)
    states = [
        house.mount("/srv/media", "healthy"),
        house.mount("/srv/old", "healthy", at=long_ago),
        house.mount(
            f"/srv/{NASTY}", "hung", detail={"reason": "No byte came in 20 s", "last_success": "odd"}
        ),
        house.mount(
            "/srv/slow", "degraded", detail={"recoveries": 2, "waiting": ["plex.service"], "seconds": 1.5}
        ),
    ]
    house.read(mount_states.record, "nas", states)
    rows: list[Shown] = mounts.shown(house.read(mount_states.listed), datetime.now(UTC))
    assert [one.kind for one in rows] == ["bad", "warn", "dim", "well"]
    html = house.shown("/mounts")
    assert NASTY not in html and "No byte came in 20 s" in html
    assert "was not looked at for long" in html and "plex.service" in html
    assert house.tile("/mounts", "Not healthy") == "2"
    assert house.tile("/", "Unwell") == "1"
