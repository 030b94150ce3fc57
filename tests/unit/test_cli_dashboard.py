"""`medialift dashboard` as a person uses it: who may, with a real ledger."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.web.access import passwords, people, tokens

PASSWORD = "correct horse battery"


class Cli:
    def __init__(self, config: Path) -> None:
        self.config = config

    def __call__(self, *words: str, code: int = 0, typed: str = "") -> str:
        result = CliRunner().invoke(app, ["--config", str(self.config), "dashboard", *words], input=typed)
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result.output

    def json(self, *words: str, code: int = 0, typed: str = "") -> Any:
        return json.loads(self("--json", *words, code=code, typed=typed))


@pytest.fixture
def cli(tmp_path: Path, ledger_url: str) -> Cli:
    config = tmp_path / "medialift.toml"
    config.write_text(f'[database]\nurl = "{ledger_url}"\n')
    config.chmod(0o600)
    return Cli(config)


@pytest.fixture
def ledger(ledger_url: str):
    """As others see it at each moment: it holds nothing that a command would wait for."""
    with Database(ledger_url) as database, database.autocommit.connect() as connection:
        yield connection


def test_a_person_is_added_changed_and_removed(cli, ledger):
    assert cli("person", "add", "Alice", "--scope", "admin", typed=f"{PASSWORD}\n") == (
        "alice may log in (admin)\n"
    )
    assert passwords.right(PASSWORD, people.kept_password(ledger, "alice"))
    assert cli.json("person", "scope", "alice", "act") == {"changed": True}
    assert cli.json("person", "scope", "alice", "act") == {"changed": False}
    assert cli.json("person", "disable", "alice") == {"changed": True}
    [shown] = cli.json("person", "list")
    assert (shown["name"], shown["scope"], shown["disabled"]) == ("alice", "act", True)
    assert "alice\tact\tdisabled" in cli("person", "list")
    cli("person", "enable", "alice")
    cli("person", "password", "alice", typed="another long one\n")
    assert passwords.right("another long one", people.kept_password(ledger, "alice"))
    cli("person", "remove", "alice")
    assert cli.json("person", "list") == []
    told = events.latest(ledger)
    assert [one.what for one in told] == [
        "person removed",
        "person password",
        "person enabled",
        "person disabled",
        "person scope",
        "person added",
    ]
    assert all("@" in one.who for one in told)


def test_a_password_comes_from_a_file_or_from_standard_input_and_never_from_the_command_line(
    cli, ledger, tmp_path
):
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nand a second line\n")
    cli("person", "add", "alice", "--password-file", str(file))
    assert passwords.right(PASSWORD, people.kept_password(ledger, "alice"))
    cli("person", "add", "bob", "--password-file", "-", typed=PASSWORD)
    assert "--password " not in cli("person", "add", "--help")
    refused = cli("person", "add", "carol", "--password-file", str(tmp_path / "none"), code=2)
    assert "cannot be read" in refused
    assert "There is no password" in cli("person", "add", "carol", typed="", code=2)


def test_bad_input_is_told_as_such(cli):
    for words, typed, why in (
        (("person", "add", "alice"), "short\n", "too weak"),
        (("person", "add", "<b>"), f"{PASSWORD}\n", "not a name"),
        (("person", "add", "alice", "--scope", "root"), f"{PASSWORD}\n", "no such scope"),
        (("person", "password", "nobody"), f"{PASSWORD}\n", "nobody of this name"),
        (("person", "remove", "nobody"), "", "nobody of this name"),
        (("token", "create", "one", "--scope", "root"), "", "no such scope"),
        (("token", "create", "one", "--expires", "soon"), "", "soon"),
        (("token", "create", "one", "--expires", "0s"), "", "cannot last so long"),
        (("token", "create", "one", "--person", "nobody"), "", "nobody of this name"),
        (("token", "revoke", "none"), "", "no token of this name"),
    ):
        assert why in cli(*words, typed=typed, code=2)
    assert cli.json("person", "list") == [] and cli.json("token", "list") == []


def test_a_token_is_told_once_or_written_where_only_its_owner_reads_it(cli, ledger, tmp_path):
    made = cli.json("token", "create", "script", "--scope", "act", "--expires", "90d")
    assert tokens.shown(ledger, made["token"]) == ("script", "act")
    file = tmp_path / "token"
    told = cli.json("token", "create", "burst", "--expires", "never", "--file", str(file))
    assert "token" not in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert tokens.shown(ledger, file.read_text().strip()) == ("burst", "read")
    listed = cli("token", "list")
    assert "burst\tread\t\talways" in listed and made["token"] not in listed
    cli("token", "revoke", "script")
    assert tokens.shown(ledger, made["token"]) is None


def test_it_does_not_listen_where_others_reach_it_while_nobody_can_log_in(cli):
    assert "Nobody can log in yet" in cli("serve", "--host", "0.0.0.0", code=1)
    assert "dashboard.host" in cli("serve", "--host", "", code=2)
    assert "65535" in cli("serve", "--port", "70000", code=2)
