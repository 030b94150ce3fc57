"""What the server has got from others, learnt a little at a time into the ledger, for all workers.

Only what is new since the last time is read, every 1,000 files or ten minutes, by whichever worker is first.
Nothing of it is kept in memory. What is not learnt is no harm: the server is asked about each file before it
is sent.

By the server's database that is its table of sources. By its API it is the sources of its newest ebooks that
are not of our making; what was there long before is left to the question about each file.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import psycopg
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, Row, text

from medialift.books.server.api import Server
from medialift.errors import Transient
from medialift.queueing.crew import AWAY, gone

EVERY_FILES, EVERY_SECONDS = 1000, 600.0
_AT_ONCE = 5000
# Rows get their numbers before they can be seen: those that come late are looked for once more.
_OVERLAP = 200
_PAGES = 20
_CONNECT_SECONDS = 5

_T = TypeVar("_T")
# (sha1, size, source, ebook)
SourceRow = tuple[str, int, int, int]

_MARKS = text(
    """
insert into learnt (server) values (:server) on conflict (server) do update set server = excluded.server
returning source_mark, created_mark, upload_mark, files_since,
          coalesce(extract(epoch from now() - at)::float, 1e9) as age
"""
)
_COUNT = text(
    """
insert into learnt (server, files_since, upload_mark) values (:server, :files, :upload)
on conflict (server) do update
   set files_since = learnt.files_since + :files, upload_mark = greatest(learnt.upload_mark, :upload)
returning upload_mark
"""
)
_LEARN = text(
    """
insert into content as c (server, sha1, size, state, source_id, ebook_id, origin, changed)
select :server, sha1, size, 'present', source, ebook, 'server', now()
  from unnest(cast(:sha1 as text[]), cast(:size as bigint[]), cast(:source as bigint[]),
              cast(:ebook as bigint[])) as one(sha1, size, source, ebook)
 order by sha1, size
on conflict (server, sha1, size) do update
   set source_id = excluded.source_id, ebook_id = excluded.ebook_id, changed = now()
 where c.state = 'present'
"""
)
_LEARNT = text(
    """
update learnt set source_mark = greatest(source_mark, :source), created_mark = :created, at = now(),
       files_since = 0
 where server = :server
"""
)
_OURS = text(
    "select ebook_id from ebook where server = :server and ebook_id = any(:ebooks) and state = 'present'"
)
_SOURCES = """
select id, lower(hash), size, ebook_id from source
 where id > %s and hash is not null order by id limit %s
"""
_UPLOAD = "select id from upload where file = %s order by id limit 1"


class ServerSources:
    """The server's own database, read only."""

    def __init__(self, url: SecretStr) -> None:
        self._url = url

    def since(self, mark: int) -> list[tuple[int, str, int, int]]:
        """(source, sha1, size, ebook) of the next sources above a number.

        Raises:
            Transient: the database does not answer.
        """
        return self._ask(_SOURCES, (mark, _AT_ONCE))

    def upload_of(self, server_file: str) -> int | None:
        """The number of the upload row of a file."""
        rows = self._ask(_UPLOAD, (server_file,))
        return int(rows[0][0]) if rows else None

    def _ask(self, statement: str, values: Sequence[object]) -> list[tuple[int, str, int, int]]:
        try:
            with psycopg.connect(
                self._url.get_secret_value(), connect_timeout=_CONNECT_SECONDS, autocommit=True
            ) as connection:
                connection.read_only = True
                return connection.execute(statement.encode(), values).fetchall()
        except psycopg.Error as error:
            said = str(error).strip().splitlines()
            raise Transient(
                "The book server's database does not answer",
                said[0] if said else "",
                "Correct books.server_database, or leave it empty",
            ) from error


class Known:
    """Learns what a server has.

    Args:
        name: of the server in the ledger.
        database: the server's, if it is in reach.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        server: Server,
        database: ServerSources | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._name, self._server, self._database = engine, name, server, database
        self._clock = clock
        self._looked = clock()
        self._files = 0

    async def highest_upload(self) -> int:
        """The highest number of an upload row that any worker has seen.

        Raises:
            Transient: the ledger does not answer.
        """
        return await self._in_ledger(lambda connection: int(self._marks(connection).upload_mark))

    async def note(self, files: int, upload: int) -> int:
        """Count files that were brought; the highest number of an upload row that any worker has seen.

        Args:
            upload: the highest that this worker has seen.

        Raises:
            Transient: the ledger does not answer.
        """
        self._files += files
        given = {"server": self._name, "files": files, "upload": upload}
        return await self._in_ledger(lambda connection: int(connection.execute(_COUNT, given).scalar_one()))

    @property
    def due(self) -> bool:
        """Whether it is time to learn."""
        return self._files >= EVERY_FILES or self._clock() - self._looked >= EVERY_SECONDS

    async def learn(self, *, anyway: bool = False) -> int:
        """Read what is new on the server, unless another worker does or just did; how much it was.

        Raises:
            Transient: the server, its database or the ledger does not answer.
        """
        self._files, self._looked = 0, self._clock()
        marks = await self._in_ledger(self._marks)
        due = marks.age >= EVERY_SECONDS or marks.files_since >= EVERY_FILES
        if not (due or anyway):
            return 0
        if self._database is not None:
            return await self._in_thread(self._from_database, self._database, marks.source_mark)
        return await self._from_api(int(marks.created_mark or 0))

    def _from_database(self, database: ServerSources, mark: int) -> int:
        learnt, after = 0, max(0, mark - _OVERLAP)
        while rows := database.since(after):
            after = rows[-1][0]
            learnt += len(rows)
            found = [(sha1, size, source, ebook) for source, sha1, size, ebook in rows]
            with self._engine.begin() as connection:
                self._write(connection, found, source=after, created="")
        if not learnt:
            with self._engine.begin() as connection:
                self._write(connection, [], source=mark, created="")
        return learnt

    async def _from_api(self, mark: int) -> int:
        """The sources of ebooks with a higher number than the mark; they get rising numbers."""
        learnt, highest = 0, mark
        for page in range(1, _PAGES + 1):
            listed = await self._server.ebooks_by_age(page)
            new = [one.id for one in listed.ebooks if one.id > mark]
            highest = max([highest, *new])
            ours = await self._in_ledger(lambda connection, new=new: self._ours(connection, new))  # type: ignore[misc]
            for ebook in new:
                if ebook in ours:
                    continue
                sources = await self._server.sources(ebook) or ()
                rows = [(one.sha1, one.size, one.id, ebook) for one in sources if one.sha1]
                learnt += len(rows)
                await self._in_ledger(
                    lambda connection, rows=rows: self._write(connection, rows, source=0, created=str(mark))  # type: ignore[misc]
                )
            if len(new) < len(listed.ebooks) or not listed.ebooks:
                break
        await self._in_ledger(lambda connection: self._write(connection, [], source=0, created=str(highest)))
        return learnt

    def _marks(self, connection: Connection) -> Row[Any]:
        return connection.execute(_MARKS, {"server": self._name}).one()

    def _ours(self, connection: Connection, ebooks: Iterable[int]) -> set[int]:
        return set(connection.execute(_OURS, {"server": self._name, "ebooks": list(ebooks)}).scalars())

    def _write(self, connection: Connection, rows: Iterable[SourceRow], *, source: int, created: str) -> None:
        once = {row[:2]: row for row in rows}
        if once:
            sha1, size, sources, ebooks = zip(*once.values(), strict=True)
            given = {"sha1": list(sha1), "size": list(size), "source": list(sources), "ebook": list(ebooks)}
            connection.execute(_LEARN, {"server": self._name, **given})
        connection.execute(_LEARNT, {"server": self._name, "source": source, "created": created})

    async def _in_ledger(self, work: Callable[[Connection], _T]) -> _T:
        def go() -> _T:
            with self._engine.begin() as connection:
                return work(connection)

        return await self._in_thread(go)

    @staticmethod
    async def _in_thread(work: Callable[..., _T], *given: Any) -> _T:
        try:
            return await asyncio.to_thread(work, *given)
        except AWAY as error:
            raise gone(error) from error
