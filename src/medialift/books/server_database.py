"""What MyBookshelf2 has, out of its own database: read only, in order, a few thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from pydantic import SecretStr

from medialift.books.server_comparison import Claimed, ServerComparison, Source, merge
from medialift.errors import Permanent, Transient

_AT_ONCE = 5000
_CONNECT_SECONDS = 5
# The server compares hashes letter by letter, and keeps what it was given.
_SOURCES = (
    "select lower(hash), size, id, ebook_id from source where hash is not null"
    ' order by lower(hash) collate "C", size, id'
)
_ORPHANS = """
    select e.id, e.title from ebook e
     where not exists (select from source s where s.ebook_id = e.id)
       and (%(user)s = '' or e.created_by_id = (select id from "user" where user_name = %(user)s))
     order by e.id"""


class ServerDatabase:
    """The database of a server.

    Args:
        url: its address; one that may only read is enough.
        user: whose ebooks count when they are empty, as `books.user`; "": everybody's.
    """

    order = "content"

    def __init__(self, url: SecretStr, user: str = "") -> None:
        self._url, self._user = url, user

    def compare(self, claimed: Iterator[Claimed], alone: Iterator[int]) -> ServerComparison:  # noqa: ARG002
        """Walk through the sources of the server and the files of the ledger, which come in their order.

        Every ebook is looked at, so those `alone` need not be named.

        Raises:
            Transient: the database does not answer.
            Permanent: it is not one of MyBookshelf2.
        """
        found = ServerComparison("database")
        with self._reading() as connection:
            with connection.cursor("sources") as cursor:
                cursor.itersize = _AT_ONCE
                cursor.execute(_SOURCES)
                merge(claimed, (Source(*row) for row in cursor), found)
            for number, title in connection.execute(_ORPHANS, {"user": self._user}):
                found.orphans += 1
                found.example("orphans", f"ebook {number}: {title}")
        return found

    @contextmanager
    def _reading(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        try:
            with psycopg.connect(
                self._url.get_secret_value(), connect_timeout=_CONNECT_SECONDS, application_name="medialift"
            ) as connection:
                connection.read_only = True
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                yield connection
        except psycopg.OperationalError as error:
            raise Transient(
                "The book server's database does not answer",
                str(error).strip().splitlines()[0],
                "Start it, correct books.server_database, or leave it empty: then the API is asked",
            ) from error
        except psycopg.errors.UndefinedTable as error:
            raise Permanent(
                "This is not a database of MyBookshelf2",
                str(error).strip().splitlines()[0],
                "Correct books.server_database, or leave it empty: then the API is asked",
            ) from error
