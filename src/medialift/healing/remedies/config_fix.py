"""CONFIG_FIX: a restart with other settings for this worker alone, of an allow-list and within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sqlalchemy import Connection

from medialift.errors import Permanent
from medialift.healing.fleet import Fleet
from medialift.healing.observed import Observed, Trouble
from medialift.healing.pipeline import Knob, Pipeline
from medialift.healing.remedies.restart import Done, restart
from medialift.queueing import control
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database


def variables(settings: Mapping[str, int | float], pipeline: Pipeline) -> dict[str, str]:
    """The environment variables of settings that may be changed, as they are written.

    A value out of bounds is refused and not cut to them: who asks for it has not understood.

    Raises:
        Permanent: nothing is asked for, a setting is not on the list, or a value is none or out of bounds.
    """
    if not settings:
        raise Permanent("A fix of the configuration names no setting", pipeline.name)
    return {
        _knob(name, pipeline).variable: _written(name, value, pipeline) for name, value in settings.items()
    }


def set_by_hand(
    connection: Connection, settings: Mapping[str, int | float], pipeline: Pipeline, collection: str
) -> list[str]:
    """Those of the settings that a person has set for the whole queue: no worker's own would count."""
    wanted = control.read(connection, pipeline.name, collection).to_dict()
    knobs = {name: _knob(name, pipeline) for name in settings}
    return [name for name, knob in knobs.items() if knob.control and wanted[knob.control] is not None]


def config_fix(
    seen: Observed,
    settings: Mapping[str, int | float],
    pipeline: Pipeline,
    fleet: Fleet,
    database: Database,
    *,
    drain: float,
    trouble: Trouble | None = None,
) -> Done:
    """Restart a worker with these settings, beside what was set for it before.

    `undo` takes them back, should they not help.

    Raises:
        Permanent: a setting may not be changed, or a person has set it for the whole queue. Nothing was done.
        Transient: as `restart`.
    """
    given = variables(settings, pipeline)
    try:
        with database.engine.connect() as connection:
            by_hand = set_by_hand(connection, settings, pipeline, seen.collection)
    except AWAY as error:
        raise gone(error) from error
    if by_hand:
        raise Permanent(
            "A person has set this for the whole queue",
            ", ".join(by_hand),
            f"It is in the ledger (control, {seen.pipeline}:{seen.collection}): change it there, or clear it",
        )
    member = next((one for one in fleet.members() if one.name == seen.name), None)
    if member is None:
        raise Permanent("There is no such worker", seen.name)
    return restart(
        seen,
        fleet,
        database,
        drain=drain,
        trouble=trouble,
        settings={**member.settings, **given},
        release=member.release,
    )


def undo(fleet: Fleet, name: str, settings: Mapping[str, int | float], pipeline: Pipeline) -> bool:
    """From its next start on the worker does without these settings; whether it had any of them."""
    taken = {_knob(one, pipeline).variable for one in settings}
    member = next((one for one in fleet.members() if one.name == name), None)
    if member is None or not taken & member.settings.keys():
        return False
    left = {variable: value for variable, value in member.settings.items() if variable not in taken}
    fleet.configure(name, left, member.release)
    return True


def _knob(name: str, pipeline: Pipeline) -> Knob:
    knob = pipeline.knobs.get(name)
    if knob is None:
        raise Permanent(
            "This setting may not be changed by the healing",
            f"{pipeline.name}: {name[:60]!r}",
            f"Only {', '.join(sorted(pipeline.knobs)) or 'none'}",
        )
    return knob


def _written(name: str, value: int | float, pipeline: Pipeline) -> str:
    knob = _knob(name, pipeline)
    # True is a number for Python; what comes from a model may be a text.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Permanent("This is no number for a setting", f"{name}: {str(value)[:60]!r}")
    if knob.whole and value != int(value):
        raise Permanent("This setting is a whole number", f"{name}: {value}")
    if not knob.lowest <= value <= knob.highest:
        raise Permanent(
            "This value is out of bounds",
            f"{name}: {value}",
            f"{knob.lowest:g} to {knob.highest:g} are allowed",
        )
    return str(int(value)) if knob.whole else f"{value:g}"
