"""Who gets into the dashboard, over real HTTP: by password, token, session or proxy, and who does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.web.access import people, tokens
from tests.dashboard_world import over_http

PASSWORD = "correct horse battery"
READ = "/api/v1/caller"


@pytest.fixture
def alice(database: Database) -> str:
    """An admin who may log in."""
    with database.engine.begin() as connection:
        people.add(connection, "alice", PASSWORD, "admin")
    return "alice"


@contextmanager
def dashboard(database: Database, **settings: object) -> Iterator[httpx.Client]:
    with over_http(database, dashboard=settings) as client:
        yield client


def log_in(client: httpx.Client, name: str, password: str = PASSWORD, **more: str) -> httpx.Response:
    return client.post("/login", data={"name": name, "password": password, **more})


def form_token(client: httpx.Client, path: str = "/account") -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)[1]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def make_token(database: Database, scope: str, name: str = "script", **more: object) -> dict[str, str]:
    with database.engine.begin() as connection:
        return bearer(tokens.create(connection, name, scope, **more)[0])


def audit(database: Database) -> list[events.Event]:
    with database.engine.connect() as connection:
        return events.latest(connection)


# Nobody is set up yet.


def test_as_long_as_nobody_is_set_up_whoever_is_on_this_host_may_do_everything(database):
    with dashboard(database) as client:
        assert client.get(READ).json() == {"name": "local", "scope": "admin", "how": "loopback"}
        made = client.post("/api/v1/people", json={"name": "alice", "password": PASSWORD, "scope": "admin"})
        assert made.status_code == 201
        assert client.get(READ).status_code == 401
    assert [(one.who, one.what) for one in audit(database)] == [
        ("local (loopback, dashboard)", "person added")
    ]


def test_a_token_ends_the_time_in_which_everybody_may(database):
    make_token(database, "act")
    with dashboard(database) as client:
        assert client.get(READ).status_code == 401


def test_a_site_whose_name_resolves_to_this_host_gets_nothing(database):
    with dashboard(database) as client:
        for host in ("evil.example", "evil.example:8790", "127.0.0.1.evil.example", "10.0.0.1"):
            refused = client.get(READ, headers={"Host": host})
            assert (refused.status_code, refused.json()["what"]) == (403, "This is not a name of this host")


def test_whoever_comes_through_a_proxy_is_not_on_this_host(database):
    with dashboard(database) as client:
        for name, value in (("X-Forwarded-For", "203.0.113.9"), ("Forwarded", "for=x"), ("Via", "1.1 nginx")):
            assert client.get(READ, headers={name: value}).status_code == 401
        assert client.get(READ).status_code == 200
    with dashboard(database, proxy_addresses=["127.0.0.1"]) as client:
        assert client.get(READ).status_code == 401


def test_a_page_of_another_site_changes_nothing_on_a_host_where_everybody_may(database):
    body = {"name": "mallory", "password": PASSWORD, "scope": "admin"}
    with dashboard(database) as client:
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": str(client.base_url).rstrip("/")},
        ):
            assert client.post("/api/v1/people", json=body, headers=headers).status_code == 403
            assert client.post("/access/people", data=body, headers=headers).status_code == 403
    with database.engine.connect() as connection:
        assert people.listed(connection) == []


def test_a_form_of_our_own_works_on_a_host_where_everybody_may(database):
    with dashboard(database) as client:
        data = {
            "name": "alice",
            "password": PASSWORD,
            "scope": "admin",
            "csrf_token": form_token(client, "/access"),
        }
        origin = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
        assert client.post("/access/people", data=data, headers=origin).status_code == 303


# Logging in.


def test_somebody_logs_in_is_brought_where_they_wanted_to_go_and_logs_out(database, alice):
    with dashboard(database) as client:
        sent = client.get("/audit?what=retry")
        assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=/audit%3Fwhat%3Dretry")
        assert "Log in" in client.get(sent.headers["location"]).text
        answer = log_in(client, "Alice", next="/audit?what=retry")
        assert (answer.status_code, answer.headers["location"]) == (303, "/audit?what=retry")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
        assert client.get(READ).json() == {"name": "alice", "scope": "admin", "how": "session"}
        token = form_token(client)
        held = dict(client.cookies)
        assert client.post("/logout", data={"csrf_token": token}).headers["location"] == "/login"
        assert client.get(READ).status_code == 401
        client.cookies.update(held)
        assert client.get(READ).status_code == 401
    assert [one.what for one in audit(database)][:2] == ["logged out", "logged in"]
    assert audit(database)[1].subject == "127.0.0.1"


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(database, alice, caplog):
    wrong = [
        ("alice", "wrong horse battery"),
        ("nobody", PASSWORD),
        ("", ""),
        ("alice", ""),
        ("<script>", "x"),
    ]
    with dashboard(database, login_attempts=50) as client:
        told = {log_in(client, name, password).text for name, password in wrong}
        assert len(told) == 1 and "The name or the password is wrong." in told.pop()
        assert log_in(client, "nobody").status_code == 401 and not client.cookies
    # What fail2ban reads; people type their password where the name belongs, so neither is in it.
    assert caplog.messages.count("A login failed, from 127.0.0.1") == len(wrong) + 1
    assert PASSWORD not in caplog.text and "nobody" not in caplog.text


def test_nobody_is_sent_elsewhere_after_logging_in(database, alice):
    with dashboard(database) as client:
        for elsewhere in ("https://evil.example/", "///evil.example", "/\\evil.example", "/\t/evil.example"):
            answer = log_in(client, "alice", next=elsewhere)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            shown = client.get("/login", params={"next": elsewhere})
            assert 'name="next" value="/"' in shown.text


def test_an_address_may_stand_in_what_somebody_looked_for_before_logging_in(database, alice):
    with dashboard(database) as client:
        answer = log_in(client, "alice", next="/audit?subject=http://home/&what=retry")
        assert answer.headers["location"] == "/audit?subject=http://home/&what=retry"


def test_a_session_is_never_the_one_that_a_browser_brought_along(database, alice):
    with dashboard(database) as client:
        given = {"name": "alice", "password": PASSWORD}
        planted = {"Cookie": "medialift_session=planted-by-somebody"}
        client.post("/login", data=given, headers=planted)
        first = client.cookies["medialift_session"]
        assert first != "planted-by-somebody"
        log_in(client, "alice")
        assert client.cookies["medialift_session"] != first
        assert client.get(READ).status_code == 200
    with dashboard(database) as stranger:
        for cookie in (first, "planted-by-somebody"):
            assert stranger.get(READ, headers={"Cookie": f"medialift_session={cookie}"}).status_code == 401


def test_too_many_wrong_passwords_and_not_even_the_right_one_is_taken(database, alice):
    with dashboard(database, login_attempts=3, login_window=600) as client:
        assert [log_in(client, "alice", "wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
        refused = log_in(client, "alice")
        assert refused.status_code == 429 and 0 < int(refused.headers["retry-after"]) <= 600
        assert "Too many logins have failed" in refused.text
    with dashboard(database, login_attempts=3, login_window=600) as client:
        assert log_in(client, "alice").status_code == 429
        with database.engine.begin() as connection:
            connection.execute(text("update login_failure set at = at - interval '601 seconds'"))
        assert log_in(client, "alice").status_code == 303


def test_a_crowd_that_guesses_at_once_gets_no_more_tries(database, alice):
    with dashboard(database, login_attempts=3) as client, ThreadPoolExecutor(8) as pool:
        tried = list(
            pool.map(lambda number: log_in(client, "alice", f"guess {number}").status_code, range(12))
        )
    assert sorted(tried) == [401] * 3 + [429] * 9


def test_a_forged_address_does_not_get_more_tries(database, alice):
    with dashboard(database, login_attempts=2) as client:
        tried = [
            client.post(
                "/login",
                data={"name": f"person-{number}", "password": "wrong"},
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            ).status_code
            for number in range(4)
        ]
    assert tried == [401, 401, 429, 429]


def test_behind_a_proxy_each_client_is_counted_for_itself(database, alice):
    with dashboard(database, login_attempts=2, proxy_addresses=["127.0.0.1"]) as client:
        tried = [
            client.post(
                "/login",
                data={"name": f"person-{number}", "password": "wrong"},
                headers={"X-Forwarded-For": f"10.9.9.9, 203.0.113.{number % 3}"},
            ).status_code
            for number in range(6)
        ]
        assert tried == [401] * 6
        again = {"X-Forwarded-For": "203.0.113.0"}
        assert (
            client.post("/login", data={"name": "x", "password": "wrong"}, headers=again).status_code == 429
        )


def test_nobody_is_logged_in_by_a_page_of_another_site(database, alice):
    with dashboard(database) as client:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            data = {"name": "alice", "password": PASSWORD}
            assert client.post("/login", data=data, headers=headers).status_code == 403
        assert not client.cookies


# Sessions.


def test_a_form_without_its_token_changes_nothing(database, alice):
    with dashboard(database) as client:
        log_in(client, "alice")
        good = form_token(client)
        data = {"name": "bob", "password": PASSWORD, "scope": "read"}
        for token in (None, "", "x", good + "x", good[:-1]):
            sent = data if token is None else {**data, "csrf_token": token}
            assert client.post("/access/people", data=sent).status_code == 403
            headers = {} if token is None else {"X-CSRF-Token": token}
            assert client.post("/api/v1/people", json=data, headers=headers).status_code == 403
        crossing = {"X-CSRF-Token": good, "Sec-Fetch-Site": "cross-site"}
        assert client.post("/api/v1/people", json=data, headers=crossing).status_code == 403
        assert client.post("/api/v1/people", json=data, headers={"X-CSRF-Token": good}).status_code == 201
        data["name"] = "carol"
        assert client.post("/access/people", data={**data, "csrf_token": good}).status_code == 303


def test_a_form_with_files_brings_its_token_back_too_and_a_broken_one_is_refused(database, alice):
    with dashboard(database) as client:
        log_in(client, "alice")
        good = form_token(client)
        assert client.post("/logout", files={"csrf_token": (None, "x")}).status_code == 403
        assert client.post("/logout", files={"csrf_token": ("file", good)}).status_code == 403
        for kind in (
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "application/x-www-form-urlencoded",
        ):
            sent = client.post("/logout", content=b"--y\r\n\xff", headers={"Content-Type": kind})
            assert sent.status_code in (400, 403)
        assert client.post("/logout", files={"csrf_token": (None, good)}).status_code == 303


def test_the_token_of_one_session_is_nothing_to_another(database, alice):
    with dashboard(database) as one, dashboard(database) as other:
        log_in(one, "alice"), log_in(other, "alice")
        headers = {"X-CSRF-Token": form_token(one)}
        assert other.delete("/api/v1/sessions/0", headers=headers).status_code == 403
        assert one.delete("/api/v1/sessions/0", headers=headers).status_code == 404


def test_by_https_the_cookie_is_secure_and_belongs_to_this_host_alone(database, alice):
    with dashboard(database, public_url="https://media.example") as client:
        cookie = log_in(client, "alice").headers["set-cookie"]
        assert cookie.startswith("__Host-medialift_session=") and "Secure" in cookie
    with dashboard(database, proxy_addresses=["127.0.0.1"]) as client:
        data = {"name": "alice", "password": PASSWORD}
        told = {"X-Forwarded-Proto": "https"}
        assert "Secure" in client.post("/login", data=data, headers=told).headers["set-cookie"]
    with dashboard(database) as client:
        data = {"name": "alice", "password": PASSWORD}
        assert "Secure" not in client.post("/login", data=data, headers=told).headers["set-cookie"]


def test_under_a_path_of_its_own_everything_leads_back_there(database, alice):
    with over_http(database, dashboard={"base_path": "/lift"}) as client:
        address = str(client.base_url).removesuffix("/lift/").removesuffix("/lift")
        sent = httpx.get(f"{address}/audit")
        assert sent.headers["location"] == "/lift/login?next=/audit"
        answer = httpx.post(
            f"{address}/login", data={"name": "alice", "password": PASSWORD, "next": "/audit"}
        )
        assert answer.headers["location"] == "/lift/audit"
        assert "Path=/lift;" in answer.headers["set-cookie"]


def test_who_comes_by_a_link_of_another_site_and_is_logged_in_does_not_log_in_again(database, alice):
    with dashboard(database) as client:
        came = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        sent = client.get("/audit", headers=came)
        shown = client.get(sent.headers["location"], headers=came)
        assert '<meta http-equiv="refresh" content="0;url=/audit">' in shown.text
        assert "password" not in shown.text


def test_a_session_whose_person_is_shut_out_or_demoted_ends_or_can_do_less_at_once(database, alice):
    with dashboard(database) as client:
        log_in(client, "alice")
        with database.engine.begin() as connection:
            people.set_scope(connection, "alice", "read")
        assert client.get(READ).json()["scope"] == "read"
        assert client.get("/api/v1/people").status_code == 403
        assert client.get("/access").status_code == 403
        with database.engine.begin() as connection:
            people.set_disabled(connection, "alice", True)
        assert client.get(READ).status_code == 401
        assert log_in(client, "alice").status_code == 401


def test_a_fragment_that_is_fetched_after_the_session_ended_sends_the_whole_page_to_log_in(database, alice):
    with dashboard(database) as client:
        asked = {"HX-Request": "true", "HX-Current-URL": f"{client.base_url}/audit?what=retry"}
        answer = client.get("/audit?part=rows", headers=asked)
        assert (answer.status_code, answer.headers["hx-redirect"]) == (
            401,
            "/login?next=/audit%3Fwhat%3Dretry",
        )


# Tokens.


def test_a_token_does_what_its_scope_allows_and_needs_no_form_token(database):
    scopes = {scope: make_token(database, scope, scope) for scope in ("read", "act", "admin")}
    with dashboard(database) as client:
        made = {}
        for scope, headers in scopes.items():
            assert client.get(READ, headers=headers).json()["scope"] == scope
            made[scope] = client.post(
                "/api/v1/people", json={"name": f"by-{scope}", "password": PASSWORD}, headers=headers
            )
        assert {scope: one.status_code for scope, one in made.items()} == {
            "read": 403,
            "act": 403,
            "admin": 201,
        }
        assert made["act"].json()["hint"] == "It needs the scope admin"


def test_a_token_that_is_expired_revoked_or_none_is_told_so_and_nothing_else_counts_then(database, alice):
    expired, revoked = make_token(database, "admin", "one"), make_token(database, "admin", "two")
    with database.engine.begin() as connection:
        connection.execute(text("update access_token set expires = now() where name = 'one'"))
        tokens.revoke(connection, "two")
    with dashboard(database) as client:
        log_in(client, "alice")
        for headers in (expired, revoked, bearer("mlt_none"), bearer("x" * 5000)):
            refused = client.get(READ, headers=headers)
            assert (refused.status_code, refused.json()["what"]) == (401, "This token is not taken")
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert headers["Authorization"].split()[1][:40] not in refused.text
        for scheme in ("Basic YWxpY2U6eA==", "Bearer", "", "Digest x"):
            assert client.get(READ, headers={"Authorization": scheme}).json()["how"] == "session"


# Proxies.


def test_a_listed_proxy_lets_people_in_by_name_with_what_they_may_here(database):
    with database.engine.begin() as connection:
        people.add(connection, "alice", PASSWORD, "act")
        people.add(connection, "bob", PASSWORD, "admin")
        people.set_disabled(connection, "bob", True)
    behind = {"proxy_addresses": ["127.0.0.0/8"], "proxy_header": "Remote-User"}
    with dashboard(database, **behind) as client:
        told = [client.get(READ, headers={"Remote-User": name}).json() for name in ("Alice", "carol")]
        assert told == [
            {"name": "alice", "scope": "act", "how": "proxy"},
            {"name": "carol", "scope": "read", "how": "proxy"},
        ]
        assert client.get(READ, headers={"Remote-User": "bob"}).status_code == 403
        assert client.get(READ, headers={"Remote-User": "<script>"}).status_code == 400
        twice = [("Remote-User", "alice"), ("Remote-User", "bob")]
        assert client.get(READ, headers=twice).status_code == 400
        assert client.get(READ).status_code == 401
        forged = {"Remote-User": "alice", "Origin": "https://evil.example"}
        assert client.post("/logout", headers=forged).status_code == 403


def test_a_name_in_a_header_is_nothing_when_it_comes_from_an_address_that_is_not_listed(database, alice):
    with dashboard(database, proxy_addresses=["10.0.0.1"], proxy_header="Remote-User") as client:
        headers = {"Remote-User": "alice", "X-Forwarded-For": "10.0.0.1"}
        assert client.get(READ, headers=headers).status_code == 401
    with dashboard(database) as client:
        assert client.get(READ, headers={"Remote-User": "alice"}).status_code == 401
