"""The queue: all items as a list, and one of them with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from medialift.queueing import listing
from medialift.queueing.listing import Lane, Listed, Place, Sort, Wanted
from medialift.web import items as standing
from medialift.web import paging
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.given import Id, Limit, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS, Problem

router = APIRouter(prefix="/api/v1", tags=["queue"], responses=PROBLEMS)

_LANES_SAY = (
    "running: a worker has it; retrying: tried again at `again_at`; waiting: to be done; person: somebody "
    "has to decide; held: by hand; failed, skipped, cancelled, done"
)


class QueueItem(BaseModel):
    """An item as lists show it."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": 4711,
                    "pipeline": "books",
                    "collection": "calibre",
                    "key": "815",
                    "title": "",
                    "lane": "retrying",
                    "state": "ready",
                    "priority": 0,
                    "attempts": 2,
                    "worker": "",
                    "again_at": "2026-11-29T15:04:05Z",
                    "error_kind": "transient",
                    "reason": "The book server does not answer: http://books.example.org. It is tried again.",
                    "files": 2,
                    "bytes": 1234567,
                    "created": "2026-11-28T12:00:00Z",
                    "changed": "2026-11-29T15:00:00Z",
                }
            ]
        },
    )

    id: int
    pipeline: str
    collection: str
    key: str = Field(description="What its pipeline knows it by: a book's number, the path of an audiobook")
    title: str = Field(description="What people call it, where that is known")
    lane: Lane = Field(description=_LANES_SAY)
    state: str = Field(description="The ledger's own word")
    priority: int = Field(description="The higher, the earlier")
    attempts: int
    worker: str = Field(description="Who has it; empty: nobody")
    again_at: datetime | None = Field(description="When it is tried again")
    error_kind: str
    reason: str = Field(description="Why it failed, was skipped or cancelled, or is tried again")
    files: int
    bytes: int
    created: datetime
    changed: datetime


class Attempt(BaseModel):
    """An attempt that did not succeed, or the one that did after others had not."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    worker: str
    started: datetime | None
    ended: datetime
    outcome: str = Field(description="again, failed, lost, done, skipped, cancelled")
    error_kind: str
    error_text: str


class ItemFile(BaseModel):
    """A file of a book."""

    model_config = ConfigDict(from_attributes=True)

    format: str
    path: str
    size: int
    state: str = Field(description="pending, uploaded, there, skipped or failed")
    step: str
    reason: str
    error_kind: str
    seconds: float | None = Field(description="How long its upload took")
    source_id: int | None
    ebook_id: int | None
    changed: datetime


class ItemRun(BaseModel):
    """An attempt at a stage of an audiobook that ended."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime | None
    stage: str
    outcome: str
    how: str
    attempt: int
    seconds: float
    error_kind: str
    error_text: str
    worker: str


class ItemChange(BaseModel):
    """What somebody did to it by hand."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    who: str
    what: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ItemDetails(QueueItem):
    """All that is known of an item."""

    lease_until: datetime | None = Field(
        description="Until when its worker has it, if nothing is heard of it"
    )
    cancel: bool = Field(description="Its worker is asked to leave it")
    payload: dict[str, Any] = Field(description="What its pipeline has written down to do it")
    result: dict[str, Any] | None
    history: list[Attempt] = Field(description="Its attempts, the latest first")
    log: list[str] = Field(description="What is known of it as lines with times, the oldest first")
    changes: list[ItemChange] = Field(description="What was done to it by hand, the latest first")
    book_files: list[ItemFile] = Field(description="Of a book of a library: what became of each file")
    runs: list[ItemRun] = Field(description="Of an audiobook: what each attempt at each stage came to")
    manifest: dict[str, Any] | None = Field(description="Of an audiobook: its intake.json, where it is here")
    failed_info: str = Field(description="Of an audiobook: FAILED_INFO.txt of the folder it was moved to")


@router.get("/queue")
def list_queue(
    connection: Connected,
    _: Reader,
    pipeline: Annotated[Word, Query(description="Only of this pipeline, such as books.")] = "",
    collection: Annotated[Word, Query(description="Only of this collection.")] = "",
    lane: Annotated[
        list[Lane] | None,
        Query(max_length=9, description=f"Only of these; several may be given. {_LANES_SAY}."),
    ] = None,
    text: Annotated[
        Word, Query(description="Part of a key, a title or an error, in any case. An exact key comes first.")
    ] = "",
    kind: Annotated[Word, Query(description="Only with this kind of error.")] = "",
    sort: Annotated[
        Sort,
        Query(
            description="lanes: as it is worked on; added and key, with - the other way round; changed only "
            "for lanes that have ended."
        ),
    ] = "lanes",
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[QueueItem]:
    """All items, those that are worked on first.

    With a search a page may hold fewer than `limit`, or none, and `next` still lead on: so many items are
    looked at for each page.
    """
    wanted = Wanted(pipeline, collection, tuple(lane or ()), text.strip(), kind, sort)
    found, following = listed(connection, wanted, cursor, limit)
    return Page(items=[QueueItem.model_validate(one) for one in found], next=following)


@router.get("/items/{item_id}")
def read_item(connection: Connected, _: Reader, within: Within, item_id: Id) -> ItemDetails:
    """One item: its attempts, its log, its files or its manifest, and what was done to it by hand."""
    found = standing.of(within, connection, item_id)
    return ItemDetails.model_validate(
        {
            **vars(found.listed),
            **{name: value for name, value in vars(found).items() if name != "listed"},
            "log": found.log(),
        },
        from_attributes=True,
    )


def listed(
    connection: Connection, wanted: Wanted, cursor: str | None, limit: int
) -> tuple[Sequence[Listed], str | None]:
    """One page of items, and the cursor of the next.

    Raises:
        Problem: 400, the cursor is of another list; 422, these lanes are not sorted so.
    """
    after = paging.decode(cursor, str, str, int)
    try:
        listing.check(wanted)
    except ValueError as error:
        raise Problem(422, "This list cannot be sorted so", wanted.sort, str(error)) from None
    try:
        found, place = listing.listed(connection, wanted, after=Place(*after) if after else None, limit=limit)
    except ValueError:
        raise Problem(400, "This is no cursor of this list", hint="Begin again without one") from None
    return found, paging.encode(place.lane, place.value, place.id) if place else None
