"""Taking over the first script's progress files: only what the server has counts."""

import json

import pytest
from sqlalchemy import text

from medialift.books import adopt_files
from medialift.books.adopt import adopt
from medialift.books.adopt_files import Named
from medialift.books.calibre import Calibre
from medialift.books.selection import Selection
from medialift.errors import Permanent
from medialift.settings import BooksSettings
from tests.migration_world import Migration

SHA1 = "0123456789abcdef0123456789abcdef01234567"
PATH = "/calibre_library/Leo Tolstoy/War (12)/War - Leo Tolstoy.epub"


def write(folder, number=1, **told):
    file = folder / f"migration_progress_worker{number}.json"
    file.write_text(json.dumps(told))
    return file


@pytest.mark.parametrize(
    "completed",
    [
        {SHA1: {"file": PATH, "ebook_id": 3}},
        {SHA1: {"book_id": 12, "format": "epub"}},
        {SHA1: {"id": "12", "path": "War - Leo Tolstoy.epub"}},
        {SHA1: PATH},
        {PATH: SHA1},
        {PATH: {"hash": SHA1, "status": "uploaded"}},
        {PATH: True},
        [PATH],
        [{"original_file_path": PATH}],
        [{"calibre_id": 12, "extension": ".EPUB"}],
        ["C:\\Books\\Leo Tolstoy\\War (12)\\War - Leo Tolstoy.epub"],
    ],
)
def test_a_file_is_found_in_every_form_that_progress_files_had(tmp_path, completed):
    write(tmp_path, completed_files=completed, last_processed_book_id=99, errors={})
    assert adopt_files.read(tmp_path).named == (Named(12, "EPUB"),)


@pytest.mark.parametrize(
    "completed", [{SHA1: {}}, [SHA1], {SHA1: None}, ["War.epub"], {"12": {"book_id": 12}}, [None], [["x"]]]
)
def test_what_does_not_say_which_file_it_means_is_counted(tmp_path, completed):
    write(tmp_path, completed_files=completed)
    assert adopt_files.read(tmp_path).named == (Named(),)


def test_all_workers_files_count_and_broken_ones_are_named(tmp_path):
    write(tmp_path, 1, completed_files=[PATH], errors={"a": "b", "c": "d"})
    write(tmp_path, 2, completed_files=[PATH, PATH.replace("(12)", "(13)")], errors=["e"])
    write(tmp_path, 3, completed_files="nonsense", errors=None)
    (tmp_path / "migration_progress_worker4.json").write_text('{"completed_files": {"abc')
    (tmp_path / "migration_progress_worker5.json").write_text("[]")
    (tmp_path / "other.json").write_text("{}")
    found = adopt_files.read(tmp_path)
    assert found.files == 5
    assert found.broken == ("migration_progress_worker4.json", "migration_progress_worker5.json")
    assert found.named == (Named(12, "EPUB"), Named(13, "EPUB"))
    assert found.errors == 3


def test_a_folder_without_progress_files_is_refused(tmp_path):
    with pytest.raises(Permanent, match="no progress file"):
        adopt_files.read(tmp_path)


class World(Migration):
    """A server that has got books by other means, and a ledger that knows nothing of it."""

    def forget(self):
        with self.database.engine.begin() as connection:
            for table in ("book_file", "content", "ebook", "book_server", "learnt", "item", "plan_mark"):
                connection.execute(text(f"delete from {table}"))

    def adopt(self, progress, *, check=False):
        settings = BooksSettings(
            library=self.library.folder,
            server=self.standin.url,
            user=self.standin.user,
            password=self.standin.password,
        )
        with Calibre(self.library.folder) as calibre:
            return adopt(self.database.engine, calibre, settings, progress, check=check)

    def rows(self, statement):
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def items(self):
        return dict(self.rows("select key::int, state from item order by 1"))

    def files(self, *books):
        return {
            SHA1[: 40 - len(str(book))] + str(book): str(self.library.file(book, "EPUB")) for book in books
        }


@pytest.fixture
def world(tmp_path, database, bookshelf):
    world = World(tmp_path, database, bookshelf)
    yield world
    world.library.close()


def test_only_files_that_the_server_has_count_as_there(world, tmp_path):
    there = world.add("There")
    both = world.add("Both", formats="EPUB PDF")
    world.plan()
    world.run()
    world.forget()
    absent = world.add("Absent")
    partly = world.add("Partly", formats="EPUB PDF")
    world.library.add_format(partly, "EPUB", world.library.file(there, "EPUB").read_bytes())
    gone = world.add("Gone")
    progress = world.files(there, both, absent, partly, gone)
    progress[SHA1] = {"book_id": both, "format": "pdf"}
    write(tmp_path, completed_files={**progress, "f" * 40: {}}, errors={"x": "y"})
    world.library.remove(gone)

    predicted = world.adopt(tmp_path, check=True)
    assert world.items() == {}
    found = world.adopt(tmp_path)
    assert {**predicted.to_dict(), "check": False} == found.to_dict()
    assert found.to_dict() == {
        "progress_files": 1,
        "broken": [],
        "named": 7,
        "unplaced": 1,
        "gone": 1,
        "there": 4,
        "absent": 1,
        "adopted": 2,
        "errors": 1,
        "check": False,
    }
    assert world.items() == {there: "done", both: "done", absent: "ready", partly: "ready"}
    assert world.rows(
        "select key::int, format, book_file.state from book_file join item on item.id = item_id order by 1, 2"
    ) == [
        (there, "EPUB", "there"),
        (both, "EPUB", "there"),
        (both, "PDF", "there"),
        (partly, "EPUB", "there"),
    ]
    assert world.adopt(tmp_path).adopted == 0


def test_the_migration_brings_the_rest_and_nothing_twice(world, tmp_path):
    first, second = world.add("First"), world.add("Second", formats="EPUB PDF")
    world.plan()
    world.run()
    before = world.standin.facts()
    world.forget()
    third = world.add("Third")
    write(tmp_path, completed_files=world.files(first, second, third))
    world.adopt(tmp_path)
    world.plan()
    world.run()
    assert set(world.items().values()) == {"done"}
    after = world.standin.facts()
    assert (before["sources"], after["sources"]) == (3, 4)
    assert after["duplicate_sources"] == after["orphan_ebooks"] == 0


def test_a_book_in_work_and_a_done_one_are_left_alone(world, tmp_path):
    first, second = world.add("First"), world.add("Second")
    world.plan()
    world.run()
    with world.database.engine.begin() as connection:
        connection.execute(text("delete from book_file"))
        connection.execute(
            text(
                "update item set state = 'leased', lease_token = 9, lease_until = now() + interval '1 min' "
                "where key = '1'"
            )
        )
    write(tmp_path, completed_files=world.files(first, second))
    found = world.adopt(tmp_path)
    assert (found.there, found.adopted) == (2, 0)
    assert world.items() == {first: "leased", second: "done"}
    assert world.rows("select * from book_file") == []


def test_books_that_were_planned_for_some_formats_stay_so(world, tmp_path):
    book = world.add("Both", formats="EPUB PDF")
    world.plan()
    world.run()
    world.forget()
    world.plan(Selection.of({"formats": "EPUB"}))
    write(tmp_path, completed_files=world.files(book))
    assert world.adopt(tmp_path).adopted == 1
    assert world.rows("select state, payload from item") == [("done", {"formats": ["EPUB"]})]
