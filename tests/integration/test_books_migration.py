"""A library goes into the server once, as Calibre describes it; each trap of the server is stepped over."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from medialift.books.selection import Selection
from medialift.books.server.formats import mime_type
from tests.migration_world import Migration
from tests.mybookshelf_world import Caller, epub


def test_every_format_of_a_book_becomes_a_source_of_one_ebook(migration: Migration):
    migration.add("Many", "Ann Author", "EPUB MOBI PDF TXT FB2")
    migration.add("One", "Bo Writer")
    ended = migration.migrate()
    assert (ended.why, ended.totals.items, ended.totals.files) == ("done", 2, 6)
    assert migration.shelves() == {"Many": ["epub", "fb2", "mobi", "pdf", "txt"], "One": ["epub"]}
    assert migration.files() == {"uploaded": 6} and migration.clean()


def test_what_calibre_says_of_a_book_counts_and_not_what_is_in_its_file(migration: Migration):
    book = migration.library.add(
        "The Title in Calibre",
        ["Čapek, Karel"],
        formats={"EPUB": epub("Another Title", ["Someone Else"], language="en", subjects=["Cooking/Food"])},
        languages=["ces"],
        tags=["sci-fi", "Fiction.Crime", "no such genre"],
        series="A Series",
        series_index=2.5,
    )
    migration.migrate()
    (ebook,) = migration.standin.books()
    shown = Caller(migration.standin).get(f"ebooks/{ebook['id']}")
    assert shown["title"] == "The Title in Calibre"
    assert [(one["last_name"], one["first_name"]) for one in shown["authors"]] == [("Čapek", "Karel")]
    assert shown["language"]["code"] == "cs"
    assert (shown["series"]["title"], shown["series_index"]) == ("A Series", 2)
    assert {one["name"] for one in shown["genres"]} == {"Science Fiction", "Crime/Mystery"}
    assert migration.item(book).result["uploaded"] == 1


def test_a_second_run_sends_nothing(migration: Migration):
    migration.add_many(5, "EPUB PDF")
    migration.migrate()
    before = migration.standin.switches.requests()["POST /api/upload"]
    assert migration.plan().changes == 0
    assert migration.run().totals.items == 0
    assert migration.standin.switches.requests()["POST /api/upload"] == before


def test_a_new_format_goes_into_the_ebook_of_the_others_also_after_the_title_was_changed(
    migration: Migration,
):
    book = migration.add("Old Title")
    migration.migrate()
    migration.library.rename(book, "New Title", "Ann Author")
    migration.library.add_format(book, "PDF", b"%PDF later")
    migration.migrate()
    assert migration.shelves() == {"Old Title": ["epub", "pdf"]}


def test_books_of_one_title_and_author_share_an_ebook_and_others_do_not(migration: Migration):
    migration.add("Poems", "Ann Author", "EPUB")
    migration.add("Poems", ["Ann Author", "Bo Writer"], "PDF")
    migration.add("Poems", "Cy Poet", "EPUB")
    migration.migrate()
    assert sorted(sorted(one["format"] for one in book["sources"]) for book in migration.standin.books()) == [
        ["epub"],
        ["epub", "pdf"],
    ]


def test_the_same_content_in_two_books_is_sent_once(migration: Migration):
    migration.add("First", words="the very same")
    migration.add("Second", "Bo Writer", words="the very same")
    migration.migrate()
    assert migration.uploads_sent() == 1
    assert migration.files() == {"uploaded": 1, "there": 1} and migration.clean()


def test_two_formats_with_the_same_bytes_are_one_source(migration: Migration):
    migration.library.add("Twins", ["Ann Author"], formats={"EPUB": b"same bytes", "TXT": b"same bytes"})
    migration.migrate()
    assert migration.files() == {"uploaded": 1, "there": 1} and migration.states() == {"done": 1}


def test_what_somebody_else_brought_before_is_there(migration: Migration):
    caller, content = Caller(migration.standin), epub("Already", salt="there")
    caller.migrated(content, "Already")
    migration.library.add("Already", ["Ann Writer"], formats={"EPUB": content, "PDF": b"%PDF new"})
    migration.migrate()
    assert migration.files() == {"uploaded": 1, "there": 1}
    assert migration.shelves() == {"Already": ["epub", "pdf"]} and migration.clean()


def test_an_ebook_that_somebody_made_is_found_by_its_title_with_slashes_and_signs(migration: Migration):
    titles = ["AC/DC", "100% Pure_Fun", "Back\\slash", "What? & Why #1", "/", "Ünïcödé Война и мир"]
    for title in titles:
        Caller(migration.standin).post(
            "ebooks", {"title": title, "language": {"id": 2}, "authors": [{"last_name": "Author"}]}
        )
        migration.add(title)
    migration.migrate()
    assert migration.shelves() == {title: ["epub"] for title in titles}
    assert migration.clean(), migration.standin.facts()


def test_a_title_full_of_signs_is_found_where_a_search_for_it_would_fail(migration: Migration):
    title = "/" + "!? " * 30 + "end"
    migration.add(title)
    migration.migrate()
    migration.library.add_format(1, "PDF", b"%PDF more")
    migration.rows("select 1")
    with migration.database.engine.begin() as connection:
        connection.exec_driver_sql("delete from ebook")
        connection.exec_driver_sql("update book_file set ebook_id = null")
    migration.migrate()
    assert list(migration.shelves().values()) == [["epub", "pdf"]] and migration.clean()


def test_cyrillic_names_become_ascii_upload_names(migration: Migration):
    book = migration.add("Война и мир", "Лев Толстой", languages=["rus"])
    migration.migrate()
    row = migration.file(book)
    assert row.upload_name == f"book-{book}-{row.sha1[:16]}.epub" and row.state == "uploaded"
    assert migration.shelves() == {"Война и мир": ["epub"]}


def test_titles_and_names_that_are_too_long_for_the_server_s_paths_are_shortened(migration: Migration):
    migration.add("A Title That Does Not End " * 12)
    migration.add("A Title That Does Not End " * 11 + "but differently")
    migration.add("Short", "N" * 120 + " " + "L" * 140)
    migration.add("T" * 200, ["A" * 90 + " " + "B" * 90, "C" * 90 + " D", "E F", "G H"], series="S" * 200)
    migration.add("Ж" * 250, "Я" * 100)
    migration.migrate()
    assert migration.states() == {"done": 5} and migration.clean()
    assert len(migration.shelves()) == 5


def test_nul_and_control_characters_reach_no_database(migration: Migration):
    migration.library.add(
        "A\x00Title\x07", ["Nul\x00 Author"], tags=["fan\x00tasy"], series="S\x00", formats={"EPUB": b"nul"}
    )
    migration.migrate()
    assert migration.states() == {"done": 1} and list(migration.shelves()) == ["A Title"]


def test_files_that_cannot_be_sent_are_skipped_with_their_reasons_and_the_others_go(migration: Migration):
    book = migration.library.add(
        "Mixed",
        ["Ann Author"],
        formats={"EPUB": b"good", "CBZ": b"comic", "PDF": b"", "MOBI": 4711, "TXT": b"x" * 9000},
    )
    migration.migrate(books={"max_upload": 12_000})
    kinds = {row.format: (row.state, row.error_kind) for row in migration.rows("select * from book_file")}
    assert kinds == {
        "EPUB": ("uploaded", None),
        "CBZ": ("skipped", "unsupported"),
        "PDF": ("skipped", "empty"),
        "MOBI": ("skipped", "missing"),
        "TXT": ("skipped", "too large"),
    }
    assert migration.item(book).state == "done" and "books.max_upload" in migration.file(book, "TXT").reason


def test_a_book_of_which_nothing_can_be_sent_is_skipped(migration: Migration):
    book = migration.library.add("Comic", ["Ann Author"], formats={"CBZ": b"comic"})
    migration.migrate()
    assert migration.item(book).state == "skipped" and migration.item(book).result["reason"] == "unsupported"


def test_the_server_s_own_limit_is_met_without_an_error(migration: Migration):
    migration.standin.switches.set(max_content_length=5000)
    small = migration.library.add("Small", ["A B"], formats={"TXT": b"s" * (5000 - 4096)})
    large = migration.library.add("Large", ["A B"], formats={"TXT": b"l" * 6000})
    edge = migration.library.add("Edge", ["A B"], formats={"TXT": b"e" * 4990})
    migration.migrate()
    assert migration.file(small, "TXT").state == "uploaded"
    assert [migration.file(one, "TXT").error_kind for one in (large, edge)] == ["too large"] * 2


def test_what_was_too_large_goes_when_the_limit_was_raised(migration: Migration):
    book = migration.library.add("Large", ["A B"], formats={"TXT": b"l" * 9000})
    migration.migrate(books={"max_upload": 12_000})
    assert migration.item(book).state == "skipped"
    migration.retry(book)
    migration.run(books={"max_upload": 20_000})
    assert migration.file(book, "TXT").state == "uploaded" and migration.file(book, "TXT").reason is None


def test_a_file_of_many_pieces_arrives_whole(migration: Migration):
    content = os.urandom(5_000_001)
    migration.library.add("Large", ["A B"], formats={"PDF": content})
    migration.migrate()
    (source,) = migration.standin.books()[0]["sources"]
    assert source["hash"] == hashlib.sha1(content).hexdigest()


def test_only_wanted_formats_are_sent(migration: Migration):
    migration.add("Two", formats="EPUB PDF")
    migration.plan(Selection.of({"formats": ["PDF"]}))
    migration.run()
    assert migration.shelves() == {"Two": ["pdf"]} and migration.states() == {"done": 1}


def test_a_book_that_is_gone_from_calibre_is_taken_off_the_list(migration: Migration):
    gone, stays = migration.add("Gone"), migration.add("Stays")
    migration.plan()
    migration.library.remove(gone)
    migration.run()
    assert (migration.item(gone).state, migration.item(stays).state) == ("cancelled", "done")


def test_a_source_that_was_deleted_on_the_server_is_sent_again_when_asked(migration: Migration):
    book = migration.add("Deleted")
    migration.migrate()
    Caller(migration.standin).ask("DELETE", f"ebooks/{migration.standin.books()[0]['id']}")
    with migration.database.engine.begin() as connection:
        connection.exec_driver_sql("update content set changed = now() - interval '1 hour'")
        connection.exec_driver_sql("update book_file set state = 'pending'")
    migration.retry(book)
    migration.run()
    assert migration.shelves() == {"Deleted": ["epub"]} and migration.clean()


def test_an_ebook_that_was_deleted_meanwhile_is_made_again(migration: Migration):
    migration.add("First")
    migration.migrate()
    Caller(migration.standin).ask("DELETE", f"ebooks/{migration.standin.books()[0]['id']}")
    migration.library.add_format(1, "PDF", b"%PDF later")
    migration.migrate()
    assert migration.shelves() == {"First": ["pdf"]} and migration.clean()


def test_workers_log_in_once(migration: Migration):
    migration.add_many(12)
    migration.migrate()
    requests = migration.standin.switches.requests()
    assert requests["POST /login"] == 1 and requests["GET /ws"] == 1


def test_no_type_but_that_of_chm_is_octet_stream():
    assert mime_type("chm") == "application/octet-stream"
    assert mime_type("exe") != "application/octet-stream"


@pytest.mark.parametrize("mode", ["hardlink", "symlink"])
def test_the_server_s_copy_becomes_a_link_after_it_was_uploaded(migration: Migration, mode: str):
    book = migration.add("Linked")
    migration.migrate(books={"transfer": mode, "server_books": str(migration.standin.data)})
    ours = migration.library.file(book, "EPUB")
    (source,) = migration.standin.books()[0]["sources"]
    copy = Path(migration.standin.data) / "books" / source["location"]
    assert copy.samefile(ours) and copy.is_symlink() == (mode == "symlink")
    answer = Caller(migration.standin).ask("GET", f"download/{source['id']}")
    assert answer.content == ours.read_bytes()


def test_a_bandwidth_limit_slows_the_uploads_down(migration: Migration):
    for number in range(4):
        migration.library.add(f"B{number}", ["A B"], formats={"TXT": bytes([65 + number]) * 100_000})
    migration.plan()
    ended = migration.run(books={"bandwidth": 200_000})
    took = migration.rows("select max(seconds) from book_file")[0][0]
    assert ended.totals.files == 4 and took > 0.5
