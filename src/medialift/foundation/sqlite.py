"""SQLite files of other programs: read without disturbing, written in one transaction, copied whole."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medialift.errors import Permanent, Transient
from medialift.foundation.atomic import sync_folder

# The bytes that SQLite locks in a database file (sqlite3 os.h: PENDING_BYTE, then RESERVED and SHARED).
_LOCK_START = 0x40000000
_LOCK_LENGTH = 512

# How long a statement waits for another program's lock.
_BUSY_SECONDS = 5.0


@contextmanager
def open_readonly(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write and leaves no file behind.

    A database with a write-ahead log beside it is opened `mode=ro`, so the log is read too. One without
    is opened `immutable=1`: `mode=ro` would have to create the log. An immutable file is read without
    any lock, so it is compared before and after.

    Raises:
        Permanent: there is no such file, or it is no healthy SQLite database.
        Transient: it is locked, or it changed while an immutable copy was read: read it again.
    """
    path = Path(path)
    if not path.is_file():
        raise Permanent("There is no such database", str(path), "Check the path")
    wal = path.with_name(path.name + "-wal")
    immutable = not wal.exists()
    before = _fingerprint(path)
    mode = "mode=ro&immutable=1" if immutable else "mode=ro"
    with translated(path):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, timeout=_BUSY_SECONDS)
        try:
            connection.text_factory = text
            connection.execute("PRAGMA query_only = 1")
            # Reads the header: a file that is no database is found here, not in the caller's query.
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            yield connection
        finally:
            connection.close()
    if immutable and (_fingerprint(path) != before or _has_content(wal)):
        raise Transient("The database changed while it was read", str(path), "Read it again")


@contextmanager
def open_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection inside one `BEGIN IMMEDIATE` transaction, committed when the block ends well.

    Raises:
        Permanent: there is no such file, or it is no healthy SQLite database.
        Transient: another program holds the write lock.
    """
    path = Path(path)
    if not path.is_file():
        raise Permanent("There is no such database", str(path), "Check the path")
    with translated(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
        )
        try:
            connection.text_factory = text
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()


def text(raw: bytes) -> str:
    """TEXT as Python reads file names: one that is not UTF-8 comes through instead of failing the query."""
    return raw.decode("utf-8", "surrogateescape")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, with the file's name."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(word in str(error) for word in ("locked", "busy")):
            raise Transient("The database is in use by another program", str(path)) from error
        raise Permanent(f"The database cannot be used ({error})", str(path)) from error
    except sqlite3.DatabaseError as error:
        raise Permanent(
            f"The file is no healthy SQLite database ({error})", str(path), "Restore it from a backup"
        ) from error


def users(path: Path) -> tuple[str, ...]:
    """Who else has the database open: "pid 123 (Plex Media Serv)", or "a program that locks it".

    Two signs are read: the open files of every process that /proc shows (all of them for root, those in
    containers too) and SQLite's own locks, which also betray processes that /proc hides. Without root,
    an idle program of another user can go unseen.
    """
    path = Path(path)
    try:
        wanted = path.stat()
    except FileNotFoundError:
        return ()
    found = []
    ours = False
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or not _has_open(process, path.name, wanted):
            continue
        if int(process.name) == os.getpid():
            ours = True
            continue
        name = ""
        with suppress(OSError):
            name = (process / "comm").read_text().strip()
        found.append(f"pid {process.name} ({name})")
    # Closing any descriptor of the file drops this process's own locks on it (POSIX): look at the locks
    # only when it has none to lose.
    if not found and not ours and _is_locked(path):
        found.append("a program that locks it")
    return tuple(sorted(found))


def is_open_by_others(path: Path) -> bool:
    """Whether another process has the database open (see `users` for what can be seen)."""
    return bool(users(path))


def online_backup(source: Path, target: Path) -> None:
    """Copy a database, in use or not, with all that its write-ahead log holds, in one step.

    One step sees one state; a copy in several steps starts again at each commit of the owner and may
    never end. The copy is written beside `target`, flushed and renamed.

    Raises:
        Permanent, Transient: as `open_readonly`.
    """
    target = Path(target)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    os.close(handle)
    part = Path(name)
    try:
        with open_readonly(source) as reader, translated(target):
            writer = sqlite3.connect(part)
            try:
                # No journal and no flush per page: the part is thrown away if anything goes wrong.
                writer.execute("PRAGMA journal_mode = OFF")
                writer.execute("PRAGMA synchronous = OFF")
                reader.backup(writer)
            finally:
                writer.close()
        part.chmod(source.stat().st_mode & 0o777)
        with part.open("rb") as copied:
            os.fsync(copied.fileno())
        part.replace(target)
    except BaseException:
        for suffix in ("", "-wal", "-shm", "-journal"):
            part.with_name(part.name + suffix).unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def table_columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """The names of a table's columns in order; empty when there is no such table."""
    return tuple(row[0] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,)))


def _fingerprint(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _has_open(process: Path, name: str, wanted: os.stat_result) -> bool:
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        return False  # ended meanwhile, or another user's
    for link in links:
        with suppress(OSError):
            # The name is compared first: a stat of some other process's file could hang on a dead mount.
            if not link.readlink().name.startswith(name):
                continue
            stat = link.stat()
            if (stat.st_dev, stat.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _is_locked(path: Path) -> bool:
    # A write lock would conflict with every lock, shared or not: asking for one finds any.
    question = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, _LOCK_START, _LOCK_LENGTH, 0)
    with path.open("rb") as file:
        answer = fcntl.fcntl(file.fileno(), fcntl.F_GETLK, question)
    return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
