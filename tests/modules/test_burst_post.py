"""The module burst_post, as Ansible runs it, with a real dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from medialift.foundation import journal
from medialift.foundation.journal import Journal
from medialift.queueing.database import Database
from tests.dashboard_world import over_http

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def house(database: Database) -> Iterator[httpx.Client]:
    with over_http(database) as client:
        yield client


@pytest.fixture
def post(tmp_path: Path, house: httpx.Client, run_module: Run) -> Run:
    """post(mode="delta") with a journal that has begun."""
    Journal(tmp_path / "journal.jsonl").start("preflight")

    def run(*, check: bool = False, **options: Any) -> dict[str, Any]:
        url = str(house.base_url).rstrip("/")
        given = {"journal": str(tmp_path / "journal.jsonl"), "library": "home", "url": url, **options}
        return run_module("burst_post", given, check=check)

    return run


def bursts(house: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.get("/api/v1/bursts").json()["items"]
    return found


def test_it_tells_once_what_is_new(post: Run, house: httpx.Client) -> None:
    told = post(mode="delta", budget_eur=20)
    assert told["changed"] and told["told"][0]["added"] == 1 and told["waiting"] == 0
    assert post()["changed"] is False
    (burst,) = bursts(house)
    assert (burst["mode"], burst["budget_eur"], burst["state"]) == ("delta", 20, "running")


def test_it_tells_nothing_in_check_mode(post: Run, house: httpx.Client, tmp_path: Path) -> None:
    assert post(check=True)["changed"] is False
    assert bursts(house) == [] and not (tmp_path / "outbox").exists()


def test_a_dashboard_that_is_away_is_warned_of_and_nothing_fails(
    post: Run, capfd: pytest.CaptureFixture[str]
) -> None:
    told = post(url="http://127.0.0.1:9")
    assert not told.get("failed") and told["waiting"] == 1 and not told["changed"]
    # Where Ansible's own display is loaded in this process, it shows warnings itself.
    assert "was not told" in str(told.get("warnings", "")) + capfd.readouterr().err
    assert post()["told"][0]["added"] == 1


def test_an_import_at_home_is_told_beside_the_burst(post: Run, house: httpx.Client, tmp_path: Path) -> None:
    archive = {"bytes": 1, "sha256": "cd" * 32, "members": 1}
    inputs = {"library": "home", "outcome": "ok", "archive": archive, "journals": ["journal.jsonl"]}
    (tmp_path / "burst.json").write_text(json.dumps(inputs))
    post(inputs=[str(tmp_path / "burst.json")])
    home = tmp_path / "home.jsonl"
    for state in ("started", "ok"):
        journal.write(home, journal.steps(home, "import", state))
    told = post(journal=str(home), home=True, archive="cd" * 32)
    (burst,) = bursts(house)
    assert told["told"] == [{"burst": burst["id"], "journal": "home", "added": 2}]


@pytest.mark.parametrize("url", ["media.example.org", "ftp://media.example.org", ""])
def test_what_is_no_address_is_refused(post: Run, url: str) -> None:
    told = post(url=url)
    assert told["failed"] and told["kind"] == "permanent"


def test_a_damaged_journal_is_told_of_as_such(post: Run, tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("nonsense\n")
    told = post()
    assert told["failed"] and "line" in told["msg"]
