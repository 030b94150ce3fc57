"""Planning: what becomes of the items of the ledger when the library is as it is now."""

import os
import signal
import threading

import psycopg
import pytest
from sqlalchemy import text

from medialift.books import plan as planning
from medialift.books.calibre import Calibre
from medialift.books.plan import plan
from medialift.books.plan_writing import Writer
from medialift.books.selection import Selection
from medialift.errors import Permanent, Transient
from medialift.queueing import items
from medialift.queueing.database import Database
from medialift.queueing.items import Which
from sandbox.calibre import Library, bulk
from tests.calibre_world import another_process
from tests.queue_world import QUEUE, Books

DAY = "2020-01-{:02} 00:00:00+00:00"


class World:
    """A library, a ledger, and plans of one in the other."""

    def __init__(self, database, folder):
        self.database, self.folder = database, folder
        self.library = Library(folder)
        self.ledger = Books(database)

    def add(self, *titles, **more):
        more = {"formats": {"EPUB": 100}, **more}
        return [self.library.add(title, **more) for title in titles]

    def plan(self, **more):
        check, tell = more.pop("check", False), more.pop("tell", None)
        with Calibre(self.folder) as calibre:
            return plan(self.database.engine, calibre, Selection.of(more), "calibre", check=check, tell=tell)

    def rows(self, columns="key, state"):
        with self.database.engine.connect() as connection:
            found = connection.execute(text(f"select {columns} from item order by key::bigint"))
            return [tuple(row) for row in found]

    def states(self):
        return {int(key): state for key, state in self.rows()}

    def execute(self, statement, **values):
        with self.database.engine.begin() as connection:
            connection.execute(text(statement), values)

    def by_hand(self, what, *books):
        with self.database.engine.begin() as connection:
            return getattr(items, what)(connection, *QUEUE, Which.named(map(str, books)))

    def finish_all(self):
        self.execute("update item set state = 'done', attempts = 1")


@pytest.fixture
def world(database, tmp_path):
    world = World(database, tmp_path / "library")
    yield world
    world.library.close()


def test_a_first_plan_makes_an_item_of_each_book_that_has_a_file(world):
    world.add("One", formats={"EPUB": 100, "PDF": 250})
    world.add("Two", formats={"EPUB": 7})
    world.add("Empty", formats={})
    found = world.plan()
    assert world.rows("key, state, weight, bytes, payload, priority") == [
        ("1", "ready", 2, 350, {}, 0),
        ("2", "ready", 1, 7, {}, 0),
    ]
    assert found.to_dict() == {
        "books": 2,
        "files": 3,
        "bytes": 357,
        "without_files": 1,
        "new": 2,
        "changed": 0,
        "unchanged": 0,
        "removed": 0,
        "busy": 0,
        "by_format": {"EPUB": {"files": 2, "bytes": 107}, "PDF": {"files": 1, "bytes": 250}},
        "read": "all",
        "settled": True,
        "check": False,
        "changes": 2,
    }


def test_what_an_item_remembers_is_what_a_page_of_calibre_says(world):
    world.add("One", formats={"EPUB": 100, "PDF": 250})
    world.plan()
    with Calibre(world.folder) as calibre:
        assert world.rows("fingerprint") == [(next(calibre.pages())[0].fingerprint,)]


def test_a_plan_with_nothing_new_reads_nothing(world):
    world.add("One", "Two")
    first = world.plan()
    again = world.plan()
    assert (again.read, again.changes, again.unchanged) == ("nothing", 0, 2)
    assert (again.books, again.files, again.bytes, again.by_format) == (
        first.books,
        first.files,
        first.bytes,
        first.by_format,
    )


def test_a_change_that_concerns_no_book_reads_only_what_changed_last(world):
    world.add("One", "Two", "Three")
    world.plan()
    world.library.con.execute("INSERT INTO preferences(key, val) VALUES ('a', 'b')")
    again = world.plan()
    assert (again.read, again.changes, again.unchanged, again.files) == ("changes", 0, 3, 3)


def test_a_book_that_is_added_becomes_an_item(world):
    world.add("One", "Two", modified=DAY.format(1))
    world.plan()
    world.finish_all()
    world.add("Three", modified=DAY.format(1))
    again = world.plan()
    assert (again.read, again.new, again.unchanged, again.books) == ("changes", 1, 2, 3)
    assert world.states() == {1: "done", 2: "done", 3: "ready"}


@pytest.mark.parametrize("state", ["done", "failed", "skipped", "ready"])
def test_a_book_that_changed_is_ready_again_with_all_its_attempts(world, state):
    world.add("One", "Two")
    world.plan()
    world.execute(
        "update item set state = :state, attempts = 3, error_kind = 'permanent', error_text = 'why', "
        "not_before = now() + interval '1 day'",
        state=state,
    )
    world.library.add_format(2, "PDF", 900)
    again = world.plan()
    assert (again.read, again.changed, again.unchanged) == ("changes", 1, 1)
    assert (again.files, again.bytes) == (3, 1100)
    assert world.rows("key, state, attempts, error_kind, weight, bytes, not_before <= now()") == [
        ("1", state, 3, "permanent", 1, 100, False),
        ("2", "ready", 0, None, 2, 1000, True),
    ]


def test_a_file_that_changed_while_its_book_does_not_say_so_is_found(world):
    world.add("One", "Two")
    world.plan()
    world.finish_all()
    world.library.con.execute("UPDATE data SET uncompressed_size = 999 WHERE book = 1")
    again = world.plan()
    assert (again.read, again.changed, again.bytes) == ("all", 1, 1099)
    assert world.states() == {1: "ready", 2: "done"}


def test_a_renamed_book_is_ready_again_under_its_new_path(world):
    world.add("One")
    world.plan()
    world.finish_all()
    world.library.rename(1, "Another", "Some Body")
    assert world.plan().changed == 1
    assert world.states() == {1: "ready"}


def test_a_held_book_that_changed_stays_held_and_one_cancelled_by_hand_stays_so(world):
    world.add("Held", "Cancelled")
    world.plan()
    world.by_hand("pause", 1)
    world.by_hand("cancel", 2)
    for book in (1, 2):
        world.library.add_format(book, "PDF", 1)
    again = world.plan()
    assert (again.changed, again.unchanged) == (1, 1)
    assert world.rows("state, weight, error_text") == [("paused", 2, None), ("cancelled", 2, "by hand")]
    assert world.plan().changes == 0


@pytest.mark.parametrize("state", ["ready", "failed", "paused"])
def test_an_open_book_that_is_gone_from_calibre_is_cancelled_with_the_reason(world, state):
    world.add("One", "Two", "Three")
    world.plan()
    world.execute("update item set state = :state", state=state)
    world.library.remove(2)
    again = world.plan()
    assert (again.read, again.removed, again.books) == ("all", 1, 2)
    assert world.states() == {1: state, 2: "cancelled", 3: state}
    assert world.rows("error_kind, error_text")[1] == (
        "removed",
        "The book is gone from Calibre, or has no file any more.",
    )
    assert world.plan().changes == 0


def test_a_done_book_that_is_gone_stays_done(world):
    world.add("One", "Two")
    world.plan()
    world.finish_all()
    world.library.remove(1)
    assert world.plan().removed == 0
    assert world.states() == {1: "done", 2: "done"}


def test_a_book_that_lost_its_last_file_is_taken_off(world):
    world.add("One", "Two")
    world.plan()
    world.library.remove_format(1, "EPUB")
    again = world.plan()
    assert (again.removed, again.books, again.without_files) == (1, 1, 1)
    world.library.add_format(1, "PDF", 5)
    assert world.plan().changed == 1
    assert world.rows("state, error_kind, error_text, bytes")[0] == ("ready", None, None, 5)


def test_a_book_that_came_back_as_it_was_is_ready_again(world):
    world.add("One", "Two")
    world.plan()
    backup = world.library.con.serialize()
    world.library.remove(1)
    world.plan()
    assert world.states()[1] == "cancelled"
    restored = world.folder / "restored.db"
    restored.write_bytes(backup)
    restored.replace(world.folder / "metadata.db")
    assert world.plan().changed == 1
    assert world.states() == {1: "ready", 2: "ready"}


def test_a_book_in_work_that_changed_is_left_alone_and_looked_at_again(world):
    world.add("One", "Two")
    world.plan()
    lease = world.ledger.claim(1)[0]
    world.library.add_format(int(lease.key), "PDF", 5)
    busy = world.plan()
    assert (busy.busy, busy.changed, busy.settled) == (1, 0, False)
    assert world.ledger.finish(lease)
    after = world.plan()
    assert (after.busy, after.changed, after.settled) == (0, 1, True)
    assert world.states() == {1: "ready", 2: "ready"}


def test_a_book_in_work_that_is_gone_is_asked_to_be_given_up(world):
    world.add("One", "Two")
    world.plan()
    lease = world.ledger.claim(1)[0]
    world.library.remove(int(lease.key))
    assert world.plan().removed == 1
    assert world.rows("state, cancel, lease_token is not null") == [
        ("leased", True, True),
        ("ready", False, False),
    ]


# Subsets


def test_a_subset_adds_to_what_was_planned_and_takes_nothing_off(world):
    world.add("Novel", tags=["Novel"])
    world.add("Other")
    assert world.plan(tags="Novel").books == 1
    assert world.states() == {1: "ready"}
    assert world.plan().new == 1
    assert world.plan(tags="Novel").changes == 0
    assert world.states() == {1: "ready", 2: "ready"}


def test_a_subset_again_with_nothing_new_reads_nothing_until_another_was_planned(world):
    world.add("Novel", tags=["Novel"])
    world.plan(tags="Novel")
    assert world.plan(tags="Novel").read == "nothing"
    world.plan()
    assert world.plan(tags="Novel").read == "all"


def test_a_subset_by_format_leaves_with_each_book_which_formats_are_meant(world):
    world.add("One", formats={"EPUB": 1, "PDF": 20, "CBZ": 300})
    found = world.plan(formats="epub,pdf")
    assert (found.files, found.bytes, list(found.by_format)) == (2, 21, ["EPUB", "PDF"])
    assert world.rows("weight, bytes, payload") == [(2, 21, {"formats": ["EPUB", "PDF"]})]
    world.finish_all()
    assert world.plan().changed == 1
    assert world.rows("state, weight, bytes, payload") == [("ready", 3, 321, {})]


def test_a_book_whose_only_format_is_left_out_is_no_item(world):
    world.add("Comic", formats={"CBZ": 1})
    world.add("Book")
    found = world.plan(exclude={"formats": ["CBZ"]})
    assert (found.books, found.without_files) == (1, 1)
    assert world.states() == {2: "ready"}


def test_the_newest_come_first_also_among_those_planned_before(world):
    world.add("Old", added=DAY.format(1))
    world.add("New", added=DAY.format(3))
    world.add("Unknown", added="0101-01-01 00:00:00+00:00")
    world.add("Middle", added=DAY.format(2))
    world.plan()
    assert [lease.key for lease in world.ledger.claim(1)] == ["1"]
    world.execute("update item set state = 'ready'")
    world.plan(newest_first=True)
    assert [lease.key for lease in world.ledger.claim(4)] == ["2", "4", "1", "3"]


def test_a_name_that_no_book_has_plans_nothing(world):
    world.add("One")
    with pytest.raises(Permanent, match="No book of the library has such tags"):
        world.plan(tags="Novel")
    assert world.states() == {}


# Predictions


def test_a_prediction_tells_what_a_plan_then_does_and_writes_nothing(world):
    world.add("One", "Two", "Three", "Four")
    world.plan()
    world.library.add_format(1, "PDF", 5)
    world.library.remove(2)
    world.add("Five")
    before = world.rows("key, state, fingerprint, changed")
    predicted = world.plan(check=True)
    assert world.rows("key, state, fingerprint, changed") == before
    assert (predicted.new, predicted.changed, predicted.removed, predicted.unchanged) == (1, 1, 1, 2)
    done = world.plan()
    assert {**predicted.to_dict(), "check": False} == done.to_dict()


def test_a_prediction_of_a_first_plan_writes_nothing(world):
    world.add("One", "Two")
    assert world.plan(check=True).new == 2
    assert world.states() == {}
    assert world.plan(check=True).new == 2
    assert world.plan().new == 2


# Whatever happens meanwhile


@pytest.mark.parametrize("size", [1, 7, 60])
def test_no_format_is_lost_at_the_edges_of_pages_and_chunks(database, tmp_path, monkeypatch, size):
    monkeypatch.setattr(planning, "_PAGE", size)
    monkeypatch.setattr(planning, "_PAGES_PER_CHUNK", 2)
    bulk.fill(tmp_path / "library", 60)
    world = World(database, tmp_path / "library")
    wanted = world.library.con.execute(
        "SELECT CAST(book AS TEXT), count(*), sum(uncompressed_size) FROM data GROUP BY book ORDER BY book"
    ).fetchall()
    found = world.plan()
    assert world.rows("key, weight, bytes") == wanted
    assert found.files == sum(row[1] for row in wanted)
    world.library.con.execute("UPDATE books SET last_modified = '2030-01-01 00:00:00+00:00'")
    assert world.plan().changed == 60


def test_calibre_adding_and_removing_during_a_plan_is_caught_up_with(database, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "_PAGE", 10)
    monkeypatch.setattr(planning, "_PAGES_PER_CHUNK", 1)
    bulk.fill(tmp_path / "library", 50)
    world = World(database, tmp_path / "library")

    def meanwhile(_doing, read, _of):
        if read == 20 and not world.library.con.execute("SELECT 1 FROM books WHERE id = 51").fetchone():
            world.library.remove(3)
            world.library.add_format(5, "TXT", 77)
            world.add("Fifty-one")

    done = world.plan(tell=meanwhile)
    assert done.settled
    assert (done.books, done.new, done.removed) == (50, 51, 1)
    states = world.states()
    assert states.pop(3) == "cancelled"
    assert states == {book: "ready" for book in range(1, 52) if book != 3}
    assert world.plan().read == "nothing"


def test_a_library_that_never_stands_still_is_planned_and_said_to_be_unsettled(world):
    world.add("One", "Two")
    done = world.plan(tell=lambda *_: world.library.touch(1))
    assert not done.settled
    assert world.states() == {1: "ready", 2: "ready"}
    assert world.plan().read == "all"


CHANGING = """
import sys
from pathlib import Path
from sandbox.calibre import Library
with Library(Path(sys.argv[1])) as library:
    print("ready", flush=True)
    for number in range(60):
        book = library.add(f"Coming {number}", formats={"EPUB": 10, "PDF": 20})
        library.rename(1 + number, f"Renamed {number}", "Some Body Else")
        if number % 3 == 0:
            library.remove(book)
    print("done", flush=True)
"""


def test_no_book_is_lost_while_another_process_changes_the_library(database, tmp_path):
    bulk.fill(tmp_path / "library", 500)
    world = World(database, tmp_path / "library")
    with another_process(CHANGING, world.folder) as process:
        assert process.stdout.readline() == "ready\n"
        for _ in range(5):
            world.plan()
        assert process.stdout.readline() == "done\n"
    world.plan()
    with Calibre(world.folder) as calibre:
        wanted = {book.id: book.fingerprint for page in calibre.pages() for book in page}
    ready = {
        int(key): print_ for key, state, print_ in world.rows("key, state, fingerprint") if state == "ready"
    }
    assert ready == wanted
    assert set(world.states().values()) <= {"ready", "cancelled"}


def test_two_plans_at_once_take_turns_and_make_each_item_once(database, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "_PAGE", 50)
    bulk.fill(tmp_path / "library", 500)
    world = World(database, tmp_path / "library")
    told, done = [], []

    def one():
        done.append(world.plan(tell=lambda doing, *_: told.append(doing)))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(plan.new for plan in done) == [0, 0, 500]
    assert len(world.rows()) == 500
    assert "waiting for another plan" in told


def test_items_that_somebody_adds_to_an_empty_collection_meanwhile_are_compared(world, monkeypatch):
    world.add("One", "Two", "Three")
    fill = Writer._fill

    def with_company(writer, lines):
        world.ledger.add("2", fingerprint="another")
        return fill(writer, lines)

    monkeypatch.setattr(Writer, "_fill", with_company)
    done = world.plan()
    assert (done.new, done.changed) == (2, 1)
    assert world.states() == {1: "ready", 2: "ready", 3: "ready"}


PLANNING = """
import sys
from pathlib import Path
from medialift.books import plan as planning
from medialift.books.calibre import Calibre
from medialift.books.selection import Selection
from medialift.queueing.database import Database
planning._PAGE, planning._PAGES_PER_CHUNK = 20, 1
def tell(doing, read, of):
    print(read, flush=True)
    if read >= 200: sys.stdin.readline()
with Database(sys.argv[2]) as ledger, Calibre(Path(sys.argv[1])) as calibre:
    planning.plan(ledger.engine, calibre, Selection(), "calibre", tell=tell)
"""


def test_a_plan_that_is_killed_is_completed_by_the_next(database, ledger_url, tmp_path):
    bulk.fill(tmp_path / "library", 500)
    world = World(database, tmp_path / "library")
    with another_process(PLANNING, world.folder, ledger_url) as process:
        while int(process.stdout.readline()) < 200:
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = len(world.rows())
    assert 0 < before < 500
    done = world.plan()
    assert (done.new, done.unchanged, done.read) == (500 - before, before, "all")
    assert len(world.rows()) == 500


def test_a_ledger_that_goes_away_is_told_as_something_that_passes(
    postgres_of_test, ledger_url, tmp_path, monkeypatch
):
    monkeypatch.setattr(planning, "_PAGE", 20)
    monkeypatch.setattr(planning, "_PAGES_PER_CHUNK", 1)
    bulk.fill(tmp_path / "library", 500)
    with Database(ledger_url) as database:
        world = World(database, tmp_path / "library")

        def cut(_doing, read, _of):
            if read == 200:
                postgres_of_test.cut(ledger_url)

        with pytest.raises(Transient, match="The database does not answer"):
            world.plan(tell=cut)
        done = world.plan()
        assert done.new + done.unchanged == 500
        assert len(world.rows()) == 500


def test_items_deleted_behind_the_marks_back_are_made_again(world):
    world.add("One", "Two")
    world.plan()
    world.execute("delete from item where key = '1'")
    assert (world.plan().new, world.states()) == (1, {1: "ready", 2: "ready"})


def test_another_library_under_the_same_name_is_read_whole(world, database, tmp_path):
    world.add("One", "Two")
    world.plan()
    other = World(database, tmp_path / "other")
    other.add("Uno")
    done = other.plan()
    assert (done.read, done.changed, done.removed) == ("all", 1, 1)
    assert other.states() == {1: "ready", 2: "cancelled"}


def test_a_plan_rings_for_workers_when_there_is_work(world, ledger_url):
    def jobs():
        with psycopg.connect(ledger_url) as connection:
            return connection.execute(
                "select count(*) from procrastinate_jobs where status = 'todo'"
            ).fetchone()[0]

    world.plan()
    assert jobs() == 0
    world.add("One")
    world.plan()
    assert jobs() == 1


def test_a_name_with_odd_letters_is_a_collection(database, tmp_path):
    with Library(tmp_path) as library:
        library.add("One", formats={"EPUB": 1})
    name = "tab\tback\\slash\nline ü"
    with Calibre(tmp_path) as calibre:
        assert plan(database.engine, calibre, Selection(), name).new == 1
        assert plan(database.engine, calibre, Selection(), name).unchanged == 1
    with database.engine.connect() as connection:
        assert connection.execute(text("select collection from item")).scalar_one() == name
