"""Saying who may, by the API and by the pages, and reading afterwards who changed what."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.web.access import passwords, people, tokens
from tests.dashboard_world import over_http, within

PASSWORD = "correct horse battery"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def admin(database: Database) -> Iterator[httpx.Client]:
    """The API as a program with a token of an admin uses it."""
    with database.engine.begin() as connection:
        secret, _ = tokens.create(connection, "setup", "admin")
    with within(database) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        yield client


@pytest.fixture
def alice(database: Database) -> Iterator[httpx.Client]:
    """A browser that an admin is logged in with."""
    with database.engine.begin() as connection:
        people.add(connection, "alice", PASSWORD, "admin")
    with over_http(database, dashboard={"login_attempts": 3}) as client:
        client.headers["User-Agent"] = f"Firefox {SCRIPT}"
        client.post("/login", data={"name": "alice", "password": PASSWORD})
        yield client


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """A form of a page, with its token."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)[1]
    return client.post(path, data={"csrf_token": token, **fields})


def audited(database: Database) -> list[tuple[str, str, str]]:
    with database.engine.connect() as connection:
        return [(one.who, one.what, one.subject) for one in events.latest(connection)]


def test_the_api_adds_changes_and_removes_people(admin, database):
    made = admin.post("/api/v1/people", json={"name": "Bob", "password": PASSWORD, "scope": "act"})
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["scope"], made.json()["disabled"]) == ("bob", "act", False)
    changed = admin.patch("/api/v1/people/bob", json={"scope": "read", "disabled": True}).json()
    assert (changed["scope"], changed["disabled"]) == ("read", True)
    assert admin.put("/api/v1/people/bob/password", json={"password": "another long one"}).status_code == 204
    assert [one["name"] for one in admin.get("/api/v1/people").json()["items"]] == ["bob"]
    unconfirmed = admin.delete("/api/v1/people/bob")
    assert (unconfirmed.status_code, unconfirmed.json()["hint"]) == (428, "Confirm it with confirm=bob")
    assert admin.delete("/api/v1/people/bob?confirm=bob").status_code == 204
    assert admin.get("/api/v1/people").json() == {"items": [], "next": None}
    assert audited(database)[:2] == [
        ("setup (token, dashboard)", "person removed", "bob"),
        ("setup (token, dashboard)", "person password", "bob"),
    ]


def test_the_api_makes_lists_and_revokes_tokens(admin):
    made = admin.post("/api/v1/tokens", json={"name": "burst", "scope": "act", "seconds": 3600}).json()
    assert admin.get("/api/v1/caller", headers={"Authorization": f"Bearer {made['token']}"}).json() == {
        "name": "burst",
        "scope": "act",
        "how": "token",
    }
    listed = admin.get("/api/v1/tokens")
    assert [one["name"] for one in listed.json()["items"]] == ["burst", "setup"]
    assert made["token"] not in listed.text
    assert admin.delete("/api/v1/tokens/burst").status_code == 428
    assert admin.delete("/api/v1/tokens/burst?confirm=burst").status_code == 204
    assert (
        admin.get("/api/v1/caller", headers={"Authorization": f"Bearer {made['token']}"}).status_code == 401
    )


def test_bad_input_gets_a_clear_answer_and_changes_nothing(admin, database):
    before = audited(database)
    good = {"name": "bob", "password": PASSWORD}
    for status, method, path, body in (
        (400, "POST", "people", {**good, "password": "short"}),
        (400, "POST", "people", {**good, "name": SCRIPT}),
        (422, "POST", "people", {**good, "name": "b\0b"}),
        (422, "POST", "people", {**good, "name": "b" * 501}),
        (422, "POST", "people", {**good, "password": "b" * 5000}),
        (422, "POST", "people", {**good, "scope": "root"}),
        (422, "POST", "people", {**good, "is_admin": True}),
        (422, "POST", "people", {"name": "bob"}),
        (422, "POST", "people", []),
        (404, "PATCH", "people/nobody", {"scope": "read"}),
        (404, "PATCH", "people/nobody", {}),
        (404, "PUT", "people/nobody/password", {"password": PASSWORD}),
        (404, "DELETE", "people/nobody?confirm=nobody", None),
        (404, "DELETE", "tokens/..%2f..%2fsetup?confirm=..%2f..%2fsetup", None),
        (404, "DELETE", "tokens/none?confirm=none", None),
        (409, "POST", "tokens", {"name": "setup"}),
        (404, "POST", "tokens", {"name": "one", "person": "nobody"}),
        (422, "POST", "tokens", {"name": "one", "seconds": 0}),
        (422, "POST", "tokens", {"name": "one", "seconds": 1e300}),
        (404, "DELETE", "sessions/0123456789abcdef", None),
    ):
        answer = admin.request(method, f"/api/v1/{path}", json=body)
        assert answer.status_code == status, (path, body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["what"] and "short" not in answer.text.replace("shorter", "")
    assert audited(database) == before


def test_an_admin_says_who_may_on_the_page(alice, database):
    shown = alice.get("/access").text
    assert "There are no tokens." in shown
    assert send(alice, "/access/people", name="Bob", password=PASSWORD, scope="act").status_code == 303
    assert "bob may log in now" in alice.get("/access").text
    send(alice, "/access/people/bob/scope", scope="read")
    send(alice, "/access/people/bob/disable")
    assert "disabled" in alice.get("/access").text
    send(alice, "/access/people/bob/enable")
    assert send(alice, "/access/people/bob/password", password="another long one").status_code == 303
    with database.engine.connect() as connection:
        assert passwords.right("another long one", people.kept_password(connection, "bob"))
    assert send(alice, "/access/people/bob/remove").status_code == 428
    assert send(alice, "/access/people/bob/remove", confirm="bob").status_code == 303
    assert [what for _, what, _ in audited(database)][:6] == [
        "person removed",
        "person password",
        "person enabled",
        "person disabled",
        "person scope",
        "person added",
    ]


def test_a_token_is_shown_on_the_page_once(alice, database):
    made = send(alice, "/access/tokens", name="burst", scope="act", lasting="30d")
    secret = re.search(r'id="token">(mlt_[^<]+)<', made.text)[1]
    assert made.headers["cache-control"] == "no-store"
    assert (
        httpx.get(f"{alice.base_url}/api/v1/caller", headers={"Authorization": f"Bearer {secret}"}).json()[
            "name"
        ]
        == "burst"
    )
    assert secret not in alice.get("/access").text
    assert send(alice, "/access/tokens/burst/revoke").status_code == 428
    send(alice, "/access/tokens/burst/revoke", confirm="burst")
    with database.engine.connect() as connection:
        assert tokens.listed(connection) == []


def test_what_was_wrong_with_a_form_stands_on_its_page_and_nothing_typed_runs_as_a_script(alice):
    refused = send(alice, "/access/people", name=SCRIPT, password=PASSWORD)
    assert refused.status_code == 400 and "This is not a name" in refused.text
    assert SCRIPT not in refused.text and "&lt;script&gt;" in refused.text
    assert "too weak" in send(alice, "/access/people", name="bob", password="short").text
    assert send(alice, "/access/people", name="alice", password=PASSWORD).status_code == 409
    assert send(alice, "/access/tokens", name="one", lasting="soon").status_code == 400
    assert send(alice, "/access/people/nobody/scope", scope="read").status_code == 404
    assert SCRIPT not in alice.get("/account").text


def test_nobody_takes_away_their_own_rights(alice, database):
    for path, fields in (
        ("/access/people/alice/scope", {"scope": "read"}),
        ("/access/people/alice/disable", {}),
        ("/access/people/Alice/remove", {"confirm": "Alice"}),
    ):
        assert send(alice, path, **fields).status_code == 409
    with database.engine.connect() as connection:
        assert people.find(connection, "alice").scope == "admin"


def test_somebody_changes_their_own_password_and_is_logged_out_everywhere_else(alice):
    with httpx.Client(base_url=alice.base_url) as other:
        other.post("/login", data={"name": "alice", "password": PASSWORD})
        assert other.get("/api/v1/caller").status_code == 200
        new = {"wanted": "another long one", "again": "another long one"}
        assert "is wrong" in send(alice, "/account/password", now="guess", **new).text
        assert "differ" in send(alice, "/account/password", now=PASSWORD, wanted="a", again="b").text
        assert "too weak" in send(alice, "/account/password", now=PASSWORD, wanted="a", again="a").text
        assert send(alice, "/account/password", now=PASSWORD, **new).status_code == 303
        assert alice.get("/api/v1/caller").status_code == 200
        assert other.get("/api/v1/caller").status_code == 401


def test_whoever_finds_a_browser_open_cannot_guess_the_password_for_long(alice):
    new = {"wanted": "another long one", "again": "another long one"}
    answers = [send(alice, "/account/password", now=f"guess {number}", **new) for number in range(4)]
    assert [one.status_code for one in answers] == [400, 400, 400, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_somebody_sees_where_they_are_logged_in_and_logs_out_one_of_those(alice):
    with httpx.Client(base_url=alice.base_url) as other:
        other.post("/login", data={"name": "alice", "password": PASSWORD})
        listed = alice.get("/api/v1/sessions").json()["items"]
        assert sorted(one["current"] for one in listed) == [False, True]
        [there] = [one["id"] for one in listed if not one["current"]]
        assert send(alice, f"/account/sessions/{there}/end").status_code == 303
        assert other.get("/api/v1/caller").status_code == 401
        assert send(alice, f"/account/sessions/{there}/end").status_code == 404


def test_the_audit_is_found_by_who_what_and_when_page_by_page(admin, database):
    with database.engine.begin() as connection:
        for number in range(7):
            events.record(
                connection, who="root@home", what="retry", subject=f"books:{number}", after={"n": number}
            )
        events.record(connection, who="Bob (session, dashboard)", what="control", subject="books:calibre")
    found = admin.get("/api/v1/audit?what=retry&limit=3").json()
    assert [one["subject"] for one in found["items"]] == ["books:6", "books:5", "books:4"]
    second = admin.get(f"/api/v1/audit?what=retry&limit=3&cursor={found['next']}").json()
    assert [one["after"]["n"] for one in second["items"]] == [3, 2, 1]
    last = admin.get(f"/api/v1/audit?what=retry&limit=3&cursor={second['next']}").json()
    assert (len(last["items"]), last["next"]) == (1, None)
    assert [one["what"] for one in admin.get("/api/v1/audit?who=bob").json()["items"]] == ["control"]
    assert len(admin.get("/api/v1/audit?subject=BOOKS:").json()["items"]) == 8
    assert admin.get("/api/v1/audit?until=2020-01-01T00:00:00Z").json() == {"items": [], "next": None}
    assert len(admin.get("/api/v1/audit?since=2020-01-01T00:00:00Z").json()["items"]) == 9


def test_a_question_to_the_audit_that_is_none_gets_a_clear_answer(admin):
    for query, status in (
        ("cursor=x", 400),
        ("limit=0", 422),
        ("limit=501", 422),
        ("limit=x", 422),
        ("since=yesterday", 422),
        ("since=2026-01-01T00:00:00", 422),
        ("who=%00", 422),
        ("who=" + "x" * 501, 422),
    ):
        assert admin.get(f"/api/v1/audit?{query}").status_code == status, query
    assert admin.get("/audit?since=yesterday").status_code == 422
    assert admin.get("/audit?cursor=x").status_code == 400


def test_the_page_of_the_audit_shows_what_was_before_and_after_and_runs_no_script(alice, database):
    with database.engine.begin() as connection:
        events.record(
            connection,
            who=SCRIPT,
            what="override",
            subject=SCRIPT,
            before={"title": "Old", "same": 1},
            after={"title": SCRIPT, "same": 1},
        )
    shown = alice.get("/audit?what=override").text
    assert SCRIPT not in shown and "&lt;script&gt;" in shown
    assert re.search(r"<del>Old</del>.*<ins>", shown) and "same:" not in shown
    assert '<option value="override" selected>' in shown
    part = alice.get("/audit?what=override&part=rows")
    assert part.status_code == 200 and "<html" not in part.text and "override" in part.text
    assert "Nothing that fits" in alice.get("/audit?who=nobody-of-that-name").text
