"""How the intake stands: figures, what is worked on, what waits for whom. One source for all who show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from medialift.audiobooks import metrics, runs, todo
from medialift.audiobooks.metrics import Figures
from medialift.audiobooks.runs import Run
from medialift.audiobooks.stages import PIPELINE, parted
from medialift.queueing import control, workers
from medialift.queueing.control import Control
from medialift.queueing.workers import Worker

RECENT, FAILURES = 10, 5
_LISTED = 200

_WAITING = text(
    f"""
select id, key, state, attempts, not_before, not_before > now() as later, bytes, lease_owner, error_kind,
       error_text, payload->>'put_aside' as put_aside, result
  from item
 where pipeline = :pipeline and collection = :collection
   and (state in ('leased', 'ready', 'paused', 'failed') or (state = 'skipped' and result ? 'waits_for'))
 order by case state when 'leased' then 0 when 'ready' then 1 else 2 end, priority desc, id
 limit {_LISTED}
"""  # noqa: S608  a number of ours
)


@dataclass(frozen=True)
class Waiting:
    """An item that is not done.

    Attributes:
        stage: convert, tag or deliver. name: the book's path in the inbox, or its folder in converted.
        state: working, waiting (for its turn), again (for a later attempt), held (by hand), failed, refused
            (it cannot be told what it is), person (somebody has to decide).
        why: the error, or what a person has to decide; "" when there is nothing to say.
        again_at: when it is tried again.
        put_aside: where a failed book was moved to.
        details: what a person needs to decide: needs, candidates.
        id: of the item.
    """

    stage: str
    name: str
    state: str
    attempts: int = 0
    bytes: int = 0
    worker: str = ""
    why: str = ""
    again_at: datetime | None = None
    put_aside: str = ""
    details: Mapping[str, Any] | None = None
    id: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "stage": self.stage,
            "name": self.name,
            "state": self.state,
            "attempts": self.attempts,
            "bytes": self.bytes,
            "worker": self.worker,
            "why": self.why,
            "again_at": self.again_at.isoformat() if self.again_at else "",
            "put_aside": self.put_aside,
            "details": dict(self.details or {}),
        }


@dataclass(frozen=True)
class Status:
    """How the intake of one collection stands.

    Attributes:
        recent: the last 10 conversions. failures: the last 5 attempts of any stage that failed for good.
        items: what is not done, what is worked on first; 200 of them at most.
        hindered: what remains to be done after attempts and could not be done so far.
    """

    collection: str
    figures: Figures
    recent: tuple[Run, ...]
    failures: tuple[Run, ...]
    items: tuple[Waiting, ...]
    workers: tuple[Worker, ...]
    control: Control
    hindered: tuple[Mapping[str, Any], ...]

    @property
    def working(self) -> list[Waiting]:
        """What workers have in hand now."""
        return [one for one in self.items if one.state == "working"]

    @property
    def queue(self) -> list[Waiting]:
        """What waits for its turn or for a later attempt, and what is held by hand."""
        return [one for one in self.items if one.state in ("waiting", "again", "held")]

    @property
    def for_person(self) -> list[Waiting]:
        """What only a person can bring further: matches, approvals, refused and failed books."""
        return [one for one in self.items if one.state in ("person", "refused", "failed")]

    @property
    def finished(self) -> bool:
        """Nothing is worked on, waits, or remains to be done."""
        return not self.working and not self.queue and not self.figures.todo

    def to_dict(self) -> dict[str, Any]:
        """{collection, lifetime, this_run, tagging, delivered, backlog, queue_depth, todo, recent, failures,
        working, queue, for_person, workers, control, hindered, finished}."""
        told = self.figures.to_dict()
        return {
            "collection": self.collection,
            **{name: value for name, value in told.items() if name != "queue"},
            "queue_depth": told["queue"],
            "recent": [run.to_dict() for run in self.recent],
            "failures": [run.to_dict() for run in self.failures],
            "working": [one.to_dict() for one in self.working],
            "queue": [one.to_dict() for one in self.queue],
            "for_person": [one.to_dict() for one in self.for_person],
            "workers": [_worker(one) for one in self.workers],
            "control": {**self.control.to_dict(), "why": self.control.why},
            "hindered": [dict(one) for one in self.hindered],
            "finished": self.finished,
        }


def status(connection: Connection, collection: str, figures: Figures | None = None) -> Status:
    """How it stands now.

    Args:
        figures: what was counted a moment ago, by whoever asks more often than it can be counted.
    """
    rows = connection.execute(_WAITING, {"pipeline": PIPELINE, "collection": collection})
    return Status(
        collection=collection,
        figures=figures or metrics.read(connection, collection),
        recent=tuple(runs.latest(connection, collection, outcomes=("done", "failed"), limit=RECENT)),
        failures=tuple(
            runs.latest(
                connection,
                collection,
                stages=("convert", "tag", "deliver"),
                outcomes=("failed",),
                limit=FAILURES,
            )
        ),
        items=tuple(map(_waiting, rows)),
        workers=tuple(
            one
            for one in workers.listed(connection)
            if one.pipeline == PIPELINE and one.collection == collection and one.state != "gone"
        ),
        control=control.read(connection, PIPELINE, collection),
        hindered=tuple(todo.hindered(connection, collection)),
    )


def _waiting(row: Any) -> Waiting:
    stage, name = parted(row.key)
    result = row.result or {}
    if row.state == "skipped":
        state, why = "person", str(result.get("reason", ""))
    elif row.state == "failed":
        state, why = ("refused" if row.error_kind == "refused" else "failed"), row.error_text or ""
    else:
        again = row.state == "ready" and row.later
        names = {"leased": "working", "paused": "held", "ready": "again" if again else "waiting"}
        state, why = names[row.state], (row.error_text or "") if again else ""
    return Waiting(
        stage=stage,
        name=name,
        state=state,
        attempts=row.attempts,
        bytes=row.bytes,
        worker=row.lease_owner or "" if row.state == "leased" else "",
        why=why,
        again_at=row.not_before if state == "again" else None,
        put_aside=row.put_aside or "",
        details=result if row.state == "skipped" else None,
        id=row.id,
    )


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "name": worker.name,
        "state": worker.state,
        "phase": worker.phase,
        "since": worker.started.isoformat(),
        "silence": worker.silence,
        "paused_why": worker.paused_why,
    }
