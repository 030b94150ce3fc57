"""The module calibre_migrate, as Ansible runs it, with a real library, a real ledger and the book server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift.queueing.database import Database
from sandbox.mybookshelf import Standin
from tests.migration_world import Migration

ROOT = Path(__file__).parents[2]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def migration(tmp_path: Path, database: Database, bookshelf: Standin) -> Iterator[Migration]:
    """A library, a ledger, a server, and the settings file of a host that knows all three."""
    world = Migration(tmp_path, database, bookshelf)
    (tmp_path / "books.toml").write_text(
        f"""
[database]
url = "{database.url}"
[books]
library = "{world.library.folder}"
server = "{bookshelf.url}"
socket = "{bookshelf.ws_url}"
user = "{bookshelf.user}"
password = "{bookshelf.password}"
timeout = "10 s"
"""
    )
    yield world
    world.end()


@pytest.fixture
def migrate(migration: Migration, run_module: Run) -> Run:
    """migrate("plan", tags=[...]) with the settings file of this host."""

    def run(action: str, *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        given = {"action": action, "config": str(migration.folder / "books.toml"), **options}
        return run_module("calibre_migrate", given, check=check, diff=diff)

    return run


def test_a_plan_is_written_down_once(migration: Migration, migrate: Run) -> None:
    migration.add_many(3, "EPUB MOBI")
    first = migrate("plan", diff=True)
    assert first["changed"] is True
    assert (first["plan"]["books"], first["plan"]["files"], first["plan"]["new"]) == (3, 6, 3)
    assert (first["diff"]["before"]["ready"], first["diff"]["after"]["ready"]) == (0, 3)
    assert first["finished"] is False
    again = migrate("plan", diff=True)
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"]


def test_check_mode_tells_what_would_be_uploaded_and_writes_nothing(
    migration: Migration, migrate: Run
) -> None:
    migration.add_many(3)
    for action in ("plan", "run"):
        told = migrate(action, check=True, diff=True)
        assert (told["changed"], told["predicted"]) == (True, False), action
        assert told["plan"]["new"] == 3
        assert (told["diff"]["before"]["ready"], told["diff"]["after"]["ready"]) == (0, 3)
    assert migration.states() == {}
    assert migration.shelves() == {}


def test_a_run_brings_every_book_over_and_a_second_one_changes_nothing(
    migration: Migration, migrate: Run
) -> None:
    migration.add("One", formats="EPUB MOBI")
    migration.add("Two")
    ran = migrate("run", workers=2)
    assert (ran["changed"], ran["finished"], ran["count"]) == (True, True, 2), ran
    assert migration.shelves() == {"One": ["epub", "mobi"], "Two": ["epub"]}
    assert migration.clean()
    again = migrate("run")
    assert (again["changed"], again["count"]) == (False, 0)
    assert migrate("run", check=True)["changed"] is False
    verified = migrate("verify")
    assert (verified["changed"], verified["adds_up"], verified["complete"]) == (False, True, True), verified
    assert ["uploaded", 3] in [list(row)[:2] for row in verified["rows"]]


def test_a_run_ends_after_as_many_books_as_it_is_told(migration: Migration, migrate: Run) -> None:
    migration.add_many(5)
    ran = migrate("run", items=2)
    assert (ran["count"], ran["finished"]) == (2, False)
    assert migration.states() == {"done": 2, "ready": 3}
    assert migrate("status")["status"]["items"]["ready"] == 3


def test_a_run_ends_after_the_time_it_is_given(migration: Migration, migrate: Run) -> None:
    migration.add_many(6)
    migration.standin.switches.set(latency=0.5)
    ran = migrate("run", time="2s")
    assert ran["finished"] is False
    assert migration.states().get("ready", 0) > 0
    assert "leased" not in migration.states()


def test_only_what_was_chosen_is_planned(migration: Migration, migrate: Run) -> None:
    migration.add("Wanted", tags=["Fiction"], formats="EPUB PDF")
    migration.add("Not wanted", tags=["Cooking"])
    told = migrate("plan", tags=["Fiction"], exclude={"formats": ["PDF"]}, newest_first=True)
    assert (told["plan"]["books"], told["plan"]["files"]) == (1, 1)


def test_workers_are_held_and_let_go_on(migration: Migration, migrate: Run) -> None:
    migration.add_many(2)
    assert migrate("pause", why="the line is needed")["changed"] is True
    assert migrate("pause", why="the line is needed")["changed"] is False
    held = migrate("run")
    assert (held["count"], held["status"]["state"]) == (0, "paused")
    assert held["status"]["paused_why"] == "the line is needed"
    assert migrate("resume")["changed"] is True
    assert migrate("run")["finished"] is True


def test_what_was_skipped_is_taken_up_again_by_its_reason(migration: Migration, migrate: Run) -> None:
    book = migration.add("Lost")
    path = next(migration.library.folder.rglob("*.epub"))
    kept = path.read_bytes()
    path.unlink()
    ran = migrate("run")
    assert ran["finished"] is True
    kinds = [kind for account in ("skipped", "failed") for kind in ran["status"]["files"][account]["reasons"]]
    assert len(kinds) == 1, ran["status"]["files"]
    path.write_bytes(kept)
    assert migrate("retry", kinds=["something else"])["count"] == 0
    predicted = migrate("retry", ids=[book], check=True)
    assert predicted["changed"] is True and "ready" not in migration.states()
    assert migrate("retry", kinds=kinds)["count"] == 1
    assert migrate("run")["finished"] is True
    assert migration.shelves() == {"Lost": ["epub"]}


def test_what_is_not_done_is_given_up_by_hand(migration: Migration, migrate: Run) -> None:
    first, _ = migration.add_many(2)
    migrate("plan")
    assert migrate("cancel", ids=[first], why="not mine")["count"] == 1
    assert migration.states() == {"cancelled": 1, "ready": 1}
    assert migrate("cancel", every=True)["count"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "plan", "library": "/nowhere"}, "/nowhere"),
        ({"action": "plan", "config": "/nonexistent.toml"}, "no such settings file"),
        ({"action": "plan", "exclude": {"colours": ["red"]}}, "colours"),
        ({"action": "run", "time": "soon"}, "soon"),
        ({"action": "run", "hours": "always"}, "hours"),
        ({"action": "retry"}, "named"),
        ({"action": "cancel"}, "Nothing is named"),
        ({"action": "adopt"}, "progress"),
    ],
)
def test_bad_input_is_a_clear_error(migrate: Run, options: dict[str, Any], message: str) -> None:
    failed = migrate(options.pop("action"), **options)
    assert failed["failed"] is True
    assert message in failed["msg"]


def test_a_ledger_that_does_not_answer_is_a_clear_error(
    migration: Migration, migrate: Run, tmp_path: Path
) -> None:
    settings = tmp_path / "books.toml"
    settings.write_text(
        settings.read_text().replace(
            migration.database.url, "postgresql://medialift:hidden-word@127.0.0.1:9/medialift"
        )
    )
    failed = migrate("status")
    assert (failed["failed"], failed["kind"]) == (True, "transient")
    assert "hidden-word" not in str(failed)


def test_the_password_is_in_no_result(migration: Migration, migrate: Run) -> None:
    migration.add("One")
    told = str([migrate("run", diff=True), migrate("verify"), migrate("status")])
    assert migration.standin.password not in told


def test_the_documentation_tells_the_options_as_they_are(load_module: Callable[[str], Any]) -> None:
    module = load_module("calibre_migrate")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    specified = module.argument_spec()
    assert set(documented) == set(specified)
    for name, option in specified.items():
        for key in ("type", "default", "choices", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)
    assert yaml.safe_load(module.EXAMPLES) and yaml.safe_load(module.RETURN)


def test_ansible_reads_its_documentation() -> None:
    program = Path(sys.executable).parent / "ansible-doc"
    shown = subprocess.run(
        [program, "-M", ROOT / "library", "-t", "module", "calibre_migrate"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Plans what is to be uploaded" in shown.stdout
