"""`medialift audiobooks` as a person uses it: an inbox, a ledger and a library, all of them real."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.queueing.database import Database
from sandbox.audiobooks.recordings import picture, speak

FOLDERS = ("inbox", "converted", "archive", "backup_folder", "failed", "work")
TOLD = """\
title: The Lighthouse Ledger
authors: [Ada Example]
narrators: [Nora Voice]
series: Harbour Tales
series_part: "2"
asin: B0TEST0001
"""


class Cli:
    """The program with settings of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.file = folder / "medialift.toml"
        for name in (*FOLDERS, "cache", "library"):
            (folder / name).mkdir()
        self.write()

    def write(self, **changed: Any) -> None:
        values = {name: str(self.folder / name) for name in FOLDERS}
        values |= {"wait": 0, "health_port": 0, "free_space": 0, "hold": True, **changed}
        lines = ["[audiobooks]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        lines += ["[audiobooks.tagging]", 'providers = ["metadata_yml"]', f'cache = "{self.folder}/cache"']
        lines += ["[audiobooks.destinations.main]", f'path = "{self.folder}/library"']
        lines += ["[database]", f'url = "{self.url}"']
        lines += ["[workers]", 'heartbeat = "1s"', 'lease = "20s"', 'sweep = "1s"']
        self.file.write_text("\n".join(lines) + "\n")
        self.file.chmod(0o600)

    def __call__(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command in this process; what it printed."""
        result = CliRunner(env=environment).invoke(app, ["--config", str(self.file), "audiobooks", *words])
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result.stdout

    def json(self, *words: str, code: int = 0, **environment: str) -> Any:
        return json.loads(self("--json", *words, code=code, **environment))


@pytest.fixture
def cli(tmp_path: Path, database: Database) -> Iterator[Cli]:
    before = dict(os.environ)
    yield Cli(tmp_path, database.url)
    # What old variables come to is put into the environment of the process, which here goes on.
    os.environ.clear()
    os.environ.update(before)


def book(folder: Path) -> Path:
    """Two spoken parts, a picture, and what is known of it."""
    for number, words in enumerate(("The keeper opened the ledger.", "A page was missing."), 1):
        speak(words, folder / f"0{number} - Chapter {number}.mp3", seconds=2.0)
    picture(folder / "cover.jpg")
    (folder / "metadata.yml").write_text(TOLD)
    return folder


@pytest.mark.parametrize("command", ["run", "once"])
def test_a_set_up_that_is_wrong_is_bad_input_and_begins_nothing(cli, command):
    cli.write(match="(")
    told = cli.json(command, code=2)["error"]
    assert "audiobooks.match" in told["subject"]


def test_validate_tells_every_fault_and_each_old_variable(cli):
    cli.write(naming="{titel}", inbox=str(cli.folder / "none"))
    told = cli.json("validate", code=2, CPU_CORES="all", BACKUP="perhaps", USE_DOCKER="Y")
    assert {one["where"] for one in told["faults"]} == {"BACKUP", "audiobooks.inbox", "audiobooks.naming"}
    assert told["old_variables"] == {"CPU_CORES": "MEDIALIFT_AUDIOBOOKS__CORES"}
    assert list(told["without_effect"]) == ["USE_DOCKER"]


def test_an_old_variable_that_is_wrong_is_told_by_its_name(cli):
    assert "CPU_CORES" in cli.json("status", code=2, CPU_CORES="many")["error"]["subject"]


def test_names_that_there_are_not_are_bad_input(cli):
    for words in (
        ("approve", "Nobody"),
        ("tag", "Nobody"),
        ("tag", "Nobody", "--set", "nothing"),
        ("chapters", "export", "Nobody"),
        ("retry",),
    ):
        assert cli.json(*words, code=2)["error"]["kind"] == "permanent"


def test_a_book_goes_from_the_inbox_to_the_library_when_a_person_approves_it(cli):
    assert cli.json("validate")["ok"]
    book(cli.folder / "inbox" / "Ledger")
    done = cli.json("once")
    assert (done["found"], done["finished"]) == (1, True)
    [waiting] = done["status"]["for_person"]
    assert (waiting["stage"], waiting["name"]) == ("deliver", "Ledger")
    assert list((cli.folder / "library").iterdir()) == []

    name = str(cli.folder / "converted" / "Ledger")
    exported = cli.folder / "chapters.txt"
    assert len(cli.json("chapters", "export", "Ledger", "--to", str(exported))["chapters"]) == 2
    exported.write_text(exported.read_text().replace("Chapter 1", "The Keeper"))
    assert cli.json("chapters", "import", name, str(exported), "--check")["changed"]
    assert cli.json("chapters", "import", name, str(exported))["chapters"][0]["title"] == "The Keeper"

    told = cli.json("tag", "Ledger", "--set", "title=The Ledger", "--dry-run")
    assert any(one["new"] == "The Ledger" for one in told["changes"])
    assert cli.json("tag", name, "--set", "title=The Ledger")["state"] == "tagged"

    assert cli.json("approve", "Ledger")["changed"]
    assert cli.json("once")["finished"]
    found = cli.folder / "library" / "Ada Example" / "Harbour Tales" / "02 - The Ledger"
    assert sorted(one.name for one in found.iterdir()) == ["02 - The Ledger.m4b", "cover.jpg"]
    assert cli.json("chapters", "export", str(found))["chapters"][0]["title"] == "The Keeper"

    told = cli("status")
    assert "delivered: 1" in told
    assert "Ledger\tdone\tencoded" in told
    assert "medialift_audiobooks_converted_total" in cli("status", "--metrics")
    assert cli.json("cache", "flush")["count"] == 0
    assert cli.json("health")["ready"]


def test_what_is_converted_by_hand_leaves_its_sources_and_says_what_failed(cli):
    sources = book(cli.folder / "elsewhere" / "Ledger")
    (cli.folder / "elsewhere" / "Empty").mkdir()
    (cli.folder / "elsewhere" / "Empty" / "01.mp3").touch()
    done = cli.json("convert", str(sources.parent), code=1)
    [made] = done["books"]
    assert Path(made["file"]).is_file()
    assert made["chapters"] == 2
    assert [one["key"] for one in done["failed"]] == ["elsewhere/Empty"]
    assert len(list(sources.glob("*.mp3"))) == 2
