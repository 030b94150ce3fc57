"""Whose fault a failure is: no book pays for the server or for Calibre, and a bad one holds no other up."""

from __future__ import annotations

import pytest

from medialift.books import book_work, breaker
from medialift.books.breaker import IN_A_ROW
from tests.faults import catalogue
from tests.migration_world import Migration


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_FIRST", 0.05)
    monkeypatch.setattr(breaker, "_LONGEST", 0.3)


@pytest.mark.fault(catalogue.BOOKS_SERVER_500)
def test_books_that_the_server_always_fails_over_hold_no_other_up_and_end_as_failed(migration: Migration):
    broken = [migration.add(f"Poison {number}", formats="EPUB PDF") for number in range(IN_A_ROW + 2)]
    good = [migration.add(f"Good {number}") for number in range(4)]
    migration.standin.switches.fault("status", "/api/ebooks/index/Poison", status=500)
    migration.migrate(rules={"limit": 2})
    assert {migration.item(book).state for book in good} == {"done"}
    assert {migration.item(book).state for book in broken} == {"failed"}
    assert migration.files() == {"uploaded": len(good), "failed": 2 * len(broken)}
    migration.standin.switches.lift()
    migration.retry(*broken)
    migration.run()
    assert set(migration.states()) == {"done"} and migration.clean()


@pytest.mark.fault(catalogue.BOOKS_SERVER_500)
def test_failures_that_are_far_between_do_not_make_a_worker_bring_one_book_at_a_time(
    migration: Migration, caplog: pytest.LogCaptureFixture
):
    migration.add_many(4 * IN_A_ROW)
    migration.standin.switches.fault("status", "POST /api/upload$", times=2 * IN_A_ROW, every=2, status=500)
    migration.migrate()
    assert set(migration.states()) == {"done"} and migration.clean()
    assert "down" not in caplog.text


@pytest.mark.fault(catalogue.BOOKS_TOKEN)
def test_a_login_that_is_refused_meanwhile_is_waited_for_and_no_book_pays_for_it(migration: Migration):
    migration.add_many(8)
    migration.plan()
    migration.standin.switches.set(latency=0.05)
    worker = migration.spawn("one", pace={"batch": 4})
    migration.until(lambda: bool(migration.rows("select from book_file")))
    migration.standin.switches.fault("status", "POST /login", status=401)
    migration.standin.switches.expire_tokens()
    migration.until(lambda: bool(migration.rows("select from worker where paused_why like '%down%'")))
    assert "failed" not in migration.states() and "failed" not in migration.files()
    migration.standin.switches.lift()
    migration.wait(worker)
    assert migration.states() == {"done": 8} and migration.clean()
    assert not migration.rows("select from attempt where outcome in ('failed', 'again')")


@pytest.mark.fault(catalogue.BOOKS_CALIBRE)
def test_the_file_of_a_book_that_calibre_renames_after_it_was_read_is_not_missing(migration: Migration):
    books = migration.add_many(12)
    migration.plan()
    migration.standin.switches.set(latency=0.1)
    worker = migration.spawn("one", pace={"batch": 12}, books={"parallel_uploads": 1})
    migration.until(lambda: bool(migration.rows("select from book_file")))
    migration.library.rename(books[-1], "Renamed", "Bo Writer")
    migration.wait(worker)
    assert migration.states() == {"done": 12} and migration.files() == {"uploaded": 12}
    assert "Renamed" in migration.shelves() and migration.clean()


@pytest.mark.fault(catalogue.BOOKS_SERVER_500)
def test_a_book_over_which_the_work_itself_breaks_fails_alone(
    migration: Migration, monkeypatch: pytest.MonkeyPatch
):
    odd, *others = migration.add_many(5)
    described = book_work.describe

    def breaks(book, words):
        if book.id == odd:
            raise KeyError("nobody thought of this")
        return described(book, words)

    monkeypatch.setattr(book_work, "describe", breaks)
    migration.migrate()
    assert migration.item(odd).state == "failed" and "nobody thought" in migration.item(odd).error_text
    assert {(row.state, row.attempts) for row in map(migration.item, others)} == {("done", 1)}


@pytest.mark.fault(catalogue.BOOKS_SERVER_KILLED)
def test_a_backend_that_is_away_is_a_server_that_is_down_though_the_other_half_answers(migration: Migration):
    migration.add_many(2 * IN_A_ROW)
    migration.plan()
    worker = migration.spawn("one", books={"socket": "ws://127.0.0.1:9/ws"}, rules={"limit": 1})
    down = "select from worker where paused_why like '%down%'"
    migration.until(lambda: bool(migration.rows(down)))
    worker.terminate()
    migration.wait(worker)
    assert migration.states() == {"ready": 2 * IN_A_ROW} and not migration.rows("select from attempt")
    migration.run(name="other", books={"server_books": str(migration.standin.data)})
    assert set(migration.states()) == {"done"} and migration.clean()
