"""RESTART: look again, drain or kill the worker, take back what it held, and start it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from medialift.errors import Transient
from medialift.healing.fleet import Fleet
from medialift.healing.observed import Observed, Trouble
from medialift.healing.remedies.leases import take_back
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database

_log = logging.getLogger(__name__)

_FIGURES = ("items", "files", "bytes", "rows_read", "moved")
_NOW = text(
    "select w.life, w.state, w.drain, p.* from worker w left join progress p on p.worker = w.name"
    " where w.name = :name"
)


@dataclass(frozen=True)
class Done:
    """What came of a remedy.

    Attributes:
        done: whether anything was done to the worker.
        why: why nothing was done, or what did not go as it should; "" when all went well.
        drained: it ended by itself; else it was killed.
        taken_back: items that were made ready for others.
    """

    done: bool
    why: str = ""
    drained: bool = False
    taken_back: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For the history."""
        return asdict(self)


def restart(
    seen: Observed,
    fleet: Fleet,
    database: Database,
    *,
    drain: float,
    trouble: Trouble | None = None,
    settings: Mapping[str, str] | None = None,
    release: Path | None = None,
    before_start: Callable[[], object] | None = None,
) -> Done:
    """Restart a worker that is as it was seen; one that got on meanwhile is left alone.

    Once it has been stopped it is started again, whatever becomes of its leases: they run out by themselves.

    Args:
        drain: seconds that it gets to finish what is in flight.
        trouble: of a crash loop each look sees another life; else another life is another worker.
        settings, release: what it has of its own from now on; None for both: as it is.
        before_start: done once it is stopped and what it held was given back.

    Raises:
        Transient: the database or the service manager does not answer, or the worker does not even end when
            it is killed. In the last case it is not started: two of one name must not run.
        Permanent: there is no such worker, or a setting cannot be made. Nothing was done.
    """
    try:
        with database.engine.connect() as connection:
            changed = changed_since(connection, seen, trouble)
    except AWAY as error:
        raise gone(error) from error
    if changed:
        return Done(done=False, why=changed)
    if settings is not None or release is not None:
        fleet.configure(seen.name, settings or {}, release)
    drained = fleet.stop(seen.name, at_most=drain)
    taken_back, why = 0, ""
    try:
        taken_back = take_back(database, seen.name)
        if before_start is not None:
            before_start()
    except Transient as error:
        why = str(error)
        _log.warning("What %s held waits until its leases end: %s", seen.name, error)
    finally:
        fleet.start(seen.name)
    return Done(done=True, why=why, drained=drained, taken_back=taken_back)


def changed_since(connection: Connection, seen: Observed, trouble: Trouble | None = None) -> str:
    """Why a worker is no longer as it was seen, so that nothing is to be done to it; "" when it is."""
    row = connection.execute(_NOW, {"name": seen.name}).mappings().one_or_none()
    if row is None:
        return "it is not in the ledger any more"
    if row["life"] != seen.life:
        if trouble is not Trouble.CRASH_LOOP:
            return "it was started anew meanwhile"
        began = any(map(row.get, _FIGURES))
        return "it has made progress in its new life" if began else ""
    # One that has told nothing yet has no figures.
    if any((row[one] or 0) > getattr(seen, one) for one in _FIGURES):
        return "it has made progress meanwhile"
    if row["drain"]:
        return "somebody has asked it to end"
    if row["state"] == "paused" and seen.state != "paused":
        return "it rests now"
    return ""
