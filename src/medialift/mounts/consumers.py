"""The units that read through a mount: stopped before it is taken down, started when it reads again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from medialift.errors import Permanent, Transient
from medialift.foundation import process
from medialift.foundation.jobs import Stopped
from medialift.foundation.process import Runner
from medialift.foundation.systemd import shown
from medialift.foundation.waiting import Clock, SystemClock, wait_until

# Longer than the longest stop of a Plex (its image is given 120 s, its unit 30 s more). One whose threads are
# stuck in the mount is then killed by systemd, which only takes hold when rclone is gone: that is enough, for
# a process with a pending SIGKILL reads nothing any more.
STOP_SECONDS = 300.0

_patient = process.runner(timeout=30.0)


@dataclass(frozen=True)
class Consumers:
    """Units of systemd, in the order in which they are stopped; started in the other one."""

    units: Sequence[str]
    runner: Runner = _patient
    clock: Clock | None = None
    at_most: float = STOP_SECONDS

    def running(self) -> list[str]:
        """Those that run, or are about to.

        Raises:
            Permanent: there is no such unit, or systemd does not answer.
        """
        return [unit for unit in self.units if self._state(unit) not in ("inactive", "failed")]

    def stop(self, stop: Event) -> None:
        """Stop them all, and come back when they have stopped.

        Raises:
            Stopped: the event was set.
            Transient: one did not stop in time.
            Permanent: systemd refuses.
        """
        for unit in self.running():
            self.runner(["systemctl", "stop", "--no-block", unit]).checked(
                "systemd would not stop what reads through the mount"
            )
        left: list[str] = []

        def none_left() -> bool:
            left[:] = self.running()
            return not left

        ended = wait_until(none_left, at_most=self.at_most, clock=self.clock or SystemClock(), stop=stop)
        if stop.is_set():
            raise Stopped(", ".join(self.units))
        if not ended:
            raise Transient(
                f"What reads through the mount did not stop within {self.at_most:g} s",
                ", ".join(left),
                "Stop it yourself, then recover the mount",
            )

    def start(self, units: Sequence[str]) -> None:
        """Start some of them again.

        Raises:
            Permanent: systemd refuses one; the others were started.
        """
        refused = []
        for unit in reversed(list(units)):
            self.runner(["systemctl", "reset-failed", unit])
            if not self.runner(["systemctl", "start", "--no-block", unit]).ok:
                refused.append(unit)
        if refused:
            raise Permanent(
                "systemd would not start what reads through the mount",
                ", ".join(refused),
                f"Look at: systemctl status {refused[0]}",
            )

    def _state(self, unit: str) -> str:
        hint = "Correct the list of consumers"
        return shown(unit, "ActiveState", runner=self.runner, hint=hint) or "unknown"
