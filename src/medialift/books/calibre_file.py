"""Opening Calibre's metadata.db so that nothing is written, left behind or held up.

Calibre keeps a rollback journal; a library that another program touched may have a write-ahead log instead.
With a journal the file is opened `mode=ro`: SQLite takes its shared lock for each read and Calibre goes on
writing in between. With a log, `mode=ro` reads it when a program has it open; when none has, `mode=ro` would
make a log and an index beside the file, so it is then read `immutable=1` and compared before and after.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medialift.errors import MedialiftError, Permanent, Transient

DATABASE = "metadata.db"

_BUSY_SECONDS = 10.0
_MAGIC = b"SQLite format 3\x00"
# Where SQLite's header says how it is written and read (2: with a log), and counts the changes.
_VERSIONS, _COUNTER = slice(18, 20), slice(24, 28)
_HEADER_BYTES = 100

_OPEN_CALIBRE = "Open the library in Calibre once and close it, then try again"
_RESTORE = "Restore metadata.db from a backup, or let Calibre restore the database"


@dataclass(frozen=True)
class Stamp:
    """What a database file looks like from outside: two that are alike hold the same rows.

    Attributes:
        sure: that holds. Not where only times tell, and the last one is so young that a change could follow
            within the same tick of the clock.
    """

    inode: int
    size: int
    mtime_ns: int
    counter: int
    log_size: int
    log_mtime_ns: int
    sure: bool

    def same_as(self, other: Stamp) -> bool:
        """Whether nothing shows that it changed; for two moments of one reading."""
        return replace(self, sure=True) == replace(other, sure=True)

    def to_dict(self) -> dict[str, int]:
        """For a mark in the ledger; empty when it is not sure."""
        if not self.sure:
            return {}
        return {name: value for name, value in vars(self).items() if name != "sure"}


class DatabaseFile:
    """A metadata.db and how it has to be opened now.

    The header is read through a descriptor that all readers of this process share: closing any descriptor of
    a file drops the locks that the process has on it (POSIX), also those of another reader in mid-read.
    """

    def __init__(self, path: Path) -> None:
        """
        Raises:
            Permanent: there is no such file, it cannot be read, or it is no SQLite database.
            Transient: the disk does not give it.
        """
        self.path = path
        self.log = path.with_name(path.name + "-wal")
        self._index = path.with_name(path.name + "-shm")
        self._header = _headers.hold(path)
        try:
            if self._header.read()[:16] != _MAGIC:
                raise Permanent("The file is no SQLite database", str(path), _RESTORE)
            self.immutable = self._is_immutable()
        except BaseException:
            self.close()
            raise

    def connect(self) -> sqlite3.Connection:
        """A connection that cannot write.

        Raises:
            Transient: a log was left behind, and reading it would leave more.
        """
        if self._keeps_log() and not self.immutable and not self._index.exists():
            raise Transient(
                "A program that wrote the library ended before its log was written back",
                str(self.log),
                _OPEN_CALIBRE,
            )
        mode = "mode=ro&immutable=1" if self.immutable else "mode=ro"
        with translated(self.path):
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?{mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            connection.execute("PRAGMA query_only = 1")
        return connection

    def is_current(self) -> bool:
        """Whether the path still names this file, to be opened in the same way."""
        try:
            return self._header.is_at(self.path) and self._is_immutable() == self.immutable
        except OSError:
            return False

    def stamp(self) -> Stamp:
        """What it looks like now.

        Raises:
            Transient, Permanent: it is gone, or the disk does not give it.
        """
        with translated(self.path):
            now, header, found = time.time_ns(), self._header.read(), self.path.stat()
            log_size = log_time = 0
            with suppress(FileNotFoundError):
                log = self.log.stat()
                log_size, log_time = log.st_size, log.st_mtime_ns
        # A journal's changes are counted; those in a log only show in its size and time.
        sure = not log_size or now - log_time > 2_000_000_000
        counter = int.from_bytes(header[_COUNTER], "big")
        return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, counter, log_size, log_time, sure)

    def close(self) -> None:
        _headers.release(self._header)

    def _keeps_log(self) -> bool:
        return 2 in self._header.read()[_VERSIONS]

    def _is_immutable(self) -> bool:
        if not self._keeps_log():
            return False
        with suppress(FileNotFoundError):
            return self.log.stat().st_size == 0
        return True


class _Header:
    """The descriptor of one database file, for all its readers in this process."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(self.descriptor)
        self.identity = (found.st_dev, found.st_ino)
        self.readers = 0

    def read(self) -> bytes:
        return os.pread(self.descriptor, _HEADER_BYTES, 0)

    def is_at(self, path: Path) -> bool:
        found = path.stat()
        return (found.st_dev, found.st_ino) == self.identity


class _Headers:
    """The descriptors in use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[tuple[int, int], _Header] = {}

    def hold(self, path: Path) -> _Header:
        with translated(path), self._lock:
            found = path.stat()
            header = self._held.get((found.st_dev, found.st_ino))
            if header is None:
                if not path.is_file():
                    raise Permanent("This is no file", str(path), "Name the folder of a Calibre library")
                header = _Header(path)
                self._held[header.identity] = header
            header.readers += 1
            return header

    def release(self, header: _Header) -> None:
        with self._lock:
            header.readers -= 1
            if header.readers == 0:
                del self._held[header.identity]
                os.close(header.descriptor)


_headers = _Headers()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors about Calibre's database as ours."""
    try:
        yield
    except MedialiftError:
        raise
    except sqlite3.Error as error:
        raise _explained(error, path) from error
    except FileNotFoundError as error:
        raise Permanent(
            "There is no metadata.db",
            str(path.parent),
            "Name the folder of a Calibre library, and check that its disk is mounted",
        ) from error
    except PermissionError as error:
        raise Permanent(
            "The library may not be read", str(path), "Let the user that runs this read it"
        ) from error
    except OSError as error:
        raise Transient(
            f"The library cannot be read ({error.strerror})", str(path), "Check the disk and its mount"
        ) from error


def _explained(error: sqlite3.Error, path: Path) -> MedialiftError:
    name: Any = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith("SQLITE_READONLY"):
        return Transient("A program that wrote the library ended in mid-write", str(path), _OPEN_CALIBRE)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Transient("Calibre is writing the library", str(path), "Try again in a moment")
    if name in ("SQLITE_PROTOCOL", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK", "SQLITE_NOLFS"):
        return Permanent(
            "The file system of the library cannot lock files",
            str(path),
            "Mount it so that it can, or work on a copy of metadata.db",
        )
    if name.startswith("SQLITE_IOERR"):
        return Transient(f"The library cannot be read ({error})", str(path), "Check the disk and its mount")
    if name.startswith("SQLITE_CANTOPEN"):
        return Transient(
            "The library cannot be opened, or not without writing to its folder", str(path), _OPEN_CALIBRE
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Permanent(f"The library's database is damaged ({error})", str(path), _RESTORE)
    return Permanent(f"The library's database cannot be used ({error})", str(path), _RESTORE)
