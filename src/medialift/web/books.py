"""The page of the books: how far the migration is, how fast it goes, and what was not brought over."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from medialift.books import ledger_files
from medialift.books import map as mapping
from medialift.books.accounts import ACCOUNTS
from medialift.queueing import rates
from medialift.web import totals
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.given import Word
from medialift.web.pages import page
from medialift.web.problems import Missing, Problem

router = APIRouter(prefix="/books", include_in_schema=False)

_LISTED = 100
SPANS = {
    "3h": ("3 hours", 180, 1),
    "1d": ("A day", 144, 10),
    "14d": ("Two weeks", 168, 120),
    "90d": ("Three months", 90, 1440),
}
"""(in words, steps, minutes of a step)."""
WORDS = {
    "uploaded": "uploaded",
    "there": "on the server already",
    "skipped": "skipped",
    "failed": "failed",
    "cancelled": "given up",
    "waiting": "waiting",
    "unaccounted": "not accounted for",
}


@router.get("")
def books_page(
    request: Request,
    _: Reader,
    within: Within,
    connection: Connected,
    collection: Word = "",
    span: Word = "3h",
    account: Word = "skipped",
    kind: Word = "",
) -> HTMLResponse:
    """How the migration of a library stands."""
    ours = within.settings.books.collection
    known = totals.libraries(within, connection)
    collection = collection or ours
    if collection not in known:
        raise Missing("There is no such library in the ledger", collection)
    if span not in SPANS:
        raise Problem(422, "There is no such span", span, f"There are: {', '.join(SPANS)}")
    if account not in ("skipped", "failed"):
        raise Problem(422, "Only these are listed: skipped, failed", account)
    counted = totals.of_books(within, connection, collection)
    now = counted.value
    steps, minutes = SPANS[span][1:]
    past = rates.series(connection, "books", collection, steps=steps, minutes=minutes)
    cells = within.kept.of(
        connection, ("books map", collection), lambda counting: mapping.cells(counting, collection)
    ).value
    reasons = now.accounts.reasons(account)
    if kind and kind not in reasons:
        raise Missing("No file has this reason", kind, "It may be none any more; look at all of them")
    listed = within.kept.of(
        connection,
        ("books files", collection, account, kind),
        lambda counting: ledger_files.listed(counting, collection, [account], kind=kind, limit=_LISTED),
    ).value
    return page(
        request,
        "books.html",
        collection=collection,
        collections=known,
        now=now,
        counted_at=counted.at,
        cells=cells,
        coarse=mapping.coarse(cells),
        span=span,
        spans=[(name, words) for name, (words, *_rest) in SPANS.items()],
        moved=any(one.files for one in past),
        times=[one.at.timestamp() for one in past],
        files=[round(one.files / minutes, 2) for one in past],
        bytes=[round(one.bytes / minutes) for one in past],
        accounts=[(name, WORDS[name], now.accounts.of(name)) for name in ACCOUNTS],
        account=account,
        kind=kind,
        reasons=reasons,
        listed=listed,
        most=_LISTED,
        topics="queue,workers",
    )
