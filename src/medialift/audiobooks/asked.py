"""What a person asks of a book through the ledger alone: it lies with the item until an attempt has done it.

Whoever asks needs none of the intake's folders, so the dashboard may run where they are not, or may not be
written. What is asked at a command is done there and then: see `retrying` and `by_hand`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, text

from medialift.audiobooks import overrides, retrying, stages
from medialift.audiobooks.delivery.approval import known
from medialift.audiobooks.enqueue import BRING_BACK, REFUSED
from medialift.audiobooks.stages import CONVERT, DELIVER, PIPELINE, TAG, Stage, key_of, parted
from medialift.errors import Permanent
from medialift.queueing import doorbell
from medialift.queueing.leases import Lease
from medialift.settings import AudiobooksSettings

_OVERRIDE, _APPROVAL = "override", "approval"
_HELD = text(
    "select state, bytes, payload from item where pipeline = :pipeline and collection = :collection"
    " and key = :key for update"
)
_ANSWERED = text(
    "update item set payload = payload - 'override' - 'approval' - 'bring_back' - 'as_it_is' - 'replaces'"
    " where id = :id"
)
_ITEM = text("select collection, key, state, error_kind, payload, result from item where id = :id for update")
_AS_IT_IS = text(
    "update item set payload = payload || '{\"as_it_is\": true}', changed = now() where id = :id"
)


@dataclass(frozen=True)
class Approval:
    """Who let a book pass, when (seconds since the epoch), and into which libraries; none: into all."""

    by: str
    at: float
    destinations: tuple[str, ...] = ()


def override(lease: Lease) -> Mapping[str, Any] | None:
    """What a person said of the book since it was tagged last; None: nothing."""
    found = lease.payload.get(_OVERRIDE)
    return found if isinstance(found, Mapping) else None


def approval(lease: Lease) -> Approval | None:
    """That a person let the book pass; None: nobody did."""
    found = lease.payload.get(_APPROVAL)
    if not isinstance(found, Mapping):
        return None
    return Approval(str(found["by"]), float(found["at"]), tuple(found["destinations"]))


def place(lease: Lease) -> str | None:
    """Where the sources of the book are to be brought back from; None: they are in the inbox."""
    found = lease.payload.get(BRING_BACK)
    return None if found is None else str(found)


def answered(connection: Connection, item: int) -> None:
    """It is done; part of the transaction that ends the attempt."""
    connection.execute(_ANSWERED, {"id": item})


def again(connection: Connection, item: int) -> bool:
    """Have a stage of a book done again, with all its attempts; False: somebody works on it.

    Sources that were moved to the failed folder are brought back by the attempt.

    Raises:
        Permanent: there is no such item, it is refused as it lies, or it is a conversion that is done.
    """
    row = connection.execute(_ITEM, {"id": item}).one_or_none()
    if row is not None and row.state == "done" and parted(row.key)[0] == CONVERT:
        raise Permanent("This book is converted already", row.key, "Have it made again from its sources")
    return _again(connection, item, {})


def without_conversion(connection: Connection, item: int) -> bool:
    """Have a book that is still to be converted taken as it is; False: somebody works on it.

    Raises:
        Permanent: it is no conversion, or is converted already; or as `again`.
    """
    row = _conversion(connection, item)
    if row.state in ("ready", "paused"):
        connection.execute(_AS_IT_IS, {"id": item})
        return True
    if row.state == "done":
        raise Permanent("This book is converted already", row.key, "Have it made again first")
    return _again(connection, item, {"as_it_is": True})


def from_scratch(connection: Connection, item: int) -> bool:
    """Make a book again from its sources; what was made of them before is replaced when the new one is
    proven. False: somebody works on it.

    Raises:
        Permanent: it is no conversion, or its sources were not kept; or as `again`.
    """
    row = _conversion(connection, item)
    if row.state == "done" and not retrying.sources_of(row.payload, archived=True):
        raise Permanent(
            "The sources of this book were not kept", row.key, "Copy them into the inbox: it is taken up then"
        )
    made = str((row.result or {}).get("name") or "")
    return _again(connection, item, {"replaces": made} if made else {}, archived=True)


def _conversion(connection: Connection, item: int) -> Row[Any]:
    row = connection.execute(_ITEM, {"id": item}).one_or_none()
    if row is None or parted(row.key)[0] != CONVERT:
        raise Permanent("This is no conversion", str(item), "Name the item convert/…")
    return row


def _again(connection: Connection, item: int, more: Mapping[str, Any], *, archived: bool = False) -> bool:
    row = connection.execute(_ITEM, {"id": item}).one_or_none()
    if row is None:
        raise Permanent("There is no such item", str(item))
    stage, name = parted(row.key)
    if row.error_kind == REFUSED:
        raise retrying.refusal(name, row.payload)
    told = dict(more)
    if stage == CONVERT and (found := retrying.sources_of(row.payload, archived=archived)):
        told[BRING_BACK] = found
    count = retrying.ready(connection, item, told)
    doorbell.ring(connection, PIPELINE, row.collection, job_size=1)
    return bool(count)


def tag(
    connection: Connection, settings: AudiobooksSettings, name: str, told: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Have a converted book tagged, anew when it was; what is said of it now and was not yet written.

    Args:
        name: of its folder in converted.
        told: fields that a person says, over those said before; None takes one back.

    Raises:
        Permanent: a field is not known, or its value does not fit.
    """
    said = overrides.parse(told or {})
    before = _held(connection, settings, TAG, name)
    waiting = before.payload.get(_OVERRIDE) or {} if before is not None and before.state != "done" else {}
    # One that is None is kept here: it takes back what the manifest has.
    said = {**waiting, **said}
    _enter(connection, settings, TAG, name, before, {_OVERRIDE: said} if said else {})
    return said


def approve(
    connection: Connection,
    settings: AudiobooksSettings,
    name: str,
    *,
    by: str,
    at: float,
    destinations: Sequence[str] = (),
) -> bool:
    """Let a book that is held go to its libraries; False: it is in all of them already.

    Raises:
        Permanent: there is no library, or none of this name.
    """
    if not settings.destinations:
        raise Permanent("There is no library to deliver to", name, "See [audiobooks.destinations.NAME]")
    known(destinations, settings)
    before = _held(connection, settings, DELIVER, name)
    if before is not None and before.state == "done":
        return False
    waiting = before.payload.get(_APPROVAL) if before is not None else None
    wanted = tuple(destinations)
    if waiting and wanted:
        earlier = waiting["destinations"]
        wanted = tuple(dict.fromkeys((*earlier, *wanted))) if earlier else ()
    stages.passed(connection, settings.collection, TAG, name)
    told = asdict(Approval(by, at, wanted))
    _enter(connection, settings, DELIVER, name, before, {_APPROVAL: told})
    return True


def _held(connection: Connection, settings: AudiobooksSettings, stage: Stage, name: str) -> Row[Any] | None:
    given = {"pipeline": PIPELINE, "collection": settings.collection, "key": key_of(stage, name)}
    return connection.execute(_HELD, given).one_or_none()


def _enter(
    connection: Connection,
    settings: AudiobooksSettings,
    stage: Stage,
    name: str,
    before: Row[Any] | None,
    payload: dict[str, Any],
) -> None:
    stages.enter(
        connection,
        settings.collection,
        stage,
        name,
        priority=stages.priority_of(stage, settings.tagging),
        bytes=before.bytes if before is not None else 0,
        payload=payload,
    )
    doorbell.ring(connection, PIPELINE, settings.collection, job_size=1)
