"""Is a worker stuck? Judged from what the ledger says of it: progress counts, signs of life alone do not.

It is the flowchart of the original monitor, and what that did not know: no time counts in which a worker
rested, had nothing to do, or could not reach the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

from medialift.foundation.units import format_duration
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.healing.observing import LIVES_SECONDS
from medialift.healing.pipeline import Pipeline
from medialift.settings import HealingSettings


@dataclass(frozen=True)
class Limits:
    """The thresholds for one worker in its present phase, in seconds.

    Attributes:
        floor: a worker that runs for less is left alone; only its crash loop is not.
        progress, starting, activity: without progress for so long, one that has finished items, one that
            still starts, and any other is stuck.
        silence: without a sign of life for so long, its process is stuck.
        crashes: starts in ten minutes without progress between that make a crash loop.
        is_starting: its phase is one in which it initialises or discovers.
        discovers: its phase is one in which it looks for work itself: it needs no item to have some.
    """

    floor: float = 600.0
    progress: float = 300.0
    starting: float = 1200.0
    activity: float = 300.0
    silence: float = 180.0
    crashes: int = 5
    is_starting: bool = False
    discovers: bool = False


def limits_of(
    settings: HealingSettings, pipeline: Pipeline, phase: str, seen: Observed | None = None
) -> Limits:
    """The thresholds in force: a time for this phase before one for this pipeline before the common one.

    Args:
        phase: "" takes that of `seen`.
    """
    phase = phase or (seen.phase if seen is not None else "")
    own = settings.pipelines.get(pipeline.name)
    of_phase = own.phases.get(phase) if own is not None else None

    def chosen(name: str) -> float:
        of_pipeline = getattr(own, name) if own is not None else None
        common: float = getattr(settings, name)
        told = (of_phase, of_pipeline, pipeline.times.get(name), common)
        return float(next(one for one in told if one is not None))

    return Limits(
        floor=settings.floor,
        progress=chosen("progress"),
        starting=chosen("starting"),
        activity=chosen("activity"),
        silence=settings.silence,
        crashes=settings.crashes,
        is_starting=phase in pipeline.starting,
        discovers=phase in pipeline.discovering,
    )


def judge(seen: Observed, limits: Limits, member: Member | None) -> Verdict:
    """What is to be thought of a worker. Pure: the same figures, the same verdict.

    Args:
        member: the worker as what runs it knows it; None: nothing here runs it, such as one that was started
            by hand. When it has ended, it is not missed.
    """
    if (well := _left_alone(seen, limits, member)) is not None:
        return well
    if member is not None and (loop := _crash_loop(seen, limits)) is not None:
        return loop
    if _missing(seen, limits, member):
        return _silence(seen, limits, member)
    if seen.state == "gone":
        return _well("It has ended" if member is None else "It was here a moment ago")
    if seen.uptime < limits.floor:
        return _well(f"It runs for {format_duration(seen.uptime)} only")
    if not (seen.held or seen.waiting or limits.discovers):
        return _well("It has nothing to do")
    return _progress(seen, limits)


def _left_alone(seen: Observed, limits: Limits, member: Member | None) -> Verdict | None:
    if member is not None and not member.enabled:
        return _well("It is not to run")
    if seen.ending:
        return _well("It was told to end")
    if seen.queue_rests:
        return _well(f"Its queue rests: {seen.queue_rests}")
    # What one that is silent said last is no news.
    rests = seen.state == "paused" or bool(seen.resting and seen.state != "gone")
    if rests and seen.silence <= limits.silence:
        return _well(f"It rests: {seen.resting or 'paused'}")
    return None


def _crash_loop(seen: Observed, limits: Limits) -> Verdict | None:
    """Each of its lives is young; it is the worker that is not. One that outlives its share has settled."""
    share = LIVES_SECONDS / limits.crashes
    settled = seen.uptime - seen.silence >= share
    if seen.lives < limits.crashes or any(seen.progress) or settled:
        return None
    return Verdict(
        Trouble.CRASH_LOOP,
        f"It started {seen.lives} times in ten minutes and did nothing between",
        since=LIVES_SECONDS,
        limit=share,
    )


def _missing(seen: Observed, limits: Limits, member: Member | None) -> bool:
    """Its process should be there, and gives no sign of life."""
    if seen.silence <= limits.silence or seen.uptime < limits.floor:
        return False
    if member is None:
        return seen.state != "gone"
    # Another process than the ledger knows has not registered yet.
    return not (member.active and member.pid not in (0, seen.pid))


def _silence(seen: Observed, limits: Limits, member: Member | None) -> Verdict:
    ended = member is not None and not member.active
    silent = format_duration(seen.silence)
    why = (
        f"It ended {silent} ago without having been told to, and nothing starts it again"
        if ended
        else f"It has given no sign of life for {silent}, and may for {format_duration(limits.silence)}"
    )
    return Verdict(Trouble.SILENT, why, since=seen.silence, limit=limits.silence)


def _progress(seen: Observed, limits: Limits) -> Verdict:
    """Whether it gets on, since it could."""
    if seen.items or seen.files:
        trouble, limit, idle = Trouble.NO_PROGRESS, limits.progress, _idle(seen)
        said = f"It has finished {seen.items or seen.files} {'items' if seen.items else 'files'}"
    elif limits.is_starting or limits.discovers:
        trouble, limit, idle = Trouble.NOT_STARTING, limits.starting, _idle(seen)
        said = f"It still starts ({seen.phase or 'no phase yet'})"
    else:
        # Coming into another phase is activity, and no progress.
        trouble, limit, idle = Trouble.NO_ACTIVITY, limits.activity, min(_idle(seen), seen.phase_age)
        said = f"It has finished nothing yet ({seen.phase})"
    since = min(idle, seen.free, idle if limits.discovers else seen.due)
    lacking = "activity" if trouble is Trouble.NO_ACTIVITY else "progress"
    if since <= limit:
        return _well(f"{said}, and could have shown {lacking} for {format_duration(since)} at most")
    return Verdict(
        trouble,
        f"{said}, and has shown no {lacking} for {format_duration(since)}: it may for "
        f"{format_duration(limit)}",
        since=since,
        limit=limit,
    )


def _idle(seen: Observed) -> float:
    return seen.uptime if seen.idle is None else min(seen.idle, seen.uptime)


def _well(why: str) -> Verdict:
    return Verdict(None, why)
