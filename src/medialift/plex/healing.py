"""Getting lost mounts to read again, with Plex at rest meanwhile: by a restart, or by patience."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from medialift.errors import Transient, Unsafe
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock
from medialift.mounts.probe import Verdict
from medialift.mounts.recovery import MountProgram, Times, recover
from medialift.plex.mount_record import MountRecord

# A store that is down is not helped by restarts in a hurry.
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


@dataclass(frozen=True)
class Healing:
    """Tries until all mounts read, or its time is over.

    Attributes:
        mounts: their mountpoints on the host.
        probe: a full check of one of them. Raises Stopped.
        programs: what serves a mount; one without is only waited for.
        within: seconds.
    """

    mounts: Sequence[str]
    probe: Callable[[str, Event], Verdict]
    programs: Mapping[str, MountProgram]
    filesystem: str
    within: float
    clock: Clock
    stop: Event
    record: MountRecord
    tell: Callable[[str, Mapping[str, Any]], None]

    def run(self, halt: Callable[[], None], resume: Callable[[], None]) -> bool:
        """Whether all of them read again.

        Args:
            halt: stops what reads through them; it comes first.
            resume: called when they read again, and then only.

        Raises:
            Stopped: the run was stopped.
            MedialiftError: what `resume` raises, or that a mount's program is not to be found.
        """
        at, begun = self.clock.now(), self.clock.monotonic()
        steps: list[dict[str, Any]] = []
        halt()
        healed = self._heal(begun + self.within, steps)
        self.record.recoveries.append(
            {
                "at": round(at, 3),
                "seconds": round(self.clock.monotonic() - begun, 3),
                "mountpoints": list(self.mounts),
                "healed": healed,
                "steps": steps,
            }
        )
        if healed:
            resume()
        return healed

    def _heal(self, until: float, steps: list[dict[str, Any]]) -> bool:
        pause = _FIRST_PAUSE
        while True:
            verdicts = {mount: self.probe(mount, self.stop) for mount in self.mounts}
            ill = [mount for mount in self.mounts if not verdicts[mount].healthy]
            if not ill:
                return True
            left = until - self.clock.monotonic()
            if left <= 0:
                return False
            for mount in ill:
                self._restart(mount, verdicts[mount], left, steps)
            left = until - self.clock.monotonic()
            if left > 0 and self.clock.sleep(min(pause, left), self.stop):
                raise Stopped("waiting for a mount")
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _restart(self, mount: str, verdict: Verdict, left: float, steps: list[dict[str, Any]]) -> None:
        program = self.programs.get(mount)
        told = f"{mount} is {verdict.state}: {verdict.reason}"
        if program is None:
            self.tell(f"waiting for the mount: {told}", {"mount": mount, "state": verdict.state})
            return
        self.tell(f"restarting the mount: {told}", {"mount": mount, "state": verdict.state})
        try:
            recover(
                program,
                mountpoint=mount,
                # Plex was halted before, once for all mounts, and goes on when all of them read.
                stop_consumers=_nothing,
                resume=_nothing,
                probe=lambda stop: self.probe(mount, stop),
                clock=self.clock,
                stop=self.stop,
                times=Times(settle=min(Times.settle, left)),
                filesystem=self.filesystem,
                tell=lambda step: steps.append({"mountpoint": mount, **step.to_dict()}),
            )
        except Stopped:
            raise
        except (Transient, Unsafe) as failed:
            self.tell(f"the restart did not help: {failed}", {"mount": mount})


def _nothing() -> None:
    """Nothing to do here."""
