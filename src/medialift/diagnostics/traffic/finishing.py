"""The end of a record: a document beside the others, and in the ledger. Also of one whose process died."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from medialift.diagnostics.traffic import analysis, kept, names, reading
from medialift.diagnostics.traffic.document import BROKEN_OFF, FINISHED, RUNNING, made
from medialift.diagnostics.traffic.reading import Told
from medialift.diagnostics.traffic.record import Record
from medialift.errors import MedialiftError
from medialift.foundation.atomic import write_bytes
from medialift.queueing.crew import AWAY
from medialift.settings import DiagnosticsSettings

_log = logging.getLogger(__name__)


def finish(record: Record, engine: Engine | None = None) -> Path | None:
    """Close a record and make its document; where that is, if it is on the disk. Without a request: none."""
    record.close()
    try:
        if not record.figures.requests:
            return None
        told = Told(
            record.head(),
            record.environment,
            record.figures,
            record.sessions,
            record.lines,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        content = document(told, FINISHED, seconds=record.seconds, at_most=record.limits.file)
        path = None
        if record.path is not None:
            path = _written(record.path, content)
        keep(names.name_of(record.job, record.started), content, engine)
        return path
    finally:
        record.release()


def document(told: Told, state: str, *, at_most: int, seconds: float | None = None) -> bytes:
    """The document of a record: `seconds` it took, or as its lines say."""
    if seconds is None:
        began, ended = datetime.fromisoformat(told.head["started"]), datetime.fromisoformat(told.last)
        seconds = max(0.0, (ended - began).total_seconds())
    head = {
        **told.head,
        "ended": told.last.replace("+00:00", "Z"),
        "state": state,
        "duration_seconds": round(seconds, 3),
        "environment": told.environment,
        "sessions": told.sessions,
    }
    meaning = analysis.summary(
        told.figures,
        pipeline=str(told.head.get("pipeline", "")),
        seconds=seconds,
        environment=told.environment,
    )
    return made(head, told.figures, meaning, told.lines, at_most=at_most)


def so_far(path: Path, *, at_most: int) -> bytes:
    """The document of a record that is open still.

    Raises:
        Permanent: it is none. FileNotFoundError: it has been closed meanwhile.
    """
    return document(reading.lines(path), RUNNING if _alive(path) else BROKEN_OFF, at_most=at_most)


def settle(settings: DiagnosticsSettings, engine: Engine | None = None) -> int:
    """Make the documents of records whose process is gone; how many there were."""
    settled = 0
    for path in _open_records(settings.folder):
        try:
            settled += _settled(path, settings.file_bytes, engine)
        except (OSError, MedialiftError) as error:
            _log.warning("the record %s cannot be made whole: %s", path.name, error)
    return settled


def forget(
    settings: DiagnosticsSettings,
    connection: Connection | None = None,
    *,
    older_than: float | None = None,
) -> int:
    """Delete what ended so many seconds ago, here and in the ledger; how many records.

    Args:
        older_than: None: as the settings say.
    """
    age = settings.keep if older_than is None else older_than
    gone = set()
    with suppress(OSError):
        for path in settings.folder.iterdir():
            named = names.parsed(path.name)
            # By when it was written last, as the ledger goes by the end of the job.
            if named is None or named.open or time.time() - path.lstat().st_mtime < age:
                continue
            with suppress(OSError):
                path.unlink()
                gone.add(path.name)
    in_ledger = set(kept.forget(connection, age)) if connection is not None else set()
    return len(in_ledger | {(socket.gethostname(), name) for name in gone})


def _written(journal: Path, content: bytes) -> Path:
    path = journal.with_suffix(".json")
    write_bytes(path, content, mode=0o640)
    journal.unlink(missing_ok=True)
    return path


def _settled(path: Path, at_most: int, engine: Engine | None) -> bool:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not path.exists():
            return False  # another was faster
        told = reading.lines(path)
        content = document(told, BROKEN_OFF, at_most=at_most)
        _written(path, content)
        keep(path.with_suffix(".json").name, content, engine)
        return True
    finally:
        os.close(handle)


def keep(name: str, content: bytes, engine: Engine | None) -> None:
    """Put a document into the ledger; when that is away it stays on the disk alone."""
    if engine is None:
        return
    told: Mapping[str, Any] = json.loads(content)
    try:
        with engine.begin() as connection:
            kept.keep(connection, name, told, content)
    except AWAY as error:
        _log.warning("the record %s is not in the ledger: %s", name, error)


def _open_records(folder: Path) -> list[Path]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return []
    return [path for path in found if (named := names.parsed(path.name)) is not None and named.open]


def _alive(path: Path) -> bool:
    """Whether the process that writes it is there still."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
