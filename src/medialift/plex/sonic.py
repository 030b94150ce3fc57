"""The sonic analysis of music: n of m, how fast, and when it will get no further.

It is one butler task for all music of the server; asking a single section or track for it does nothing. How
much is left is counted in the database, since the server's activities do not tell. Source: the project
musicseed, and a question answered in WebTools-NG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from medialift.errors import Transient
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock
from medialift.plex import database
from medialift.plex.scan import Countdown, Stalled, Times

TASK = "MusicAnalysis"

# How many polls without a fall before the task is asked for again: that tells whether it still runs.
_ASK_AGAIN_POLLS = 6


@dataclass(frozen=True)
class Backlog:
    """Tracks of the chosen sections, and how many of them are analysed."""

    total: int
    analysed: int

    @property
    def left(self) -> int:
        """Tracks still to be analysed."""
        return self.total - self.analysed


@dataclass(frozen=True)
class SonicResult:
    """How the analysis ended.

    Attributes:
        analysed, total: tracks with an analysis, of all.
        done: tracks analysed in this run.
        rate: of those, tracks per second; 0 when there was nothing to do.
    """

    analysed: int
    total: int
    done: int
    rate: float

    def to_dict(self) -> dict[str, Any]:
        """{analysed, total, done, left, rate}."""
        return {
            "analysed": self.analysed,
            "total": self.total,
            "done": self.done,
            "left": self.total - self.analysed,
            "rate": round(self.rate, 3),
        }


class Analysing(Protocol):
    """What this needs of a server."""

    def start_butler(self, task: str) -> bool: ...


def backlog(library: Path, sections: Iterable[str]) -> Backlog:
    """Count the tracks of these sections (their ids).

    Raises:
        Transient, Permanent: the database could not be read. That is an error, and never a count of nothing.
    """
    wanted = {int(section) for section in sections}
    found = [section for section in database.sections(library) if section.id in wanted]
    return Backlog(sum(one.sonic_total for one in found), sum(one.sonic for one in found))


def analyse(
    server: Analysing,
    count: Callable[[], Backlog],
    *,
    times: Times,
    clock: Clock,
    stop: Event,
    deadline: float,
    tell: Callable[[str, Mapping[str, Any]], None],
    look: Callable[[], None] = lambda: None,
) -> SonicResult:
    """Analyse until nothing is left, or until a whole round of the task adds nothing more.

    A round may leave tracks that cannot be analysed (broken files): they are left and reported. One that
    analyses nothing at all is an error.

    Args:
        deadline: of the whole run, on the clock's monotonic time.
        look: called at each reading; what it raises ends the watch, as when the mount is lost.

    Raises:
        Stalled: the task runs and the backlog does not fall, or it ended without having done anything.
        Transient: it took too long, or the database could not be read for too long.
        Stopped: `stop` was set.
    """
    begun = clock.monotonic()
    until = min(begun + times.sonic, deadline)
    first = now_at = count()
    if first.left == 0:
        return SonicResult(first.analysed, first.total, 0, 0.0)
    server.start_butler(TASK)
    countdown = Countdown("tracks without sonic analysis", patience=times.stall)
    countdown.observe(first.left, begun)
    at_round_start, unmoved = first, 0
    failing_since: float | None = None
    while True:
        left_seconds = until - clock.monotonic()
        if left_seconds <= 0:
            raise Transient(
                f"The sonic analysis did not end within {clock.monotonic() - begun:.0f} s",
                f"{now_at.analysed} of {now_at.total} tracks",
                "Start it again: what is analysed stays analysed",
            )
        if clock.sleep(min(times.poll, left_seconds), stop):
            raise Stopped("sonic analysis")
        look()
        now = clock.monotonic()
        try:
            before, now_at = now_at, count()
        except Transient as error:
            failing_since = now if failing_since is None else failing_since
            tell(f"a reading failed: {error.what}", {"failed_reading": error.what})
            if now - failing_since >= times.unreadable:
                raise
            continue
        failing_since = None
        done = now_at.analysed - first.analysed
        rate = done / (now - begun) if now > begun else 0.0
        if now_at != before:
            tell(*_progress(now_at, rate))
        if now_at.left == 0:
            return SonicResult(now_at.analysed, now_at.total, done, rate)
        countdown.observe(now_at.left, now)
        unmoved = unmoved + 1 if now_at.analysed == before.analysed else 0
        if unmoved >= _ASK_AGAIN_POLLS:
            unmoved = 0
            if not server.start_butler(TASK):
                continue  # it is still running: the countdown decides how long to bear with it
            if now_at.analysed == at_round_start.analysed:
                return _came_to_nothing(now_at, done, rate)
            at_round_start = now_at


def _came_to_nothing(at: Backlog, done: int, rate: float) -> SonicResult:
    if done == 0:
        raise Stalled(
            "The sonic analysis ended without analysing anything",
            f"{at.analysed} of {at.total} tracks",
            "It needs a claimed server with a Plex Pass, and the analysis switched on in the music library",
        )
    return SonicResult(at.analysed, at.total, done, rate)


def _progress(at: Backlog, rate: float) -> tuple[str, dict[str, Any]]:
    text = f"{at.analysed} of {at.total} tracks, {rate:.2f} per second"
    return text, {"analysed": at.analysed, "total": at.total, "rate": round(rate, 3)}
