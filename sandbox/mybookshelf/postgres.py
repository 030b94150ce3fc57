"""The stand-in's database as PostgreSQL: what app and backend share when they are containers of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import psycopg

from . import schema
from .store import USERS, Cursor, DatabaseFault, Login, Row, Store, fill

_SETUP_LOCK = 20_062_017  # two processes start together; one makes the schema


@cache
def _translated(statement: str) -> str:
    return statement.replace("%", "%%").replace("?", "%s")


class _Connected(Cursor):
    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection

    async def rows(self, statement: str, *values: Any) -> list[Row]:
        try:
            cursor = await self._connection.execute(_translated(statement), values)
            return await cursor.fetchall() if cursor.description else []
        except (psycopg.Error, UnicodeError) as error:
            raise DatabaseFault(str(error)) from error

    async def many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        async with self._connection.cursor() as cursor:
            await cursor.executemany(_translated(statement), values)


class PostgresStore(Store):
    """A few connections; one that broke is made anew by the next request."""

    def __init__(self, conninfo: str, connections: int = 4) -> None:
        self._conninfo = conninfo
        self._free: asyncio.Queue[psycopg.AsyncConnection[Any] | None] = asyncio.Queue()
        for _ in range(connections):
            self._free.put_nowait(None)

    async def open(self, *, users: Sequence[Login] = USERS) -> None:
        async with self._lent() as connection, connection.transaction():
            cursor = _Connected(connection)
            await cursor.rows("select pg_advisory_xact_lock(?)", _SETUP_LOCK)
            if await cursor.value("select to_regclass('public.ebook')") is None:
                for statement in schema.tables("postgres"):
                    await cursor.rows(statement)
                await fill(cursor, users)
                for table in schema.IDENTIFIED:
                    await cursor.rows(
                        f"select setval(pg_get_serial_sequence('\"{table}\"', 'id'), "
                        f'(select coalesce(max(id), 0) + 1 from "{table}"), false)'
                    )

    async def close(self) -> None:
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                await connection.close()

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        connection = await self._free.get()
        try:
            if connection is None or connection.closed:
                try:
                    connection = await psycopg.AsyncConnection.connect(self._conninfo, autocommit=True)
                except psycopg.Error as error:
                    raise DatabaseFault(str(error)) from error
            yield connection
        finally:
            usable = connection is not None and not connection.closed and not connection.broken
            self._free.put_nowait(connection if usable else None)

    async def rows(self, statement: str, *values: Any) -> list[Row]:
        async with self._lent() as connection:
            return await _Connected(connection).rows(statement, *values)

    async def many(self, statement: str, values: Sequence[Sequence[Any]]) -> None:
        async with self._lent() as connection:
            await _Connected(connection).many(statement, values)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Cursor]:
        async with self._lent() as connection, connection.transaction():
            yield _Connected(connection)

    async def index_words(self, cursor: Cursor, ebook: int, words: Sequence[str]) -> None:
        await cursor.rows(
            "update ebook set full_text = to_tsvector('simple', ?) where id = ?", " ".join(words), ebook
        )

    async def words_match(self, words: Sequence[str]) -> list[int]:
        query = " & ".join(f"'{word}':*" for word in words)
        found = await self.rows(
            "select id from ebook where full_text @@ to_tsquery('simple', ?) order by id", query
        )
        return [row[0] for row in found]

    async def empty(self) -> None:
        tables = ", ".join(schema.WRITTEN)
        await self.rows(f"truncate {tables} restart identity cascade")
