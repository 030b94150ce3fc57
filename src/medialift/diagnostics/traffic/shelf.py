"""All records that can be seen from here: those in the ledger, and those on this host's disk."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from medialift.diagnostics.traffic import analysis, finishing, har, kept, names, reading
from medialift.diagnostics.traffic.names import Named
from medialift.errors import Permanent
from medialift.settings import DiagnosticsSettings

_MOST = 200


class NoRecord(Permanent):
    """There is no record of a job."""


@dataclass(frozen=True)
class Listed:
    """A record, without what is in it."""

    job: str
    name: str
    host: str
    pipeline: str
    worker: str
    label: str
    state: str
    started: datetime
    ended: datetime
    requests: int
    failed: int
    size: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON: moments as ISO 8601."""
        return {**asdict(self), "started": self.started.isoformat(), "ended": self.ended.isoformat()}


class Shelf:
    """Where records are looked for.

    A file is found by what its name says, among those that are in the folder: no path is ever made of what
    somebody asked for.

    Args:
        connection: to the ledger; None: only the disk is looked at.
    """

    def __init__(self, settings: DiagnosticsSettings, connection: Connection | None = None) -> None:
        self._settings, self._connection = settings, connection

    def latest(self, limit: int = 100) -> list[Listed]:
        """The newest records, those that began last first; of jobs that go on as well."""
        in_ledger = kept.latest(self._connection, limit=limit) if self._connection is not None else []
        found = [Listed(**row) for row in in_ledger]
        local = sorted(self._local(), key=lambda one: one.started, reverse=True)[: min(limit, _MOST)]
        here = socket.gethostname()
        known = (
            kept.known(self._connection, here, (one.closed for one in local)) if self._connection else set()
        )
        for one in local:
            if one.closed not in known:
                # One that is damaged is not worth an error: it stays on the disk for whoever wants to see.
                with suppress(Permanent, OSError, ValueError, KeyError, TypeError):
                    content = self._content(one)
                    found.append(_listed(one, _document(content), len(content), here))
        found.sort(key=lambda one: one.started, reverse=True)
        return found[:limit]

    def documents(self, job: str) -> list[dict[str, Any]]:
        """The records of a job, in the order in which they began: several workers may have worked on it.

        Raises:
            Permanent: this is no id. NoRecord: there is none.
        """
        names.check(job)
        found = kept.documents(self._connection, job) if self._connection is not None else []
        have = {(one["host"], one["started"]) for one in found}
        for one in self._local():
            if one.job == job:
                with suppress(Permanent, OSError, ValueError):
                    read = _document(self._content(one))
                    if (read.get("host"), read.get("started")) not in have:
                        found.append(read)
        if not found:
            raise NoRecord(
                "There is no record of this job",
                job,
                "Switch the batch debug log on and let it run again; `batch-debug status` lists the records",
            )
        return sorted(found, key=lambda one: str(one["started"]))

    def summary(self, job: str) -> dict[str, Any]:
        """What the traffic of a job means.

        Raises:
            As `documents`.
        """
        return analysis.of_records(self.documents(job))

    def full_log(self, job: str) -> dict[str, Any]:
        """The summary of a job and all that is kept of it.

        Raises:
            As `documents`.
        """
        found = self.documents(job)
        return {"job_id": job, "summary": analysis.of_records(found), "records": found}

    def har(self, job: str) -> dict[str, Any]:
        """The requests of a job as an HTTP archive.

        Raises:
            As `documents`.
        """
        return har.archive(self.documents(job))

    def _local(self) -> list[Named]:
        try:
            found = [names.parsed(path.name) for path in self._settings.folder.iterdir()]
        except OSError:
            return []
        return [one for one in found if one is not None]

    def _content(self, one: Named) -> bytes:
        path: Path = self._settings.folder / one.file
        if one.open:
            try:
                return finishing.so_far(path, at_most=self._settings.file_bytes)
            except FileNotFoundError:
                path = self._settings.folder / one.closed  # its job ended just now
        return reading.content(path)


def _document(content: bytes) -> dict[str, Any]:
    found = json.loads(content)
    if not isinstance(found, dict) or not {"job", "started", "figures"} <= found.keys():
        raise ValueError
    return found


def _listed(one: Named, document: Mapping[str, Any], size: int, host: str) -> Listed:
    figures = document["figures"]
    told = {name: str(document.get(name, "")) for name in ("pipeline", "worker", "label", "state")}
    return Listed(
        job=one.job,
        name=one.closed,
        host=str(document.get("host", host)),
        **told,
        started=one.started,
        ended=datetime.fromisoformat(str(document["ended"])),
        requests=int(figures["requests"]),
        failed=int(figures["failed"]),
        size=size,
    )
