"""How a migration stands: books, files, speed, workers, what holds it up. One source for all who show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from medialift.books import ledger_files
from medialift.books.accounts import Accounts
from medialift.books.ledger_files import PIPELINE
from medialift.books.speed import SLOW_SECONDS, WINDOW_MINUTES, Minute, Speed, Upload, Whole, speed
from medialift.queueing import ledger
from medialift.queueing.ledger import Counts

_SLOW_SHOWN = 20

_NOW = text("select extract(epoch from now())::float8")
_RECENT = text(f"""
    select extract(epoch from minute)::float8 as start, items, files, bytes, slow from rate
     where pipeline = :pipeline and collection = :collection
       and minute > now() - interval '{WINDOW_MINUTES + 1} minutes'""")  # noqa: S608  a number of ours
_WHOLE = text("""
    select count(*) as minutes, coalesce(sum(files), 0)::bigint as files,
           coalesce(sum(slow), 0)::bigint as slow
      from rate where pipeline = :pipeline and collection = :collection and (items > 0 or files > 0)""")
_WORKERS = text("""
    select w.name, w.host, w.pid, w.state, w.phase, w.paused_why,
           extract(epoch from now() - w.heartbeat)::float8 as silent,
           coalesce(p.items, 0) as items, coalesce(p.files, 0) as files, coalesce(p.bytes, 0) as bytes
      from worker w left join progress p on p.worker = w.name
     where w.pipeline = :pipeline and w.collection = :collection order by w.name""")
_CONTROL = text("""
    select paused, paused_why, hours, closed from control
     where pipeline = :pipeline and collection = :collection""")
_SLOW = text("""
    select i.key::bigint as book, f.format, f.size, f.seconds from item i join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection and f.seconds > :slow
     order by f.seconds desc limit :limit""")
_AVERAGE = text("""
    select avg(f.seconds)::float8 from item i join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection and f.state = 'uploaded'""")


@dataclass(frozen=True)
class WorkerNow:
    """A worker as the ledger knows it.

    Attributes:
        silent: seconds since its last sign of life.
        items, files, bytes: what it did since it started.
    """

    name: str
    host: str
    pid: int
    state: str
    phase: str
    paused_why: str
    silent: float
    items: int
    files: int
    bytes: int


@dataclass(frozen=True)
class Status:
    """How the migration of one library stands.

    Attributes:
        items: books by their state.
        accounts: files by what became of them.
        seconds_per_file: average of the uploads; None: there was none.
        slow: the slowest uploads, those over two minutes only.
        paused, paused_why: whether somebody holds it, and why.
        hours: in which it may run; "": always. `closed`: it is outside of them now.
    """

    collection: str
    items: Counts = field(default_factory=Counts)
    accounts: Accounts = field(default_factory=Accounts)
    speed: Speed = field(default_factory=Speed)
    seconds_per_file: float | None = None
    slow: tuple[Upload, ...] = ()
    workers: tuple[WorkerNow, ...] = ()
    paused: bool = False
    paused_why: str = ""
    hours: str = ""
    closed: bool = False

    @property
    def finished(self) -> bool:
        """Something was planned, and every book has ended."""
        return self.items.total > 0 and self.items.open + self.items.paused == 0

    @property
    def state(self) -> str:
        """In a word: empty, finished, paused, closed, running, waiting (for a worker)."""
        if not self.items.total:
            return "empty"
        if self.finished:
            return "finished"
        if self.paused:
            return "paused"
        if self.closed:
            return "closed"
        return "running" if any(one.state == "running" for one in self.workers) else "waiting"

    def to_dict(self) -> dict[str, Any]:
        """As JSON: for the commands, the module and the report alike."""
        return {
            "collection": self.collection,
            "state": self.state,
            "finished": self.finished,
            "items": self.items.to_dict(),
            "files": self.accounts.to_dict(),
            "files_total": self.accounts.total().files,
            "bytes_total": self.accounts.total().bytes,
            "speed": {
                **self.speed.to_dict(),
                "seconds_per_file": None
                if self.seconds_per_file is None
                else round(self.seconds_per_file, 3),
                "sentence": self.speed.sentence(),
            },
            "slow": [asdict(one) for one in self.slow],
            "workers": [asdict(one) for one in self.workers],
            "paused": self.paused,
            "paused_why": self.paused_why,
            "hours": self.hours,
            "closed": self.closed,
        }


def status(connection: Connection, collection: str) -> Status:
    """How it stands now. It reads the ledger only, about a second for a million books."""
    of = {"pipeline": PIPELINE, "collection": collection}
    items = ledger.counts(connection, PIPELINE, collection)
    control = connection.execute(_CONTROL, of).one_or_none()
    whole = connection.execute(_WHOLE, of).one()
    recent = connection.execute(_RECENT, of)
    slow = connection.execute(_SLOW, {**of, "slow": SLOW_SECONDS, "limit": _SLOW_SHOWN})
    return Status(
        collection,
        items,
        ledger_files.counted(connection, collection),
        speed(
            [Minute(row.start, row.items, row.files, row.bytes, row.slow) for row in recent],
            Whole(whole.minutes, whole.files, whole.slow),
            now=connection.execute(_NOW).scalar_one(),
            items_left=items.open + items.paused,
        ),
        connection.execute(_AVERAGE, of).scalar_one(),
        tuple(Upload(row.book, row.format, row.size, row.seconds) for row in slow),
        tuple(WorkerNow(**row._mapping) for row in connection.execute(_WORKERS, of)),
        paused=bool(control and control.paused),
        paused_why=control.paused_why if control else "",
        hours=control.hours if control else "",
        closed=bool(control and control.closed),
    )
