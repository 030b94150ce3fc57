"""The pages of queue, items, failures, books and audiobooks: what they show, refuse and let do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import (
    ChapterRecord,
    Conversion,
    Cover,
    Manifest,
    Need,
    Sources,
    TagChange,
    Tagging,
)
from medialift.queueing.database import Database
from medialift.web.access import tokens
from medialift.web.item_forms import Said
from sandbox.audiobooks.recordings import picture, speak
from tests.books_ledger import BooksLedger
from tests.dashboard_world import within

NASTY = "<script>alert(1)</script>"
PAGES = (
    "/queue",
    "/books",
    "/audiobooks",
    *(f"/failed?lane={lane}" for lane in ("failed", "person", "skipped", "cancelled", "archived")),
)


class House:
    """A dashboard with folders of an intake, and the ledger behind it."""

    def __init__(self, database: Database, client: Any, folder: Path) -> None:
        self.database, self.client, self.folder = database, client, folder

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []

    def add(self, key: str, state: str = "failed", pipeline: str = "audiobooks", **columns: Any) -> int:
        given = {"pipeline": pipeline, "collection": pipeline, "key": key, "state": state, **columns}
        names = ", ".join(given)
        values = ", ".join(f":{name}" for name in given)
        made = self.run(f"insert into item ({names}) values ({values}) returning id", **given)
        return int(made[0].id)

    def shown(self, path: str, status: int = 200, headers: dict[str, str] | None = None) -> str:
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == status, answer.text[:2000]
        return str(answer.text)

    def send(self, path: str, **form: Any) -> Any:
        return self.client.post(path, data=form, follow_redirects=False)

    def notice(self, path: str, **form: Any) -> str:
        """What the page that one comes back to says."""
        answer = self.send(path, **form)
        assert answer.status_code == 303, answer.text[:2000]
        told = re.search(r'class="notice" role="status">([^<]*)<', self.shown(answer.headers["location"]))
        assert told
        return unescape(told[1])

    def book(self, name: str = "Tales", **changes: Any) -> Path:
        """A converted book with its manifest, and no file."""
        folder = self.folder / "converted" / name
        folder.mkdir()
        made = Manifest(
            name=name,
            sources=Sources(key=name, structure=Structure.SINGLE),
            conversion=Conversion(
                kind="converted",
                file=f"{name}.m4b",
                seconds=7384.0,
                chapters=(ChapterRecord(start=0, end=3723.5, title=f"One {NASTY}"),),
                cover=Cover(origin="cover.jpg", format="jpeg"),
            ),
        )
        manifests.write(folder, made.changed(**changes))
        return folder


@pytest.fixture
def house(database: Database, tmp_path: Path) -> Iterator[House]:
    folders = ("inbox", "converted", "archive", "failed", "work")
    for name in folders:
        (tmp_path / name).mkdir()
    audiobooks = {
        **{name: str(tmp_path / name) for name in folders},
        "destinations": {"shelf": {"path": str(tmp_path / "library")}},
    }
    with within(database, audiobooks=audiobooks) as client:
        yield House(database, client, tmp_path)


def test_an_empty_ledger_gives_pages_that_say_so(house: House) -> None:
    for path in PAGES:
        assert 'class="empty"' in house.shown(path)


def test_nothing_of_what_others_named_is_taken_for_markup(house: House) -> None:
    told = {"error_kind": "permanent", "error_text": NASTY, "payload": f'{{"title": "{NASTY}"}}'}
    failed = house.add(f"convert/{NASTY}", **told)
    house.add(f"tag/{NASTY}", "skipped", result=f'{{"waits_for": "person", "reason": "{NASTY}"}}')
    BooksLedger(house.database).book(1, "skipped", files={"PDF": {"state": "skipped", "reason": NASTY}})
    house.book(
        "Tales",
        needs_person=(Need(code="other", text=NASTY),),
        override={"title": NASTY},
        tagging=Tagging(changes=(TagChange(field=NASTY, old=NASTY, new=NASTY),), notes=(NASTY,), why=NASTY),
    )
    tag = house.add("tag/Tales", "done")
    for path in (*PAGES, f"/items/{failed}", f"/audiobooks/{failed}", f"/audiobooks/{tag}"):
        assert NASTY not in house.shown(path), path
    assert "&lt;script&gt;" in house.shown(f"/audiobooks/{tag}")


def test_what_cannot_be_asked_for_gets_a_clear_refusal(house: House) -> None:
    item = BooksLedger(house.database).book(1, "failed")
    for path, status in {
        "/queue?lane=nowhere": 422,
        "/queue?sort=sideways": 422,
        "/queue?sort=changed": 422,
        "/queue?cursor=nonsense": 400,
        "/queue?words=a%00b": 422,
        f"/queue?words={'x' * 501}": 422,
        "/queue?part=nothing": 404,
        "/failed?lane=nowhere": 422,
        "/failed?cursor=e30": 400,
        "/books?span=ever": 422,
        "/books?account=uploaded": 422,
        "/books?collection=elsewhere": 404,
        "/books?kind=no%20such%20reason": 404,
        "/audiobooks?cursor=W10": 400,
        "/items/0": 422,
        "/items/abc": 422,
        "/items/9223372036854775808": 422,
        "/items/999": 404,
        "/audiobooks/999": 404,
        f"/audiobooks/{item}": 409,
        f"/audiobooks/{item}/cover": 409,
    }.items():
        told = house.shown(path, status)
        assert f"{status} " in told and "Traceback" not in told, path


def test_a_part_of_a_page_is_answered_alone(house: House) -> None:
    house.add("convert/a")
    for path in ("/queue?part=rows", "/queue?part=queues", "/failed?part=rows", "/audiobooks?part=standing"):
        told = house.shown(path)
        assert "convert/a" in told or "audiobooks" in told or ">a<" in told
        assert "<html" not in told and "<nav" not in told


def test_who_may_only_look_is_shown_no_button_and_refused_what_one_would_do(house: House) -> None:
    item = house.add("convert/a")
    house.add("tag/b", "skipped", result='{"waits_for": "person"}')
    BooksLedger(house.database).book(1, "done", files={"PDF": {"state": "skipped", "error_kind": "empty"}})
    with house.database.engine.begin() as connection:
        token, _ = tokens.create(connection, "looker", "read")
    headers = {"Authorization": f"Bearer {token}"}
    for path in (*PAGES, f"/items/{item}", f"/audiobooks/{item}"):
        assert 'method="post"' not in house.shown(path, headers=headers), path
    for path in (f"/items/{item}/retry", f"/items/{item}/override", "/failed/retry"):
        assert house.client.post(path, data={"asin": ""}, headers=headers).status_code == 403
    assert house.run("select state from item where id = :id", id=item)[0].state == "failed"


def test_the_queue_is_paged_and_found_in_by_lane_and_words(house: House) -> None:
    for number in range(30):
        house.add(f"film {number:02}", "ready", "films")
    house.add("broken", "failed", "films", error_text="The disk is full")
    first = house.shown("/queue?queue=films:films&lane=waiting")
    assert "film 24" in first and "film 25" not in first
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = house.shown(unescape(following[1]))
    assert "film 25" in second and "film 24" not in second and 'rel="next"' not in second
    found = house.shown("/queue?words=disk")
    assert "broken" in found and "film 01" not in found


def test_a_form_does_it_and_comes_back_with_what_it_did(house: House) -> None:
    item = house.add("b", "failed", "films")
    assert house.notice(f"/items/{item}/retry") == "It is tried again"
    assert house.notice(f"/items/{item}/retry") == "It is to be done anyhow"
    assert house.notice(f"/items/{item}/hold", place="queue") == "It is held"
    assert house.notice(f"/items/{item}/release") == "It goes on"
    assert house.notice(f"/items/{item}/priority", priority="7") == "Its priority is 7"
    assert house.notice(f"/items/{item}/cancel", place="failed") == "It is given up"
    assert house.send(f"/items/{item}/retry", place="https://elsewhere.example").status_code == 422
    assert house.send(f"/items/{item}/priority", priority="soon").status_code == 422
    assert [row.what for row in house.run("select what from event order by id")] == [
        *("retry", "hold", "release", "prioritise", "cancel")
    ]


def test_what_is_ticked_is_tried_again_and_what_cannot_be_is_said(house: House) -> None:
    good, worked_on = house.add("a", "failed", "films"), house.add("b", "leased", "films")
    told = house.notice("/failed/retry", ids=[str(good), str(worked_on)])
    assert told.startswith("1 is tried again. 1 cannot be: Somebody works on this item")
    assert house.notice("/failed/retry", pipeline="films", collection="films") == "0 are tried again"
    assert house.send("/failed/retry").status_code == 422
    assert house.send("/failed/retry", ids=["0"]).status_code == 422


def test_a_queue_is_steered_by_its_form(house: House) -> None:
    house.add("a", "ready", "films")
    assert house.notice("/queues/films/films/pause", why="holiday").startswith("It is paused")
    assert "holiday" in house.shown("/queue")
    assert house.notice("/queues/films/films/resume") == "It goes on"
    house.notice("/queues/films/films/control", hours="22:00-06:30", bandwidth="10MB")
    assert "22:00-06:30" in house.shown("/queue") and "10 MB a second" in house.shown("/queue")
    for form in ({"hours": "tonight"}, {"bandwidth": "fast"}):
        assert house.send("/queues/films/films/control", **form).status_code == 422
    assert house.send("/queues/films/films/cancel").status_code == 428
    assert house.notice("/queues/films/films/cancel", confirm="cancel") == "1 are given up"


def test_a_book_is_shown_with_its_chapters_its_tags_and_what_can_be_said_of_it(house: House) -> None:
    house.book(
        "Tales",
        override={"title": "The Tale"},
        tagging=Tagging(changes=(TagChange(field="ARTIST", old="Nobody", new="Ann"),)),
    )
    item = house.add("tag/Tales", "ready", payload='{"override": {"asin": "B0TEST0001"}}')
    told = house.shown(f"/audiobooks/{item}")
    assert "1:02:03" in told and "<del>Nobody</del>" in told and "<ins>Ann</ins>" in told
    fields = dict(re.findall(r'<input type="text" id="field-(\w+)"[^>]* value="([^"]*)">', told))
    assert (fields["title"], fields["asin"], fields["authors"]) == ("The Tale", "B0TEST0001", "")
    assert "not yet written into it" in told


def test_only_what_is_said_otherwise_than_before_is_written_down(house: House) -> None:
    house.book("Tales", override={"title": "The Tale", "narrators": ["Ann", "Ben"]})
    item = house.add("tag/Tales", "done")
    # As a browser sends the whole form: one is new, one is as before, one was emptied.
    form = {"asin": "B0TEST0001", "title": "", "narrators": "Ann; Ben", "place": "book"}
    assert house.notice(f"/items/{item}/override", **form) == "What you say is written into the book"
    payload = house.run("select payload from item where id = :id", id=item)[0].payload
    assert payload == {"override": {"asin": "B0TEST0001", "title": None}}
    (event,) = house.run("select before, after from event")
    assert event.before == {"asin": None, "title": "The Tale"}
    again = house.notice(f"/items/{item}/override", **form)
    assert again == "Nothing is said that was not said before"
    assert house.send(f"/items/{item}/override", asin="short").status_code == 400


def test_a_form_tells_what_a_book_has_not_got_from_what_nobody_said() -> None:
    assert Said(asin="X", none=["narrators"]).told({}) == {"asin": "X", "narrators": ""}
    assert Said(none=["narrators"]).told({"narrators": ""}) == {}
    assert Said().told({"narrators": "", "title": "T"}) == {"narrators": None, "title": None}
    assert Said(asin="X", only=True).told({"title": "T"}) == {"asin": "X"}


def test_making_a_book_again_from_its_page_asks_to_be_confirmed(house: House) -> None:
    payload = '{"book": {}, "kept": "/srv/archive/Tales"}'
    item = house.add("convert/Tales", "done", result='{"name": "Tales"}', payload=payload)
    refused = house.send(f"/items/{item}/reprocess")
    assert refused.status_code == 428 and "Confirm it with confirm=reprocess" in refused.text
    assert house.notice(f"/items/{item}/reprocess", confirm="reprocess").startswith("It is made again")


def test_a_cover_comes_out_of_the_book_and_from_nowhere_else(house: House, tmp_path: Path) -> None:
    made = speak(
        "A tale.",
        tmp_path / "made.m4b",
        codec="m4b",
        seconds=1.0,
        cover=picture(tmp_path / "cover.jpg", size=64),
    )
    folder = house.book("Tales")
    item = house.add("tag/Tales", "done")
    address = f"/audiobooks/{item}/cover"
    assert house.client.get(address).status_code == 404
    (folder / "Tales.m4b").write_bytes(made.path.read_bytes())
    shown = house.client.get(address)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert shown.content.startswith(b"\xff\xd8\xff")
    # Neither a link nor a path in a manifest leads out of the folder, nor does a folder that is a link.
    (folder / "Tales.m4b").unlink()
    (folder / "Tales.m4b").symlink_to(made.path)
    assert house.client.get(address).status_code == 404
    (folder / "Tales.m4b").unlink()
    manifest = manifests.read(folder)
    conversion = manifest.conversion.model_copy(update={"file": "../../made.m4b"})
    manifests.write(folder, manifest.changed(conversion=conversion))
    assert house.client.get(address).status_code == 404
    elsewhere = tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert "Its folder is not here" in house.shown(f"/audiobooks/{item}")


def test_why_a_book_failed_is_read_from_the_failed_folder_only(house: House, tmp_path: Path) -> None:
    aside = tmp_path / "failed" / "2026 Tales"
    aside.mkdir()
    (aside / "FAILED_INFO.txt").write_text("What happened:  x\nWhat to do:     Replace the file\n")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "FAILED_INFO.txt").write_text("What to do:     Tell nobody\n")
    item = house.add("convert/Tales", payload=f'{{"put_aside": "{aside}"}}')
    other = house.add("convert/Other", payload=f'{{"put_aside": "{tmp_path}/failed/../secret"}}')
    listed = house.shown("/failed")
    assert "Replace the file" in listed and "Tell nobody" not in listed
    assert "Replace the file" in house.shown(f"/audiobooks/{item}")
    assert "Tell nobody" not in house.shown(f"/audiobooks/{other}")
    (aside / "FAILED_INFO.txt").unlink()
    (aside / "FAILED_INFO.txt").symlink_to(tmp_path / "secret" / "FAILED_INFO.txt")
    assert "Tell nobody" not in house.shown("/failed")


def test_the_books_page_tells_what_the_command_tells(house: House) -> None:
    ledger = BooksLedger(house.database)
    ledger.book(1, "done", files={"EPUB": {"state": "uploaded", "seconds": 150.0}})
    ledger.book(2, "skipped", files={"PDF": {"state": "skipped", "error_kind": "too large"}})
    ledger.book(3, "ready", had="EPUB")
    told = house.shown("/books?kind=too%20large")
    assert 'title="Books 1: 1 done, 0 left"' in told and ">too large</a>" in told
    assert "2 min 30 s" in told
    assert house.notice("/failed/retry", pipeline="books", collection="calibre", kind="too large") == (
        "1 is tried again"
    )
