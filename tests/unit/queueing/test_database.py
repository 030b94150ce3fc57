"""The ledger's tables: made once, by everybody who needs them, from nothing or from an earlier revision."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from types import SimpleNamespace

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import text

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import wait_until
from medialift.queueing import embedded
from medialift.queueing.database import Database
from medialift.queueing.schema import metadata
from tests.postgres_world import Postgres


@pytest.fixture
def nothing(postgres: Postgres):
    """A database with nothing in it."""
    url = postgres.empty()
    with Database(url) as database:
        yield database
    postgres.drop(url)


@pytest.fixture
def folder():
    """A folder whose name is short enough for a socket."""
    made = Path(mkdtemp(prefix="medialift-e-"))
    yield made
    rmtree(made, ignore_errors=True)


def settings(url: str = "", embedded: Path | None = None) -> SimpleNamespace:
    return SimpleNamespace(url=SecretStr(url), embedded=embedded)


def test_the_revisions_make_the_tables_that_the_code_reads(database: Database) -> None:
    ours = set(metadata.tables)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda thing, name, kind, *_: kind != "table" or name in ours,
            },
        )
        assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(nothing: Database) -> None:
    with pytest.raises(Permanent, match="holds no ledger yet"):
        nothing.check()
    assert nothing.migrate() is True
    assert nothing.migrate() is False
    nothing.check()


def test_four_that_migrate_at_once_take_turns(nothing: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: nothing.migrate(), range(4)))
    assert sorted(changed) == [False, False, False, True]


def test_a_ledger_of_a_newer_medialift_is_left_alone(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("update medialift_revision set version_num = '9999'"))
    with pytest.raises(Permanent, match="newer medialift"):
        database.migrate()


def test_all_revisions_can_be_taken_back(database: Database) -> None:
    with database.engine.begin() as connection:
        command.downgrade(database.revisions(connection), "base")
    with database.engine.connect() as connection:
        left = connection.execute(
            text("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
        ).scalars()
        assert list(left) == ["medialift_revision"]
    assert database.migrate()


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    with (
        Database("postgresql://me:hunter2@127.0.0.1:1/ledger") as database,
        pytest.raises(Transient) as raised,
    ):
        database.migrate()
    assert "127.0.0.1" in str(raised.value) and "hunter2" not in str(raised.value)


def test_an_address_that_is_none_is_refused_without_showing_it() -> None:
    with pytest.raises(Permanent, match="is not one") as raised:
        Database.open(settings("postgresql//me:hunter2@host/ledger"))
    assert "hunter2" not in str(raised.value)


def test_a_lost_peer_is_noticed_within_half_a_minute() -> None:
    told = psycopg.conninfo.conninfo_to_dict(Database.open(settings("postgresql:///x")).conninfo)
    wanted = {"connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5"}
    assert {name: str(told[name]) for name in wanted} == wanted
    assert (str(told["keepalives_count"]), str(told["tcp_user_timeout"])) == ("3", "20000")


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().split()[0])


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_embedded_server_is_shared_by_its_users_and_ends_with_the_last(folder: Path) -> None:
    with Database.open(settings(embedded=folder)) as first:
        pid = postmaster(folder)
        with Database.open(settings(embedded=folder)) as second:
            second.check()
            assert postmaster(folder) == pid
        first.check()
    assert wait_until(lambda: not lives(pid), at_most=20, every=0.05)


def test_the_embedded_server_ends_also_when_its_only_user_is_killed_and_keeps_what_was_written(
    folder: Path,
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from types import SimpleNamespace as N\n"
        "from pydantic import SecretStr; from sqlalchemy import text\n"
        "from medialift.queueing.database import Database\n"
        "d = Database.open(N(url=SecretStr(''), embedded=Path(sys.argv[1])))\n"
        "with d.engine.begin() as c: c.execute(text(\"insert into event (who, what) values ('a', 'b')\"))\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert user.stdout is not None and user.stdout.readline() == b"ready\n"
    pid = postmaster(folder)
    os.kill(user.pid, signal.SIGKILL)
    user.wait()
    user.stdout.close()
    assert wait_until(lambda: not lives(pid), at_most=20, every=0.05)
    with Database.open(settings(embedded=folder)) as again, again.engine.connect() as connection:
        assert connection.execute(text("select count(*) from event")).scalar_one() == 1
        later = postmaster(folder)
    assert wait_until(lambda: not lives(later), at_most=20, every=0.05)


def test_a_killed_embedded_server_is_started_again_for_those_who_use_it(folder: Path) -> None:
    with Database.open(settings(embedded=folder)) as database:
        os.killpg(postmaster(folder), signal.SIGKILL)
        assert wait_until(lambda: not embedded.answers(database.url), at_most=5, every=0.01)
        assert wait_until(lambda: embedded.answers(database.url), at_most=20, every=0.05)
        database.check()
        pid = postmaster(folder)
    assert wait_until(lambda: not lives(pid), at_most=20, every=0.05)


def test_a_server_ends_in_good_order_when_who_started_it_is_killed(folder: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from medialift.queueing.embedded import Server\n"
        "s = Server(Path(sys.argv[1])); s.start(); print(s.pid, flush=True); time.sleep(60)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    starter.stdout.close()
    assert wait_until(lambda: not lives(pid), at_most=20, every=0.05)
    assert "database system is shut down" in (folder / "server.log").read_text()


def test_folders_above_the_embedded_server_stay_as_closed_as_they_are(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with Database.open(settings(embedded=closed / "db")) as database:
        database.check()
        assert closed.stat().st_mode & 0o777 == 0o700
        pid = postmaster(closed / "db")
    assert wait_until(lambda: not lives(pid), at_most=20, every=0.05)


def test_without_the_wheel_the_error_says_what_to_install(folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(embedded, "_PACKAGE", "no_such_wheel")
    with pytest.raises(Permanent, match="no embedded PostgreSQL"):
        Database.open(settings(embedded=folder))
