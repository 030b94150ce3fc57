"""The module healing_history, as Ansible runs it, with a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medialift.healing.history import Entry, What, record
from medialift.queueing.database import Database

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def history(tmp_path: Path, database: Database, run_module: Run) -> Run:
    """history(worker="home@1") with a settings file that names the ledger."""
    config = tmp_path / "healing.toml"
    config.write_text(f'[database]\nurl = "{database.url}"\n')

    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("healing_history", {"config": str(config), **options}, check=check)

    return run


@pytest.fixture
def entries(database: Database) -> list[Entry]:
    """What two hosts found and did, the oldest first."""
    made = [
        Entry(What.FINDING, "home", "books", "home@1", "stuck", "It hangs", {"log": ["token=hunter2secret"]}),
        Entry(What.REMEDY, "home", "books", "home@1", "applied", "Restarted"),
        Entry(What.VERIFICATION, "home", "books", "home@1", "recovered", "It works again"),
        Entry(What.SCALING, "attic", "books", "", "down", "One worker fewer"),
    ]
    with database.engine.begin() as connection:
        for entry in made:
            record(connection, entry)
    return made


@pytest.mark.usefixtures("entries")
def test_the_newest_is_first_with_a_sentence_for_people(history: Run) -> None:
    told = history()
    assert (told["changed"], told["predicted"]) == (False, False)
    assert [one["what"] for one in told["entries"]] == ["scaling", "verification", "remedy", "finding"]
    assert told["entries"][0]["sentence"].endswith("scaling (down) books: One worker fewer")
    assert told["entries"][1]["sentence"].endswith("verification (recovered) home@1: It works again")
    assert "detail" not in told["entries"][0]


@pytest.mark.usefixtures("entries")
def test_it_tells_only_what_is_asked_for(history: Run) -> None:
    assert [one["what"] for one in history(what="remedy")["entries"]] == ["remedy"]
    assert len(history(worker="home@1")["entries"]) == 3
    assert [one["worker"] for one in history(host="attic", pipeline="books")["entries"]] == [""]
    newest = history(limit=1)["entries"]
    assert len(newest) == 1
    assert [one["what"] for one in history(limit=2, before=newest[0]["id"])["entries"]] == [
        "verification",
        "remedy",
    ]
    assert history(worker="nobody")["entries"] == []


@pytest.mark.usefixtures("entries")
def test_the_evidence_comes_with_it_and_no_secret(history: Run) -> None:
    (found,) = history(what="finding", evidence=True)["entries"]
    assert found["detail"]["log"]
    assert "hunter2" not in str(found)


def test_a_ledger_without_history_tells_nothing(history: Run) -> None:
    assert history()["entries"] == []


def test_check_mode_before_there_is_anything_is_a_prediction(history: Run, tmp_path: Path) -> None:
    (tmp_path / "healing.toml").unlink()
    told = history(check=True)
    assert (told["changed"], told["predicted"]) == (False, True)
    failed = history()
    assert failed["failed"] is True and "no such settings file" in failed["msg"]


def test_its_kinds_are_those_of_the_history(load_module: Callable[[str], Any]) -> None:
    assert [kind.value for kind in What] == load_module("healing_history").KINDS
