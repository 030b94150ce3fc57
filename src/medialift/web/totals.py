"""How everything stands, in the numbers that the commands tell: for pages, the API and Prometheus alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from medialift.audiobooks import metrics as audiobook_figures
from medialift.audiobooks import stages
from medialift.audiobooks import status as audiobooks
from medialift.books import plan_writing
from medialift.books import status as books
from medialift.books.status import Tally
from medialift.queueing import control, ledger, workers
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts
from medialift.queueing.workers import Speed, Worker
from medialift.web.context import Context
from medialift.web.kept import Counted

_NOW = text("select now()")


@dataclass(frozen=True)
class Session:
    """What the workers that are there now did since they started; `since`: when the first of them did."""

    since: datetime | None = None
    items: int = 0
    files: int = 0
    bytes: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Queue:
    """How one queue stands.

    Attributes:
        counts: its items, exact for the moment that it tells.
        speed: of the last five minutes.
        workers: how many are in which state; those that are gone are left out.
    """

    pipeline: str
    collection: str
    counts: Counted[Counts]
    speed: Speed
    control: Control
    workers: Mapping[str, int]
    session: Session


def counts(within: Context, connection: Connection, pipeline: str, collection: str) -> Counted[Counts]:
    """The items of a queue by state."""
    return within.kept.of(
        connection,
        ("counts", pipeline, collection),
        lambda counting: ledger.counts(counting, pipeline, collection),
    )


def tally(within: Context, connection: Connection, collection: str) -> Counted[Tally]:
    """The books of a library by state, and their files by account."""
    return within.kept.of(
        connection, ("books tally", collection), lambda counting: books.tally(counting, collection)
    )


def queues(within: Context, connection: Connection) -> list[Queue]:
    """Every queue that has items, by name."""
    there = [one for one in workers.listed(connection) if one.state != "gone"]
    return [
        Queue(
            pipeline,
            collection,
            counts(within, connection, pipeline, collection),
            workers.speed(connection, pipeline, collection),
            control.read(connection, pipeline, collection),
            *_of_workers([one for one in there if (one.pipeline, one.collection) == (pipeline, collection)]),
        )
        for pipeline, collection in ledger.queues(connection)
    ]


def of_books(within: Context, connection: Connection, collection: str) -> Counted[books.Status]:
    """A migration, as `medialift books status` tells it; of a library without books an empty one."""
    if (plan_writing.PIPELINE, collection) not in ledger.queues(connection):
        now: datetime = connection.execute(_NOW).scalar_one()
        counted = Counted(Tally(), now.astimezone(UTC))
    else:
        counted = tally(within, connection, collection)
    return Counted(books.status(connection, collection, counted.value), counted.at)


def of_audiobooks(within: Context, connection: Connection, collection: str) -> Counted[audiobooks.Status]:
    """The intake, as `medialift audiobooks status` tells it."""
    figures = within.kept.of(
        connection,
        ("audiobook figures", collection),
        lambda counting: audiobook_figures.read(counting, collection),
    )
    return Counted(audiobooks.status(connection, collection, figures.value), figures.at)


def warm(within: Context) -> None:
    """Have everything counted once; what cannot be counted now is counted when it is asked for."""
    with suppress(SQLAlchemyError), within.database.engine.begin() as connection:
        queues(within, connection)
        for name in libraries(within, connection):
            of_books(within, connection, name)
        for name in intakes(within, connection):
            of_audiobooks(within, connection, name)


def libraries(within: Context, connection: Connection) -> list[str]:
    """Libraries whose migration is in the ledger, and the one of the settings."""
    return _with_own(connection, plan_writing.PIPELINE, within.settings.books.collection)


def intakes(within: Context, connection: Connection) -> list[str]:
    """Collections of audiobooks in the ledger, and the one of the settings."""
    return _with_own(connection, stages.PIPELINE, within.settings.audiobooks.collection)


def _with_own(connection: Connection, pipeline: str, own: str) -> list[str]:
    return sorted({own} | {of for name, of in ledger.queues(connection) if name == pipeline})


def _of_workers(there: list[Worker]) -> tuple[Mapping[str, int], Session]:
    totals = {name: sum(getattr(one, name) for one in there) for name in ("items", "files", "bytes", "slow")}
    since = min((one.started for one in there), default=None)
    return dict(Counter(one.state for one in there)), Session(since, **totals)
