"""The diagnostics page: six tabs, forms that work without scripts, and no script out of a name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.testclient import TestClient

from medialift.diagnostics import traffic
from medialift.errors import Permanent
from medialift.queueing import debug_switch
from medialift.queueing.database import Database
from tests.dashboard_world import within
from tests.queue_world import Books
from tests.traffic_world import Traffic, wire

__all__ = ["wire"]

PAGE = "/diagnostics"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def client(database: Database, wire: Traffic, tmp_path: Path) -> Iterator[TestClient]:
    sections = {
        "diagnostics": {"folder": str(wire.folder)},
        "posters": {"url": wire.url, "folder": str(tmp_path), "timeout": 2},
        "books": {"user": "ann", "server": wire.url},
        "audiobooks": {"tagging": {"mode": "off"}},
    }
    with within(database, **sections) as opened:
        yield opened


def recorded(wire: Traffic, *paths: str, job: str = "posters-12", **more: str) -> None:
    recorder = wire.recorder()
    with traffic.watch(httpx.Client(trust_env=False)) as asking, recorder.recording(job, **more):
        for path in paths:
            asking.get(f"{wire.url}{path}")
    recorder.close()


def token(client: TestClient, tab: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]*)"', client.get(f"{PAGE}?tab={tab}").text)
    assert found is not None
    return found[1]


def sent(client: TestClient, path: str, tab: str, **given: object):
    data = {"csrf_token": token(client, tab), **given}
    return client.post(f"{PAGE}/{path}", data=data, follow_redirects=False)


@pytest.mark.parametrize(
    ("tab", "words"),
    [
        ("connection", "Test all connections"),
        ("item", "Test one item"),
        ("batch-debug", "No job was recorded yet."),
        ("media", "Test some items"),
        ("infrastructure", "No worker was ever here."),
        ("failed", "Nothing has failed."),
    ],
)
def test_each_tab_is_a_link_of_its_own_and_says_so_where_nothing_is(
    client: TestClient, tab: str, words: str
) -> None:
    answer = client.get(f"{PAGE}?tab={tab}")
    assert answer.status_code == 200 and words in answer.text
    assert answer.text.count('aria-current="page"') >= 1
    for name in (
        "Connection",
        "Custom ID test",
        "Batch debug",
        "Media tests",
        "Infrastructure",
        "Failed jobs",
    ):
        assert f">{name}</a>" in answer.text


@pytest.mark.parametrize("tab", ["nothing", "../etc", SCRIPT, ""])
def test_a_tab_that_is_none_is_a_clear_4xx(client: TestClient, tab: str) -> None:
    answer = client.get(PAGE, params={"tab": tab})
    assert answer.status_code == 422 and SCRIPT not in answer.text


def test_looking_at_the_page_sends_nothing_to_any_server(client: TestClient, wire: Traffic) -> None:
    for tab in ("connection", "item", "media"):
        client.get(f"{PAGE}?tab={tab}")
    assert sum(wire.asked.values()) == 0


def test_a_connection_test_says_of_each_server_what_is_wrong_with_it(
    client: TestClient, wire: Traffic
) -> None:
    answer = sent(client, "connection", "connection")
    assert answer.status_code == 200
    # The server of this test is no Jellyfin: its first answer is no JSON.
    assert "something is wrong" in answer.text
    assert "MyBookshelf2" in answer.text and "answers with 200" in answer.text
    assert wire.asked["/System/Info/Public"] == 1 and wire.asked["/api/languages"] == 1


@pytest.mark.parametrize("id", ["../../etc/passwd", SCRIPT, "12", ""])
def test_an_item_that_can_be_none_is_refused_and_not_asked_for(
    client: TestClient, wire: Traffic, id: str
) -> None:
    answer = sent(client, "item", "item", id=id)
    assert answer.status_code == 422 and SCRIPT not in answer.text
    assert sum(wire.asked.values()) == 0


def test_an_item_is_asked_for_and_what_is_wrong_is_said(client: TestClient, wire: Traffic) -> None:
    answer = sent(client, "item", "item", id="ab" * 16, image="Primary")
    assert answer.status_code == 200 and "wrong" in answer.text
    assert wire.asked["/Items"] == 1


def test_some_items_cannot_be_tried_when_the_server_is_none(client: TestClient) -> None:
    assert 'role="alert"' in sent(client, "media", "media", library="", count=3).text
    assert sent(client, "media", "media", count=11).status_code == 422


def test_the_log_is_switched_on_and_off_by_plain_forms(client: TestClient, database: Database) -> None:
    answer = sent(client, "batch-debug/enable", "batch-debug", minutes=60, pipeline="books")
    assert (answer.status_code, answer.headers["location"]) == (303, "/diagnostics?tab=batch-debug")
    with database.engine.connect() as connection:
        assert 3500 < debug_switch.left(connection, "books") <= 3600
    shown = client.get(f"{PAGE}?tab=batch-debug").text
    assert "for <strong>books</strong>, " in shown and "workers hear of it" in shown
    sent(client, "batch-debug/disable", "batch-debug")
    with database.engine.connect() as connection:
        assert debug_switch.on(connection) == []


@pytest.mark.parametrize("minutes", ["0", "-1", "100000", "soon", "1e9"])
def test_minutes_that_make_no_sense_switch_nothing(
    client: TestClient, database: Database, minutes: str
) -> None:
    assert sent(client, "batch-debug/enable", "batch-debug", minutes=minutes).status_code == 422
    with database.engine.connect() as connection:
        assert debug_switch.on(connection) == []


def test_a_recorded_job_is_listed_and_shown_with_what_to_do(client: TestClient, wire: Traffic) -> None:
    recorded(wire, "/ok/1", "/status/404", "/status/404", label=f"posters of {SCRIPT}")
    listed = client.get(f"{PAGE}?tab=batch-debug").text
    assert 'href="/diagnostics/jobs/posters-12"' in listed and SCRIPT not in listed
    shown = client.get(f"{PAGE}/jobs/posters-12").text
    assert "33.3 %" in shown and "Scan the library in Jellyfin" in shown and SCRIPT not in shown
    assert "said the same as to request 2" in shown
    assert shown.count("/ok/1") == 1
    assert "/ok/1" not in client.get(f"{PAGE}/jobs/posters-12?failed=true").text
    assert "posters-12" in client.get(f"{PAGE}?tab=failed").text


def test_what_a_server_said_is_text_and_nothing_else(client: TestClient, wire: Traffic) -> None:
    recorder = wire.recorder()
    asking = traffic.watch(httpx.Client(trust_env=False))
    with recorder.recording("job"), traffic.about(SCRIPT):
        asking.get(f"{wire.url}/status/404/{SCRIPT}")
    recorder.close()
    assert SCRIPT not in client.get(f"{PAGE}/jobs/job").text


@pytest.mark.parametrize("job", ["nobody", "..%2f..%2fetc%2fpasswd", "%3Cscript%3E", "a" * 101, ".x"])
def test_a_job_that_is_none_is_a_page_that_says_so(client: TestClient, job: str) -> None:
    answer = client.get(f"{PAGE}/jobs/{job}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")


def test_a_clean_up_is_confirmed_first(client: TestClient, wire: Traffic) -> None:
    recorded(wire, "/ok/1")
    assert sent(client, "batch-debug/cleanup", "batch-debug", days=0).status_code == 428
    assert len(wire.files()) == 1
    assert sent(client, "batch-debug/cleanup", "batch-debug", days=0, confirm="delete").status_code == 303
    assert wire.files() == []


def test_infrastructure_tells_of_database_queues_mounts_and_disks(
    client: TestClient, database: Database, wire: Traffic
) -> None:
    Books(database).execute(
        "insert into worker (name, host, pipeline, collection, pid, life)"
        " values ('w', 'h', 'books', 'calibre', 1, 'x')"
    )
    Books(database).execute(
        "insert into mount_state (host, point, state) values ('nas', :point, 'hung')", point=f"/mnt/{SCRIPT}"
    )
    shown = client.get(f"{PAGE}?tab=infrastructure").text
    for words in ("PostgreSQL", "books: calibre", "hung", "posters.folder", "has room"):
        assert words in shown, words
    assert SCRIPT not in shown
    part = client.get(f"{PAGE}?tab=infrastructure&part=infrastructure").text
    assert "<html" not in part and "books: calibre" in part


def test_failed_items_are_listed_with_why(client: TestClient, database: Database) -> None:
    books = Books(database)
    books.add("one")
    [lease] = books.claim(1)
    books.fail(lease, Permanent(f"The file is {SCRIPT}"))
    shown = client.get(f"{PAGE}?tab=failed").text
    assert "The file is" in shown and SCRIPT not in shown
    assert f'href="/items/{lease.item_id}"' in shown
