"""What is done to whole queues: pause, resume, when and how fast, and all that failed in them again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from medialift.audiobooks.enqueue import REFUSED
from medialift.books import retrying as books
from medialift.books.means import SAFETY
from medialift.queueing import control, doorbell, items
from medialift.queueing.control import Control
from medialift.queueing.items import ALL, Which
from medialift.web.actions.acting import Acting
from medialift.web.actions.items import Done, retry_many
from medialift.web.confirming import confirmed

# A folder that cannot be taken as it lies is not made better by another look.
_FAILED = text(
    "select id from item where pipeline = :pipeline and collection = :collection and state = 'failed'"
    " and error_kind is distinct from :refused and (:kind = '' or error_kind = :kind) order by id"
)


def pause(acting: Acting, pipeline: str, collection: str, why: str = "") -> Done:
    """Have nothing more begun in a queue, on any host. What is in hand is finished."""
    acting.queue(pipeline, collection)
    return Done(int(control.pause(acting.connection, pipeline, collection, why=why, who=acting.who)))


def resume(acting: Acting, pipeline: str, collection: str) -> Done:
    """Let a queue go on."""
    acting.queue(pipeline, collection)
    changed = control.resume(acting.connection, pipeline, collection, who=acting.who)
    if changed:
        doorbell.ring(acting.connection, pipeline, collection)
    return Done(int(changed))


def steer(acting: Acting, pipeline: str, collection: str, **wanted: Any) -> Control:
    """Say when a queue runs and how fast: hours, bandwidth, batch, parallel; what is not named stays."""
    acting.queue(pipeline, collection)
    control.change(acting.connection, pipeline, collection, who=acting.who, **wanted)
    return control.read(acting.connection, pipeline, collection)


def retry(acting: Acting, pipeline: str, collection: str, kind: str = "") -> Done:
    """Try everything again that failed, or all that failed by one kind of error."""
    queue = acting.queue(pipeline, collection)
    connection = acting.connection
    if pipeline == "audiobooks":
        # What is refused, or somebody works on, does not keep the others.
        given = {"pipeline": pipeline, "collection": collection, "refused": REFUSED, "kind": kind}
        return retry_many(acting, list(connection.execute(_FAILED, given).scalars()))
    if pipeline == "books":
        largest = acting.within.settings.books.max_upload - SAFETY
        count = books.retry(
            connection,
            collection,
            kinds=[kind] if kind else [],
            every=not kind,
            largest=largest,
            noted=False,
        ).books
    else:
        count = items.retry(connection, pipeline, collection, Which(error_kind=kind) if kind else ALL)
    if count:
        acting.audit("retry", queue, before={"state": "failed", "kind": kind}, after={"items": count})
        doorbell.ring(connection, pipeline, collection)
    return Done(count)


def cancel(acting: Acting, pipeline: str, collection: str, *, confirm: str | None, why: str = "") -> Done:
    """Give up everything in a queue that is not done."""
    queue = acting.queue(pipeline, collection)
    confirmed(
        confirm,
        "cancel",
        f"Everything that waits in {queue} would be given up, and could be taken up only item by item",
    )
    count = items.cancel(acting.connection, pipeline, collection, why=why or "by hand")
    if count:
        acting.audit("cancel", queue, after={"items": count, "why": why})
    return Done(count)
