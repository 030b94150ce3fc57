"""How a migration stands: books, files, speed, workers, what holds it up. One source for all who show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from medialift.books import ledger_files
from medialift.books.accounts import Accounts
from medialift.books.plan_writing import PIPELINE
from medialift.books.speed import SLOW_SECONDS, WINDOW_MINUTES, Minute, Speed, Upload, Whole, speed
from medialift.queueing import control, ledger, workers
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts
from medialift.queueing.workers import Worker

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
# The time is written out, so that PostgreSQL sees that it has an index of just these.
_SLOW = text(f"""
    select i.key::bigint as book, f.format, f.size, f.seconds from item i join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection and f.seconds > {SLOW_SECONDS:.0f}
     order by f.seconds desc limit :limit""")  # noqa: S608  a number of ours


@dataclass(frozen=True)
class Status:
    """How the migration of one library stands.

    Attributes:
        items: books by their state.
        accounts: files by what became of them.
        seconds_per_file: average of the uploads; None: there was none.
        slow: the slowest uploads, those over two minutes only.
        control: whether somebody holds it and why, its hours, and how fast it may go.
    """

    collection: str
    items: Counts = field(default_factory=Counts)
    accounts: Accounts = field(default_factory=Accounts)
    speed: Speed = field(default_factory=Speed)
    seconds_per_file: float | None = None
    slow: tuple[Upload, ...] = ()
    workers: tuple[Worker, ...] = ()
    control: Control = field(default_factory=Control)

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
        if self.control.paused:
            return "paused"
        if self.control.closed:
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
            "workers": [_worker(one) for one in self.workers],
            "paused": self.control.paused,
            "paused_why": self.control.why,
            "hours": self.control.hours,
            "closed": self.control.closed,
            "bandwidth": self.control.bandwidth,
        }


@dataclass(frozen=True)
class Tally:
    """What has to be counted book by book: books by state, and files by account."""

    items: Counts = field(default_factory=Counts)
    accounts: Accounts = field(default_factory=Accounts)


def tally(connection: Connection, collection: str) -> Tally:
    """Count all books and files, some seconds for a million books."""
    return Tally(
        ledger.counts(connection, PIPELINE, collection), ledger_files.counted(connection, collection)
    )


def status(connection: Connection, collection: str, tallied: Tally | None = None) -> Status:
    """How it stands now. It reads the ledger only.

    Args:
        tallied: what was counted a moment ago, by whoever asks more often than it can be counted.
    """
    of = {"pipeline": PIPELINE, "collection": collection}
    counted = tallied or tally(connection, collection)
    items, accounts = counted.items, counted.accounts
    whole = connection.execute(_WHOLE, of).one()
    recent = connection.execute(_RECENT, of)
    slow = connection.execute(_SLOW, {**of, "limit": _SLOW_SHOWN})
    return Status(
        collection,
        items,
        accounts,
        speed(
            [Minute(row.start, row.items, row.files, row.bytes, row.slow) for row in recent],
            Whole(whole.minutes, whole.files, whole.slow),
            now=connection.execute(_NOW).scalar_one(),
            items_left=items.open + items.paused,
        ),
        accounts.seconds / accounts.timed if accounts.timed else None,
        tuple(Upload(row.book, row.format, row.size, row.seconds) for row in slow),
        tuple(workers.listed(connection, PIPELINE, collection)),
        control.read(connection, PIPELINE, collection),
    )


def _worker(one: Worker) -> dict[str, Any]:
    shown = ("name", "host", "pid", "state", "phase", "paused_why", "items", "files", "bytes", "slow")
    return {**{name: getattr(one, name) for name in shown}, "silence": round(one.silence, 1)}
