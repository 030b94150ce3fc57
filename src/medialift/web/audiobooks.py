"""The pages of the audiobooks: how the intake stands, and each book with what is known of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from medialift.audiobooks import brief, of_item
from medialift.audiobooks import shelf as shelves
from medialift.web import audiobook_of_item, paging, totals
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.given import Id
from medialift.web.pages import page
from medialift.web.paging import CursorText
from medialift.web.problems import Missing

router = APIRouter(prefix="/audiobooks", include_in_schema=False)

_SHELF = 25
FIELDS = (
    ("title", "Title", "title"),
    ("subtitle", "Subtitle", "subtitle"),
    ("authors", "Authors", "authors"),
    ("narrators", "Narrators", "narrators"),
    ("series", "Series", "series"),
    ("series_part", "Part", "series_part"),
    ("publisher", "Publisher", "publisher"),
    ("release_date", "Released", "release_date"),
    ("language", "Language", "language"),
    ("genres", "Genres", "genres"),
    ("isbn", "ISBN", "isbn"),
    ("cover_url", "Address of a cover", "cover_url"),
)
"""(name, label, name among what was found) of the form's fields besides the ASIN."""


@router.get("")
def audiobooks_page(
    request: Request, _: Reader, within: Within, connection: Connected, cursor: CursorText = None
) -> HTMLResponse:
    """How the intake stands, what waits for a person, and the books that are made."""
    collection = within.settings.audiobooks.collection
    after = paging.decode(cursor, datetime, int)
    rows = shelves.shelf(
        connection, collection, after=(after[0], after[1]) if after else None, limit=_SHELF + 1
    )
    books, more = paging.page(rows, _SHELF)
    return page(
        request,
        "audiobooks.html",
        now=totals.of_audiobooks(within, connection, collection).value,
        settings=within.settings.audiobooks,
        books=books,
        next=paging.encode(books[-1].changed, books[-1].id) if more else None,
        topics="queue,workers",
    )


@router.get("/{id}")
def book_page(request: Request, _: Reader, within: Within, connection: Connected, id: Id) -> HTMLResponse:
    """A book: its cover, its chapters, what tagging changed, and what can be said of it."""
    found = audiobook_of_item.find(within, connection, id)
    manifest = found.book.manifest
    return page(
        request,
        "audiobook.html",
        of=found,
        manifest=manifest,
        known=_known(found),
        fields=FIELDS,
        said={name: _as_text(value) for name, value in found.said.items()},
        destinations=list(within.settings.audiobooks.destinations),
        has_cover=_has_cover(manifest),
        topics="queue",
    )


@router.get("/{id}/cover")
def cover(_: Reader, within: Within, connection: Connected, id: Id) -> Response:
    """The picture in the book's own file."""
    found = audiobook_of_item.find(within, connection, id)
    picture = of_item.cover(found.book) if found.here else None
    if picture is None:
        raise Missing("This book has no cover that can be shown", id)
    content, form = picture
    # A picture that somebody put into a book is shown as nothing else.
    headers = {"Cache-Control": "private, max-age=60", "Content-Security-Policy": "default-src 'none'"}
    return Response(content, media_type=f"image/{form}", headers=headers)


def _known(found: audiobook_of_item.Audiobook) -> dict[str, str]:
    """What is known of the book, in words; as it was tagged, or as its sources say."""
    manifest = found.book.manifest
    told: dict[str, Any]
    if manifest is None:
        told = brief.of_source(found.book.source) if found.book.source else {}
        return {name: _as_text(value) for name, value in told.items() if value}
    metadata, detected = manifest.tagging.metadata, manifest.sources.detected
    if metadata is None:
        told = {
            "authors": detected.author,
            "narrators": detected.narrator,
            "release_date": detected.year,
            **{
                name: getattr(detected, name)
                for name in ("title", "subtitle", "series", "series_part", "asin", "isbn", "language")
            },
            "publisher": detected.publisher,
            "description": detected.description,
        }
    else:
        told = {**metadata.to_dict(), "series_part": metadata.series.part if metadata.series else ""}
        told["series"] = metadata.series.name if metadata.series else ""
    return {name: _as_text(value) for name, value in told.items() if name != "origin" and value}


def _has_cover(manifest: Any) -> bool:
    return manifest is not None and (manifest.tagging.cover or manifest.conversion.cover) is not None


def _as_text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
