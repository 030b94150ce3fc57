"""Workers of all hosts, with the last minutes of each; what the healing found and did; and the mounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from medialift.healing import history
from medialift.healing.history import What
from medialift.queueing import mount_states, workers
from medialift.web import crew, paging
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.given import Limit, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1", tags=["workers"], responses=PROBLEMS)

_MOST_MINUTES = 1440


class Minute(BaseModel):
    """A minute in which a worker gave a sign of life, and its state."""

    at: datetime
    state: str


class WorkerStatus(BaseModel):
    """A worker and how it is."""

    name: str
    host: str
    pipeline: str
    collection: str
    state: Literal["well", "verifying", "resting", "ending", "ended", "paused", "silent", "stuck"]
    why: str
    phase: str
    pid: int
    started: datetime | None
    heartbeat: datetime | None
    silence: float | None = Field(description="Seconds since its last sign of life")
    last_progress: datetime | None
    current_item: int | None
    items: int = Field(description="Since it started")
    files: int
    bytes: int
    slow: int
    settings: dict[str, Any]
    remedy: str = Field(description="What the healing did to it last")
    attempts: int = Field(description="Remedies in a row that did not help")
    cause: str
    asked: str = Field(description="pause or release, asked for and not done yet")
    minutes: list[Minute] = Field(
        description="The minutes with a sign of life, the oldest first; in the others it was silent"
    )


class WorkerList(BaseModel):
    """All workers, those that need somebody first."""

    items: list[WorkerStatus]


class HealingEntry(BaseModel):
    """What the healing found, decided, did, or what came of it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime | None
    what: What
    host: str
    pipeline: str
    worker: str
    outcome: str
    subject: str = Field(description="One sentence for people")
    detail: dict[str, Any] = Field(description="The evidence, the decision, the difference")


class Mount(BaseModel):
    """A monitored mount of a host."""

    model_config = ConfigDict(from_attributes=True)

    host: str
    point: str
    name: str
    state: str = Field(description="healthy, degraded, stale, hung, foreign, empty, absent or unknown")
    since: datetime
    at: datetime = Field(description="When it was probed last")
    detail: dict[str, Any]


class MountList(BaseModel):
    """The monitored mounts of all hosts."""

    items: list[Mount]


@router.get("/workers")
def list_workers(
    connection: Connected,
    _: Reader,
    within: Within,
    pipeline: Annotated[Word, Query(description="Only of this pipeline.")] = "",
    host: Annotated[Word, Query(description="Only of this host.")] = "",
    minutes: Annotated[int, Query(ge=0, le=_MOST_MINUTES, description="So far back signs of life.")] = 60,
) -> WorkerList:
    """All workers of all hosts that are there, or ended within a day; those that need somebody first."""
    lived = workers.minutes(connection, minutes=minutes) if minutes else {}
    return WorkerList(
        items=[
            _worker(one, lived.get(one.name, []))
            for one in crew.hands(connection, within.settings)
            if pipeline in ("", one.pipeline) and host in ("", one.host)
        ]
    )


@router.get("/healing", tags=["healing"])
def list_healing(
    connection: Connected,
    _: Reader,
    worker: Word = "",
    pipeline: Word = "",
    host: Word = "",
    what: What | None = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[HealingEntry]:
    """What the healing of all hosts found and did, and why, the newest first. It goes back 90 days."""
    (before,) = paging.decode(cursor, int) or (None,)
    found = history.latest(
        connection,
        limit=limit + 1,
        worker=worker or None,
        pipeline=pipeline or None,
        host=host or None,
        what=what,
        before=before,
    )
    rows, more = paging.page(found, limit)
    return Page(
        items=[HealingEntry.model_validate(one) for one in rows],
        next=paging.encode(rows[-1].id) if more else None,
    )


@router.get("/mounts", tags=["mounts"])
def list_mounts(connection: Connected, _: Reader) -> MountList:
    """The monitored mounts of all hosts, as each host told last."""
    return MountList(items=[Mount.model_validate(one) for one in mount_states.listed(connection)])


def _worker(one: crew.Hand, lived: list[tuple[datetime, str]]) -> WorkerStatus:
    seen = one.seen
    return WorkerStatus.model_validate(
        {
            "name": one.name,
            "host": one.host,
            "pipeline": one.pipeline,
            "collection": one.collection,
            "state": one.state,
            "why": one.why,
            "phase": seen.phase if seen else "",
            "pid": seen.pid if seen else 0,
            "started": seen.started if seen else None,
            "heartbeat": seen.heartbeat if seen else None,
            "silence": max(0.0, seen.silence) if seen else None,
            "last_progress": seen.last_progress if seen else None,
            "current_item": seen.current_item if seen else None,
            "items": seen.items if seen else 0,
            "files": seen.files if seen else 0,
            "bytes": seen.bytes if seen else 0,
            "slow": seen.slow if seen else 0,
            "settings": dict(seen.settings) if seen else {},
            "remedy": one.care.remedy,
            "attempts": one.care.attempts,
            "cause": one.care.cause,
            "asked": one.asked.what if one.asked and not one.asked.refused else "",
            "minutes": [{"at": at, "state": state} for at, state in lived],
        }
    )
