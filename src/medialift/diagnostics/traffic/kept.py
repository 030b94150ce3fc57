"""Records in the ledger: there they are seen from every host, whichever worker made them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

_KEEP = text(
    """
insert into traffic_record (host, name, job, pipeline, worker, label, state, started, ended, requests, failed,
                            size, document)
values (:host, :name, :job, :pipeline, :worker, :label, :state, :started, :ended, :requests, :failed, :size,
        :document)
on conflict (host, name) do update
   set state = :state, ended = :ended, requests = :requests, failed = :failed, size = :size,
       document = :document
"""
)
_COLUMNS = "host, name, job, pipeline, worker, label, state, started, ended, requests, failed, size"
_LATEST = text(
    f"select {_COLUMNS} from traffic_record"  # noqa: S608
    " where started < coalesce(cast(:before as timestamptz), 'infinity')"
    " order by started desc, host, name limit :limit"
)
_OF_JOB = text("select document from traffic_record where job = :job order by started, host limit :limit")
_KNOWN = text("select name from traffic_record where host = :host and name = any(:names)")
_FORGET = text(
    "delete from traffic_record where ended <= now() - make_interval(secs => :age) returning host, name"
)


def keep(connection: Connection, name: str, document: Mapping[str, Any], content: bytes) -> None:
    """Put a record into the ledger; one that is there already is replaced."""
    figures = document["figures"]
    connection.execute(
        _KEEP,
        {
            "name": name,
            **{one: str(document.get(one, "")) for one in ("host", "job", "pipeline", "worker", "label")},
            **{one: document[one] for one in ("state", "started", "ended")},
            "requests": figures["requests"],
            "failed": figures["failed"],
            "size": len(content),
            # It is the same few words again and again: a tenth is left of it.
            "document": zlib.compress(content, 6),
        },
    )


def latest(connection: Connection, *, limit: int = 100, before: str | None = None) -> list[dict[str, Any]]:
    """The newest records without their documents, those that began last first."""
    rows = connection.execute(_LATEST, {"limit": limit, "before": before})
    return [row._asdict() for row in rows]


def documents(connection: Connection, job: str, *, limit: int = 200) -> list[dict[str, Any]]:
    """The documents of a job, in the order in which they began."""
    rows = connection.execute(_OF_JOB, {"job": job, "limit": limit}).scalars()
    return [json.loads(zlib.decompress(content)) for content in rows]


def known(connection: Connection, host: str, names: Iterable[str]) -> set[str]:
    """Which of a host's records are in the ledger."""
    return set(connection.execute(_KNOWN, {"host": host, "names": list(names)}).scalars())


def forget(connection: Connection, older_than: float) -> list[tuple[str, str]]:
    """Delete records that ended so many seconds ago: (host, name) of each."""
    return [(row.host, row.name) for row in connection.execute(_FORGET, {"age": older_than})]
