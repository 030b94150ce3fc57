"""The API that only reads: nothing of an empty ledger, the commands' numbers, and clear refusals."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from medialift.audiobooks import status as audiobooks_status
from medialift.books import status as books_status
from medialift.healing.history import Entry, What, record
from medialift.queueing import events, ledger, workers
from medialift.queueing.database import Database
from medialift.queueing.workers import Me, Totals
from tests.books_ledger import BooksLedger
from tests.dashboard_world import within


@pytest.fixture
def client(database: Database):
    with within(database) as opened:
        yield opened


@pytest.fixture
def ledger_of_books(database: Database) -> BooksLedger:
    made = BooksLedger(database)
    made.book(1, "done", files={"EPUB": {"state": "uploaded", "seconds": 130.0}})
    made.book(
        2, "failed", files={"PDF": {"state": "failed", "error_kind": "refused"}}, error=("refused", "No")
    )
    made.book(3, "ready", weight=2, size=500)
    made.book(4, "leased", weight=1)
    return made


def run(database: Database, function: Any, *args: Any, **named: Any) -> Any:
    with database.engine.begin() as connection:
        return function(connection, *args, **named)


LISTS = ("bursts", "queue", "failed", "workers", "healing", "mounts")


@pytest.mark.parametrize("name", LISTS)
def test_an_empty_ledger_gives_an_empty_list(client, name):
    answer = client.get(f"/api/v1/{name}")
    assert (answer.status_code, answer.json()["items"]) == (200, [])


def test_an_empty_ledger_has_a_status_without_queues_and_empty_pipelines(client):
    told = client.get("/api/v1/status").json()
    assert (told["queues"], told["workers"], told["mounts"], told["last_burst"]) == ([], {}, {}, None)
    (books,) = client.get("/api/v1/status/books").json()["items"]
    assert (books["state"], books["items"]["total"], books["files_total"]) == ("empty", 0, 0)
    (audiobooks,) = client.get("/api/v1/status/audiobooks").json()["items"]
    assert (audiobooks["finished"], audiobooks["lifetime"]["converted"]) == (True, 0)


def test_the_status_of_books_is_what_the_command_tells(client, database, ledger_of_books):
    told = client.get("/api/v1/status/books/calibre").json()
    del told["counted_at"]
    said = json.loads(json.dumps(run(database, books_status.status, "calibre").to_dict()))
    assert {**told, "speed": None} == {**said, "speed": None}
    assert told["files"]["uploaded"]["files"] == 1 and told["items"]["failed"] == 1


def test_the_status_of_audiobooks_is_what_the_command_tells(client, database):
    (empty,) = client.get("/api/v1/status/audiobooks").json()["items"]
    BooksLedger(database).run(
        "insert into item (pipeline, collection, key, state, result) values ('audiobooks', :own, 'tag/A',"
        " 'skipped', cast(:result as jsonb))",
        own=empty["collection"],
        result=json.dumps({"waits_for": "match", "reason": "unsure"}),
    )
    (told,) = client.get("/api/v1/status/audiobooks").json()["items"]
    name = told.pop("collection")
    assert [one["why"] for one in told["for_person"]] == ["unsure"]
    del told["counted_at"]
    said = run(database, audiobooks_status.status, name).to_dict()
    assert told == {key: one for key, one in json.loads(json.dumps(said)).items() if key != "collection"}


def test_the_counts_of_a_queue_are_those_of_the_ledger(client, database, ledger_of_books):
    (queue,) = client.get("/api/v1/status").json()["queues"]
    assert queue["items"] == run(database, ledger.counts, "books", "calibre").to_dict()
    assert (queue["pipeline"], queue["collection"], queue["state"]) == ("books", "calibre", "waiting")
    assert queue["counted_at"].endswith("Z")


def test_a_session_is_what_the_workers_did_since_they_started(client, database, ledger_of_books):
    me = Me("books@1", "books", "calibre")
    run(database, workers.register, me)
    run(database, workers.report, me, Totals(items=3, files=4, bytes=500))
    run(database, workers.beat, me, phase="uploading", current_item=4)
    (queue,) = client.get("/api/v1/status").json()["queues"]
    assert (queue["session"]["items"], queue["session"]["bytes"], queue["workers"]) == (
        3,
        500,
        {"running": 1},
    )
    assert queue["state"] == "running" and queue["session"]["since"]
    (worker,) = client.get("/api/v1/workers").json()["items"]
    assert (worker["name"], worker["phase"], worker["current_item"]) == ("books@1", "uploading", 4)
    assert [one["state"] for one in worker["minutes"]] == ["running"]
    rates = client.get("/api/v1/rates/books/calibre", params={"steps": 5}).json()["items"]
    assert len(rates) == 5 and sum(one["files"] for one in rates) == 4
    assert client.get("/api/v1/workers", params={"host": "elsewhere"}).json()["items"] == []


def test_the_queue_is_filtered_sorted_and_read_page_by_page(client, ledger_of_books):
    def keys(**asked: Any) -> list[str]:
        found, cursor = [], None
        while True:
            more = {"cursor": cursor} if cursor else {}
            told = client.get("/api/v1/queue", params={"limit": 1, **asked, **more}).json()
            found += [one["key"] for one in told["items"]]
            if (cursor := told["next"]) is None:
                return found

    assert keys() == ["4", "3", "2", "1"]
    assert keys(lane=["failed", "done"]) == ["2", "1"]
    assert keys(sort="-key") == ["4", "3", "2", "1"]
    assert keys(sort="-changed", lane=["done", "failed"]) == ["2", "1"]
    assert keys(text="nO") == ["2"] and keys(kind="refused") == ["2"]
    assert keys(pipeline="posters") == [] and keys(pipeline="books", collection="calibre", text="3") == ["3"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("queue?limit=0", 422),
        ("queue?limit=501", 422),
        ("queue?limit=x", 422),
        ("queue?lane=nowhere", 422),
        ("queue?sort=random", 422),
        ("queue?sort=changed", 422),
        ("queue?sort=changed&lane=waiting", 422),
        ("queue?cursor=broken", 400),
        ("queue?cursor=WyJsYW5lcyJd", 400),
        ("queue?text=a%00b", 422),
        (f"queue?text={'x' * 501}", 422),
        ("items/0", 422),
        ("items/-1", 422),
        ("items/9223372036854775808", 422),
        ("items/9223372036854775807", 404),
        ("items/one", 422),
        ("failed?lane=done", 422),
        ("healing?what=magic", 422),
        ("healing?cursor=W10", 400),
        ("workers?minutes=100000", 422),
        ("rates/books/calibre", 404),
        ("rates/books/calibre?steps=0", 422),
        ("status/books/nothing", 404),
        ("status/audiobooks/%00", 422),
    ],
)
def test_what_makes_no_sense_gets_a_clear_answer(client, path, status):
    answer = client.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["what"]


def test_an_item_tells_its_attempts_its_files_its_log_and_what_was_done_by_hand(
    client, database, ledger_of_books
):
    number = ledger_of_books.run("select id from item where key = '2'")[0].id
    ledger_of_books.run(
        "insert into attempt (item_id, number, worker, started, outcome, error_kind, error_text)"
        " values (:id, 1, 'books@1', now(), 'again', 'transient', 'It was away, password=hunter2')",
        id=number,
    )
    run(database, events.record, what="retry", subject="books:calibre/2", who="eva (session, dashboard)")
    told = client.get(f"/api/v1/items/{number}").json()
    assert (told["key"], told["lane"], told["error_kind"]) == ("2", "failed", "refused")
    assert [one["outcome"] for one in told["history"]] == ["again"]
    assert [(one["format"], one["state"]) for one in told["book_files"]] == [("PDF", "failed")]
    assert told["changes"][0]["who"].startswith("eva")
    assert any("attempt 1 by books@1: again: It was away" in line for line in told["log"])
    assert "hunter2" not in "".join(told["log"])
    moments = [line[:19] for line in told["log"]]
    assert moments == sorted(moments)


def test_an_audiobook_tells_its_manifest_and_why_it_failed(database, tmp_path):
    failed = tmp_path / "failed" / "2026-11-29_120000 Book"
    failed.mkdir(parents=True)
    (failed / "FAILED_INFO.txt").write_text("What to do:     Get part 2 again\n")
    folders = {
        "failed": tmp_path / "failed",
        "converted": tmp_path / "converted",
        "inbox": tmp_path / "inbox",
    }
    ledger_of = BooksLedger(database)
    with within(database, audiobooks=folders) as client:
        own = client.get("/api/v1/status/audiobooks").json()["items"][0]["collection"]
        (row,) = ledger_of.run(
            "insert into item (pipeline, collection, key, state, error_kind, error_text, payload) values"
            " ('audiobooks', :own, 'convert/A/Book', 'failed', 'permanent', 'A part ends early',"
            " cast(:payload as jsonb)) returning id",
            own=own,
            payload=json.dumps({"put_aside": str(failed), "book": {"series": ["Saga", "2"]}}),
        )
        ledger_of.run(
            "insert into audiobook_run (collection, stage, key, outcome, seconds, error_text)"
            " values (:own, 'convert', 'A/Book', 'failed', 12.5, 'A part ends early')",
            own=own,
        )
        (told,) = client.get("/api/v1/failed").json()["items"]
        assert (told["series"], told["part"], told["guidance"]) == ("Saga", "2", "Get part 2 again")
        one = client.get(f"/api/v1/items/{row.id}").json()
        assert "Get part 2 again" in one["failed_info"] and one["manifest"] is None
        assert [(run["stage"], run["seconds"]) for run in one["runs"]] == [("convert", 12.5)]


def test_the_history_of_the_healing_is_read_page_by_page(client, database):
    for number in range(5):
        run(
            database,
            record,
            Entry(What.REMEDY, "home", "books", f"books@{number % 2}", "applied", f"{number}"),
        )
    first = client.get("/api/v1/healing", params={"limit": 3}).json()
    rest = client.get("/api/v1/healing", params={"cursor": first["next"]}).json()
    assert [one["subject"] for one in first["items"] + rest["items"]] == ["4", "3", "2", "1", "0"]
    assert rest["next"] is None
    asked = {"worker": "books@1", "what": "remedy"}
    assert len(client.get("/api/v1/healing", params=asked).json()["items"]) == 2


def test_anybody_may_ask_whether_it_is_ready_and_hears_nothing_else(client):
    assert client.get("/health/live").json() == {"live": True}
    for path in ("/health", "/health/ready"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()) == (200, {"live": True, "ready": True})


def test_without_its_ledger_it_lives_and_is_not_ready(postgres):
    url = postgres.fresh()
    with Database(url) as gone, within(gone) as client:
        postgres.drop(url)
        assert client.get("/health/live").status_code == 200
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()) == (503, {"live": True, "ready": False})
        refused = client.get("/api/v1/queue")
        assert (refused.status_code, refused.json()["kind"]) == (503, "transient")
        assert "retry-after" in refused.headers


def test_prometheus_is_told_of_everything_once(client, database, ledger_of_books):
    BooksLedger(database, "second").book(1, "done", files={"EPUB": {"state": "there"}})
    ledger_of_books.run(
        "insert into item (pipeline, collection, key)"
        " values ('audiobooks', 'a', 'tag/x'), ('audiobooks', 'b', 'tag/x')"
    )
    client.get("/api/v1/queue")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    names = [one.name for one in families]
    assert len(names) == len(set(names))
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for one in families
        for sample in one.samples
    }
    assert (
        samples[
            "medialift_queue_items",
            (("collection", "calibre"), ("pipeline", "books"), ("state", "failed")),
        ]
        == 1
    )
    assert samples["medialift_books_files", (("account", "uploaded"), ("collection", "calibre"))] == 1
    assert samples["medialift_audiobooks_backlog", (("collection", "b"), ("stage", "tag"))] == 1
    assert (
        samples[
            "medialift_dashboard_requests_total",
            (("method", "GET"), ("route", "/api/v1/queue"), ("status", "200")),
        ]
        == 1
    )
    assert "medialift_dashboard_bursts_running" in names


def test_a_large_ledger_tells_the_same_numbers_and_when_they_were_counted(database, ledger_of_books):
    with within(database) as client:
        client.app.state.context.kept.small = 0
        first = client.get("/api/v1/status").json()["queues"][0]
        said = run(database, ledger.counts, "books", "calibre").to_dict()
        assert first["items"] == said
        books = client.get("/api/v1/status/books/calibre").json()
        assert books["files"] == json.loads(
            json.dumps(run(database, books_status.status, "calibre").to_dict()["files"])
        )
        assert (
            first["counted_at"]
            <= run(database, lambda c: c.execute(text("select now()")).scalar_one()).isoformat()
        )
