"""Did a remedy help? Only real progress of the same worker says so; that it runs again says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from medialift.foundation.units import format_duration
from medialift.healing.care import Care
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed


class Result(StrEnum):
    """What is seen of a remedy."""

    RECOVERED = "recovered"
    INEFFECTIVE = "ineffective"
    MOOT = "moot"
    """It cannot be told: the worker is not to run any more, or somebody ended it meanwhile."""


@dataclass(frozen=True)
class Seen:
    """The result, and one sentence with the figures."""

    result: Result
    why: str


def verify(care: Care, seen: Observed | None, member: Member | None, *, silence: float) -> Seen:
    """What came of the last remedy of a worker.

    Args:
        seen: None: the ledger does not know it.
        silence: seconds without a sign of life after which what it said last counts for nothing.
    """
    if member is None or not member.enabled:
        return Seen(Result.MOOT, "It is not to run any more")
    if seen is None:
        return Seen(Result.INEFFECTIVE, "It has not come as far as the ledger")
    another = seen.life != care.life_before
    if another and seen.ending:
        return Seen(Result.MOOT, "It was told to end meanwhile")
    if progressed(care, seen):
        return Seen(Result.RECOVERED, f"It gets on again: {_done(care, seen)}")
    if not another:
        return Seen(Result.INEFFECTIVE, "It has not started anew, and made no progress")
    if seen.state == "gone" or seen.silence > silence:
        return Seen(
            Result.INEFFECTIVE, f"Its new life gave its last sign {format_duration(seen.silence)} ago"
        )
    if rest := at_rest(seen):
        return Seen(Result.RECOVERED, f"It is in good order: {rest}")
    phase = seen.phase or "no phase yet"
    return Seen(
        Result.INEFFECTIVE,
        f"It has run for {format_duration(seen.uptime)}, and has made no progress ({phase})",
    )


def progressed(care: Care, seen: Observed) -> bool:
    """Whether any of its figures grew since the remedy: those of a new life begin at nothing."""
    if seen.life != care.life_before:
        return any(seen.progress)
    return any(now > before for now, before in zip(seen.progress, care.progress_before, strict=False))


def at_rest(seen: Observed) -> str:
    """Why a worker that is well does nothing; "" when it should."""
    if seen.queue_rests:
        return f"its queue rests ({seen.queue_rests})"
    if seen.state == "paused" or seen.resting:
        return f"it rests ({seen.resting or 'paused'})"
    return "" if seen.held or seen.waiting else "it has nothing to do"


def _done(care: Care, seen: Observed) -> str:
    names = ("items", "files", "bytes", "rows read", "bytes of files under way")
    before = (0,) * len(names)
    if seen.life == care.life_before:
        before = (*care.progress_before, *before)
    grown = [
        f"{now - old} {name}"
        for now, old, name in zip(seen.progress, before, names, strict=False)
        if now > old
    ]
    return ", ".join(grown)
