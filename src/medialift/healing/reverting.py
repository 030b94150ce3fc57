"""Taking back an edit of the code that the healing put in use, by hand."""

from __future__ import annotations

from typing import Any

from medialift.healing import care
from medialift.healing.code.codefix import CodeFixes
from medialift.healing.code.fix import Fix
from medialift.healing.fleet import Fleet, Member
from medialift.healing.history import Entry, What, record
from medialift.healing.remedies.leases import take_back
from medialift.healing.standing import Here
from medialift.healing.turns import by_hand
from medialift.queueing import events

_PATIENCE_SECONDS = 60.0


def revert(here: Here, *, why: str = "", check: bool = False) -> dict[str, Any]:
    """Take back the edit in force, and one that is on trial; workers that run with it are restarted without.

    {"changed", "fix": `Fix.to_dict` or None, "restarted": names}

    Raises:
        Permanent: the release before it is not there any more, or a worker cannot be restarted.
        Transient: the database or systemd does not answer, or another process is at the releases.
    """
    fixes = CodeFixes.open(here.settings)
    if (fix := fixes.in_force() or fixes.on_trial()) is None:
        return {"changed": False, "fix": None, "restarted": []}
    if check:
        return {"changed": True, "fix": fix.to_dict(), "restarted": [one.name for one in _with(here, fixes)]}
    drain = here.settings.healing.drain
    with by_hand(here.database, here.host, at_most=drain + _PATIENCE_SECONDS):
        affected = _with(here, fixes)
        who = events.somebody()
        fix = fixes.revert(f"{why or 'by hand'}, says {who}")
        with here.transaction() as connection:
            subject = f"The edit {fix.number} of {fix.module} is taken back: {fix.why}"
            detail = {"by": who, **fix.to_dict()}
            entry = Entry(What.CODE_FIX, here.host, fix.pipeline, fix.worker, "reverted", subject, detail)
            record(connection, entry)
        for one in affected:
            _restart(here, here.fleet(fix.pipeline), one, fixes)
            with here.transaction() as connection:
                care.common(connection, one.name)
        fixes.prune()
    return {"changed": True, "fix": fix.to_dict(), "restarted": [one.name for one in affected]}


def _with(here: Here, fixes: CodeFixes) -> list[Member]:
    """The workers that have the edit in force, or the one on trial."""
    edits: list[Fix] = [one for one in (fixes.in_force(), fixes.on_trial()) if one is not None]
    names = {one.release for one in edits}
    return [
        member
        for pipeline in sorted({one.pipeline for one in edits})
        for member in here.fleet(pipeline).members()
        if member.release is not None and member.release.name in names
    ]


def _restart(here: Here, fleet: Fleet, member: Member, fixes: CodeFixes) -> None:
    fleet.configure(member.name, member.settings, fixes.release_for(member.name))
    if member.active:
        fleet.stop(member.name, at_most=here.settings.healing.drain)
        take_back(here.database, member.name)
        fleet.start(member.name)
