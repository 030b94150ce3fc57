"""`medialift healing` as a person uses it: real workers and a real ledger; processes stand for units."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.healing import assembly, standing
from medialift.healing.code.fix import Fix, Kept, State
from medialift.healing.history import Entry, What, record
from medialift.healing.turns import turn
from medialift.queueing.database import Database
from tests.books_cli import PROGRAM
from tests.healing_hands import HOST, Host, host

ONE, TWO = f"{HOST}@1", f"{HOST}@2"


class Cli:
    def __init__(self, here: Host) -> None:
        self.here = here

    def __call__(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["--config", str(self.here.config), "healing", *words])
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result.output

    def json(self, *words: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, ["--json", "--config", str(self.here.config), "healing", *words])
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return json.loads(result.stdout)


@pytest.fixture
def here(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with host(tmp_path, database) as made:
        # Where systemd would be asked: the one border that a test cannot have.
        monkeypatch.setattr(standing, "fleets", made.fleet_of)
        monkeypatch.setattr(assembly, "fleets", lambda _stop: made.fleet_of)
        yield made


@pytest.fixture
def cli(here: Host) -> Cli:
    return Cli(here)


def test_status_shows_each_worker_and_fails_when_one_needs_somebody(here: Host, cli: Cli) -> None:
    here.run(2)
    shown = cli("status")
    assert "No round was made on this host yet" in shown
    assert f"{ONE}\twell" in shown
    here.pause(TWO, "three remedies did not help", "hung")
    shown = cli("status", code=1)
    assert f"{TWO}\tpaused" in shown and "three remedies did not help" in shown
    told = cli.json("status", "--pipeline", "books", code=1)
    assert (told["paused"], told["stuck"], told["host"]) == ([TWO], [], HOST)


def test_a_worker_is_paused_and_released_by_hand(here: Host, cli: Cli) -> None:
    here.run(2)
    assert "would" not in cli("pause", ONE, "--why", "its disk is being changed", "--check")
    assert here.active() == [ONE, TWO]
    assert f"{ONE}: paused (its disk is being changed)" in cli(
        "pause", ONE, "--why", "its disk is being changed"
    )
    assert here.active() == [TWO]
    told = cli.json("release", ONE)
    assert (told["changed"], told["released"], here.active()) == (True, [ONE], [ONE, TWO])
    assert "No worker is paused" in cli("release")
    assert "is not paused" in cli("release", ONE, code=1)
    what = [entry["what"] for entry in cli.json("history", "--worker", ONE)]
    assert what == ["release", "escalation"]


def test_what_was_tried_with_a_paused_worker_alone_is_gone_when_it_is_released(here: Host, cli: Cli) -> None:
    here.run(1)
    here.fleet.configure(ONE, {"MEDIALIFT_BOOKS__BATCH": "5"})
    here.pause(ONE, "nothing helped")
    cli("release")
    (member,) = here.fleet.members()
    assert (member.settings, member.enabled, member.active) == ({}, True, True)


def test_the_number_of_workers_is_set_by_hand(here: Host, cli: Cli) -> None:
    here.run(1)
    assert cli.json("scale", "books", "3", "--check")["changed"] is True
    assert here.active() == [ONE]
    cli("scale", "books", "3", "--why", "the night is long")
    assert len(here.active()) == 3
    assert cli.json("scale", "books", "3")["changed"] is False
    cli("scale", "books", "1")
    assert here.active() == [ONE]
    assert "the night is long" in cli("history", "--what", "scaling")


def test_the_history_tells_a_line_each_and_with_what_explains_it(here: Host, cli: Cli) -> None:
    assert "Nothing was found yet" in cli("history")
    with here.database.engine.begin() as connection:
        record(
            connection, Entry(What.FINDING, HOST, "books", ONE, "stuck", "It hangs", {"patterns": ["lock"]})
        )
    shown = cli("history")
    assert f"finding (stuck) {ONE}: It hangs" in shown and "patterns" not in shown
    assert "patterns: ['lock']" in cli("history", "--evidence")
    assert cli.json("history")[0]["detail"] == {"patterns": ["lock"]}
    assert "no such kind" in cli("history", "--what", "miracle", code=1)


def test_one_round_by_hand_leaves_well_workers_alone_and_is_remembered(here: Host, cli: Cli) -> None:
    here.books.add_many(2)
    here.run(2)
    told = cli.json("round")
    assert (told["workers"], told["stuck"], told["touched"], told["errors"]) == (2, [], [], [])
    assert here.fleet.done == []
    assert cli.json("status")["round"]["workers"] == 2


def test_switched_off_it_looks_at_nothing_and_says_so(here: Host, cli: Cli) -> None:
    here.settings(healing="enabled = false")
    here.run(1)
    assert "switched off" in cli("round")
    assert "The healing is switched off" in cli("status")
    # What a person asks for is done all the same.
    assert cli.json("pause", ONE)["changed"] is True


def test_a_person_waits_for_the_round_that_is_under_way(here: Host, cli: Cli) -> None:
    here.settings(healing='drain = "1s"')
    here.run(1)
    with turn(here.database, HOST) as mine:
        assert mine is not None
        with turn(here.database, HOST) as another:
            assert another is None
        assert "a person, is at it" in cli("round")
        # Whoever only looks need not wait.
        assert cli.json("pause", ONE, "--check")["changed"] is True
    assert cli.json("pause", ONE)["changed"] is True


def test_there_is_nothing_to_revert(here: Host, cli: Cli) -> None:
    here.settings(healing=f'root = "{here.folder}"')
    assert "No edit of the code is in use" in cli("revert")
    assert cli.json("revert", "--check") == {"changed": False, "fix": None, "restarted": []}


def test_an_edit_in_use_is_taken_back_and_its_workers_run_without_it(here: Host, cli: Cli) -> None:
    root, base, edited = here.folder / "opt", "0.1.0+abc", "0.1.0+abc.fix1"
    for name in (base, edited):
        (root / "releases" / name / "venv/bin").mkdir(parents=True)
        (root / "releases" / name / "venv/bin/python").touch()
    (root / "current").symlink_to(root / "releases" / edited / "venv")
    fix = Fix(1, "books", ONE, "books/speed.py", "It divides by nothing", "model small", 1.0, 2.0)
    Kept(root / "fixes").keep(replace(fix, state=State.IN_FORCE, base=base, release=edited, diff="-a\n+b"))
    here.settings(healing=f'root = "{root}"')
    here.run(2)
    here.fleet.configure(ONE, {"MEDIALIFT_BOOKS__BATCH": "5"}, root / "releases" / edited)
    here.fleet.stop(ONE, at_most=20)
    here.fleet.start(ONE)

    predicted = cli.json("revert", "--check")
    assert (predicted["changed"], predicted["restarted"]) == (True, [ONE])
    assert (root / "current").resolve().parent.name == edited
    lives = {name: len(here.fleet.lives(name)) for name in (ONE, TWO)}

    shown = cli("revert", "--why", "it is slower")
    assert "edit 1 of books/speed.py: reverted (it is slower, says " in shown
    assert (root / "current").resolve().parent.name == base
    assert not (root / "releases" / edited).exists()
    assert [len(here.fleet.lives(name)) - lives[name] for name in (ONE, TWO)] == [1, 0]
    first = here.fleet.members()[0]
    assert (first.active, first.release, first.settings) == (True, None, {"MEDIALIFT_BOOKS__BATCH": "5"})
    (entry,) = here.entries(what=What.CODE_FIX)
    assert (entry.outcome, entry.detail["diff"]) == ("reverted", "-a\n+b")
    assert "No edit of the code is in use" in cli("revert")


def test_its_figures_are_prometheus_own_format(here: Host, cli: Cli) -> None:
    here.run(1)
    here.pause(ONE, "nothing helped", "hung")
    shown = cli("metrics")
    assert (
        f'medialift_healing_worker_paused{{cause="hung",host="{HOST}",pipeline="books",worker="{ONE}"}} 1.0'
        in shown
    )


def test_an_older_ledger_is_told_of(here: Host, cli: Cli) -> None:
    here.books.execute("drop table care")
    assert "medialift queue migrate" in cli("status", code=1)


def test_the_service_says_that_it_is_ready_watches_and_ends_when_it_is_told_to(here: Host) -> None:
    here.settings(healing='every = "1s"', runtime='log_level = "info"')
    tools = here.folder / "tools"
    tools.mkdir()
    # A host of systemd on which no worker is.
    (tools / "systemctl").write_text("#!/bin/sh\nexit 0\n")
    (tools / "systemctl").chmod(0o755)
    address = here.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(address))
        told.settimeout(60)
        service = subprocess.Popen(
            [str(PROGRAM), "--config", str(here.config), "healing", "watch"],
            env={
                **os.environ,
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "NOTIFY_SOCKET": str(address),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert told.recv(1000) == b"READY=1"
            here.until(lambda: here.books.scalar("select count(*) from healer") == 1)
            service.send_signal(signal.SIGTERM)
            said, _ = service.communicate(timeout=60)
        finally:
            service.kill()
    assert service.returncode == 0, said
    assert "0 workers, 0 stuck" in said
