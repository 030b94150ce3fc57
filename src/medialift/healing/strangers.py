"""Workers that run, and never come as far as the ledger: it says nothing of them, or only of an earlier life.

A release that does not even start, a wrong password, a hang before the first look at the database: whoever
looks at the ledger alone would wait for such a worker for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from medialift.foundation.units import format_duration
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.healing.observing import LIVES_SECONDS


@dataclass
class _Watched:
    """One member since it was first seen not to be in the ledger, by the clock that never jumps."""

    since: float
    starts: deque[tuple[float, int]] = field(default_factory=deque)
    """(when, how many starts by itself) of the last ten minutes."""


@dataclass
class Strangers:
    """Remembers since when each member has been unknown to the ledger."""

    _watched: dict[str, _Watched] = field(default_factory=dict)

    def judged(
        self,
        members: Iterable[Member],
        seen: Mapping[str, Observed],
        now: float,
        *,
        host: str,
        pipeline: str,
        limit: float,
        crashes: int,
    ) -> dict[str, tuple[Observed, Verdict]]:
        """Those that have been unknown for too long, or start again and again, by name.

        Args:
            now: by the clock that never jumps.
            limit: seconds that a worker may take to come as far as the ledger.
            crashes: starts within ten minutes that make a crash loop.
        """
        found: dict[str, tuple[Observed, Verdict]] = {}
        unknown: set[str] = set()
        for member in members:
            known = seen.get(member.name)
            if not member.enabled or not _unknown(member, known):
                continue
            unknown.add(member.name)
            watched = self._watched.setdefault(member.name, _Watched(now))
            if (verdict := _verdict(watched, member, now, limit, crashes)) is not None:
                found[member.name] = (_as_seen(member, known, host, pipeline, now - watched.since), verdict)
        for name in set(self._watched) - unknown:
            del self._watched[name]
        return found


def _unknown(member: Member, known: Observed | None) -> bool:
    """Whether what runs of it has not come as far as the ledger."""
    if not member.active:
        return False
    if known is None:
        return True
    # One that waits for its next start has no process; if it was told to end it would not be active.
    return (member.pid not in (0, known.pid)) or (member.pid == 0 and known.state == "gone")


def _verdict(watched: _Watched, member: Member, now: float, limit: float, crashes: int) -> Verdict | None:
    starts = watched.starts
    # It was started by hand meanwhile: its own starts are counted anew.
    if starts and member.restarts < starts[-1][1]:
        watched.since = now
        starts.clear()
    starts.append((now, member.restarts))
    while starts[0][0] < now - LIVES_SECONDS:
        starts.popleft()
    times = member.restarts - starts[0][1]
    if times >= crashes:
        why = f"It was started {times} times in ten minutes, and never came as far as the ledger"
        return Verdict(Trouble.CRASH_LOOP, why, since=now - starts[0][0], limit=LIVES_SECONDS / crashes)
    waited = now - watched.since
    if waited > limit:
        why = f"It has run for {format_duration(waited)}, and is not in the ledger yet"
        return Verdict(Trouble.NOT_STARTING, why, since=waited, limit=limit)
    return None


def _as_seen(member: Member, known: Observed | None, host: str, pipeline: str, uptime: float) -> Observed:
    if known is not None:
        return replace(known, uptime=uptime, phase_age=uptime, ending=False)
    return Observed(
        name=member.name,
        host=host,
        pipeline=pipeline,
        collection="",
        pid=member.pid,
        life="",
        phase="",
        state="running",
        resting="",
        uptime=uptime,
        silence=uptime,
        idle=None,
        phase_age=uptime,
        items=0,
        files=0,
        bytes=0,
        rows_read=0,
        current_item=None,
        held=0,
        waiting=0,
        queue_rests="",
    )
