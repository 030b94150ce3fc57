"""The database behind the stand-in: the same few statements on SQLite and on PostgreSQL.

Statements use `?` for their values. Inside `transaction()` nothing but the database may be awaited: SQLite
has one connection, and whoever runs meanwhile would write into the same transaction.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bcrypt

from . import schema

Row = Sequence[Any]

Login = tuple[str, str, str, int]
"""Name, address, password and role of a user."""

# Who may log in to a fresh server; the real one has only the first.
USERS: tuple[Login, ...] = (
    ("admin", "admin@example.com", "admin", 5),
    ("user", "user@example.com", "user", 2),
    ("guest", "guest@example.com", "guest", 1),
)
_COST = 4  # bcrypt's least: the real server's 12 would be a quarter of a second for each login of each test


def now() -> str:
    """The time as both databases take it: UTC without its zone, in microseconds."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


class DatabaseFault(Exception):
    """The database refused a statement; its text goes into the answer, as on the real server."""


class Cursor(ABC):
    """Something that runs statements."""

    @abstractmethod
    async def rows(self, statement: str, *values: Any) -> list[Row]:
        """Every row of the answer; none for a statement that gives none."""

    @abstractmethod
    async def many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of these values."""

    async def row(self, statement: str, *values: Any) -> Row | None:
        found = await self.rows(statement, *values)
        return found[0] if found else None

    async def value(self, statement: str, *values: Any) -> Any:
        found = await self.rows(statement, *values)
        return found[0][0] if found else None


class Store(Cursor):
    """A database; `words_match` and `index_words` are where the two differ."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Cursor]:
        """Statements that count together, or not at all."""

    @abstractmethod
    async def open(self, *, users: Sequence[Login] = USERS) -> None:
        """Connect, and make the schema with these users if it is not there."""

    @abstractmethod
    async def close(self) -> None: ...

    @abstractmethod
    async def index_words(self, cursor: Cursor, ebook: int, words: Sequence[str]) -> None:
        """Remember by which words this book is found."""

    @abstractmethod
    async def words_match(self, words: Sequence[str]) -> list[int]:
        """The books that have, for every word, one that begins with it; best first is not attempted."""

    @abstractmethod
    async def empty(self) -> None:
        """As fresh: ids begin at 1 again."""


async def fill(cursor: Cursor, users: Sequence[Login]) -> None:
    """Write the rows of a fresh database."""
    for statement, values in schema.contents():
        await cursor.rows(statement, *values)
    for user in users:
        await add_user(cursor, user)


async def add_user(cursor: Cursor, user: Login) -> None:
    """Write one user."""
    name, address, password, role = user
    number = await cursor.value(
        'insert into "user" (created, modified, user_name, email, password, active) '
        "values (?, ?, ?, ?, ?, true) returning id",
        *(now(), now(), name, address, hashed(password)),
    )
    await cursor.rows("insert into user_roles (user_id, role_id) values (?, ?)", number, role)


def hashed(password: str) -> str:
    """A password as it is stored."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_COST)).decode()


class SqliteStore(Store):
    """One file, one connection, no waiting."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def open(self, *, users: Sequence[Login] = USERS) -> None:
        self._connection = sqlite3.connect(self._path, isolation_level=None)
        for pragma in ("journal_mode = wal", "synchronous = off", "foreign_keys = on"):
            self._connection.execute(f"pragma {pragma}")
        if await self.value("select count(*) from sqlite_master") == 0:
            async with self.transaction() as cursor:
                for statement in schema.tables("sqlite"):
                    await cursor.rows(statement)
                await fill(cursor, users)

    async def close(self) -> None:
        self._connection.close()

    async def rows(self, statement: str, *values: Any) -> list[Row]:
        if any(isinstance(value, str) and "\0" in value for value in values):
            raise DatabaseFault("A string literal cannot contain NUL (0x00) characters.")
        try:
            return self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise DatabaseFault(str(error)) from error

    async def many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(statement, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Cursor]:
        self._connection.execute("begin immediate")
        try:
            yield self
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    async def index_words(self, cursor: Cursor, ebook: int, words: Sequence[str]) -> None:
        await cursor.rows("delete from standin_words where rowid = ?", ebook)
        await cursor.rows("insert into standin_words (rowid, words) values (?, ?)", ebook, " ".join(words))

    async def words_match(self, words: Sequence[str]) -> list[int]:
        query = " ".join(f'"{word}"*' for word in words)
        found = await self.rows(
            "select ebook.id from standin_words join ebook on ebook.id = standin_words.rowid "
            "where standin_words match ? order by ebook.id",
            query,
        )
        return [row[0] for row in found]

    async def empty(self) -> None:
        async with self.transaction() as cursor:
            for table in (*schema.WRITTEN, "standin_words"):
                await cursor.rows(f"delete from {table}")
            await cursor.rows(
                "delete from sqlite_sequence where name in "
                "('conversion', 'source', 'upload', 'ebook_rating', 'ebook', 'series', 'author')"
            )
