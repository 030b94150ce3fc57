"""What a service does beside its main work: the same turn again and again in a thread, until it ends.

A turn that fails is told once and taken again: nothing that goes wrong in one ends the others.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from medialift.errors import MedialiftError
from medialift.queueing.crew import AWAY, gone

_log = logging.getLogger(__name__)
_JOIN_SECONDS = 10.0


@dataclass
class Beside:
    """One thread that takes its turns.

    Attributes:
        every: seconds between two turns; `nudge` begins one at once.
        why: why the last turn failed; "" when it did not.
        taken: when the last turn that did not fail ended (monotonic); None: there was none yet.
    """

    name: str
    turn: Callable[[], object]
    every: float
    why: str = ""
    taken: float | None = None
    _stop: Event = field(default_factory=Event)
    _wanted: Event = field(default_factory=Event)
    _thread: Thread | None = None

    def start(self) -> None:
        self._thread = Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no more turns; one that is under way is waited for, though not for ever."""
        self._stop.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def nudge(self) -> None:
        """Take a turn now. Safe to call from any thread."""
        self._wanted.set()

    @property
    def alive(self) -> bool:
        """Whether its thread goes on."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wanted.clear()
            self._take()
            self._wanted.wait(self.every)

    def _take(self) -> None:
        try:
            self.turn()
            if self.why:
                _log.warning("%s: it works again", self.name)
            self.why, self.taken = "", time.monotonic()
        except (MedialiftError, *AWAY) as error:
            told = error if isinstance(error, MedialiftError) else gone(error)
            self._say(str(told))
        except Exception as error:
            if not self.why:
                _log.exception("%s: a turn failed", self.name)
            self.why = repr(error)

    def _say(self, why: str) -> None:
        if why != self.why:
            _log.warning("%s: %s", self.name, why)
        self.why = why
