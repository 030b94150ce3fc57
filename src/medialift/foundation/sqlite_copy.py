"""A SQLite database copied as it was, while a transaction changes it: the copy costs no time of its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from threading import Event

from medialift.errors import Permanent
from medialift.foundation import process
from medialift.foundation.atomic import sync_folder
from medialift.foundation.sqlite import online_backup, translated

# How long the log may stay busy with somebody's reading before the copy is made the slower way.
_BUSY_SECONDS = 1.0
# The slowest disk that is put up with, in bytes per second.
_SLOWEST = 1_000_000


def empty_log(path: Path) -> None:
    """Move what the write-ahead log holds into the database itself; one that is being read keeps its log.

    Raises:
        Permanent, Transient: as `open_writer`.
    """
    with (
        translated(path),
        closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
        ) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


@contextmanager
def copied_meanwhile(connection: sqlite3.Connection, source: Path, target: Path) -> Iterator[None]:
    """Copy `source` to `target` as it was before `connection`'s transaction, while the block changes it.

    The transaction has begun (`open_writer`) and has changed nothing yet. With a write-ahead log that was
    empty then (`empty_log`), all it changes goes to the log, so the file stays as it was until the commit,
    and `cp` may read it meanwhile (on some file systems it takes no time and no room). Any other database
    is copied before the block begins. When the block ends, the copy is complete and on the disk: only then
    may the transaction be committed. If the block fails, there is no copy.

    Raises:
        Permanent: the copy cannot be written. The transaction is to be rolled back.
    """
    log = source.with_name(f"{source.name}-wal")
    if log.exists() and log.stat().st_size:
        online_backup(source, target)
        try:
            yield
        except BaseException:
            target.unlink()
            raise
        return
    logged = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    folder = Path(mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    part, stop = folder / target.name, Event()
    try:
        with ThreadPoolExecutor(1) as pool:
            # A program of its own: if this process closed the file, it would lose its locks on it (POSIX).
            copying = pool.submit(_copy, source, part, stop)
            try:
                if not logged:
                    copying.result()
                yield
                copying.result()
            except BaseException:
                stop.set()
                raise
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
        folder.rmdir()
    sync_folder(target.parent)


def _copy(source: Path, part: Path, stop: Event) -> None:
    facts = source.stat()
    copied = process.run(
        ["cp", "--reflink=auto", "--", str(source), str(part)],
        timeout=60 + facts.st_size / _SLOWEST,
        stop=stop,
    )
    if not copied.ok:
        raise Permanent(
            "The database cannot be copied", str(source), copied.err.strip() or "Nothing was changed"
        )
    part.chmod(facts.st_mode & 0o777)
    with part.open("rb") as written:
        os.fsync(written.fileno())
