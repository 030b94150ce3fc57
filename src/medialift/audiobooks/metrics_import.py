"""Taking over the figures that auto-m4b kept in its metrics.json.

Its single conversions (the last 100) become runs of ours, marked as imported; what its lifetime totals count
beyond those is kept as a sum. The file, as src/lib/metrics.py of DarthDobber/auto-m4b writes it, is
`{lifetime_successful, lifetime_failed, lifetime_duration_seconds, lifetime_bytes_processed,
fastest_conversion_seconds, slowest_conversion_seconds, history: [{book_name, status: success|failed,
duration_seconds, timestamp, file_size_bytes, error_message}], …}`; a time of 0 means that there was none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from medialift.audiobooks import runs
from medialift.audiobooks.runs import Run
from medialift.errors import Permanent

_KEEP = text(
    "insert into audiobook_import (collection, digest, totals) values (:collection, :digest, :totals)"
    " on conflict do nothing returning digest"
).bindparams(bindparam("totals", type_=JSONB()))


class _Conversion(BaseModel):
    book_name: str
    status: str
    duration_seconds: float = Field(default=0, ge=0)
    timestamp: float = Field(default=0, ge=0)
    file_size_bytes: int = Field(default=0, ge=0)
    error_message: str = ""

    @property
    def succeeded(self) -> bool:
        return self.status == "success"


class _File(BaseModel):
    lifetime_successful: int = Field(ge=0)
    lifetime_failed: int = Field(ge=0)
    lifetime_duration_seconds: float = Field(default=0, ge=0)
    lifetime_bytes_processed: int = Field(default=0, ge=0)
    fastest_conversion_seconds: float = Field(default=0, ge=0)
    slowest_conversion_seconds: float = Field(default=0, ge=0)
    history: tuple[_Conversion, ...] = ()


@dataclass(frozen=True)
class Imported:
    """What a file held: its conversions one by one, and what its totals count beyond them."""

    digest: str
    runs: tuple[Run, ...]
    totals: Mapping[str, Any]


def read(path: Path) -> Imported:
    """What is to be taken over from a metrics.json.

    Raises:
        Permanent: it is not there, cannot be read, or is something else.
    """
    try:
        content = path.read_bytes()
        told = _File.model_validate(json.loads(content))
    except OSError as error:
        raise Permanent(
            "The figures cannot be read", f"{path}: {error.strerror}", "Name a metrics.json"
        ) from None
    except (ValidationError, ValueError):
        raise Permanent(
            "This file holds no figures of auto-m4b",
            str(path),
            "Name the metrics.json of its converted folder",
        ) from None
    ended = tuple(map(_run, told.history))
    succeeded = [one for one in told.history if one.succeeded]
    return Imported(
        digest=hashlib.sha256(content).hexdigest(),
        runs=ended,
        totals={
            "converted": max(0, told.lifetime_successful - len(succeeded)),
            "failed": max(0, told.lifetime_failed - (len(ended) - len(succeeded))),
            "seconds": max(
                0.0, told.lifetime_duration_seconds - sum(one.duration_seconds for one in told.history)
            ),
            "bytes": max(0, told.lifetime_bytes_processed - sum(one.file_size_bytes for one in succeeded)),
            "fastest": told.fastest_conversion_seconds or None,
            "slowest": told.slowest_conversion_seconds or None,
        },
    )


def write(connection: Connection, collection: str, imported: Imported) -> bool:
    """Take it over; False when this very file was taken over before."""
    given = {"collection": collection, "digest": imported.digest, "totals": dict(imported.totals)}
    if connection.execute(_KEEP, given).first() is None:
        return False
    for run in imported.runs:
        runs.record(connection, collection, run)
    return True


def _run(told: _Conversion) -> Run:
    return Run(
        stage="convert",
        key=told.book_name,
        outcome="done" if told.succeeded else "failed",
        name=told.book_name if told.succeeded else "",
        seconds=told.duration_seconds,
        bytes=told.file_size_bytes,
        error_text=told.error_message,
        at=datetime.fromtimestamp(told.timestamp, UTC),
        imported=True,
    )
