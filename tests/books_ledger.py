"""A ledger with books and files in it, as workers leave them, for tests of whoever reads it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from medialift.books.calibre_rows import fingerprint as fingerprint_of
from medialift.queueing.database import Database

SERVER = "http://127.0.0.1:6006"


class BooksLedger:
    """Books of one collection in any state, and what is written about their files."""

    def __init__(self, database: Database, collection: str = "calibre") -> None:
        self.database = database
        self.collection = collection

    def book(
        self,
        book: int,
        state: str,
        *,
        files: dict[str, dict[str, Any]] | None = None,
        weight: int | None = None,
        size: int | None = None,
        error: tuple[str, str] | None = None,
        fingerprint: str | None = None,
        had: str = "",
    ) -> int:
        """Add a book; the id of its item.

        `files` are its rows of book_file by format; `had` the formats that it had when it was planned, in
        words, those of `files` unless given. Each has 100 bytes, and the book is in A/B since 2020.
        """
        files = files or {}
        formats = sorted(had.split() or files)
        fingerprint = fingerprint or fingerprint_of("2020", "A/B", [f"{one}:100" for one in formats])
        kind, told = error or (None, None)
        (item,) = self.run(
            "insert into item"
            " (pipeline, collection, key, state, weight, bytes, error_kind, error_text, fingerprint)"
            " values ('books', :collection, :key, :state, :weight, :bytes, :kind, :told, :fingerprint)"
            " returning id",
            collection=self.collection,
            key=str(book),
            state=state,
            weight=len(files) if weight is None else weight,
            bytes=sum(one.get("size", 100) for one in files.values()) if size is None else size,
            kind=kind,
            told=told,
            fingerprint=fingerprint,
        )[0]
        for name, one in files.items():
            row = {"item_id": item, "format": name, "size": 100, **one}
            columns = ", ".join(row)
            self.run(
                f"insert into book_file ({columns}) values ({', '.join(f':{column}' for column in row)})",
                **row,
            )
        return int(item)

    def run(self, statement: str, **values: Any) -> list[Any]:
        with self.database.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return list(done) if done.returns_rows else []
