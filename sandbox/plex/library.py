"""The two open databases of a running server: one writer with a lock, readers as needed, a WAL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition, RLock

from sandbox.plex import schema


class DatabaseRefusedError(Exception):
    """Plex does not start on this database: it is damaged, or a newer build wrote it."""


class Library:
    """library.db and blobs.db of one server.

    Args:
        data: Plex's data folder.
        generation: what this build of the server knows; an older database is brought up to it.

    While it is open the last writes are in the WAL only. `close` checkpoints and removes it; a killed process
    leaves it, as SQLite does.

    Raises:
        DatabaseRefusedError: damaged, or newer than this build.
    """

    def __init__(self, data: Path, generation: schema.Generation) -> None:
        self.data = data
        self.generation = generation
        self.json_form = generation.triggers == "new"
        self.folder = data / "Plug-in Support" / "Databases"
        self.path = self.folder / schema.LIBRARY
        self.blobs_path = self.folder / schema.BLOBS
        self.lock = RLock()
        self._readers = 0
        self._reader_left = Condition()
        for path in (self.path, self.blobs_path):
            if not path.exists():
                schema.create_library(path, generation.triggers)
        self._writer = self._open(self.path)
        self._blobs = self._open(self.blobs_path)

    def _open(self, path: Path) -> sqlite3.Connection:
        con = None
        try:
            con = schema.connect_as_plex(path)
            con.execute("SELECT count(*), max(id) FROM metadata_items").fetchone()
            con.execute("SELECT count(*) FROM media_parts").fetchone()
            schema.upgrade(con, self.generation)
        except (sqlite3.DatabaseError, ValueError) as refused:
            if con is not None:
                con.close()
            raise DatabaseRefusedError(f"{path.name}: {refused}") from refused
        return con

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction in the library."""
        with self.lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    @contextmanager
    def writing_both(self) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
        """One transaction in each database; two files, so no transaction spans them."""
        with self.writing() as con:
            self._blobs.execute("BEGIN IMMEDIATE")
            try:
                yield con, self._blobs
            except BaseException:
                self._blobs.execute("ROLLBACK")
                raise
            self._blobs.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A reader of its own with named columns."""
        with self._reader_left:
            self._readers += 1
        try:
            con = schema.connect_as_plex(self.path)
            con.row_factory = sqlite3.Row
            try:
                yield con
            finally:
                con.close()
        finally:
            with self._reader_left:
                self._readers -= 1
                self._reader_left.notify_all()

    def backup(self, target: Path) -> list[Path]:
        """Consistent copies of both databases in a folder, taken in one step each."""
        target.mkdir(parents=True, exist_ok=True)
        copies = []
        with self.lock:
            for source, path in ((self._writer, self.path), (self._blobs, self.blobs_path)):
                copy = sqlite3.connect(target / path.name)
                source.backup(copy)
                copy.close()
                copies.append(target / path.name)
        return copies

    def spoil(self) -> None:
        """Damage the library's pages on disk, as a broken disk or a network file system does."""
        with self.lock:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            size = self.path.stat().st_size
            with self.path.open("r+b") as file:
                for place in (size // 4, size // 3, size // 2, size * 3 // 4):
                    file.seek(place // 1024 * 1024)
                    file.write(b"\xde\xad" * 512)

    def close(self) -> None:
        """Empty the WAL into the databases and close them; readers are waited for, since they keep it."""
        with self.lock, self._reader_left:
            self._reader_left.wait_for(lambda: self._readers == 0, timeout=5)
            for con in (self._writer, self._blobs):
                con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                con.close()
