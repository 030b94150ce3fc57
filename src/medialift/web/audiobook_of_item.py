"""An audiobook as its page shows it: its items in the ledger, and what lies in the intake's folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from medialift.audiobooks import of_item
from medialift.audiobooks.of_item import BookOfItem
from medialift.audiobooks.stages import CONVERT, DELIVER, PIPELINE, STAGES, TAG, key_of, parted
from medialift.web.context import Context
from medialift.web.problems import Missing, Problem

_COLUMNS = """
select id, pipeline, collection, key, state, priority, attempts, bytes, weight, created, changed, not_before,
       state = 'ready' and not_before > now() as later, coalesce(lease_owner, '') as worker, cancel,
       coalesce(error_kind, '') as error_kind, coalesce(error_text, '') as error_text, payload, result
  from item"""
_ITEM = text(f"{_COLUMNS} where id = :id")
_OF_BOOK = text(f"{_COLUMNS} where pipeline = :pipeline and collection = :collection and key = any(:keys)")
# Of a book whose folder is not here, the ledger knows the conversion by the name that it came to.
_CONVERSION = text(
    f"{_COLUMNS} where pipeline = :pipeline and collection = :collection and key like 'convert/%'"
    " and result->>'name' = :name order by id desc limit 1"
)


@dataclass(frozen=True)
class Audiobook:
    """One book.

    Attributes:
        item: the one that was asked for. stages: all of the book, by stage.
        here: whether it is of the inbox of this dashboard's settings: only then anything can be done to it.
        said: what a person said of it, what is not yet written into it (`waiting`) among it.
    """

    item: Row[Any]
    stages: Mapping[str, Row[Any]]
    book: BookOfItem
    here: bool
    said: Mapping[str, Any]
    waiting: Mapping[str, Any]

    @property
    def title(self) -> str:
        """What it is called: as it was tagged, or by its folder."""
        manifest = self.book.manifest
        known = manifest.tagging.metadata if manifest is not None else None
        return (known.title if known is not None else "") or self.book.name or self.book.source


def find(within: Context, connection: Connection, number: int) -> Audiobook:
    """The book of an item.

    Raises:
        Problem: 404, there is no such item; 409, it is of something else.
    """
    item = connection.execute(_ITEM, {"id": number}).one_or_none()
    if item is None:
        raise Missing("There is no such item", number, "It may have been cleaned away; look at the queue")
    if item.pipeline != PIPELINE:
        raise Problem(409, "This is no audiobook", f"{item.pipeline}:{item.collection}/{item.key}")
    settings = within.settings.audiobooks
    book = of_item.find(settings, item.key, payload=item.payload, result=item.result)
    found: dict[str, Row[Any]] = {parted(item.key)[0]: item, **_others(connection, item.collection, book)}
    conversion, tagging = found.get(CONVERT), found.get(TAG)
    if conversion is not None and item.id != conversion.id and not (book.info or book.sources):
        # Where its sources are is known with its conversion.
        book = of_item.find(settings, conversion.key, payload=conversion.payload, result=conversion.result)
    waiting = tagging.payload.get("override") or {} if tagging is not None and tagging.state != "done" else {}
    written = dict(book.manifest.override) if book.manifest is not None else {}
    said = {name: value for name, value in {**written, **waiting}.items() if value is not None}
    stages = {str(stage): found[stage] for stage in STAGES if stage in found}
    return Audiobook(item, stages, book, item.collection == settings.collection, said, waiting)


def _others(connection: Connection, collection: str, book: BookOfItem) -> dict[str, Row[Any]]:
    keys = [key_of(stage, book.name) for stage in (TAG, DELIVER) if book.name]
    if book.source:
        keys.append(key_of(CONVERT, book.source))
    given = {"pipeline": PIPELINE, "collection": collection}
    found = {parted(row.key)[0]: row for row in connection.execute(_OF_BOOK, {**given, "keys": keys})}
    if CONVERT not in found and book.name:
        row = connection.execute(_CONVERSION, {**given, "name": book.name}).one_or_none()
        if row is not None:
            found[CONVERT] = row
    return {str(stage): row for stage, row in found.items()}
