"""What the healing is told of the books, which must be true of their workers, settings and server."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import medialift
from medialift.errors import Permanent
from medialift.healing import pipelines
from medialift.healing.detect import limits_of
from medialift.healing.pipelines import AUDIOBOOKS, BOOKS, PIPELINES, POSTERS
from medialift.queueing.control import Control
from medialift.settings import BooksSettings, DatabaseSettings, HealingSettings, Settings
from sandbox.bookservers import served
from sandbox.jellyfin.server import Jellyfin
from sandbox.mybookshelf import Standin

PACKAGE = Path(medialift.__file__).parent
ROLE = Path(__file__).parents[3] / "roles" / "migration_workers"


def settings(**books: Any) -> Settings:
    return Settings(books=BooksSettings(**books))


def beside(standin: Standin, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "server": standin.url,
        "socket": standin.ws_url,
        "user": standin.user,
        "password": SecretStr(standin.password),
        "timeout": 2.0,
    }
    return settings(**{**given, **more})


def test_a_pipeline_is_found_by_its_name() -> None:
    assert pipelines.of("books") is BOOKS
    with pytest.raises(Permanent, match="knows audiobooks, books, posters"):
        pipelines.of("films")


@pytest.mark.parametrize("name", sorted(BOOKS.knobs))
def test_a_knob_sets_what_it_says_anywhere_within_its_bounds(name: str, monkeypatch: Any) -> None:
    knob = BOOKS.knobs[name]
    for value in (knob.lowest, knob.highest):
        monkeypatch.setenv(knob.variable, f"{value:g}")
        assert getattr(Settings().books, name) == value
    assert knob.lowest <= getattr(BooksSettings(), name) <= knob.highest
    assert not knob.control or knob.control in Control().to_dict()


def test_what_may_be_edited_is_there_and_decides_nothing_that_cannot_be_taken_back() -> None:
    for module in BOOKS.modules:
        tree = ast.parse((PACKAGE / module).read_text())
        imported = {one.module for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)}
        assert not imported & {
            "medialift.queueing.claims",
            "medialift.books.writes",
            "medialift.books.committing",
            "medialift.books.server.session",
        }, module


def test_units_and_names_are_those_of_the_role() -> None:
    template = BOOKS.unit.format(number="")
    unit = (ROLE / "templates" / f"{template}.j2").read_text()
    assert "Environment=MEDIALIFT_WORKERS__NAME=%H@%i" in unit
    assert f"/bin/medialift {' '.join(BOOKS.command)}\n" in unit
    assert (ROLE / "templates" / f"{BOOKS.target}.j2").exists()
    assert BOOKS.target in (ROLE / "vars" / "main.yml").read_text()


def test_a_worker_is_starting_until_it_brings_books() -> None:
    said = {
        one.args[0].value
        for one in ast.walk(ast.parse((PACKAGE / "books" / "handler.py").read_text()))
        if isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr == "phase"
        and isinstance(one.args[0], ast.Constant)
    }
    assert said - BOOKS.starting == {"bringing books", "waiting for the book server"}
    assert BOOKS.starting - said == {""}


def test_its_folders_are_those_of_the_settings_as_far_as_they_are_here() -> None:
    assert list(BOOKS.mounts(Settings())) == []
    one = settings(library="/srv/calibre", server_books="/srv/shelf")
    assert list(BOOKS.mounts(one)) == [Path("/srv/calibre")]
    assert list(BOOKS.disks(one)) == [Path("/srv/shelf"), Path("/var/lib/postgresql")]
    elsewhere = DatabaseSettings(url=SecretStr("postgresql://m@db.example/medialift"))
    assert list(BOOKS.disks(Settings(database=elsewhere))) == []
    embedded = DatabaseSettings(embedded="/var/lib/medialift/postgresql")
    assert list(BOOKS.disks(Settings(database=embedded))) == [Path("/var/lib/medialift/postgresql")]


assert BOOKS.server is not None
server = BOOKS.server


def test_a_server_that_answers_has_a_latency(bookshelf: Standin) -> None:
    found = server(beside(bookshelf))
    assert found.ok and found.latency is not None and 0 < found.latency < 10
    front = server(beside(bookshelf, user=""))
    assert front.ok and front.latency is not None


def test_a_server_that_is_away_frozen_or_lets_nobody_in_is_not_well(bookshelf_of_test: Standin) -> None:
    wrong = server(beside(bookshelf_of_test, password=SecretStr("wrong")))
    assert (wrong.ok, wrong.latency) == (False, None) and wrong.why
    half = server(beside(bookshelf_of_test, socket="ws://127.0.0.1:1/ws"))
    assert not half.ok
    bookshelf_of_test.freeze()
    frozen = server(beside(bookshelf_of_test, timeout=0.5))
    assert not frozen.ok
    bookshelf_of_test.thaw()
    bookshelf_of_test.kill()
    for user in (bookshelf_of_test.user, ""):
        away = server(beside(bookshelf_of_test, user=user))
        assert not away.ok and away.why
        assert bookshelf_of_test.password not in away.why


def test_every_pipeline_is_under_its_own_name() -> None:
    assert all(name == one.name for name, one in PIPELINES.items())


def test_the_intake_of_audiobooks_is_the_one_that_its_role_makes() -> None:
    role = ROLE.parent / "audiobooks"
    unit = (role / "templates" / f"{AUDIOBOOKS.unit}.j2").read_text()
    assert f"Environment=MEDIALIFT_WORKERS__NAME=%H{AUDIOBOOKS.label}@1\n" in unit
    assert f"/bin/medialift {' '.join(AUDIOBOOKS.command)}\n" in unit
    assert f"WantedBy={AUDIOBOOKS.target}\n" in unit
    assert AUDIOBOOKS.alone and not BOOKS.alone


def test_the_worker_of_posters_is_the_one_that_its_role_makes() -> None:
    role = ROLE.parent / "posters"
    unit = (role / "templates" / f"{POSTERS.unit}.j2").read_text()
    assert f"Environment=MEDIALIFT_WORKERS__NAME=%H{POSTERS.label}@1\n" in unit
    assert f"/bin/medialift {' '.join(POSTERS.command)}\n" in unit
    assert f"WantedBy={POSTERS.target}\n" in unit
    assert POSTERS.alone


def test_a_jellyfin_that_answers_is_well_and_one_that_does_not_is_not() -> None:
    assert POSTERS.server is not None
    jellyfin = Jellyfin()
    with served(jellyfin) as url:
        given = Settings.model_validate({"posters": {"url": url, "timeout": 2}})
        assert POSTERS.server(given).ok
        jellyfin.trouble(status=503)
        assert "503" in POSTERS.server(given).why
    assert not POSTERS.server(given).ok


def test_the_intake_may_be_long_at_one_step_unless_the_settings_say_otherwise() -> None:
    usual = HealingSettings()
    assert limits_of(usual, AUDIOBOOKS, "converting").progress == 1800
    assert limits_of(usual, BOOKS, "bringing books").progress == usual.progress == 300
    told = HealingSettings(pipelines={"audiobooks": {"progress": "2h"}})
    assert limits_of(told, AUDIOBOOKS, "converting").progress == 7200


def test_the_libraries_of_the_intake_are_those_that_are_folders_here() -> None:
    given = Settings.model_validate(
        {
            "audiobooks": {
                "inbox": "/mnt/inbox",
                "destinations": {
                    "near": {"path": "/srv/media"},
                    "far": {"path": "far:x", "transfer": "rclone"},
                },
            }
        }
    )
    assert list(AUDIOBOOKS.mounts(given)) == [Path("/mnt/inbox"), Path("/srv/media")]
    assert Path("/srv/audiobooks/converted") in AUDIOBOOKS.disks(given)
