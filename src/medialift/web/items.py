"""One item with all that is known of it: attempts, files or runs, manifest, what was done to it by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from medialift.audiobooks import of_item, runs
from medialift.audiobooks.runs import Run
from medialift.audiobooks.stages import PIPELINE as AUDIOBOOKS
from medialift.books.plan_writing import PIPELINE as BOOKS
from medialift.foundation.text import redact
from medialift.queueing import listing
from medialift.queueing.listing import Listed
from medialift.web.context import Context
from medialift.web.problems import Missing

_SHOWN = 100

_MORE = text("select lease_until, cancel, payload, result from item where id = :id")
_ATTEMPTS = text(
    """
select number, coalesce(worker, '') as worker, started, ended, outcome,
       coalesce(error_kind, '') as error_kind, coalesce(error_text, '') as error_text
  from attempt where item_id = :id order by id desc limit :limit
"""
)
_FILES = text(
    """
select format, path, size, state, step, coalesce(reason, '') as reason,
       coalesce(error_kind, '') as error_kind, seconds, source_id, ebook_id, changed
  from book_file where item_id = :id order by format limit :limit
"""
)
_CHANGES = text(
    "select at, who, what, before, after from event where subject = :subject order by id desc limit :limit"
)


@dataclass(frozen=True)
class Known:
    """What is known of an item.

    Attributes:
        history: its attempts, the latest first. changes: by hand, the latest first.
        book_files: of a book. runs, manifest, failed_info: of an audiobook.
    """

    listed: Listed
    lease_until: datetime | None
    cancel: bool
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None
    history: Sequence[Row[Any]]
    changes: Sequence[Row[Any]]
    book_files: Sequence[Row[Any]] = ()
    runs: Sequence[Run] = ()
    manifest: Mapping[str, Any] | None = None
    failed_info: str = ""

    def log(self) -> list[str]:
        """What happened to it, as lines with times."""
        lines = [(self.listed.created, "planned")]
        for one in self.history:
            said = f": {one.error_text}" if one.error_text else ""
            by = f" by {one.worker}" if one.worker else ""
            lines.append((one.ended, f"attempt {one.number}{by}: {one.outcome}{said}"))
        lines += [(one.at, f"{one.what} by {one.who}") for one in self.changes]
        lines += [
            (one.at, f"{one.stage}: {one.outcome}" + (f": {one.error_text}" if one.error_text else ""))
            for one in self.runs
            if one.at is not None
        ]
        lines.append((self.listed.changed, f"now {self.listed.lane}"))
        return [f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} {redact(words)}" for at, words in sorted(lines)]


def of(within: Context, connection: Connection, number: int) -> Known:
    """The item of a number.

    Raises:
        Missing: there is none.
    """
    found = listing.one(connection, number)
    if found is None:
        raise Missing("There is no such item", number, "It may have been cleaned away; look at the queue")
    more = connection.execute(_MORE, {"id": number}).one()
    given = {"id": number, "limit": _SHOWN}
    subject = f"{found.pipeline}:{found.collection}/{found.key}"
    return Known(
        found,
        more.lease_until,
        more.cancel,
        more.payload,
        more.result,
        connection.execute(_ATTEMPTS, given).all(),
        connection.execute(_CHANGES, {"subject": subject, "limit": _SHOWN}).all(),
        **_of_pipeline(within, connection, found, more),
    )


def _of_pipeline(within: Context, connection: Connection, found: Listed, more: Row[Any]) -> dict[str, Any]:
    if found.pipeline == BOOKS:
        return {"book_files": connection.execute(_FILES, {"id": found.id, "limit": _SHOWN}).all()}
    settings = within.settings.audiobooks
    if found.pipeline != AUDIOBOOKS or found.collection != settings.collection:
        return {}
    try:
        book = of_item.find(settings, found.key, payload=more.payload, result=more.result)
    except ValueError:
        return {}
    return {
        "runs": runs.of_book(connection, found.collection, book.source, book.name, limit=_SHOWN),
        "manifest": book.manifest.model_dump(mode="json") if book.manifest is not None else None,
        "failed_info": book.info,
    }
