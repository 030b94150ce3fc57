"""The statements of one commit, sent one after the other without waiting for each other's answers.

A way to the database and back costs as much as most of what is asked there, so those of a commit share one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

Answer = psycopg.Cursor[tuple[Any, ...]]


class Batch:
    """Statements on one connection, which commits by itself."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._counted: list[tuple[Answer, Callable[[], None]]] = []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or none of what is sent within.

        Raises:
            psycopg.Error: of the first statement that failed; the connection is of no use any more.
        """
        with self._connection.pipeline():
            self.send("begin", {})
            yield
            self.send("commit", {})

    def send(self, statement: str, given: Mapping[str, Any]) -> Answer:
        """Send a statement; whoever reads from the answer waits for it."""
        cursor = self._connection.cursor()
        return cursor.execute(statement, given)

    def send_counted(self, statement: str, given: Mapping[str, Any], *, none: Callable[[], None]) -> None:
        """Send a statement that returns nothing; `none` is called by `count` if it changed no row."""
        self._counted.append((self.send(statement, given), none))

    def count(self) -> None:
        """Look at what the statements of `send_counted` did; after the transaction, when all is answered."""
        for answer, none in self._counted:
            if answer.rowcount == 0:
                none()
