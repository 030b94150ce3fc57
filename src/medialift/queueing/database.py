"""The PostgreSQL that holds the ledger and the queue: the one that is given, or the embedded one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from medialift.errors import Permanent, Transient
from medialift.queueing import embedded

if TYPE_CHECKING:
    from alembic.config import Config

DEFAULT_URL = "postgresql:///medialift"
"""The database `medialift` of this host, by peer login over the socket."""

_MIGRATIONS = Path(__file__).parent / "migrations"
# A peer that is gone without a word is noticed within half a minute instead of two hours.
_CONNECTION = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_POOL_SIZE, _POOL_MORE, _POOL_SECONDS = 5, 10, 10.0
# Any number, the same everywhere: two that migrate at once take turns.
_MIGRATION_LOCK = 0x6D656469
# A connection that was used a moment ago is not asked whether it is alive: each question is a round trip.
_FRESH_SECONDS = 1.0
# The server cuts longer names (NAMEDATALEN).
_NAME_BYTES = 63


def of_worker(name: str) -> str:
    """The application_name of a worker's sessions: by it they are told from those of others."""
    return f"medialift {name}".encode()[:_NAME_BYTES].decode(errors="ignore")


class DatabaseSettings(Protocol):
    """The section [database] of the settings."""

    @property
    def url(self) -> SecretStr: ...

    @property
    def embedded(self) -> Path | None: ...


class Database:
    """A database that can be reached: an engine for SQLAlchemy, and its address for others."""

    def __init__(self, url: str, held: embedded.Held | None = None, *, name: str = "medialift") -> None:
        """`name`: what the server shows of whoever is connected (application_name)."""
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise Permanent(
                "The address of the database is not one",
                "database.url",
                "Write it as postgresql://USER:PASSWORD@HOST:5432/NAME",
            ) from error.with_traceback(None)
        self.url = url
        wanted: dict[str, Any] = {**_CONNECTION, "application_name": name, **given}
        self.conninfo = make_conninfo(**wanted)
        self._held = held
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: psycopg.connect(self.conninfo),
            pool_size=_POOL_SIZE,
            max_overflow=_POOL_MORE,
            pool_timeout=_POOL_SECONDS,
        )
        event.listen(self.engine, "checkin", _note_use)
        event.listen(self.engine, "checkout", _ask_after_rest)
        self.autocommit: Engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        """The same for single statements: two round trips less than a transaction of its own."""

    @classmethod
    def open(cls, settings: DatabaseSettings, *, name: str = "medialift") -> Database:
        """The database of the settings; the embedded one is started, and its tables are made.

        Nothing is sent to a given database yet.

        Args:
            name: what the server shows of whoever is connected; of a worker `of_worker(its name)`.

        Raises:
            Permanent: the address is none, or there is no embedded PostgreSQL.
            Transient: the embedded PostgreSQL does not start.
        """
        if settings.embedded is None:
            return cls(settings.url.get_secret_value() or DEFAULT_URL, name=name)
        held = embedded.hold(settings.embedded)
        database = cls(held.url, held, name=name)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return database

    def migrate(self) -> bool:
        """Bring the tables to the newest revision, all or nothing; whether there was anything to do.

        Raises:
            Transient: the database does not answer.
            Permanent: it was made by a newer medialift.
        """
        # Only who migrates needs Alembic, and a worker starts faster without it.
        from alembic import command
        from alembic.script import ScriptDirectory

        try:
            with self.engine.begin() as connection:
                connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
                before = self._revision(connection)
                config = self.revisions(connection)
                script = ScriptDirectory.from_config(config)
                if before is not None and before not in {one.revision for one in script.walk_revisions()}:
                    raise Permanent(
                        "The ledger was made by a newer medialift",
                        f"revision {before}",
                        "Install that version here too",
                    )
                command.upgrade(config, "head")
                return self._revision(connection) != before
        except OperationalError as error:
            raise unreachable(error) from error

    @staticmethod
    def revisions(connection: Connection) -> Config:
        """What Alembic's commands take, to work in the transaction of a connection."""
        from alembic.config import Config

        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        return config

    def check(self) -> None:
        """Ask it something.

        Raises:
            Transient: it does not answer.
            Permanent: it holds no ledger yet.
        """
        try:
            made = self._holds_a_ledger()
        except OperationalError as error:
            if not error.connection_invalidated:
                raise unreachable(error) from error
            # It was a connection of before the database restarted; the pool has thrown them all away now.
            try:
                made = self._holds_a_ledger()
            except OperationalError as again:
                raise unreachable(again) from again
        if not made:
            raise Permanent("The database holds no ledger yet", "item", "Run `medialift queue migrate`")

    def _holds_a_ledger(self) -> bool:
        with self.engine.connect() as connection:
            return bool(connection.execute(text("select to_regclass('item') is not null")).scalar_one())

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end of the block.

        Raises:
            Transient: the database does not answer.
        """
        try:
            with self.engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise unreachable(error) from error

    def close(self) -> None:
        self.engine.dispose()
        if self._held is not None:
            self._held.release()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    @staticmethod
    def _revision(connection: Connection) -> str | None:
        if connection.execute(text("select to_regclass('medialift_revision')")).scalar_one() is None:
            return None
        found = connection.execute(text("select version_num from medialift_revision")).scalar_one_or_none()
        return None if found is None else str(found)


def _note_use(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info["used"] = time.monotonic()


def _ask_after_rest(connection: Any, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """A connection that rested may be dead; the pool then takes another."""
    if time.monotonic() - entry.info.get("used", time.monotonic()) < _FRESH_SECONDS:
        return
    try:
        connection.execute("")
        connection.rollback()
    except psycopg.Error as error:
        raise DisconnectionError from error


def unreachable(error: OperationalError) -> Transient:
    """A database that does not answer, as people are told of it. libpq's words hold no password."""
    said = str(error.orig).strip().splitlines()
    return Transient(
        "The database does not answer",
        said[0] if said else "PostgreSQL",
        "Start it, or correct database.url",
    )
