"""Chapter 9: a Calibre library goes into MyBookshelf2, by eight workers on two machines and one ledger."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import books
from sandbox.calibre import Library, bulk, content
from sandbox.calibre.odd import add_odd
from sandbox.docker import docker
from sandbox.settings import BOOKS_NAME, BOOKS_WORKER_NAME
from tests.burst_world import SETTINGS, Played, play, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]
BOOKS = 240
HOSTS = ("books", "books_worker")
SECRETS = re.compile(r"sandbox-shelf-password-01|sandbox-ebooks-password-01|sandbox-ledger-password(/|%2F)01")


def on(machine: str, command: str) -> str:
    return docker("exec", machine, "sh", "-c", command)


def standin(*words: str) -> Any:
    """What the stand-in says of itself."""
    return json.loads(docker("exec", BOOKS_NAME, "docker", "exec", "mybookshelf2-app", "standin", *words))


@dataclass(frozen=True)
class Shelf:
    """A library that went over, and what was told on the way."""

    library: Path
    artifacts: Path
    checked: Played
    untouched: str
    deployed: Played
    migrated: Played
    slowly: dict[str, str]
    """How it was migrated; a plan that says otherwise is a change."""

    @property
    def report(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((self.artifacts / "books-report.json").read_text(encoding="utf-8"))
        return told


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("books")
    library, artifacts = folder / "library", folder / "artifacts"
    bulk.fill(library, BOOKS, files=True)
    with Library(library) as opened:
        add_odd(opened)
    books.reset(SETTINGS)
    try:
        books.bring_library(library, SETTINGS)
        checked = play("bookshelf", "books_migrate", artifacts=artifacts, arguments=("--check", "--diff"))
        untouched = on(
            BOOKS_NAME, "ls -d /etc/medialift /etc/mybookshelf2 /opt/medialift /etc/postgresql 2>&1 || true"
        )
        deployed = succeed("bookshelf", artifacts=artifacts)
        # Slowly enough that both machines find work, whichever of them starts its workers first.
        size = sum(file.stat().st_size for file in library.rglob("*") if file.name != "metadata.db")
        slowly = {"books_migrate_bandwidth": f"{size // 20} B"}
        migrated = succeed("books_migrate", artifacts=artifacts, variables=slowly)
        yield Shelf(library, artifacts, checked, untouched, deployed, migrated, slowly)
    finally:
        books.stop(SETTINGS)


def test_check_mode_is_clean_on_machines_that_never_saw_us(shelf: Shelf) -> None:
    assert shelf.checked.code == 0, shelf.checked.output[-6000:]
    assert all("No such file" in line for line in shelf.untouched.splitlines()), shelf.untouched


def test_every_file_is_accounted_for_in_library_ledger_and_server(shelf: Shelf) -> None:
    report = shelf.report
    assert report["outcome"] == "finished"
    assert report["verify"]["adds_up"] is True, report["verify"]["wrong"]
    assert report["verify"]["complete"] is True, report["verify"]["open"]
    files = report["status"]["files"]
    assert files["uploaded"]["files"] >= BOOKS
    assert files["failed"]["files"] == 0, files["failed"]
    # The odd ones that cannot go say why.
    assert files["skipped"]["files"] == sum(files["skipped"]["reasons"].values())
    text = (shelf.artifacts / "books-report.txt").read_text(encoding="utf-8")
    assert "The numbers add up." in text


def test_eight_workers_on_both_machines_took_part(shelf: Shelf) -> None:
    workers = {worker["name"]: worker for worker in shelf.report["status"]["workers"]}
    assert set(workers) == {f"{host}@{n}" for host in ("books", "books-worker") for n in range(1, 5)}
    for host in ("books", "books-worker"):
        assert sum(one["items"] for name, one in workers.items() if name.startswith(f"{host}@")) > 0, workers


def test_nothing_is_on_the_server_twice_or_half(shelf: Shelf) -> None:
    facts = standin("GET", "/facts")
    wrong = ("orphan_ebooks", "duplicate_sources", "duplicate_ebooks", "uploads", "leftover_folders")
    assert {name: facts[name] for name in wrong} == dict.fromkeys(wrong, 0)
    assert facts["sources"] == shelf.report["status"]["files"]["uploaded"]["files"]


def test_the_workers_rest_when_all_is_done(shelf: Shelf) -> None:
    for machine in (BOOKS_NAME, BOOKS_WORKER_NAME):
        # systemd may still know of units that ended well: those are inactive, and at rest.
        busy = "--state=active,activating,reloading,deactivating,failed --plain --no-legend"
        assert on(machine, f"systemctl list-units 'medialift-books-worker@*' {busy}") == "", machine
        assert on(machine, "systemctl --failed --plain --no-legend") == "", machine


def test_a_second_run_of_both_reports_no_change(shelf: Shelf) -> None:
    for playbook in ("bookshelf", "books_migrate"):
        again = succeed(playbook, artifacts=shelf.artifacts, variables=shelf.slowly)
        for host in HOSTS:
            assert again.recap(host)["changed"] == 0, again.output
    assert shelf.report["plan"]["changes"] == 0
    # The same, predicted.
    predicted = succeed(
        "bookshelf",
        "books_migrate",
        artifacts=shelf.artifacts,
        variables=shelf.slowly,
        arguments=("--check",),
    )
    for host in HOSTS:
        assert predicted.recap(host)["changed"] == 0, predicted.output


def test_a_library_that_grew_is_taken_up_from_where_it_was(shelf: Shelf) -> None:
    before = shelf.report["status"]["files"]["uploaded"]["files"]
    with Library(shelf.library) as library:
        for number in range(10):
            title = f"A new one {number}"
            library.add(title, ["Nora New"], formats={"EPUB": content.of("EPUB", title, "Nora New", "new")})
    books.bring_library(shelf.library, SETTINGS)
    predicted = succeed("books_migrate", artifacts=shelf.artifacts, arguments=("--check",))
    assert "new: 10" in predicted.output
    grown = succeed("books_migrate", artifacts=shelf.artifacts)
    assert grown.recap("books")["changed"] > 0
    report = shelf.report
    assert report["status"]["files"]["uploaded"]["files"] == before + 10
    assert report["verify"]["adds_up"] is True, report["verify"]["wrong"]


def test_workers_are_added_and_taken_away_by_their_number(shelf: Shelf) -> None:
    enabled = "find /etc/systemd/system -name 'medialift-books-worker@[0-9]*' | wc -l"
    for count in (5, 2):
        succeed("bookshelf", artifacts=shelf.artifacts, variables={"books_workers_count": count})
        found = [on(machine, enabled).strip() for machine in (BOOKS_NAME, BOOKS_WORKER_NAME)]
        assert found == [str(count)] * 2


def test_no_secret_is_in_any_output_report_journal_or_command_line(shelf: Shelf) -> None:
    for file in shelf.artifacts.iterdir():
        assert not SECRETS.search(file.read_text(encoding="utf-8")), file
    for machine in (BOOKS_NAME, BOOKS_WORKER_NAME):
        assert not SECRETS.search(on(machine, "journalctl --no-pager --output cat; ps axww --format args"))


def test_everything_is_taken_away_and_the_books_and_the_ledger_stay(shelf: Shelf) -> None:
    only = ("--limit", "books_workers")
    succeed("teardown", artifacts=shelf.artifacts, arguments=only)
    for machine in (BOOKS_NAME, BOOKS_WORKER_NAME):
        units = "systemctl list-units --all --plain --no-legend 'medialift-*' 'mybookshelf2-*'"
        assert on(machine, units) == "", machine
        assert on(machine, "find /opt/medialift /etc/medialift -not -type d") == "", machine
    assert int(on(BOOKS_NAME, "find /srv/mybookshelf2/data/books -type f | wc -l")) >= BOOKS
    kept = "runuser -u postgres -- psql -Atd medialift -c \"select count(*) from item where state = 'done'\""
    assert int(on(BOOKS_NAME, kept)) >= BOOKS
    again = succeed("teardown", artifacts=shelf.artifacts, arguments=only)
    assert all(again.recap(host)["changed"] == 0 for host in HOSTS), again.output
