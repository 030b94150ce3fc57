"""What a person does by the API happens as by the commands, and is written down; what is wrong is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from medialift.posters import batches
from medialift.posters.batches import Wanted
from medialift.posters.task import Task
from medialift.queueing.database import Database
from tests.books_ledger import BooksLedger
from tests.dashboard_world import within


class Dashboard:
    """A dashboard, and the ledger behind it."""

    def __init__(self, database: Database, client: Any) -> None:
        self.database, self.client = database, client

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []

    def add(self, key: str = "a", state: str = "failed", pipeline: str = "films", **columns: Any) -> int:
        given = {"collection": pipeline, "error_kind": "permanent", "error_text": "It broke", **columns}
        names = ["pipeline", "key", "state", *given]
        values = ", ".join(f":{name}" for name in names)
        made = self.run(
            f"insert into item ({', '.join(names)}) values ({values}) returning id",
            **{"pipeline": pipeline, "key": key, "state": state, **given},
        )
        return int(made[0].id)

    def item(self, number: int) -> Any:
        return self.run("select *, not_before > now() as later from item where id = :id", id=number)[0]

    def post(self, path: str, json: Any = None, **query: Any) -> Any:
        return self.client.post(f"/api/v1{path}", json=json, params=query)

    def done(self, path: str, json: Any = None, **query: Any) -> dict[str, Any]:
        answer = self.post(path, json, **query)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def audit(self) -> list[tuple[str, str, Any, Any]]:
        return [
            (row.what, row.subject, row.before, row.after)
            for row in self.run("select * from event order by id")
        ]


@pytest.fixture
def dashboard(database: Database, tmp_path: Any) -> Iterator[Dashboard]:
    folders = ("inbox", "converted", "archive", "failed", "work")
    for name in folders:
        (tmp_path / name).mkdir()
    audiobooks = {
        **{name: tmp_path / name for name in folders},
        "destinations": {"shelf": {"path": str(tmp_path / "library")}},
    }
    with within(database, audiobooks=audiobooks) as client:
        yield Dashboard(database, client)


def test_an_item_that_failed_is_tried_again_and_it_is_written_down_who_wanted_it(
    dashboard: Dashboard,
) -> None:
    number = dashboard.add(attempts=3)
    assert dashboard.done(f"/items/{number}/retry") == {"changed": True, "count": 1, "refused": []}
    item = dashboard.item(number)
    assert (item.state, item.attempts) == ("ready", 0)
    before = {"state": "failed", "attempts": 3, "error_text": "It broke"}
    assert dashboard.audit() == [("retry", "films:films/a", before, {"state": "ready"})]
    (who,) = dashboard.run("select who from event")
    assert who.who.startswith("local (")
    # What is to be done anyhow is not changed, and nothing is written down.
    assert dashboard.done(f"/items/{number}/retry")["changed"] is False and len(dashboard.audit()) == 1


def test_an_item_that_waits_for_a_later_attempt_is_tried_in_its_turn(dashboard: Dashboard) -> None:
    number = dashboard.add(state="ready", not_before="2100-01-01")
    assert dashboard.done(f"/items/{number}/retry")["changed"]
    assert not dashboard.item(number).later


def test_a_book_is_taken_up_with_its_files(dashboard: Dashboard) -> None:
    ledger = BooksLedger(dashboard.database)
    number = ledger.book(7, "failed", files={"EPUB": {"state": "failed"}, "PDF": {"state": "uploaded"}})
    assert dashboard.done(f"/items/{number}/retry")["count"] == 1
    files = {row.format: row.state for row in dashboard.run("select * from book_file")}
    assert files == {"EPUB": "pending", "PDF": "uploaded"} and dashboard.item(number).state == "ready"
    assert [what for what, *_ in dashboard.audit()] == ["retry"]


def test_a_poster_is_tried_again_within_its_batch(dashboard: Dashboard) -> None:
    wanted = [Wanted(Task(0, "download", "a" * 32, "Primary", name="Film"))]
    with dashboard.database.engine.begin() as connection:
        begun = batches.begin(connection, "posters", "download", "Primary", wanted, selection={}, options={})
    ((number,),) = dashboard.run("select id from item where pipeline = 'posters'")
    dashboard.run("update item set state = 'cancelled' where id = :id", id=number)
    dashboard.run("update poster_batch set cancelled = now() where id = :id", id=begun.id)
    assert dashboard.done(f"/items/{number}/retry")["changed"]
    assert dashboard.item(number).state == "ready"
    # The batch is not a cancelled one any more.
    assert dashboard.run("select cancelled from poster_batch")[0].cancelled is None


def test_what_somebody_works_on_is_not_tried_again_but_can_be_cancelled(dashboard: Dashboard) -> None:
    number = dashboard.add(state="leased")
    for path in ("retry", "hold"):
        refused = dashboard.post(f"/items/{number}/{path}")
        assert (refused.status_code, refused.json()["what"]) == (409, "Somebody works on this item")
    assert dashboard.done(f"/items/{number}/cancel", {"why": "not wanted"})["changed"]
    item = dashboard.item(number)
    assert (item.state, item.cancel, item.error_text) == ("leased", True, "not wanted")


def test_items_are_held_let_go_and_preferred(dashboard: Dashboard) -> None:
    number = dashboard.add(state="ready")
    assert dashboard.done(f"/items/{number}/hold")["changed"]
    assert dashboard.item(number).state == "paused"
    assert dashboard.post(f"/items/{number}/retry").json()["hint"] == "Let it go instead"
    assert dashboard.done(f"/items/{number}/release")["changed"]
    assert not dashboard.done(f"/items/{number}/release")["changed"]
    assert dashboard.done(f"/items/{number}/priority", {"priority": 9})["changed"]
    assert not dashboard.done(f"/items/{number}/priority", {"priority": 9})["changed"]
    assert (dashboard.item(number).state, dashboard.item(number).priority) == ("ready", 9)
    assert [(what, before, after) for what, _, before, after in dashboard.audit()] == [
        ("hold", {"state": "ready"}, {"state": "paused"}),
        ("release", {"state": "paused"}, {"state": "ready"}),
        ("prioritise", {"priority": 0}, {"priority": 9}),
    ]


def test_of_many_those_that_can_be_are_tried_again(dashboard: Dashboard) -> None:
    good, worked_on = dashboard.add("a"), dashboard.add("b", "leased")
    told = dashboard.done("/items/retry", {"ids": [good, worked_on, 999_999, good]})
    assert (told["count"], [one["id"] for one in told["refused"]]) == (1, [worked_on, 999_999])
    assert told["refused"][1]["what"] == "There is no such item"
    assert dashboard.item(good).state == "ready"


def test_a_queue_is_paused_resumed_and_steered_by_name(dashboard: Dashboard) -> None:
    dashboard.add()
    assert dashboard.done("/queues/films/films/pause", {"why": "holiday"})["changed"]
    assert not dashboard.done("/queues/films/films/pause", {"why": "holiday"})["changed"]
    assert dashboard.done("/queues/films/films/resume")["changed"]
    address = "/api/v1/queues/films/films/control"
    told = dashboard.client.patch(address, json={"hours": "22:00-06:30", "bandwidth": 5000}).json()
    assert (told["hours"], told["bandwidth"], told["parallel"]) == ("22:00-06:30", 5000, None)
    told = dashboard.client.patch(address, json={"bandwidth": None}).json()
    assert (told["hours"], told["bandwidth"]) == ("22:00-06:30", None)
    for wrong in ({"hours": "25:00-1"}, {"bandwidth": -1}, {"batch": 0}, {"speed": 3}):
        assert dashboard.client.patch(address, json=wrong).status_code == 422
    paused = dashboard.audit()[0]
    assert paused[2:] == (
        {"paused": False, "paused_why": ""},
        {"paused": True, "paused_why": "holiday"},
    )


def test_all_that_failed_by_one_kind_of_error_is_tried_again(dashboard: Dashboard) -> None:
    late, broken = dashboard.add("a", error_kind="transient"), dashboard.add("b")
    assert dashboard.done("/queues/films/films/retry", {"kind": "transient"})["count"] == 1
    assert (dashboard.item(late).state, dashboard.item(broken).state) == ("ready", "failed")
    assert dashboard.done("/queues/films/films/retry")["count"] == 1
    ledger = BooksLedger(dashboard.database)
    large = ledger.book(1, "done", files={"PDF": {"state": "skipped", "error_kind": "too_large"}})
    assert dashboard.done("/queues/books/calibre/retry", {"kind": "too large"})["count"] == 1
    assert dashboard.item(large).state == "ready"


def test_giving_up_a_whole_queue_asks_to_be_confirmed(dashboard: Dashboard) -> None:
    number = dashboard.add(state="ready")
    refused = dashboard.post("/queues/films/films/cancel")
    assert (refused.status_code, refused.json()["hint"]) == (428, "Confirm it with confirm=cancel")
    assert dashboard.item(number).state == "ready"
    assert dashboard.done("/queues/films/films/cancel", confirm="cancel")["count"] == 1
    assert dashboard.item(number).state == "cancelled"


def test_a_queue_that_there_is_not_is_404(dashboard: Dashboard) -> None:
    for path in ("pause", "resume", "retry", "cancel"):
        assert dashboard.post(f"/queues/nothing/here/{path}").status_code == 404
    assert dashboard.done("/queues/books/calibre/pause")["changed"]


def test_what_is_said_of_a_book_waits_with_its_tagging(dashboard: Dashboard) -> None:
    number = dashboard.add("tag/Tales", "skipped", "audiobooks")
    said = {"asin": "b0test0001", "narrators": ["Ann", "Ben"], "subtitle": None}
    assert dashboard.done(f"/items/{number}/override", said)["changed"]
    item = dashboard.item(number)
    assert item.state == "ready"
    assert item.payload == {"override": {"asin": "B0TEST0001", "narrators": ["Ann", "Ben"], "subtitle": None}}
    (event,) = dashboard.audit()
    assert event[:2] == ("override", "audiobooks:audiobooks/tag/Tales") and event[3]["asin"] == "B0TEST0001"
    for wrong in ({"asin": "short"}, {"titel": "x"}, {}, {"title": "\0"}, {"year": "soon"}):
        assert dashboard.post(f"/items/{number}/override", wrong).status_code in (400, 422)
    assert dashboard.item(number).payload == item.payload


def test_a_book_is_sent_to_tagging_and_let_pass_from_any_of_its_items(dashboard: Dashboard) -> None:
    number = dashboard.add("convert/In/Tales", "done", "audiobooks", result='{"name": "Tales"}')
    assert dashboard.done(f"/items/{number}/tag")["changed"]
    assert dashboard.done(f"/items/{number}/approve", {"destinations": ["shelf"]})["changed"]
    wrong = dashboard.post(f"/items/{number}/approve", {"destinations": ["nowhere"]})
    assert (wrong.status_code, wrong.json()["what"]) == (400, "There is no such destination")
    made = {row.key: row for row in dashboard.run("select * from item where id <> :id", id=number)}
    assert set(made) == {"tag/Tales", "deliver/Tales"}
    approval = made["deliver/Tales"].payload["approval"]
    assert approval["destinations"] == ["shelf"] and approval["by"].startswith("local (")
    assert [what for what, *_ in dashboard.audit()] == ["tag", "approve"]


def test_a_conversion_is_skipped_only_while_it_is_to_be_done(dashboard: Dashboard) -> None:
    ready = dashboard.add("convert/a", "ready", "audiobooks")
    assert dashboard.done(f"/items/{ready}/skip-conversion")["changed"]
    assert dashboard.item(ready).payload == {"as_it_is": True}
    done = dashboard.add("convert/b", "done", "audiobooks", result='{"name": "b"}')
    assert dashboard.post(f"/items/{done}/skip-conversion").status_code == 409
    tag = dashboard.add("tag/b", "done", "audiobooks")
    assert dashboard.post(f"/items/{tag}/skip-conversion").status_code == 409


def test_making_a_book_again_is_confirmed_and_tells_the_intake_where_its_sources_are(
    dashboard: Dashboard,
) -> None:
    kept = '{"book": {"fingerprint": "f"}, "kept": "/srv/archive/Tales", "order": "before"}'
    number = dashboard.add("convert/Tales", "done", "audiobooks", result='{"name": "Tales"}', payload=kept)
    refused = dashboard.post(f"/items/{number}/reprocess")
    assert (refused.status_code, refused.json()["hint"]) == (428, "Confirm it with confirm=reprocess")
    assert dashboard.item(number).state == "done"
    assert dashboard.done(f"/items/{number}/reprocess", confirm="reprocess")["changed"]
    item = dashboard.item(number)
    assert (item.state, item.fingerprint) == ("ready", "f")
    assert (item.payload["replaces"], item.payload["bring_back"]) == ("Tales", "/srv/archive/Tales")
    assert "kept" not in item.payload and item.payload["order"] != "before"


def test_a_conversion_that_is_done_is_not_done_again_by_mistake(dashboard: Dashboard) -> None:
    number = dashboard.add("convert/Tales", "done", "audiobooks", payload='{"book": {}, "kept": ""}')
    for path, query in (("retry", {}), ("reprocess", {"confirm": "reprocess"})):
        assert dashboard.post(f"/items/{number}/{path}", **query).status_code == 400
    assert dashboard.item(number).state == "done"


def test_a_book_that_was_put_aside_is_brought_back_by_the_intake(dashboard: Dashboard) -> None:
    number = dashboard.add(
        "convert/Tales", "failed", "audiobooks", payload='{"book": {}, "put_aside": "/srv/failed/Tales"}'
    )
    assert dashboard.done(f"/items/{number}/retry")["changed"]
    payload = dashboard.item(number).payload
    assert payload["bring_back"] == "/srv/failed/Tales" and "put_aside" not in payload
    refused = dashboard.add(
        "convert/Odd", "failed", "audiobooks", error_kind="refused", payload='{"hint": "Sort it"}'
    )
    assert dashboard.post(f"/items/{refused}/retry").json()["hint"] == "Sort it"
    assert dashboard.done("/queues/audiobooks/audiobooks/retry") == {
        "changed": False,
        "count": 0,
        "refused": [],
    }


def test_a_book_of_another_inbox_or_pipeline_is_not_touched(dashboard: Dashboard) -> None:
    other = dashboard.add("tag/Tales", "failed", "audiobooks", collection="upstairs")
    for path in ("tag", "approve"):
        assert dashboard.post(f"/items/{other}/{path}").status_code == 409
    # What needs no settings of an inbox can be done to any.
    assert dashboard.done(f"/items/{other}/retry")["changed"]
    film = dashboard.add()
    assert dashboard.post(f"/items/{film}/tag").json()["what"] == "This is no audiobook"
    early = dashboard.add("convert/x", "ready", "audiobooks")
    assert dashboard.post(f"/items/{early}/tag").json()["what"] == "This book is not converted yet"


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "abc", "1%00", "1.5", "%F0%9F"])
def test_an_id_that_is_none_is_refused_by_every_action(dashboard: Dashboard, number: str) -> None:
    bodies = {"priority": {"priority": 1}, "override": {"title": "x"}}
    for path in (
        *("retry", "cancel", "hold", "release", "priority", "skip-conversion", "reprocess", "tag"),
        *("override", "approve"),
    ):
        assert dashboard.post(f"/items/{number}/{path}", bodies.get(path)).status_code in (404, 422)
    assert dashboard.audit() == []


def test_an_item_that_there_is_not_is_404_for_every_action(dashboard: Dashboard) -> None:
    bodies = {"priority": {"priority": 1}, "override": {"title": "x"}}
    for path in (
        *("retry", "cancel", "hold", "release", "priority", "skip-conversion", "reprocess", "tag"),
        *("override", "approve"),
    ):
        assert dashboard.post(f"/items/12345/{path}", bodies.get(path)).status_code == 404
