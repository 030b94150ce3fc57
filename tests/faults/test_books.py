"""What breaks while a library goes into the server: nothing is lost after it, nothing twice, all adds up."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from tests.faults import catalogue
from tests.migration_worker import STEPS
from tests.migration_world import Migration
from tests.postgres_world import Postgres

# Of each book: two files and so one ebook, and one content that two books have.
BOOKS = 4


def fill(migration: Migration) -> int:
    """A small library; how many files it has."""
    for number in range(BOOKS):
        migration.add(f"Book {number}", "Ann Author", "EPUB PDF", words="the same" if number > 1 else "")
    return migration.plan().files


def adds_up(migration: Migration, files: int) -> bool:
    """Whether all books are done, each content is on the server once, and nothing else is."""
    facts = migration.standin.facts()
    ended = migration.files()
    assert migration.clean(), str(facts)
    assert set(migration.states()) == {"done"}, migration.states()
    assert sum(ended.values()) == files and set(ended) <= {"uploaded", "there"}, ended
    contents = migration.rows("select distinct sha1, size from book_file")
    assert len(contents) == facts["sources"] >= ended["uploaded"], (ended, facts)
    return True


@pytest.mark.fault(catalogue.BOOKS_WORKER_KILLED)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_killed_at_a_step_leaves_what_the_next_completes(
    migration: Migration, when: str, step: str, fault_moment: int
):
    files = fill(migration)
    calls = 1 + (fault_moment % 3) if step != "create_ebook" else 1 + fault_moment % 2
    migration.killed(when, step, calls)
    # An upload whose answer nobody lived to hear is found by its name, where the server's disk is in reach.
    books = {"server_books": str(migration.standin.data)}
    migration.run(books=books)
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_WORKER_KILLED)
def test_of_an_upload_that_nobody_lived_to_hear_of_at_most_its_folder_is_left(migration: Migration):
    files = fill(migration)
    migration.killed("after", "upload")
    migration.run()
    facts = migration.standin.facts()
    assert migration.states() == {"done": BOOKS} and sum(migration.files().values()) == files
    assert facts["leftover_folders"] <= 4 and facts["duplicate_sources"] == facts["orphan_ebooks"] == 0


@pytest.mark.fault(catalogue.BOOKS_WORKER_FROZEN)
def test_a_frozen_worker_that_comes_back_does_nothing_twice(migration: Migration):
    files = fill(migration)
    migration.standin.switches.set(latency=0.05)
    frozen = migration.spawn("frozen", pace={"lease": 2.0, "margin": 0.4, "heartbeat": 0.3})
    migration.until(lambda: bool(migration.rows("select from book_file where step in ('sent', 'described')")))
    frozen.send_signal(signal.SIGSTOP)
    migration.until(lambda: not migration.rows("select from item where lease_until > now()"))
    migration.sweep()
    migration.run(name="other", books={"server_books": str(migration.standin.data)})
    frozen.send_signal(signal.SIGCONT)
    migration.wait(frozen)
    assert adds_up(migration, files)


def during(migration: Migration, fault: Callable[[], None], **more: object) -> None:
    """Work in a process, and do the fault when something is under way."""
    migration.standin.switches.set(latency=0.03)
    worker = migration.spawn("one", **more)
    migration.until(lambda: bool(migration.rows("select from book_file")))
    fault()
    migration.standin.switches.set(latency=0.0)
    migration.wait(worker)


@pytest.mark.fault(catalogue.BOOKS_SERVER_KILLED)
def test_a_server_that_is_killed_is_waited_for_and_no_book_pays_for_it(migration_alone: Migration):
    migration = migration_alone
    files = fill(migration)

    def fault() -> None:
        migration.standin.kill()
        migration.until(lambda: bool(migration.rows("select from worker where paused_why like '%down%'")))
        assert migration.states() == {"ready": BOOKS} or "leased" not in migration.states()
        migration.standin.start()

    migration.standin.switches.set(latency=0.03)
    worker = migration.spawn("one", books={"server_books": str(migration.standin.data)})
    migration.until(lambda: bool(migration.rows("select from book_file")))
    fault()
    migration.wait(worker)
    assert adds_up(migration, files)
    assert not migration.rows("select from attempt where outcome = 'failed'")


@pytest.mark.fault(catalogue.BOOKS_SERVER_SLOW)
def test_a_slow_server_takes_longer_and_that_is_all(migration: Migration):
    files = fill(migration)
    migration.standin.switches.fault("slow", every=3, seconds=0.3)
    migration.run()
    assert adds_up(migration, files)


REQUESTS = (
    "POST /api/upload/check",
    "POST /api/upload$",
    "POST /api/ebooks$",
    "add-upload",
    "GET /api/ebooks/index",
)


@pytest.mark.fault(catalogue.BOOKS_SERVER_500)
@pytest.mark.parametrize("request_line", REQUESTS)
def test_a_request_that_fails_now_and_then_is_asked_again(migration: Migration, request_line: str):
    files = fill(migration)
    migration.standin.switches.fault("status", request_line, times=3, status=500)
    migration.run()
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_SERVER_500)
def test_a_server_that_answers_everything_with_503_is_waited_for(migration: Migration):
    files = fill(migration)
    migration.plan()
    migration.standin.switches.fault("status", "/api/(upload|ebooks|languages)", after=2, status=503)
    worker = migration.spawn("one")
    migration.until(lambda: bool(migration.rows("select from worker where paused_why like '%down%'")))
    assert migration.states() == {"ready": BOOKS}
    migration.standin.switches.lift()
    migration.wait(worker)
    assert adds_up(migration, files) and not migration.rows("select from attempt where outcome = 'failed'")


@pytest.mark.fault(catalogue.BOOKS_SERVER_413)
def test_a_413_after_the_check_passed_skips_the_file_until_it_is_retried(migration: Migration):
    fill(migration)
    migration.standin.switches.fault("status", "POST /api/upload$", times=1, status=413)
    migration.run()
    assert migration.files()["skipped"] == 1 and migration.clean()
    (book,) = (
        row.key
        for row in migration.rows(
            "select key from item join book_file on item_id = id where book_file.state = 'skipped'"
        )
    )
    migration.retry(int(book))
    migration.run()
    assert "skipped" not in migration.files() and migration.clean()


@pytest.mark.fault(catalogue.BOOKS_SERVER_RESETS)
@pytest.mark.parametrize("request_line", REQUESTS)
def test_a_connection_that_is_reset_before_anything_was_done_costs_nothing(
    migration: Migration, request_line: str
):
    files = fill(migration)
    migration.standin.switches.fault("reset", request_line, times=2)
    migration.run()
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_ANSWER_LOST)
@pytest.mark.parametrize("request_line", REQUESTS)
def test_what_was_done_and_not_told_is_looked_for_and_not_done_again(migration: Migration, request_line: str):
    files = fill(migration)
    migration.standin.switches.fault("lost", request_line, times=2)
    migration.run(books={"server_books": str(migration.standin.data)})
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_SOCKET)
@pytest.mark.parametrize("kind", ["drop", "vanish", "fail"])
def test_a_socket_that_breaks_in_the_middle_of_a_task_loses_no_result(migration: Migration, kind: str):
    files = fill(migration)
    migration.standin.switches.set(metadata_seconds=0.1)
    migration.standin.switches.fault(kind, "TASK metadata", times=2)
    migration.run(books={"timeout": 2})
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_SOCKET)
def test_all_sockets_cut_at_once_come_back(migration: Migration):
    files = fill(migration)
    migration.standin.switches.set(metadata_seconds=0.2)
    during(migration, lambda: migration.standin.switches.cut_sockets())
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_TOKEN)
def test_a_token_that_expires_is_replaced_once(migration: Migration):
    files = fill(migration)
    during(migration, migration.standin.switches.expire_tokens)
    assert adds_up(migration, files)
    # Once with the password, once with the refresh token.
    assert migration.standin.switches.requests()["POST /login"] == 2


@pytest.mark.fault(catalogue.BOOKS_DATABASE)
def test_a_database_that_restarts_is_waited_for(migration: Migration, postgres_of_test: Postgres):
    files = fill(migration)
    migration.standin.switches.set(latency=0.05)
    worker = migration.spawn("one", pace={"lease": 6.0})
    migration.until(lambda: bool(migration.rows("select from book_file")))
    postgres_of_test.stop()
    postgres_of_test.start()
    migration.database.engine.dispose()
    migration.wait(worker)
    assert adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_CALIBRE)
def test_calibre_may_add_remove_rename_and_change_books_meanwhile(migration: Migration):
    fill(migration)
    library = migration.library

    def change() -> None:
        migration.add("Added", "Bo Writer")
        library.rename(1, "Renamed", "Ann Author")
        library.remove(2)
        library.add_format(4, "TXT", b"added to the last")

    during(migration, change, pace={"batch": 1}, books={"parallel_uploads": 1})
    migration.plan()
    migration.run(name="again")
    assert migration.clean() and set(migration.states()) <= {"done", "cancelled"}
    present = {(row[0], row[1]) for row in library.con.execute("select book, format from data")}
    ended = {
        (int(row.key), row.format)
        for row in migration.rows(
            "select key, format from book_file join item on id = item_id and item.state = 'done'"
        )
    }
    assert present <= ended


@pytest.mark.fault(catalogue.BOOKS_DISK)
def test_a_file_that_the_disk_does_not_give_is_tried_again_and_the_others_go(migration: Migration):
    fill(migration)
    # A file that can be opened and not read, as on a broken disk.
    broken = Path("/sys/class/net/lo/speed")
    file = migration.library.file(1, "PDF")
    content = file.read_bytes()
    file.unlink()
    file.symlink_to(broken)
    migration.run(rules={"limit": 2, "attempts": 2})
    row = migration.file(1, "PDF")
    assert (row.state, row.error_kind) == ("failed", "unreadable")
    assert migration.file(1, "EPUB").state == "uploaded" and migration.states() == {"done": 3, "failed": 1}
    file.unlink()
    file.write_bytes(content)
    migration.retry(1)
    migration.run()
    assert migration.states() == {"done": BOOKS} and migration.clean()


@pytest.mark.fault(catalogue.BOOKS_DISK)
def test_a_library_that_is_not_mounted_has_no_book_missing(migration: Migration):
    files = fill(migration)
    folder = migration.library.folder
    worker = migration.spawn("one", pace={"batch": 1}, books={"parallel_uploads": 1})
    migration.until(lambda: bool(migration.rows("select from book_file")))
    folder.rename(folder.with_name("away"))
    migration.until(lambda: bool(migration.rows("select from worker where paused_why <> ''")), at_most=30)
    folder.with_name("away").rename(folder)
    migration.wait(worker)
    assert "skipped" not in migration.files() and adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_DISK)
def test_a_worker_that_starts_before_the_library_is_mounted_waits_for_it(migration: Migration):
    files = fill(migration)
    folder = migration.library.folder
    folder.rename(folder.with_name("away"))
    worker = migration.spawn("one")
    time.sleep(4)
    assert worker.poll() is None
    folder.with_name("away").rename(folder)
    migration.wait(worker)
    assert "skipped" not in migration.files() and adds_up(migration, files)


@pytest.mark.fault(catalogue.BOOKS_CONTROLLERS)
def test_two_controllers_that_start_at_once_bring_each_book_once(migration: Migration):
    fill(migration)

    def controller(name: str) -> None:
        migration.plan()
        migration.run(name=name)

    threads = [Thread(target=controller, args=(name,)) for name in ("first", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert adds_up(migration, 2 * BOOKS)


@pytest.mark.soak
@pytest.mark.fault(catalogue.BOOKS_WORKER_KILLED)
def test_workers_killed_again_and_again_bring_a_library_in_the_end(migration: Migration, fault_moment: int):
    chance = Random(fault_moment)
    for number in range(40):
        migration.add(f"Book {number // 2}", f"Ann Author{number // 6}", "EPUB PDF")
    planned = migration.plan()
    for _ in range(6):
        migration.killed(chance.choice(("before", "after")), chance.choice(STEPS), chance.randrange(1, 8))
    migration.run(books={"server_books": str(migration.standin.data)})
    assert adds_up(migration, planned.files)
