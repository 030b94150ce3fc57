"""How fast the stand-in lives: real Plex's waits, multiplied by one factor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Durations in seconds; `factor` 1.0 is what was measured on a real server, 0.1 suits the sandbox."""

    factor: float = 0.1

    @property
    def starting_up(self) -> float:
        """From the first answer of /identity until writes are taken."""
        return 20 * self.factor

    @property
    def queued(self) -> float:
        """From the request of a scan until it starts."""
        return 5 * self.factor

    @property
    def quiet(self) -> float:
        """After `refreshing` went off, before the metadata activity shows: one look here would be misled."""
        return 3 * self.factor

    @property
    def after_refreshing(self) -> float:
        """From `refreshing` off until the library stops changing (28 s, measured)."""
        return 28 * self.factor

    @property
    def butler_task(self) -> float:
        """How long a butler task lasts that has nothing to do here."""
        return 20 * self.factor

    @property
    def sonic_track(self) -> float:
        """Sonic analysis of one track; a real one takes seconds, and the sandbox has thousands."""
        return 0.1 * self.factor
