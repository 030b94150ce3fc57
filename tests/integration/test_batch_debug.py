"""The batch debug log from end to end: switched on in one process, heard of and written in another."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks.metadata import open_client
from medialift.diagnostics.traffic import Recorder
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.settings import DiagnosticsSettings
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
    cli = Cli(tmp_path, world, bookshelf)
    cli.settings["diagnostics"] = {"folder": str(tmp_path / "diagnostics")}
    cli.write(batch=4)
    return cli


def scalar(database: Database, statement: str) -> Any:
    with database.engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def until(database: Database, statement: str, at_most: float = 60) -> None:
    assert wait_until(lambda: bool(scalar(database, statement)), at_most=at_most, every=0.1), statement


def ended(worker: subprocess.Popen[str]) -> None:
    worker.send_signal(signal.SIGTERM)
    _, said = worker.communicate(timeout=60)
    assert worker.returncode == 0, said


def asked(standin: Standin) -> int:
    """Requests that were made for books: not whether it is up, and no tasks or their socket."""
    counted = standin.switches.requests()
    beside = ("TASK", "GET /ws", "GET /api/languages")
    return sum(counted[route] for route in counted if not route.startswith(beside))


def test_a_worker_that_runs_already_hears_of_the_switch_and_records_what_it_does(
    cli: Cli, world: Migration, database: Database, bookshelf: Standin
) -> None:
    worker = cli.start("books", "work")
    try:
        until(database, "select count(*) from worker where state = 'running'")
        on = cli.json("batch-debug", "enable", "--minutes", "60")
        assert 3590 < on["seconds_left"] <= 3600
        # A sign of life that was given after the switch was thrown: then it was read.
        until(database, "select bool_or(heartbeat > (select max(changed) from debug_switch)) from worker")
        before = asked(bookshelf)
        bookshelf.switches.fault("status", "GET /api/ebooks/index", status=503, times=3)
        world.add_many(6)
        cli.json("books", "plan")
        until(database, "select count(*) = 6 from item where state = 'done'")
    finally:
        ended(worker)
    after = asked(bookshelf)

    jobs = cli.json("batch-debug", "status")["jobs"]
    assert {one["pipeline"] for one in jobs} == {"books"} and all("calibre" in one["job"] for one in jobs)
    told = [cli.json("batch-debug", "summary", one["job"]) for one in jobs]
    # The last word of a worker that leaves is to the database, so these are all of them.
    assert sum(one["total_requests"] for one in told) == after - before
    assert sum(one["failed_requests"] for one in told) == 3
    assert sum(one["status_code_breakdown"].get("503", 0) for one in told) == 3
    assert {"slower", "server_log"} <= {rec["action"] for one in told for rec in one["recommendations"]}
    assert sum(one["session_events"]["connections_reused"] for one in told) > 0

    log = cli.json("batch-debug", "log", jobs[0]["job"])
    written = json.dumps(log)
    assert bookshelf.password not in [line.split(": ")[-1] for line in written.split('"')]
    assert "bearer *****" in written and "eyJ" not in written
    items = {one.get("item") for record in log["records"] for one in record["requests"]}
    assert items - {None}
    archive = cli.json("batch-debug", "har", jobs[0]["job"])
    assert len(archive["log"]["entries"]) == sum(len(record["requests"]) for record in log["records"])

    assert cli.json("batch-debug", "disable")["changed"] is True
    assert cli.json("batch-debug", "cleanup", "--days", "0")["deleted"] == len(jobs)
    assert cli.json("batch-debug", "status") == {
        "enabled": False,
        "always": False,
        "switches": [],
        "jobs": [],
    }


def test_while_it_is_off_nothing_is_written_and_the_environment_alone_switches_it_on(
    cli: Cli, world: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("One")
    cli.json("books", "migrate")
    assert cli.json("batch-debug", "status")["jobs"] == [] and not (tmp_path / "diagnostics").exists()
    world.add("Two", "Bo Writer")
    monkeypatch.setenv("MEDIALIFT_BATCH_DEBUG", "true")
    cli.json("books", "migrate")
    told = cli.json("batch-debug", "status")
    assert told["always"] is True and len(told["jobs"]) == 1
    [file] = (tmp_path / "diagnostics").iterdir()
    assert file.name.startswith("job_books-calibre-") and file.stat().st_mode & 0o007 == 0


def test_a_worker_that_is_killed_amid_a_job_leaves_a_record_that_the_next_one_makes_whole(
    cli: Cli, world: Migration, database: Database, bookshelf: Standin, tmp_path: Path
) -> None:
    world.add_many(3)
    cli.json("books", "plan")
    cli.json("batch-debug", "enable")
    bookshelf.switches.fault("silent", "POST /api/upload$")
    worker = cli.start("books", "work", MEDIALIFT_BATCH_DEBUG="1")
    try:
        assert wait_until(
            lambda: bookshelf.switches.requests().get("POST /api/upload", 0) > 0, at_most=60, every=0.1
        )
    finally:
        worker.kill()
        worker.communicate(timeout=30)
    bookshelf.switches.lift()
    [left] = (tmp_path / "diagnostics").iterdir()
    assert left.suffix == ".jsonl"
    [running] = cli.json("batch-debug", "status")["jobs"]
    assert running["state"] == "broken off"

    cli.write("workers", lease="2s")
    cli.json("books", "migrate")
    broken = cli.json("batch-debug", "summary", running["job"])
    assert (broken["state"], broken["unfinished_requests"] >= 1) == ("broken off", True)
    log = cli.json("batch-debug", "log", running["job"])
    waiting = [one for one in log["records"][0]["requests"] if one["outcome"] == "unfinished"]
    assert any(one["method"] == "POST" and one["url"].endswith("/api/upload") for one in waiting)
    assert scalar(database, "select count(*) from traffic_record where state = 'broken off'") == 1
    assert not list((tmp_path / "diagnostics").glob("*.jsonl"))


def test_what_is_asked_for_wrongly_is_bad_input(cli: Cli) -> None:
    for words in (
        ("enable", "--minutes", "0"),
        ("enable", "--minutes", "1441"),
        ("enable", "--pipeline", "nobody"),
        ("summary", "nobody-has-this"),
        ("summary", "../../etc/passwd"),
        ("log", "a/b"),
        ("har", ""),
        ("cleanup", "--days", "-1"),
    ):
        cli("batch-debug", *words, code=2)
    assert cli.json("batch-debug", "status")["enabled"] is False


def test_a_person_reads_a_summary_and_a_log_goes_into_a_file(
    cli: Cli, world: Migration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add("One")
    monkeypatch.setenv("MEDIALIFT_BATCH_DEBUG", "1")
    cli.json("books", "migrate")
    [job] = cli.json("batch-debug", "status")["jobs"]
    said = cli("batch-debug", "summary", job["job"])
    assert "100 % went well (finished)" in said and "There is nothing to do" in said
    out = tmp_path / "job.har"
    cli("batch-debug", "har", job["job"], "--out", str(out))
    assert json.loads(out.read_text())["log"]["version"] == "1.2" and out.stat().st_mode & 0o077 == 0
    cli("batch-debug", "har", job["job"], "--out", str(tmp_path / "no" / "folder" / "x.har"), code=2)


def test_the_client_that_asks_catalogues_is_watched(tmp_path: Path, bookshelf: Standin) -> None:
    recorder = Recorder(
        DiagnosticsSettings(folder=tmp_path), pipeline="audiobooks", expected=(404,), on=lambda: True
    )
    with open_client() as client, recorder.recording("audiobooks-tag-1"):
        client.get(f"{bookshelf.url}/nothing-is-here")
    recorder.close()
    [file] = tmp_path.iterdir()
    told = json.loads(file.read_text())["summary"]
    assert (told["total_requests"], told["expected_absences"]) == (1, 1)
