"""/health tells what is missing, each thing by its name, and which of them the intake cannot do without."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from medialift.audiobooks.answering import Answering
from medialift.audiobooks.beside import Beside
from medialift.audiobooks.health import Check, Checks, Health
from medialift.errors import Permanent, Transient
from medialift.queueing.database import Database
from medialift.settings import Settings

FOLDERS = ("inbox", "converted", "work", "archive", "failed")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in (*FOLDERS, "backup"):
        (tmp_path / name).mkdir()
    audiobooks = {name: str(tmp_path / name) for name in FOLDERS}
    return Settings(
        audiobooks={  # type: ignore[arg-type]
            **audiobooks,
            "backup_folder": str(tmp_path / "backup"),
            "free_space": 0,
            "tagging": {"mode": "off"},
        }
    )


def wrong(health: Health) -> dict[str, str]:
    return {check.name: check.detail for check in health.checks if not check.ok}


def test_an_intake_that_has_all_it_needs_is_ready(settings: Settings, database: Database) -> None:
    health = Checks(settings, database).look()
    assert wrong(health) == {} and health.ready and health.to_dict()["ok"]
    assert {check.name for check in health.checks} >= {
        "folder inbox",
        "space converted",
        "ffmpeg",
        "database",
    }


def test_everything_that_is_missing_is_told_at_once(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "archive").rmdir()
    (tmp_path / "inbox").rmdir()
    full = settings.audiobooks.model_copy(update={"free_space": 10**18})
    health = Checks(settings.model_copy(update={"audiobooks": full}), database).look()
    assert set(wrong(health)) == {"folder archive", "folder inbox", "space work", "space converted"}
    assert not health.ready


def test_a_database_that_is_away_makes_it_not_ready(settings: Settings) -> None:
    with Database("postgresql://nobody@127.0.0.1:9/nothing") as away:
        health = Checks(settings, away).look()
    assert list(wrong(health)) == ["database"] and health.live and not health.ready


def test_a_catalogue_that_does_not_answer_and_an_open_token_are_told_and_hinder_nothing(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o644)
    tagging = settings.audiobooks.tagging.model_copy(
        update={
            "mode": "at_once",
            "audible_url": "http://127.0.0.1:9",
            "audnexus_url": "http://127.0.0.1:9",
            "token_file": token,
        }
    )
    told = settings.audiobooks.model_copy(update={"tagging": tagging})
    health = Checks(settings.model_copy(update={"audiobooks": told}), database).look()
    assert set(wrong(health)) == {"service audible", "service audnexus", "credentials audible"}
    assert health.ready and not health.to_dict()["ok"]
    assert "secret" not in json.dumps(health.to_dict())


def test_a_thread_of_the_service_that_cannot_do_its_work_is_told(
    settings: Settings, database: Database
) -> None:
    health = Checks(settings, database, lambda: {"inbox": "The inbox is away", "after": ""}).look()
    assert wrong(health) == {"inbox": "The inbox is away"} and not health.ready


class Answers:
    """What a server answers that looks as it is told."""

    def __init__(self) -> None:
        self.health = Health(True, (Check("ffmpeg", True),))
        self.server = Answering(
            "127.0.0.1", 0, lambda: self.health, lambda: self.health.live, lambda: b"figures 1\n"
        )
        self.port = self.server.start()

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@pytest.fixture
def answers() -> Iterator[Answers]:
    made = Answers()
    yield made
    made.server.stop()


def test_health_is_200_when_it_is_ready_and_503_when_it_is_not(answers: Answers) -> None:
    code, body = answers.get("/health")
    assert (code, json.loads(body)["ready"]) == (200, True)
    answers.health = Health(True, (Check("ffmpeg", False, "it is missing"),))
    code, body = answers.get("/health")
    assert code == 503 and json.loads(body)["checks"][0]["detail"] == "it is missing"
    assert answers.get("/health/live")[0] == 200
    answers.health = Health(False, ())
    assert answers.get("/health/live")[0] == 503
    assert answers.get("/metrics") == (200, "figures 1\n")


def test_a_port_that_is_taken_is_refused_in_words(answers: Answers) -> None:
    second = Answering("127.0.0.1", answers.port, lambda: answers.health, lambda: True, lambda: b"")
    with pytest.raises(Permanent, match="port of /health cannot be used"):
        second.start()


def test_a_turn_that_fails_says_why_until_one_succeeds() -> None:
    fails, failed, worked = Event(), Event(), Event()
    fails.set()

    def turn() -> None:
        if fails.is_set():
            failed.set()
            raise Transient("The inbox is away")
        worked.set()

    beside = Beside("inbox", turn, every=0.01)
    beside.start()
    try:
        assert failed.wait(10)
        fails.clear()
        assert worked.wait(10)
    finally:
        beside.stop()
    assert beside.why == "" and beside.taken is not None and not beside.alive
