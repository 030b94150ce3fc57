"""`medialift books` as a person uses it: a library, a ledger and a book server, all of them real."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from sandbox.mybookshelf import Standin
from tests.books_cli import Cli
from tests.migration_world import Migration

pytest_plugins = ["tests.mybookshelf_world"]


@pytest.fixture
def world(tmp_path: Path, database: Database, bookshelf: Standin) -> Iterator[Migration]:
    world = Migration(tmp_path, database, bookshelf)
    yield world
    world.end()


@pytest.fixture
def cli(tmp_path: Path, world: Migration, bookshelf: Standin) -> Cli:
    bookshelf.switches.set(metadata_seconds=0)
    return Cli(tmp_path, world, bookshelf)


def uploaded(told: dict) -> int:
    return told["status"]["files"]["uploaded"]["files"]


def test_a_library_is_planned_migrated_and_accounted_for_and_again_is_nothing(cli, world):
    world.add("One", formats="EPUB PDF")
    world.add("Two", "Bob Other", formats="MOBI")
    world.add("Three", "Cyd Third", words="the same words")
    world.add("Four", "Dan Fourth", words="the same words")

    planned = cli.json("books", "plan")
    assert (planned["plan"]["books"], planned["plan"]["files"], planned["changed"]) == (4, 5, True)
    assert planned["status"]["files"]["waiting"]["files"] == 5

    done = cli.json("books", "migrate")
    assert (done["finished"], done["count"], uploaded(done)) == (True, 4, 4)
    assert done["status"]["files"]["there"]["files"] == 1
    assert world.clean()

    verified = cli.json("books", "verify")
    assert (verified["adds_up"], verified["complete"], verified["verify"]["wrong"]) == (True, True, [])
    assert verified["verify"]["server"]["present"] == 5
    assert (
        verified["verify"]["ledger"] == verified["verify"]["calibre"]["accounts"] == done["status"]["files"]
    )

    again = cli.json("books", "migrate")
    assert (again["changed"], again["count"], again["finished"]) == (False, 0, True)


def test_people_are_shown_the_same_as_tables_and_sentences(cli, world):
    world.add("One", formats="EPUB PDF")
    assert "1 books with 2 files" in cli("books", "plan")
    assert "All books have ended." in cli("books", "migrate")
    shown = cli("books", "status")
    assert "calibre: finished" in shown
    assert "books: 1 done" in shown
    assert "uploaded\t2" in shown
    assert re.search(r"speed: .*, .* per file, .* on average; 0 uploads took over two minutes", shown)
    shown = cli("books", "verify")
    assert "uploaded\t2" in shown
    assert "in Calibre\t2\t1 books" in shown
    assert "On the server, by its API: 2 of 2 are there, 0 missing, 0 twice, 0 empty ebooks" in shown
    assert "The numbers add up." in shown


def test_check_tells_what_would_be_done_and_writes_nothing(cli, world):
    world.add_many(3)
    planned = cli.json("books", "plan", "--check")
    assert (planned["changed"], planned["plan"]["new"]) == (True, 3)
    checked = cli.json("books", "migrate", "--check")
    assert (checked["changed"], checked["plan"]["new"], checked["count"]) == (True, 3, 0)
    assert world.states() == {}
    assert "Nothing was written." in cli("books", "plan", "--check")


def test_a_subset_is_planned_and_what_is_outside_of_it_is_told_apart(cli, world):
    world.add("One", "Ann Author", formats="EPUB PDF", tags=["Fiction"])
    world.add("Two", "Bob Other", formats="EPUB", tags=["Fiction"])
    world.add("Three", "Ann Author", formats="EPUB", tags=["Cooking"])
    done = cli.json(
        "books", "migrate", "--author", "Ann Author", "--exclude-tag", "Cooking", "--format", "EPUB"
    )
    assert uploaded(done) == 1
    verified = cli.json("books", "verify")
    assert (verified["complete"], verified["verify"]["calibre"]["unselected"]) == (True, 3)
    wider = cli.json("books", "verify", "--tag", "Fiction", code=1)
    assert wider["verify"]["open"] == ["2 files are in no plan yet: plan again"]


def test_several_workers_end_after_so_many_books_and_go_on_later(cli, world):
    world.add_many(12)
    first = cli.json("books", "migrate", "--items", "5", "--workers", "2")
    assert (first["count"], first["finished"]) == (5, False)
    assert sorted(one["items"] for one in first["ended"]) == [2, 3]
    assert {one["why"] for one in first["ended"]} == {"items"}
    rest = cli.json("books", "migrate", "--workers", "2")
    assert (rest["count"], rest["finished"], uploaded(rest)) == (7, True, 12)
    assert world.clean()


def test_a_file_that_was_too_large_is_taken_up_once_the_limit_was_raised(cli, world):
    small, large = world.add("Small"), world.add("Large", "Bob Other", words="x" * 40_000)
    cli.write(max_upload=20_000)
    assert cli.json("books", "migrate")["finished"]

    (line,) = cli.json("books", "list")
    assert (line["book"], line["format"], line["account"], line["kind"]) == (
        large,
        "EPUB",
        "skipped",
        "too large",
    )
    verified = cli.json("books", "verify")
    assert verified["complete"]
    assert verified["verify"]["calibre"]["accounts"]["skipped"]["reasons"] == {"too large": 1}

    kept = cli.json("books", "retry", "--kind", "too large")
    assert (kept["count"], kept["still_too_large"], kept["changed"]) == (0, 1, False)
    cli.write(max_upload=1_000_000)
    assert cli.json("books", "retry", "--kind", "too large", "--check")["count"] == 1
    assert cli.json("books", "retry", "--kind", "too large")["count"] == 1
    assert uploaded(cli.json("books", "migrate")) == 2
    assert cli.json("books", "list") == []
    assert {small, large} == {int(row.key) for row in world.rows("select key from item where state = 'done'")}


def test_books_that_failed_are_listed_with_their_reasons_and_taken_up_by_number(cli, world, bookshelf):
    one, two = world.add("One"), world.add("Two", "Bob Other")
    file = next((world.library.folder).rglob("*One*.epub"))
    kept = file.read_bytes()
    file.write_bytes(b"")
    assert cli.json("books", "migrate")["finished"]
    (line,) = cli.json("books", "list")
    assert (line["book"], line["kind"]) == (one, "empty")
    assert "empty" in cli("books", "list")
    file.write_bytes(kept)
    cli("books", "retry", "99", code=1)
    assert "1 books are tried again" in cli("books", "retry", str(one))
    assert uploaded(cli.json("books", "migrate")) == 2
    assert world.item(two).state == "done"


def test_a_pause_holds_everybody_and_is_told_with_its_reason(cli, world):
    world.add_many(2)
    cli("books", "plan")
    assert cli.json("books", "pause", "--why", "the line is needed")["changed"]
    assert not cli.json("books", "pause", "--why", "the line is needed")["changed"]
    held = cli.json("books", "migrate", code=75)
    assert (held["count"], held["status"]["state"]) == (0, "paused")
    assert "calibre: paused (the line is needed)" in cli("books", "status")
    assert cli.json("books", "resume")["changed"]
    assert cli.json("books", "migrate")["finished"]


def test_what_is_given_up_is_counted_as_such_and_comes_back_by_number(cli, world):
    one, _ = world.add_many(2)
    cli("books", "plan")
    assert cli.json("books", "cancel", str(one), "--check")["count"] == 1
    assert world.states() == {"ready": 2}
    assert cli.json("books", "cancel", str(one), "--why", "not this one")["count"] == 1
    done = cli.json("books", "migrate")
    assert (done["finished"], done["status"]["files"]["cancelled"]["files"]) == (True, 1)
    assert cli.json("books", "verify")["complete"]
    cli("books", "retry", str(one))
    assert uploaded(cli.json("books", "migrate")) == 2


def test_ctrl_c_finishes_what_is_in_flight_and_gives_back_the_rest(cli, world, bookshelf):
    world.add_many(60)
    bookshelf.switches.set(metadata_seconds=0.3)
    cli.write(parallel_uploads=2, batch=50)
    running = cli.start("books", "migrate")
    assert wait_until(lambda: world.standin.facts()["sources"] >= 3, at_most=150, every=0.2)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 75, err
    assert "It is not finished" in out
    states = world.states()
    assert set(states) == {"ready", "done"}
    assert world.clean()
    bookshelf.switches.set(metadata_seconds=0)
    assert cli.json("books", "migrate")["finished"]
    assert len(world.shelves()) == 60
    assert world.clean()


def test_a_migration_whose_terminal_dies_leaves_no_worker_behind(cli, world, bookshelf):
    world.add_many(40)
    bookshelf.switches.set(metadata_seconds=0.3)
    running = cli.start("books", "migrate", "--workers", "2")
    assert wait_until(lambda: world.standin.facts()["sources"] >= 2, at_most=150, every=0.2)
    running.kill()
    running.communicate(timeout=10)
    assert wait_until(
        lambda: {row.state for row in world.rows("select state from worker")} == {"gone"},
        at_most=60,
        every=0.5,
    )
    assert "leased" not in world.states()
    bookshelf.switches.set(metadata_seconds=0)
    assert cli.json("books", "migrate")["finished"]
    assert world.clean()


def test_a_worker_that_is_killed_is_started_again_and_loses_nothing(cli, world, bookshelf):
    world.add_many(30)
    bookshelf.switches.set(metadata_seconds=0.2)
    running = cli.start("books", "migrate")
    assert wait_until(lambda: world.standin.facts()["sources"] >= 2, at_most=150, every=0.2)
    (worker,) = world.rows("select pid, life from worker")
    os.kill(worker.pid, signal.SIGKILL)
    bookshelf.switches.set(metadata_seconds=0)
    out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert "Worker 1 died: it is started again" in err
    assert "All books have ended." in out
    assert len(world.shelves()) == 30
    assert world.clean()
    assert cli.json("books", "verify")["complete"]


def test_a_worker_under_systemd_tells_that_it_is_ready_and_drains_when_told_to(
    cli, world, bookshelf, tmp_path
):
    world.add_many(30)
    cli("books", "plan")
    bookshelf.switches.set(metadata_seconds=0.3)
    cli.write("workers", name="home@1")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(60)
        worker = cli.start("books", "work", NOTIFY_SOCKET=str(tmp_path / "notify"))
        while systemd.recv(1000) != b"READY=1":
            pass
        assert wait_until(lambda: world.standin.facts()["sources"] >= 2, at_most=150, every=0.2)
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0, err
    assert world.rows("select name, state from worker") == [("home@1", "gone")]
    assert set(world.states()) == {"done", "ready"}


def test_a_wrong_password_is_told_once_and_nothing_is_marked_failed(cli, world):
    world.add_many(2)
    cli.write(password="wrong-word")
    told = cli.json("books", "migrate", code=1)
    assert told["error"]["what"] == "The book server does not let us in"
    assert "wrong-word" not in json.dumps(told)
    assert world.states() == {"ready": 2}


def test_verify_names_what_the_server_lost_and_a_book_that_is_named_again_is_sent_if_it_is_not_there(
    cli, world, bookshelf
):
    book = world.add("One")
    cli("books", "migrate")
    bookshelf.empty()
    bookshelf.switches.set(metadata_seconds=0)
    verified = cli.json("books", "verify", code=1)
    assert verified["verify"]["wrong"] == ["1 file is not on the server though the ledger says so"]
    assert verified["verify"]["examples"]["missing"] == [f"{book} EPUB (uploaded)"]
    assert cli.json("books", "verify", "--no-server")["complete"]
    cli("books", "retry", str(book))
    assert uploaded(cli.json("books", "migrate")) == 1
    assert cli.json("books", "verify")["complete"]
    cli("books", "retry", str(book))
    sent = world.uploads_sent()
    assert uploaded(cli.json("books", "migrate")) == 1
    assert (world.uploads_sent(), world.clean()) == (sent, True)


def test_figures_for_prometheus_are_those_of_status(cli, world, tmp_path):
    world.add("One", formats="EPUB PDF")
    cli("books", "migrate")
    text = cli("books", "status", "--metrics")
    assert 'medialift_books_files{account="uploaded",collection="calibre"} 2.0' in text
    cli("books", "status", "--metrics-file", str(tmp_path / "books.prom"))
    assert (tmp_path / "books.prom").read_text().splitlines()[0].startswith("# HELP medialift_books")
    cli("books", "status", "--metrics-file", str(tmp_path / "books.txt"), code=2)


def test_wrong_input_is_told_before_anything_begins(cli, world):
    world.add("One", "Ann Author")
    assert cli.json("books", "migrate", "--hours", "late", code=2)["error"]["kind"] == "permanent"
    assert (
        "did you mean" in cli.json("books", "plan", "--author", "Ann Autor", code=1)["error"]["hint"].lower()
    )
    cli("books", "retry", code=2)
    cli("books", "retry", "1", "--all", code=2)
    cli("books", "list", "--account", "nowhere", code=2)
    cli.write(library="")
    assert cli("books", "plan", code=2) == ""
    assert world.states() == {}


def test_hours_and_bandwidth_of_a_call_hold_for_all_workers(cli, world):
    world.add("One")
    cli("books", "migrate", "--check", "--hours", "22:00-06:30")
    assert world.rows("select hours from control") == []
    cli("books", "migrate", "--hours", "00:00-24:00", "--bandwidth", "50 MB")
    assert [tuple(row) for row in world.rows("select hours, bandwidth from control")] == [
        ("00:00-24:00", 50_000_000)
    ]


def test_what_the_first_script_did_is_taken_over_once_the_server_has_it(cli, world, tmp_path):
    one, two = world.add("One"), world.add("Two", "Bob Other")
    cli("books", "migrate", "--id", str(one))
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("truncate item, content, ebook, plan_mark cascade")
    paths = {number: next(world.library.folder.rglob(f"*({number})/*.epub")) for number in (one, two)}
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress/migration_progress_worker1.json").write_text(
        json.dumps({"completed_files": [str(path) for path in paths.values()], "errors": {}})
    )
    assert cli.json("books", "adopt", str(tmp_path / "progress"), "--check")["adopted"]["there"] == 1
    assert "1 are on the server, 1 are not" in cli("books", "adopt", str(tmp_path / "progress"))
    assert world.item(one).state == "done"
    done = cli.json("books", "migrate")
    assert (done["count"], done["status"]["files"]["there"]["files"], uploaded(done)) == (1, 1, 1)
    assert cli.json("books", "verify")["complete"]
    assert world.clean()


def test_the_supervisor_gives_back_what_a_dead_worker_held_and_writes_figures(cli, world, tmp_path):
    world.add("One")
    cli("books", "plan")
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "update item set state = 'leased', lease_token = 1, lease_owner = 'x', lease_until = now()"
        )
    figures = tmp_path / "medialift.prom"
    supervisor = cli.start("queue", "supervise", "--metrics-file", str(figures))
    assert wait_until(lambda: world.states() == {"ready": 1} and figures.exists(), at_most=150, every=0.2)
    supervisor.send_signal(signal.SIGTERM)
    _, err = supervisor.communicate(timeout=30)
    assert supervisor.returncode == 0, err
    text = figures.read_text()
    assert "medialift_queue_items" in text
    assert "medialift_healing_model_tokens_today" in text
    assert 'medialift_books_files{account="waiting",collection="calibre"} 1.0' in text


def test_the_queue_is_seen_and_steered_whatever_is_in_it(cli, world):
    one, _ = world.add_many(2)
    assert cli.json("queue", "migrate") == {"changed": False}
    assert cli.json("queue", "status") == []
    cli("queue", "pause", "books:calibre", code=2)
    cli("books", "plan")
    (queue,) = cli.json("queue", "status")
    assert (queue["queue"], queue["items"]["ready"]) == ("books:calibre", 2)
    assert "books:calibre\t2 ready" in cli("queue", "status")
    assert cli.json("queue", "pause", "books:calibre", "--why", "tonight") == {"changed": True}
    assert cli.json("queue", "status")[0]["why"] == "tonight"
    assert cli.json("queue", "resume", "books:calibre") == {"changed": True}
    assert cli.json("queue", "cancel", "books:calibre", str(one)) == {"count": 1}
    cli("queue", "cancel", "books:calibre", code=2)
    assert cli.json("queue", "retry", "books:calibre", str(one)) == {"count": 1}
    cli("books", "migrate")
    (worker,) = cli.json("queue", "workers")
    assert (worker["state"], worker["items"]) == ("gone", 2)
    assert "@run1" in cli("queue", "workers")
    assert cli.json("queue", "drain") == {"drained": []}
    whats = [one["what"] for one in cli.json("queue", "events")]
    assert {"control", "cancel", "retry"} <= set(whats)
    assert "medialift_queue_items" in cli("queue", "status", "--metrics")
