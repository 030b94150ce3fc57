"""The vigil over a mount while Plex reads through it: one small read now and then, by a thread of its own.

Whoever watches Plex asks it at each of its looks how the mount stands; that never waits, whatever a probe is
doing. How often it reads decides how soon a bad scan ends, not whether it is believed: for that the mount is
read once more when the scan is over.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Protocol, Self

from medialift.errors import Unsafe
from medialift.foundation.waiting import Clock
from medialift.mounts.monitor import Monitor, Observation, Probe

# A probe ends at once when it is told to; that it does not is a defect, for which nobody waits.
_LEAVE_SECONDS = 10.0


class MountLost(Unsafe):
    """A mount does not read. What Plex did through it is not believed; it may be done again once it reads."""


class Watching(Protocol):
    """What a guard gives for the length of a piece of work."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_error: object) -> None: ...

    def look(self) -> None:
        """How the mount stands, without waiting.

        Raises:
            MountLost: it failed as often in a row as is too often.
        """
        ...

    def prove(self) -> None:
        """Read the mount once more now that the work is done.

        Raises:
            MountLost: it does not read now, or did not at some time during the work.
            Stopped: the run was stopped.
        """
        ...


class Vigil:
    """Probes while its block runs.

    Args:
        probe: one probe, as for a `Monitor`.
        every: seconds between two; the first comes that long after the beginning.
        failures: how many in a row lose the mount.
        told: called with each probe, in the vigil's thread.
        last: the reading that proves the mount when the work is done. Raises MountLost.
    """

    def __init__(
        self,
        probe: Probe,
        *,
        name: str,
        every: float,
        failures: int,
        clock: Clock,
        told: Callable[[Observation], None],
        last: Callable[[], object],
    ) -> None:
        self._name, self._every, self._clock, self._told, self._last = name, every, clock, told, last
        self._stop = Event()
        self._ill: Observation | None = None
        self._broke: BaseException | None = None
        self._monitor = Monitor(
            probe,
            every=every,
            grace=0.0,
            threshold=failures,
            clock=clock,
            stop=self._stop,
            tell=self._tell,
        )
        self._thread = Thread(target=self._run, name=f"vigil-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._end()

    def look(self) -> None:
        """How the mount stands, without waiting.

        Raises:
            MountLost: it failed as often in a row as is too often.
        """
        if self._broke is not None:
            raise self._broke
        standing = self._monitor.state
        if standing.failed and standing.verdict is not None:
            verdict = standing.verdict
            raise lost(
                f"stopped reading while Plex read through it (it is {verdict.state}: {verdict.reason})",
                f"{self._name}: {verdict.mountpoint}",
            )

    def prove(self) -> None:
        """Read the mount once more now that the work is done, which ends the vigil.

        Raises:
            MountLost: it does not read now, or did not at some time during the work.
            Stopped: the run was stopped.
        """
        self._end()
        self.look()
        if (ill := self._ill) is not None:
            # It reads again, but what Plex met meanwhile it took for gone.
            raise lost(
                f"did not read for a while (it was {ill.verdict.state}: {ill.verdict.reason})",
                f"{self._name}: {ill.verdict.mountpoint}",
            )
        self._last()

    def _end(self) -> None:
        self._stop.set()
        self._thread.join(_LEAVE_SECONDS)

    def _run(self) -> None:
        try:
            if not self._clock.sleep(self._every, self._stop):
                self._monitor.run()
        except BaseException as error:
            # A vigil that broke must not look like a mount that is well: the next look raises it.
            self._broke = error

    def _tell(self, one: Observation) -> None:
        if not one.verdict.healthy and self._ill is None:
            self._ill = one
        self._told(one)


def lost(what: str, subject: str) -> MountLost:
    """The error, in one wording: "The mount …"."""
    return MountLost(f"The mount {what}", subject, "Look at the mount's service and at the store")
