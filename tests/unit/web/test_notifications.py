"""The page and the API of notifications: no secret shows; a test arrives, is audited, and can spam nobody."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from medialift.foundation.waiting import wait_until
from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.web import notifying
from medialift.web.access import people
from tests.dashboard_world import within

SECRET = "hunter2secrettopic"
API = "/api/v1/notifications"


class Hook:
    """A webhook that keeps what it hears; it answers when it may."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.status = 200
        self.may = Event()
        self.may.set()
        hook = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                hook.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                hook.may.wait(30)
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"json://127.0.0.1:{self.server.server_port}/{SECRET}"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.may.set()
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def house(database: Database, hook: Hook) -> Iterator[TestClient]:
    """A dashboard that tells two: a webhook, and something that is no address."""
    urls = (hook.url, f"nonsense://{SECRET}")
    with within(
        database, notify={"urls": urls, "events": ("failed",), "events_of": {"json": ("ended",)}}
    ) as client:
        yield client


@pytest.fixture
def quiet(database: Database) -> Iterator[TestClient]:
    """A dashboard that tells nobody."""
    with within(database) as client:
        yield client


def audit(database: Database) -> list[events.Event]:
    with database.engine.connect() as connection:
        return [one for one in events.latest(connection) if one.what == notifying.WHAT]


def test_everybody_who_is_told_is_shown_with_their_events_and_no_secret(house: TestClient) -> None:
    told = house.get(API).json()
    assert [one["number"] for one in told["destinations"]] == [1, 2]
    assert told["destinations"][0]["events"] == ["ended"] and not told["destinations"][0]["problem"]
    assert "Apprise" in told["destinations"][1]["problem"]
    by_event = {one["event"]: one for one in told["events"]}
    # The second one wants to hear of failures, and cannot.
    assert by_event["ended"]["destinations"] == [1] and by_event["failed"]["destinations"] == []
    assert by_event["audiobook_done"] == {
        "event": "audiobook_done", "category": "Audiobooks", "destinations": []
    }  # fmt: skip
    page = house.get("/notifications")
    assert page.status_code == 200 and "A burst ended well" in page.text
    assert SECRET not in page.text + json.dumps(told)


def test_nobody_is_a_page_and_an_empty_list(quiet: TestClient) -> None:
    assert quiet.get(API).json()["destinations"] == []
    assert "Nobody is told of anything" in quiet.get("/notifications").text


def test_a_test_arrives_and_is_in_the_audit_with_who_asked(
    house: TestClient, hook: Hook, database: Database
) -> None:
    told = house.post(f"{API}/test", json={"destination": 1})
    assert told.status_code == 200 and told.json()["items"][0]["ok"] is True
    assert hook.heard[0]["title"] == "medialift: a test" and "local" in hook.heard[0]["message"]
    (done,) = audit(database)
    assert done.after == {"ok": True} and done.who.startswith("local") and SECRET not in str(done)
    assert "taken" in house.get("/notifications?part=tests").text


def test_one_that_does_not_take_it_says_why_and_the_others_are_told(
    house: TestClient, hook: Hook, database: Database
) -> None:
    hook.status = 500
    first, second = house.post(f"{API}/test", json={}).json()["items"]
    assert not first["ok"] and first["error"] and not second["ok"]
    assert SECRET not in str((first, second)) and SECRET not in str(audit(database))
    assert len(hook.heard) == 1 and len(audit(database)) == 2


def test_a_button_does_the_same_and_says_how_it_went(house: TestClient, hook: Hook) -> None:
    page = house.post("/notifications/test", data={"destination": "1"})
    assert page.status_code == 200 and "took the test" in page.text
    assert len(hook.heard) == 1


def test_only_so_many_a_minute(house: TestClient, hook: Hook, database: Database) -> None:
    for _ in range(notifying.AT_MOST):
        assert house.post(f"{API}/test", json={"destination": 1}).status_code == 200
    refused = house.post(f"{API}/test", json={"destination": 1})
    assert refused.status_code == 429 and 1 <= int(refused.headers["Retry-After"]) <= 60
    assert len(hook.heard) == notifying.AT_MOST
    with database.engine.begin() as connection:
        connection.execute(text("update event set at = at - interval '2 minutes'"))
    assert house.post(f"{API}/test", json={"destination": 1}).status_code == 200


def test_two_at_once_tell_once(house: TestClient, hook: Hook) -> None:
    hook.may.clear()
    statuses: list[int] = []
    thread = Thread(
        target=lambda: statuses.append(house.post(f"{API}/test", json={"destination": 1}).status_code)
    )
    thread.start()
    try:
        assert wait_until(lambda: bool(hook.heard), at_most=30, every=0.02)
        assert house.post(f"{API}/test", json={"destination": 1}).status_code == 429
    finally:
        hook.may.set()
        thread.join(30)
    assert statuses == [200] and len(hook.heard) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"destination": 9}, 404),
        ({"destination": 0}, 422),
        ({"destination": 2**70}, 422),
        ({"destination": "one"}, 422),
        ({"url": "json://elsewhere"}, 422),
        ([], 422),
    ],
    ids=["nobody", "zero", "huge", "a word", "an address of one's own", "no object"],
)
def test_what_is_no_destination_is_refused_and_nobody_is_told(
    house: TestClient, hook: Hook, body: Any, status: int
) -> None:
    answer = house.post(f"{API}/test", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert hook.heard == []


def test_a_test_with_nobody_to_tell_is_refused(quiet: TestClient) -> None:
    assert quiet.post(f"{API}/test", json={}).status_code == 409
    assert quiet.post("/notifications/test").status_code == 409


@pytest.fixture
def as_reader(database: Database, house: TestClient) -> Callable[..., Any]:
    """as_reader("POST", path, …) as a program that may only read."""
    from medialift.web.access import tokens

    with database.engine.begin() as connection:
        people.add(connection, "ada", "wide river stone", "admin")
        secret, _ = tokens.create(connection, "reader", "read")

    def ask(method: str, path: str, **given: Any) -> Any:
        return house.request(method, path, headers={"Authorization": f"Bearer {secret}"}, **given)

    return ask


def test_who_may_only_read_sees_it_and_sends_nothing(as_reader: Callable[..., Any], hook: Hook) -> None:
    assert as_reader("GET", API).status_code == 200
    assert as_reader("POST", f"{API}/test", json={}).status_code == 403
    assert as_reader("POST", "/notifications/test").status_code == 403
    page = as_reader("GET", "/notifications")
    assert page.status_code == 200 and "Send a test" not in page.text
    assert hook.heard == []


def test_notices_of_books_that_could_not_be_told_are_shown(house: TestClient, database: Database) -> None:
    with database.engine.begin() as connection:
        item = connection.execute(
            text(
                "insert into item (pipeline, collection, key) values ('audiobooks', 'a', 'convert/A')"
                " returning id"
            )
        ).scalar_one()
        connection.execute(
            text(
                "insert into audiobook_todo (collection, item_id, what, detail, tries, error_text) values"
                " ('a', :item, 'tell', '{\"title\": \"<script>Tales</script>\"}', 3, 'It does not answer')"
            ),
            {"item": item},
        )
    page = house.get("/notifications").text
    assert "&lt;script&gt;Tales" in page and "<script>Tales" not in page and "It does not answer" in page
