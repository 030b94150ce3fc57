"""Nobody shuts themselves out: whoever changes people stays one who can."""

from __future__ import annotations

from medialift.web.access.callers import Caller
from medialift.web.problems import Problem


def refuse_oneself(caller: Caller, name: str) -> None:
    """Refuse what would take somebody's own rights away.

    Raises:
        Problem: 409, it is the caller.
    """
    if caller.how in ("session", "proxy") and caller.name == name.strip().lower():
        raise Problem(
            409, "You cannot take away your own rights", name, "Another admin can, or the command line"
        )
