"""A real PostgreSQL for tests: one server per process that runs tests, a fresh ledger for each test."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from shutil import rmtree

import psycopg
import pytest

from medialift.queueing.database import Database
from medialift.queueing.embedded import Server, make_database

# The machine never crashes in a test, the server does: what was committed is with the kernel then.
_FASTER = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=200")
_TEMPLATE = "ledger_template"


class Postgres:
    """A running server: make databases in it, stop it, kill it, freeze it, start it again."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder, options=_FASTER)
        self._numbers = count(1)
        self.server.start()
        make_database(self.url("postgres"), _TEMPLATE)
        with Database(self.url(_TEMPLATE)) as template:
            template.migrate()

    def url(self, database: str) -> str:
        return self.server.url(database)

    def fresh(self) -> str:
        """The address of a new database with an empty ledger."""
        name = f"test_{next(self._numbers)}"
        make_database(self.url("postgres"), name, template=_TEMPLATE)
        return self.url(name)

    def empty(self) -> str:
        """The address of a new database with nothing in it."""
        name = f"test_{next(self._numbers)}"
        make_database(self.url("postgres"), name)
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.split("/")[3].split("?")[0]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'drop database "{name}" with (force)')

    def cut(self, url: str) -> int:
        """Cut all connections to a database; how many there were."""
        name = url.split("/")[3].split("?")[0]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            return len(
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name]
                ).fetchall()
            )

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def start(self) -> None:
        if not self.server.running:
            self.server.start()

    def freeze(self) -> None:
        """It answers nobody, and cuts nobody off."""
        os.killpg(self.server.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.killpg(self.server.pid, signal.SIGCONT)


@contextmanager
def postgres_world() -> Iterator[Postgres]:
    """A server in a folder of its own; both are gone at the end of the block."""
    # Not below pytest's own folder: its name would be too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="medialift-pg-"))
    world = None
    try:
        world = Postgres(folder)
        yield world
    finally:
        if world is not None:
            world.stop()
        rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process. A test that stops it starts it again (`postgres_of_test`)."""
    with postgres_world() as world:
        yield world


@pytest.fixture
def postgres_of_test(postgres: Postgres) -> Iterator[Postgres]:
    """The same server for a test that breaks it: it runs before the test, and again after it."""
    postgres.start()
    yield postgres
    if postgres.server.running:
        postgres.thaw()
    postgres.start()


@pytest.fixture
def ledger_url(postgres: Postgres) -> Iterator[str]:
    """The address of a fresh ledger, for tests that start other processes."""
    url = postgres.fresh()
    yield url
    postgres.start()
    postgres.drop(url)


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    """A fresh ledger, with its tables and nothing in them."""
    with Database(ledger_url) as opened:
        yield opened
