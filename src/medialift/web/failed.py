"""The page of what did not go well, and of what was put away: why, what helps, and another try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, text

from medialift.audiobooks import brief, of_item
from medialift.audiobooks import shelf as shelves
from medialift.audiobooks.of_item import BookOfItem
from medialift.audiobooks.shelf import Shelved
from medialift.queueing import ledger
from medialift.queueing.listing import Listed
from medialift.web import paging, totals
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Word
from medialift.web.pages import page
from medialift.web.paging import CursorText
from medialift.web.problems import Problem
from medialift.web.queue import KINDS, WORDS, items_of

router = APIRouter(prefix="/failed", include_in_schema=False)

_ROWS = 25
TABS = (
    ("failed", "Failed"),
    ("person", "Wait for you"),
    ("skipped", "Skipped"),
    ("cancelled", "Given up"),
    ("archived", "Archived books"),
)
_KINDS = text(
    "select coalesce(error_kind, '') as kind, count(*) as items from item"
    " where pipeline = :pipeline and collection = :collection and state = 'failed' group by 1 order by 2 desc"
)
_DETAILS = text("select id, payload, result from item where id = any(:ids)")
_GUIDANCE = ("What to do:", "See also:")


@dataclass(frozen=True)
class Row:
    """An item that did not go well.

    Attributes:
        book: {title, authors, series, part, asin, seconds} as far as it is known.
        info: what FAILED_INFO.txt says. guidance: its line of what to do.
    """

    item: Listed
    book: Mapping[str, Any]
    info: str
    guidance: str

    @property
    def name(self) -> str:
        """What it is called for a person."""
        if self.book["title"] or self.item.title:
            return str(self.book["title"] or self.item.title)
        if self.item.pipeline == "books":
            return f"book {self.item.key}"
        return self.item.key.partition("/")[2] or self.item.key


@dataclass(frozen=True)
class Reason:
    """Why items of a queue failed, and how many did for it. `kind` is what `retry` is given."""

    pipeline: str
    collection: str
    kind: str
    count: int


@router.get("")
def failed_page(
    request: Request,
    _: Reader,
    within: Within,
    connection: Connected,
    lane: Annotated[Word, Query()] = "failed",
    pipeline: Word = "",
    collection: Word = "",
    words: Word = "",
    cursor: CursorText = None,
) -> HTMLResponse:
    """One lane of what did not go well, the latest first."""
    if lane not in dict(TABS):
        raise Problem(422, "There is no such list", lane, f"There are: {', '.join(dict(TABS))}")
    queue = f"{pipeline}:{collection}" if pipeline or collection else ""
    rows: tuple[Row, ...] = ()
    shelf: tuple[Shelved, ...] = ()
    if lane == "archived":
        shelf, following = _archived(within, connection, cursor)
    else:
        found, following = items_of(connection, queue, lane, words, "lanes", cursor, _ROWS)
        rows = rows_of(within, connection, found)
    queues = ledger.queues(connection)
    return page(
        request,
        "failed.html",
        tabs=TABS,
        lane=lane,
        rows=rows,
        shelf=shelf,
        reasons=_reasons(within, connection, queues, queue) if lane in ("failed", "skipped") else [],
        queues=[f"{one}:{of}" for one, of in queues],
        asked={"pipeline": pipeline, "collection": collection, "words": words},
        queue=queue,
        next=following,
        kinds=KINDS,
        state_words=WORDS,
        topics="queue",
    )


def rows_of(within: Context, connection: Connection, found: Sequence[Listed]) -> tuple[Row, ...]:
    """Items with what is known of the books behind them."""
    ids = [one.id for one in found if one.pipeline == "audiobooks"]
    details = {row.id: row for row in connection.execute(_DETAILS, {"ids": ids})} if ids else {}
    return tuple(_row(within, one, details.get(one.id)) for one in found)


def _row(within: Context, item: Listed, details: Any) -> Row:
    if details is None or item.collection != within.settings.audiobooks.collection:
        return Row(item, brief.NOTHING, "", "")
    book = of_item.find(within.settings.audiobooks, item.key, payload=details.payload, result=details.result)
    return Row(item, _known(book, details.payload, details.result), book.info, _guidance(book.info))


def _known(book: BookOfItem, payload: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    told = dict((result or {}).get("book") or {})
    if not told and book.manifest is not None:
        told = brief.of(book.manifest)
    if not told and book.source:
        told = brief.of_source(book.source, (payload.get("book") or {}).get("series"))
    return {**brief.NOTHING, **told}


def _guidance(info: str) -> str:
    lines = [line.strip() for line in info.splitlines()]
    for start in _GUIDANCE:
        for line in lines:
            if line.startswith(start):
                return line.removeprefix(start).strip()
    return ""


def _archived(
    within: Context, connection: Connection, cursor: str | None
) -> tuple[tuple[Shelved, ...], str | None]:
    after = paging.decode(cursor, datetime, int)
    found = shelves.shelf(
        connection,
        within.settings.audiobooks.collection,
        after=(after[0], after[1]) if after else None,
        limit=_ROWS + 1,
    )
    rows, more = paging.page(found, _ROWS)
    return tuple(rows), paging.encode(rows[-1].changed, rows[-1].id) if more else None


def _reasons(
    within: Context, connection: Connection, queues: list[tuple[str, str]], queue: str
) -> list[Reason]:
    found = []
    for pipeline, collection in queues:
        if queue in ("", f"{pipeline}:{collection}"):
            found += _reasons_of(within, connection, pipeline, collection)
    return found


def _reasons_of(within: Context, connection: Connection, pipeline: str, collection: str) -> list[Reason]:
    if pipeline == "books":
        # Of books it is their files that fail, each for its own reason, and by these `retry` finds them.
        counted = totals.tally(within, connection, collection).value.accounts
        files: Counter[str] = Counter()
        for account in ("failed", "skipped"):
            for kind, count in counted.reasons(account).items():
                files[kind] += count.files
        return [Reason(pipeline, collection, kind, count) for kind, count in files.most_common() if kind]
    given = {"pipeline": pipeline, "collection": collection}
    rows = within.kept.of(
        connection,
        ("failed kinds", pipeline, collection),
        lambda counting: [tuple(row) for row in counting.execute(_KINDS, given)],
    ).value
    return [Reason(pipeline, collection, kind, count) for kind, count in rows if kind]
