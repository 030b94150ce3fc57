"""The page of one item: how it stands, what was tried, what lies behind it, and what can be done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from medialift.web import items
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.given import Id
from medialift.web.pages import page
from medialift.web.queue import KINDS, WORDS

router = APIRouter(prefix="/items", include_in_schema=False)

FILE_KINDS = {"uploaded": "well", "there": "well", "skipped": "warn", "failed": "bad"}
OUTCOME_KINDS = {"done": "well", "failed": "bad", "lost": "bad", "again": "warn", "person": "warn"}


@router.get("/{id}")
def item_page(request: Request, _: Reader, within: Within, connection: Connected, id: Id) -> HTMLResponse:
    """An item of any pipeline."""
    found = items.of(within, connection, id)
    item = found.listed
    return page(
        request,
        "item.html",
        of=found,
        item=item,
        name=item.title or (f"book {item.key}" if item.pipeline == "books" else item.key),
        kinds=KINDS,
        words=WORDS,
        file_kinds=FILE_KINDS,
        outcome_kinds=OUTCOME_KINDS,
        topics="queue",
    )
