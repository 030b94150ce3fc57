"""Journals of systemd units, the newest lines of each."""

from __future__ import annotations

from medialift.diagnostics.part import CUT, Part
from medialift.foundation.process import Runner

# Lines asked for: journald reads them from the end, so a journal of years takes no longer.
LINES = 50_000
# How journalctl says that no unit which a pattern matches ever wrote a line (ENODATA).
_NOTHING = "No data available"


def newest(unit: str, runner: Runner) -> Part:
    """The journal of a unit, or of all units that a pattern (`rclone-*`) matches.

    A unit that never ran has an empty one; a journal that cannot be read is a part that says so.

    Raises:
        MedialiftError: as the runner raises it.
    """
    name = f"journal/{unit.replace('*', '_')}.log"
    asked = ["journalctl", "--no-pager", "--output", "short-iso", "--lines", str(LINES), "--unit", unit]
    said = runner(asked)
    if not said.ok and _NOTHING in said.err:
        return Part(name)
    if not said.ok:
        return Part(name, missing=f"The journal of {unit} could not be read: {said.err.strip()}")
    return Part(name, CUT + said.out if said.out.count("\n") >= LINES else said.out)
