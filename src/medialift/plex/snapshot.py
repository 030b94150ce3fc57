"""A copy of Plex's two databases as one pair, proven sound, with the facts that a manifest tells of them."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation import sqlite
from medialift.plex import database
from medialift.plex.data_folder import DataFolder

Mode = Literal["online", "stopped"]
Check = Callable[[Path], Sequence[str]]
"""What is wrong with a database, such as `PlexSqlite.integrity_check`; empty when nothing is."""


class Service(Protocol):
    """What this needs of Plex's service."""

    def running(self) -> bool: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...


@dataclass(frozen=True)
class Pair:
    """The copies, both of one moment."""

    library: Path
    blobs: Path


def copy_online(data: DataFolder, into: Path, *, idle: Callable[[], bool]) -> Pair:
    """Copy both databases while Plex runs and does nothing.

    Each copy is one moment of its database. That both are of the same moment is seen from outside: Plex is
    idle before and after, and neither database was written to in between.

    Raises:
        Transient: Plex is working, or began to: try again when it is idle.
    """
    if not idle():
        raise _working(data)
    before = _marks(data)
    pair = Pair(into / data.library.name, into / data.blobs.name)
    sqlite.online_backup(data.library, pair.library)
    sqlite.online_backup(data.blobs, pair.blobs)
    if not idle() or _marks(data) != before:
        raise _working(data)
    return pair


@contextmanager
def stopped(service: Service, data: DataFolder) -> Iterator[None]:
    """Plex is stopped inside the block, and runs afterwards if it ran before.

    Raises:
        Unsafe: it left a write-ahead log, or somebody still has a database open.
    """
    ran = service.running()
    if ran:
        service.stop()
    try:
        for path in (data.library, data.blobs):
            if users := sqlite.users(path):
                raise Unsafe(
                    "A database of Plex is still open", f"{path} by {', '.join(users)}", "Stop that program"
                )
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                raise Unsafe(
                    "Plex was not stopped cleanly: a write-ahead log is left",
                    str(wal),
                    "Start Plex, let it settle, and stop it with a longer grace",
                )
        yield
    finally:
        if ran:
            service.start()


def copy_stopped(data: DataFolder, into: Path) -> Pair:
    """Copy both databases, byte by byte, of a Plex that is stopped (see `stopped`)."""
    pair = Pair(into / data.library.name, into / data.blobs.name)
    for source, target in ((data.library, pair.library), (data.blobs, pair.blobs)):
        before = _mark(source)
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            what = "The disk is full" if error.errno == errno.ENOSPC else "A database cannot be copied"
            raise Permanent(what, str(target), str(error.strerror)) from error
        if _mark(source) != before:
            raise Unsafe("A database changed while it was copied", str(source), "Stop whatever writes to it")
    return pair


def hand_to(pair: Pair, owner: os.stat_result) -> None:
    """Give the copies and their folder to Plex's user, who runs the check; only root can, or has to."""
    if os.geteuid() == 0:
        for path in (pair.library.parent, pair.library, pair.blobs):
            os.chown(path, owner.st_uid, owner.st_gid)


def damage(pair: Pair, check: Check) -> list[str]:
    """What is wrong with the copies; empty when nothing is.

    Raises:
        MedialiftError: the check could not be made.
    """
    found = []
    for path in (pair.library, pair.blobs):
        found += [f"{path.name}: {problem}" for problem in list(check(path))[:5]]
    if found:
        return found
    fit = database.pair(pair.library, pair.blobs)
    if not fit.fits:
        found.append(
            f"the two databases are not of one moment: {fit.dangling} of {fit.blobs} blobs belong to nothing,"
            f" {fit.vectors_missing} sonic analyses are missing"
        )
    return found


def facts(pair: Pair) -> Mapping[str, Any]:
    """{schema, sections, watch_state}, as a manifest has them.

    Raises:
        Unsafe, Permanent: the database is damaged, or of a kind we do not know.
    """
    with sqlite.open_readonly(pair.library) as library:
        return {
            "schema": database.schema(library).to_dict(),
            "sections": tuple(section.to_manifest() for section in database.sections(library)),
            "watch_state": database.watch_state(library).to_dict(),
        }


def facts_as_far_as_they_go(pair: Pair) -> tuple[Mapping[str, Any], list[str]]:
    """The facts and why they are missing: for a damaged library that is kept all the same, in quarantine."""
    try:
        return facts(pair), []
    except MedialiftError as error:
        return {}, [str(error)]


def _marks(data: DataFolder) -> tuple[object, ...]:
    return tuple(
        _mark(path.with_name(path.name + suffix))
        for path in (data.library, data.blobs)
        for suffix in ("", "-wal")
    )


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _working(data: DataFolder) -> Transient:
    return Transient(
        "Plex is working on its library, so its databases do not stand still",
        str(data.path),
        "Wait until it is idle, or export with mode 'stopped'",
    )
