"""What each attempt came to, kept for good: written with the end of the attempt, read for figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, text

from medialift.audiobooks.stages import PIPELINE, Stage
from medialift.queueing.claims import clean

Outcome = Literal["done", "again", "failed", "person"]
EVERY: tuple[Outcome, ...] = ("done", "again", "failed", "person")


@dataclass(frozen=True)
class Run:
    """One attempt that ended.

    Attributes:
        key: the book's path in the inbox (convert), or the name of its folder in converted.
        name: of its folder in converted; "" when it did not come so far.
        outcome: done, again (it is tried later), failed, or person (it waits for one).
        how: encode, splice or pass_through; of a delivery, the libraries.
        seconds: how long it took. played: how long the book plays, in seconds. bytes: of its sources.
        token: of the attempt's lease.
    """

    stage: Stage
    key: str
    outcome: Outcome
    name: str = ""
    how: str = ""
    attempt: int = 1
    seconds: float = 0.0
    played: float = 0.0
    bytes: int = 0
    error_kind: str = ""
    error_text: str = ""
    worker: str = ""
    at: datetime | None = None
    imported: bool = False
    token: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the moment as ISO 8601."""
        return {**asdict(self), "at": self.at.isoformat() if self.at else ""}


_RECORD = text(
    """
insert into audiobook_run (collection, stage, key, outcome, name, how, attempt, seconds, played, bytes,
                           error_kind, error_text, worker, at, imported, token)
values (:collection, :stage, :key, :outcome, :name, :how, :attempt, :seconds, :played, :bytes,
        :error_kind, :error_text, :worker, coalesce(:at, now()), :imported, :token)
on conflict do nothing returning id
"""
)
_LATEST = text(
    """
select stage, key, outcome, name, how, attempt, seconds, played, bytes, error_kind, error_text, worker, at,
       imported, token
  from audiobook_run
 where collection = :collection and stage = any(:stages) and outcome = any(:outcomes)
 order by at desc, id desc limit :limit
"""
)
_OF_BOOK = text(
    """
select stage, key, outcome, name, how, attempt, seconds, played, bytes, error_kind, error_text, worker, at,
       imported, token
  from audiobook_run
 where collection = :collection
   and ((stage = 'convert' and key = :source) or (stage in ('tag', 'deliver') and key = :name))
 order by id desc limit :limit
"""
)
_BEGAN = text("select max(started) from worker where pipeline = :pipeline and collection = :collection")


def record(connection: Connection, collection: str, run: Run) -> bool:
    """Keep it, in the transaction that ends the attempt. False: it was kept before, by its token."""
    told = {**asdict(run), "collection": collection, "error_text": clean(run.error_text)}
    return connection.execute(_RECORD, told).first() is not None


def latest(
    connection: Connection,
    collection: str,
    *,
    stages: Sequence[Stage] = ("convert",),
    outcomes: Sequence[Outcome] = EVERY,
    limit: int = 100,
) -> list[Run]:
    """The latest attempts of these stages that ended so, the newest first."""
    given = {
        "collection": collection,
        "stages": list(stages),
        "outcomes": list(outcomes),
        "limit": limit,
    }
    return [Run(**row._asdict()) for row in connection.execute(_LATEST, given)]


def of_book(
    connection: Connection, collection: str, source: str, name: str, *, limit: int = 100
) -> list[Run]:
    """The latest attempts at one book, the newest first.

    Args:
        source: its path in the inbox. name: of its folder in converted; "" for one that has none.
    """
    given = {"collection": collection, "source": source, "name": name, "limit": limit}
    return [Run(**row._asdict()) for row in connection.execute(_OF_BOOK, given)]


def began(connection: Connection, collection: str) -> datetime | None:
    """When this run began: the latest start of a worker of the collection; None: there was none."""
    found: datetime | None = connection.execute(
        _BEGAN, {"pipeline": PIPELINE, "collection": collection}
    ).scalar_one()
    return found
