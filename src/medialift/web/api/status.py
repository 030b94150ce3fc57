"""How everything stands: each queue in numbers, each migration and intake in full, rates over time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from medialift.queueing import bursts, ledger, mount_states, rates
from medialift.web import crew, totals
from medialift.web.access.gate import Reader
from medialift.web.api.bursts import BurstSummary, summary
from medialift.web.context import Connected, Within
from medialift.web.given import Name
from medialift.web.problems import PROBLEMS, Missing
from medialift.web.totals import Queue

router = APIRouter(prefix="/api/v1", tags=["status"], responses=PROBLEMS)

_MOST_STEPS, _MOST_MINUTES = 1440, 1440


class _Of(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ItemCounts(_Of):
    """Items by state. `waiting` are among `ready`: they are tried again later."""

    ready: int
    waiting: int
    leased: int
    done: int
    skipped: int
    failed: int
    paused: int
    cancelled: int
    total: int
    open: int = Field(description="Still to be ended: ready and leased")
    files: int
    bytes: int
    files_left: int
    bytes_left: int


class PerMinute(_Of):
    """What all workers did per minute, over the last five."""

    items: float
    files: float
    bytes: float
    slow: int = Field(description="Slow files, in all of these minutes")
    minutes: float = Field(description="So long it was measured")


class SessionTotals(_Of):
    """What the workers that are there did since they started."""

    since: datetime | None
    items: int
    files: int
    bytes: int
    slow: int


class QueueStatus(BaseModel):
    """How one queue stands."""

    pipeline: str
    collection: str
    state: str = Field(description="finished, paused, closed (outside of its hours), running or waiting")
    items: ItemCounts
    counted_at: datetime = Field(description="The moment for which the counts are exact")
    per_minute: PerMinute
    session: SessionTotals
    workers: dict[str, int] = Field(description="How many are in which state")
    rests_why: str = Field(description="Why nothing is begun; empty: it is")
    hours: str
    bandwidth: int | None = Field(
        description="Bytes a second of all workers; 0: no limit; null: as each is set"
    )


class HostStatus(BaseModel):
    """A host whose workers the healing looks after."""

    host: str
    round_age: float | None = Field(description="Since the last round; null: there never was one")
    late: bool
    stuck: int
    why: str = Field(description="Why the last round did nothing")


class HouseStatus(BaseModel):
    """Everything at a glance."""

    queues: list[QueueStatus]
    workers: dict[str, int] = Field(description="Workers of all hosts by how they are")
    hosts: list[HostStatus]
    mounts: dict[str, int] = Field(description="Mounts of all hosts by state")
    bursts_running: int
    last_burst: BurstSummary | None


class BooksStatus(BaseModel):
    """A migration, as `medialift books status --json` tells it."""

    counted_at: datetime
    collection: str
    state: str = Field(description="empty, finished, paused, closed, running or waiting")
    finished: bool
    items: ItemCounts
    files: dict[str, dict[str, Any]] = Field(
        description="{account: {files, bytes, reasons: {kind: files}}}; each file is in one account"
    )
    files_total: int
    bytes_total: int
    speed: dict[str, Any]
    slow: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    paused: bool
    paused_why: str
    hours: str
    closed: bool
    bandwidth: int | None


class AudiobooksStatus(BaseModel):
    """The intake, as `medialift audiobooks status --json` tells it."""

    counted_at: datetime
    collection: str
    lifetime: dict[str, Any] = Field(description="Conversions since ever")
    this_run: dict[str, Any] = Field(description="Conversions since the service started")
    tagging: dict[str, Any]
    delivered: int
    backlog: dict[str, int]
    queue_depth: dict[str, dict[str, int]]
    todo: int
    recent: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    working: list[dict[str, Any]]
    queue: list[dict[str, Any]]
    for_person: list[dict[str, Any]]
    workers: list[dict[str, Any]]
    control: dict[str, Any]
    hindered: list[dict[str, Any]]
    finished: bool


class BooksStatusList(BaseModel):
    """Every migration."""

    items: list[BooksStatus]


class AudiobooksStatusList(BaseModel):
    """Every intake."""

    items: list[AudiobooksStatus]


class RateStep(_Of):
    """What was done from `at` on, until the next step."""

    at: datetime
    items: int
    files: int
    bytes: int
    slow: int


class Rates(BaseModel):
    """What a queue did over time, without gaps, the oldest first."""

    pipeline: str
    collection: str
    minutes: int = Field(description="The length of a step")
    items: list[RateStep]


Collection = Annotated[Name, Path(description="Name of the library or intake in the ledger.")]


@router.get("/status")
def read_status(connection: Connected, _: Reader, within: Within) -> HouseStatus:
    """Everything at a glance: queues, workers, mounts, bursts. Poll it every ten seconds at most."""
    hands = crew.hands(connection, within.settings)
    latest = bursts.listed(connection, limit=1)
    mounts: dict[str, int] = {}
    for one in mount_states.listed(connection):
        mounts[one.state] = mounts.get(one.state, 0) + 1
    states: dict[str, int] = {}
    for hand in hands:
        states[hand.state] = states.get(hand.state, 0) + 1
    return HouseStatus(
        queues=[queue_status(one) for one in totals.queues(within, connection)],
        workers=states,
        hosts=[_host(one) for one in crew.hosts(connection, within.settings, hands)],
        mounts=mounts,
        bursts_running=bursts.running(connection),
        last_burst=BurstSummary.model_validate(summary(latest[0])) if latest else None,
    )


@router.get("/status/books")
def list_books_status(connection: Connected, _: Reader, within: Within) -> BooksStatusList:
    """How each migration of a library stands: books, files by account, speed, slow files, workers."""
    names = totals.libraries(within, connection)
    return BooksStatusList(items=[_books(connection, within, one) for one in names])


@router.get("/status/books/{collection}")
def read_books_status(
    connection: Connected, _: Reader, within: Within, collection: Collection
) -> BooksStatus:
    """How the migration of one library stands."""
    if collection not in totals.libraries(within, connection):
        raise Missing("There is no such library in the ledger", collection)
    return _books(connection, within, collection)


@router.get("/status/audiobooks")
def list_audiobooks_status(connection: Connected, _: Reader, within: Within) -> AudiobooksStatusList:
    """How each intake stands: of all time and of this run, what is worked on, what waits for a person."""
    names = totals.intakes(within, connection)
    return AudiobooksStatusList(items=[_audiobooks(connection, within, one) for one in names])


@router.get("/status/audiobooks/{collection}")
def read_audiobooks_status(
    connection: Connected, _: Reader, within: Within, collection: Collection
) -> AudiobooksStatus:
    """How one intake stands."""
    if collection not in totals.intakes(within, connection):
        raise Missing("There is no such intake in the ledger", collection)
    return _audiobooks(connection, within, collection)


@router.get("/rates/{pipeline}/{collection}")
def read_rates(
    connection: Connected,
    _: Reader,
    pipeline: Annotated[Name, Path(description="A pipeline, such as books.")],
    collection: Collection,
    steps: Annotated[int, Query(ge=1, le=_MOST_STEPS, description="How many.")] = 60,
    minutes: Annotated[int, Query(ge=1, le=_MOST_MINUTES, description="How long each is.")] = 1,
) -> Rates:
    """What all workers of a queue did over time. Of the last 30 days something is known."""
    if (pipeline, collection) not in ledger.queues(connection):
        raise Missing("There is no such queue in the ledger", f"{pipeline}:{collection}")
    found = rates.series(connection, pipeline, collection, steps=steps, minutes=minutes)
    return Rates(
        pipeline=pipeline,
        collection=collection,
        minutes=minutes,
        items=[RateStep.model_validate(one) for one in found],
    )


def queue_status(one: Queue) -> QueueStatus:
    """A queue as it is told."""
    counts = one.counts.value
    return QueueStatus(
        pipeline=one.pipeline,
        collection=one.collection,
        state=_state(one),
        items=ItemCounts.model_validate(counts),
        counted_at=one.counts.at,
        per_minute=PerMinute.model_validate(one.speed),
        session=SessionTotals.model_validate(one.session),
        workers=dict(one.workers),
        rests_why=one.control.why,
        hours=one.control.hours,
        bandwidth=one.control.bandwidth,
    )


def _state(one: Queue) -> str:
    if one.counts.value.open + one.counts.value.paused == 0:
        return "finished"
    if one.control.rests:
        return "paused" if one.control.paused else "closed"
    return "running" if one.workers.get("running") else "waiting"


def _host(one: crew.Host) -> HostStatus:
    last = one.round
    return HostStatus(
        host=one.name,
        round_age=last.age if last else None,
        late=one.late,
        stuck=last.stuck if last else 0,
        why=last.why if last else "",
    )


def _books(connection: Connected, within: Within, collection: str) -> BooksStatus:
    found = totals.of_books(within, connection, collection)
    return BooksStatus.model_validate({**found.value.to_dict(), "counted_at": found.at})


def _audiobooks(connection: Connected, within: Within, collection: str) -> AudiobooksStatus:
    found = totals.of_audiobooks(within, connection, collection)
    return AudiobooksStatus.model_validate({**found.value.to_dict(), "counted_at": found.at})
