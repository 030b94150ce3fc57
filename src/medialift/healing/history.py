"""The history of the healing in the ledger: what was found, decided and done, with the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.healing.plain import plain


class What(StrEnum):
    """The kinds of entries."""

    FINDING = "finding"
    """A worker is stuck, or something around the workers is wrong; with the evidence."""
    DECISION = "decision"
    REMEDY = "remedy"
    VERIFICATION = "verification"
    ESCALATION = "escalation"
    RELEASE = "release"
    SCALING = "scaling"
    CODE_FIX = "code_fix"


@dataclass(frozen=True)
class Entry:
    """One entry.

    Attributes:
        host: whose healing it was.
        pipeline, worker: what it is about; "" when it is about none.
        outcome: one word, such as stuck, applied, recovered, ineffective, refused, up or down.
        subject: one sentence for people.
        detail: the evidence, the decision, the diff: whatever explains it. Kept as JSON, secrets masked.
        id, at: given by the ledger.
    """

    what: What
    host: str
    pipeline: str = ""
    worker: str = ""
    outcome: str = ""
    subject: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    id: int = 0
    at: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """For modules and `--json`: JSON's types only."""
        return {**asdict(self), "what": self.what.value, "at": self.at.isoformat() if self.at else None}


_RECORD = text(
    "insert into finding (what, host, pipeline, worker, outcome, subject, detail)"
    " values (:what, :host, :pipeline, :worker, :outcome, :subject, :detail) returning id"
).bindparams(bindparam("detail", type_=JSONB()))
_LATEST = text(
    """
select what, host, pipeline, worker, outcome, subject, detail, id, at from finding
 where (cast(:worker as text) is null or worker = :worker)
   and (cast(:pipeline as text) is null or pipeline = :pipeline)
   and (cast(:what as text) is null or what = :what)
   and (cast(:host as text) is null or host = :host)
   and (cast(:before as bigint) is null or id < :before)
 order by id desc limit :limit
"""
)


def record(connection: Connection, entry: Entry) -> int:
    """Write an entry in the caller's transaction; its id."""
    given = plain(
        {
            "what": entry.what,
            "host": entry.host,
            "pipeline": entry.pipeline,
            "worker": entry.worker,
            "outcome": entry.outcome,
            "subject": entry.subject,
            "detail": dict(entry.detail),
        }
    )
    return int(connection.execute(_RECORD, given).scalar_one())


def latest(
    connection: Connection,
    *,
    limit: int = 50,
    worker: str | None = None,
    pipeline: str | None = None,
    what: str | None = None,
    host: str | None = None,
    before: int | None = None,
) -> list[Entry]:
    """The latest entries, the newest first.

    Args:
        before: only those that are older than the entry with this id: to page on.
    """
    rows = connection.execute(
        _LATEST,
        {
            "limit": limit,
            "worker": worker,
            "pipeline": pipeline,
            "what": None if what is None else str(what),
            "host": host,
            "before": before,
        },
    )
    return [Entry(What(row.what), *row[1:]) for row in rows]
