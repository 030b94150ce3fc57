"""What did not go well, with what is known of the books behind it, and what helps."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from medialift.queueing.listing import Wanted
from medialift.web import failed as page
from medialift.web.access.gate import Reader
from medialift.web.api.queue import QueueItem, listed
from medialift.web.context import Connected, Within
from medialift.web.given import Limit, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1", tags=["queue"], responses=PROBLEMS)


class FailedItem(QueueItem):
    """An item that did not go well, and its book where that is known."""

    authors: list[str]
    series: str
    part: str
    asin: str
    seconds: float = Field(description="How long the audiobook plays; 0: unknown")
    guidance: str = Field(description="What to do about it")
    info: str = Field(description="FAILED_INFO.txt of the folder that the book was moved to")


@router.get("/failed")
def list_failed(
    connection: Connected,
    _: Reader,
    within: Within,
    lane: Annotated[
        Literal["failed", "person", "skipped", "cancelled"],
        Query(description="failed; person: somebody has to decide; skipped; cancelled"),
    ] = "failed",
    pipeline: Word = "",
    collection: Word = "",
    text: Annotated[Word, Query(description="Part of a key, a title or an error.")] = "",
    kind: Annotated[Word, Query(description="Only with this kind of error.")] = "",
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[FailedItem]:
    """What did not go well, the latest first: what, why, of which book, and what helps."""
    wanted = Wanted(pipeline, collection, (lane,), text.strip(), kind)
    found, following = listed(connection, wanted, cursor, limit)
    return Page(items=[_failed(row) for row in page.rows_of(within, connection, list(found))], next=following)


def _failed(row: page.Row) -> FailedItem:
    book = row.book
    return FailedItem.model_validate(
        {
            **vars(row.item),
            "title": row.item.title or str(book["title"] or ""),
            "authors": [str(one) for one in book["authors"] or ()],
            "series": str(book["series"] or ""),
            "part": str(book["part"] or ""),
            "asin": str(book["asin"] or ""),
            "seconds": float(book["seconds"] or 0.0),
            "guidance": row.guidance,
            "info": row.info,
        }
    )
