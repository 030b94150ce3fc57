"""The modules dashboard_person and dashboard_token, run as by Ansible, with a real ledger and dashboard."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.web.access import passwords, people, tokens
from tests.dashboard_world import over_http

Run = Callable[..., dict[str, Any]]
PASSWORD, ANOTHER = "wide river stone", "narrow path birch"
TOKEN, OTHER = "mlt_" + "a1" * 20, "mlt_" + "b2" * 20


@pytest.fixture
def config(tmp_path: Path, database: Database) -> Path:
    file = tmp_path / "dashboard.toml"
    file.write_text(f'[database]\nurl = "{database.url}"\n')
    file.chmod(0o600)
    return file


@pytest.fixture
def person(config: Path, run_module: Run) -> Run:
    """person("ada", scope="admin")."""

    def run(name: str, *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        given = {"config": str(config), "name": name, **options}
        return run_module("dashboard_person", given, check=check, diff=diff)

    return run


@pytest.fixture
def token(config: Path, run_module: Run) -> Run:
    """token("prometheus", token=TOKEN)."""

    def run(name: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        return run_module("dashboard_token", {"config": str(config), "name": name, **options}, check=check)

    return run


def kept(database: Database, name: str) -> str | None:
    with database.engine.connect() as connection:
        return people.kept_password(connection, name)


def test_somebody_who_is_new_may_log_in_and_a_second_run_changes_nothing(
    person: Run, database: Database
) -> None:
    told = person("ada", scope="admin", password=PASSWORD)
    assert told["changed"] and told["diff"]["after"] == {"scope": "admin", "password": "set"}
    assert passwords.right(PASSWORD, kept(database, "ada"))
    assert person("ada", scope="admin", password=PASSWORD)["changed"] is False


def test_a_password_is_theirs_once_they_have_it_unless_it_is_said_otherwise(
    person: Run, database: Database
) -> None:
    person("ada", password=PASSWORD)
    assert person("ada", password=ANOTHER)["changed"] is False
    assert person("ada", password=ANOTHER, update_password="always")["changed"] is True
    assert passwords.right(ANOTHER, kept(database, "ada"))
    assert person("ada", password=ANOTHER, update_password="always")["changed"] is False


def test_a_scope_is_changed_and_shown_as_a_difference(person: Run) -> None:
    person("ada", password=PASSWORD)
    told = person("ada", scope="act", diff=True)
    assert told["diff"] == {"before": {"scope": "read"}, "after": {"scope": "act"}}


def test_somebody_is_forgotten_once(person: Run, database: Database) -> None:
    person("ada", password=PASSWORD)
    assert person("ada", state="absent")["changed"] is True
    assert kept(database, "ada") is None
    assert person("ada", state="absent")["changed"] is False


def test_check_mode_says_what_it_would_do_and_does_nothing(
    person: Run, token: Run, database: Database
) -> None:
    assert person("ada", password=PASSWORD, check=True)["changed"] is True
    assert token("prometheus", token=TOKEN, check=True)["changed"] is True
    with database.engine.connect() as connection:
        assert people.listed(connection) == [] and tokens.listed(connection) == []
    person("ada", password=PASSWORD)
    assert person("ada", scope="admin", check=True)["changed"] is True
    assert person("ada", state="absent", check=True)["changed"] is True
    assert kept(database, "ada")


def test_before_there_is_anything_check_mode_is_a_prediction(person: Run, token: Run, config: Path) -> None:
    config.unlink()
    for told in (person("ada", password=PASSWORD, check=True), token("x", token=TOKEN, check=True)):
        assert (told["changed"], told["predicted"]) == (True, True)
    assert "no such settings file" in person("ada", password=PASSWORD)["msg"]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("ada", {}, "needs a password"),
        ("ada", {"password": "short"}, "too weak"),
        ("<script>", {"password": PASSWORD}, "not a name"),
        ("ada", {"password": PASSWORD, "scope": "root"}, "scope"),
    ],
    ids=["no password", "a weak one", "no name", "no scope"],
)
def test_what_cannot_be_is_refused(person: Run, name: str, given: dict[str, str], said: str) -> None:
    told = person(name, **given)
    assert told["failed"] and said in told["msg"] and PASSWORD not in str(told)


def test_a_token_of_a_vault_is_taken_and_another_one_takes_its_place(token: Run, database: Database) -> None:
    assert token("prometheus", token=TOKEN)["changed"] is True
    assert token("prometheus", token=TOKEN)["changed"] is False
    with over_http(database) as house:

        def answered(secret: str) -> int:
            return house.get("/api/v1/bursts", headers={"Authorization": f"Bearer {secret}"}).status_code

        assert answered(TOKEN) == 200
        assert token("prometheus", token=OTHER)["changed"] is True
        assert (answered(TOKEN), answered(OTHER)) == (401, 200)
        assert token("prometheus", token=OTHER, scope="act")["changed"] is True
        assert token("prometheus", state="absent")["changed"] is True
        assert answered(OTHER) == 401
    assert token("prometheus", state="absent")["changed"] is False


@pytest.mark.parametrize(
    "secret", ["", "mlt_short", "a" * 60, "mlt_" + "a b" * 20], ids=["none", "short", "no prefix", "blanks"]
)
def test_a_token_that_could_be_guessed_is_refused_and_not_repeated(token: Run, secret: str) -> None:
    told = token("prometheus", token=secret)
    assert told["failed"] and "guessed" in told["msg"]
    assert len(secret) < 20 or secret not in str(told)


def test_two_programs_do_not_share_a_token(token: Run) -> None:
    token("prometheus", token=TOKEN)
    told = token("bursts", token=TOKEN)
    assert told["failed"] and "another name" in told["msg"]


def test_everything_is_in_the_audit_without_a_secret(person: Run, token: Run, database: Database) -> None:
    person("ada", password=PASSWORD, scope="admin")
    token("prometheus", token=TOKEN)
    person("ada", state="absent")
    with database.engine.connect() as connection:
        told = events.latest(connection)
    assert [one.what for one in told] == ["person removed", "token given", "person added"]
    assert PASSWORD not in str(told) and TOKEN not in str(told)
