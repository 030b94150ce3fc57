"""Has time gone on as it should? A clock that jumped, or a machine that slept, makes every age a lie."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf

from sqlalchemy import Connection, text

from medialift.foundation.waiting import Clock, SystemClock
from medialift.healing.care import Care
from medialift.healing.observed import Observed
from medialift.healing.observing import LIVES_SECONDS

JUMP_SECONDS = 5.0
"""Clocks that are put right bit by bit never get so far apart between two rounds."""

_NOW = text("select extract(epoch from clock_timestamp())::float")


@dataclass(frozen=True)
class _Look:
    """The clocks at one moment; the monotonic one is read before and after the others."""

    before: float
    after: float
    host: float
    database: float


@dataclass
class Clocks:
    """Compares the clock of this host and that of the database with one that never jumps.

    That one stands still while the machine sleeps, so a sleep is a jump of the others: the workers slept too.
    And a database that was away is like a jump: nobody could give a sign of life.
    """

    clock: Clock = field(default_factory=SystemClock)
    _last: _Look | None = None
    _jumped: float = -inf
    _began: float = -inf
    _away: bool = False

    def lost(self) -> None:
        """The database did not answer. Nor did it take the workers' signs of life, perhaps."""
        self._away = True

    def look(self, connection: Connection) -> float:
        """By how many seconds a clock has jumped since the last look; 0.0 when none has.

        Raises: as the connection does, when the database does not answer.
        """
        before = self.clock.monotonic()
        database = float(connection.execute(_NOW).scalar_one())
        now = _Look(before, self.clock.monotonic(), self.clock.now(), database)
        last, self._last = self._last, now
        if last is None:
            self._began = now.after
            return 0.0
        if self._away or now.after - now.before > JUMP_SECONDS:
            self._away, self._jumped = False, now.after
        shortest, longest = now.before - last.after, now.after - last.before
        for went in (now.host - last.host, now.database - last.database):
            beyond = max(went - longest, shortest - went)
            if beyond > JUMP_SECONDS:
                self._jumped = now.after
                return beyond if went > longest else -beyond
        return 0.0

    @property
    def since_jump(self) -> float:
        """Seconds since a jump was noticed, by the clock that never jumps; endless without one."""
        return self.clock.monotonic() - self._jumped

    def seen(self, seen: Observed) -> Observed:
        """A worker of which nothing is held against it that is older than the last jump."""
        since = self.since_jump
        # Who has only begun to look does not know whether the ledger was in the workers' reach before.
        silence = min(seen.silence, since, self.clock.monotonic() - self._began)
        if since == inf:
            return replace(seen, silence=silence)
        # For a while its starts of the last ten minutes cannot be told from older ones.
        lives = 1 if since < LIVES_SECONDS else seen.lives
        return replace(seen, free=min(seen.free, since), silence=silence, lives=lives)

    def care(self, care: Care) -> Care:
        """What was done to a worker: its remedy is no older than the last jump."""
        return replace(care, since_remedy=min(care.since_remedy, self.since_jump)) if care.remedied else care
