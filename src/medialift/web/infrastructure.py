"""What the house runs on, looked at now: the ledger's database, its queue, mounts, and disks of this host."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Row, text

from medialift.errors import MedialiftError
from medialift.healing import space
from medialift.queueing import mount_states
from medialift.queueing.mount_states import MountState
from medialift.settings import Settings

_DISK_SECONDS, _DISK_KNOWN_SECONDS = 2.0, 30.0

_DATABASE = text(
    """
select current_setting('server_version') as version, pg_database_size(current_database()) as size,
       (select version_num from medialift_revision) as revision,
       (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
       current_setting('max_connections')::int as most_connections,
       (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()) as longest
"""
)
_JOBS = text("select status::text as status, count(*) as jobs from procrastinate_jobs group by 1 order by 1")
_QUEUES = text(
    """
select w.pipeline, w.collection, count(*) filter (where w.state <> 'gone') as workers,
       max(w.heartbeat) as heartbeat, coalesce(bool_or(c.paused), false) as paused,
       coalesce(bool_or(c.closed), false) as closed, max(c.paused_why) as why
  from worker w left join control c on c.pipeline = w.pipeline and c.collection = w.collection
 group by 1, 2 order by 1, 2
"""
)


@dataclass(frozen=True)
class Ledger:
    """The database.

    Attributes:
        milliseconds: for a question and its answer. longest: seconds of the longest transaction of others.
    """

    version: str
    revision: str
    size: int
    connections: int
    most_connections: int
    longest: float
    milliseconds: float


@dataclass(frozen=True)
class Queue:
    """One queue: living workers, the last sign of life, and why nothing is claimed, if so."""

    pipeline: str
    collection: str
    workers: int
    heartbeat: datetime | None
    rests: str


@dataclass(frozen=True)
class Disk:
    """A folder of the settings; `problem`: why nothing is known of it."""

    folder: str
    setting: str
    free: int = 0
    total: int = 0
    full: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Infrastructure:
    """All of it."""

    ledger: Ledger
    queues: list[Queue]
    jobs: dict[str, int]
    mounts: list[MountState]
    disks: list[Disk]


def look(connection: Connection, settings: Settings) -> Infrastructure:
    """Look at all of it; a disk that does not answer within two seconds says so."""
    return Infrastructure(
        _ledger(connection),
        [
            Queue(row.pipeline, row.collection, row.workers, row.heartbeat, _rests(row))
            for row in connection.execute(_QUEUES)
        ],
        {row.status: row.jobs for row in connection.execute(_JOBS)},
        mount_states.listed(connection),
        _disks(settings),
    )


def _ledger(connection: Connection) -> Ledger:
    began = time.perf_counter()
    connection.execute(text("select 1"))
    took = (time.perf_counter() - began) * 1000
    row = connection.execute(_DATABASE).one()
    return Ledger(
        row.version,
        row.revision,
        row.size,
        row.connections,
        row.most_connections,
        round(float(row.longest), 1),
        round(took, 2),
    )


def _rests(row: Row[Any]) -> str:
    if row.paused:
        return row.why or "paused by hand"
    return "outside of its hours" if row.closed else ""


def _folders(settings: Settings) -> dict[str, Path]:
    """{setting: folder} of what is written to, as far as it is on this host."""
    named = {
        "diagnostics.folder": settings.diagnostics.folder,
        "posters.folder": settings.posters.folder,
        "audiobooks.inbox": settings.audiobooks.inbox,
        "audiobooks.converted": settings.audiobooks.converted,
        "audiobooks.work": settings.audiobooks.work,
        "jobs.folder": settings.jobs.folder,
        "plex.workspace": settings.plex.workspace,
        "books.library": settings.books.library,
    }
    return {name: folder for name, folder in named.items() if folder is not None}


def _disks(settings: Settings) -> list[Disk]:
    folders = _folders(settings)
    with ThreadPoolExecutor(len(folders)) as pool:
        found = pool.map(lambda one: _disk(*one), folders.items())
    return [one for one in found if one is not None]


def _disk(setting: str, folder: Path) -> Disk | None:
    """What was found within the last half minute, or is found now: each look is a process of its own."""
    with _known_lock:
        known = _known.get((setting, str(folder)))
    if known is not None and time.monotonic() - known[0] < _DISK_KNOWN_SECONDS:
        return known[1]
    found = _looked(setting, folder)
    with _known_lock:
        _known[setting, str(folder)] = time.monotonic(), found
    return found


_known: dict[tuple[str, str], tuple[float, Disk | None]] = {}
_known_lock = Lock()


def _looked(setting: str, folder: Path) -> Disk | None:
    """None: this host has no such folder, so it is none of its own."""
    try:
        found = space.free(folder, seconds=_DISK_SECONDS)
    except MedialiftError as error:
        if "No such file" in str(error):
            return None
        return Disk(str(folder), setting, problem=error.what)
    return Disk(str(folder), setting, found.free, found.total, space.is_full(found))
