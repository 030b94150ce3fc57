"""CONFIG_FIX: settings for one worker alone, of an allow-list and within bounds; a restart applies them."""

from __future__ import annotations

import math
from collections.abc import Mapping

from medialift.errors import Permanent
from medialift.healing.fleet import Fleet
from medialift.healing.pipeline import Knob, Pipeline


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
