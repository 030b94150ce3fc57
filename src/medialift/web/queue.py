"""The page of the queue: every queue with what holds it up, and all items as a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from medialift.queueing import control, ledger, workers
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts
from medialift.queueing.listing import ENDED, LANES, SORTS, Listed, Wanted
from medialift.queueing.workers import Speed
from medialift.web import totals
from medialift.web.access.gate import Reader
from medialift.web.api.queue import listed
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Word
from medialift.web.kept import Counted
from medialift.web.pages import page
from medialift.web.paging import CursorText
from medialift.web.problems import Problem

router = APIRouter(prefix="/queue", include_in_schema=False)

_ROWS = 25
KINDS = {
    "running": "busy",
    "retrying": "warn",
    "person": "warn",
    "failed": "bad",
    "done": "well",
}
WORDS = {
    "running": "running",
    "retrying": "tried again",
    "waiting": "waiting",
    "person": "waits for you",
    "held": "held",
    "failed": "failed",
    "skipped": "skipped",
    "cancelled": "cancelled",
    "done": "done",
}
_SORT_WORDS = {
    "lanes": "as it is worked on",
    "added": "the oldest first",
    "-added": "the newest first",
    "key": "by name",
    "-key": "by name, backwards",
    "changed": "unchanged for longest",
    "-changed": "changed last",
}

LaneWord = Annotated[Word, Query(alias="lane")]


@dataclass(frozen=True)
class Queue:
    """One queue: how many items are how, how fast it goes, and how it is to run."""

    pipeline: str
    collection: str
    counts: Counted[Counts]
    speed: Speed
    control: Control


@router.get("")
def queue_page(
    request: Request,
    _: Reader,
    within: Within,
    connection: Connected,
    queue: Word = "",
    lane: LaneWord = "",
    words: Word = "",
    sort: Word = "lanes",
    cursor: CursorText = None,
) -> HTMLResponse:
    """What is worked on first, then what waits, then what has ended."""
    found, following = items_of(connection, queue, lane, words, sort, cursor, _ROWS)
    asked = {"queue": queue, "lane": lane, "words": words, "sort": sort if sort != "lanes" else ""}
    queues = ledger.queues(connection)
    return page(
        request,
        "queue.html",
        queues=[queue_of(within, connection, *one) for one in queues],
        names=[f"{pipeline}:{collection}" for pipeline, collection in queues],
        items=found,
        next=following,
        asked=asked,
        lanes=[(name, WORDS[name]) for name in LANES],
        sorts=list(_SORT_WORDS.items()),
        kinds=KINDS,
        words=WORDS,
        topics="queue,workers",
    )


def queue_of(within: Context, connection: Connection, pipeline: str, collection: str) -> Queue:
    """How a queue stands."""
    counts = totals.counts(within, connection, pipeline, collection)
    speed = workers.speed(connection, pipeline, collection)
    return Queue(pipeline, collection, counts, speed, control.read(connection, pipeline, collection))


def items_of(
    connection: Connection, queue: str, lane: str, words: str, sort: str, cursor: str | None, limit: int
) -> tuple[Sequence[Listed], str | None]:
    """One page of items, and the cursor of the next.

    Raises:
        Problem: 422, there is no such lane or order; 400, the cursor is of another list.
    """
    if lane and lane not in LANES:
        raise Problem(422, "There is no such lane", lane, f"There are: {', '.join(LANES)}")
    if sort not in SORTS:
        raise Problem(422, "There is no such order", sort, f"There are: {', '.join(SORTS)}")
    pipeline, _, collection = queue.partition(":")
    # The latest change first is how a lane that has ended is listed anyhow, along an index of its own.
    by_lane = sort == "-changed" and lane in ENDED
    wanted = Wanted(
        pipeline, collection, (lane,) if lane else (), words.strip(), sort="lanes" if by_lane else sort
    )
    return listed(connection, wanted, cursor, limit)
