"""Plex at rest: nothing of it works on some sections while their mount is lost, or anything else is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from medialift.errors import Transient
from medialift.foundation.waiting import Clock
from medialift.plex import scan
from medialift.plex.scan import Times
from medialift.plex.server import PlexServer, Section
from medialift.plex.service import Service


@dataclass
class Resting:
    """Brings the work on some sections to rest.

    Attributes:
        service: Plex's own service, for a server that will not cease; without one it is only asked.
        tell: what a person should know of it.
    """

    server: PlexServer
    sections: Sequence[Section]
    times: Times
    clock: Clock
    stop: Event
    service: Service | None
    tell: Callable[[str], None]
    _stopped: bool = field(default=False, init=False)

    def halt(self) -> None:
        """Have it cease, as far as it can: what waits inside the kernel for a hung mount cannot yet.

        Raises:
            Stopped: the run was stopped.
        """
        if self._cease():
            return
        self.tell(f"Plex goes on {self.times.cease:g} s after it was told to cease")
        if self.service is not None:
            self._stopped = True
            try:
                self.service.stop()
            except Transient as held:
                # A process that waits for a hung mount cannot end before the mount is taken down.
                self.tell(f"{held.what}: the mount is taken down under it")

    def resume(self) -> None:
        """Have it ready and at rest, now that the mount reads again.

        Raises:
            Stopped: the run was stopped.
            Transient: it still works on what was cancelled, or does not come up.
            Permanent: its service does not start.
        """
        if not self._stopped and not self._cease():
            if self.service is None:
                raise Transient(
                    f"Plex did not cease in {self.times.cease:g} s what was cancelled",
                    ", ".join(section.name for section in self.sections),
                    "Restart Plex, then start the run again",
                )
            self._stopped = True
        if self._stopped and self.service is not None:
            self.tell("Plex is started again, since it would not cease")
            if self.service.running():
                self.service.stop()
            self.service.start()
            self.server.wait_ready(
                at_most=self.times.ready,
                every=min(2.0, self.times.poll),
                clock=self.clock,
                stop=self.stop,
            )
            self._stopped = False

    def _cease(self) -> bool:
        keys = [section.key for section in self.sections]
        return scan.cease(self.server, keys, times=self.times, clock=self.clock, stop=self.stop)
