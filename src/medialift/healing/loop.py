"""Rounds until told to end: what the unit medialift-healing runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

from medialift.errors import MedialiftError
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock
from medialift.healing import requests
from medialift.healing.healer import Healer, Round
from medialift.queueing.readiness import notify

_log = logging.getLogger(__name__)
_FEED_SECONDS = 10.0
PATIENCE_SECONDS = 3600.0
"""A round that drains many workers takes long; one that takes longer than this hangs, and systemd ends it."""


@dataclass
class Loop:
    """Makes a round every `healing.every` seconds.

    Attributes:
        stop: ends the loop, after the step that is under way.
        after: is told of each round.
    """

    healer: Healer
    stop: Event
    clock: Clock = field(default_factory=SystemClock)
    after: Callable[[Round], None] = lambda _: None
    patience: float = PATIENCE_SECONDS
    _round_began: float | None = None
    _said: str = ""

    @property
    def alive(self) -> bool:
        """No round takes too long now."""
        began = self._round_began
        return began is None or self.clock.monotonic() - began < self.patience

    def run(self) -> None:
        """Until `stop` is set. Nothing that goes wrong in a round ends it: the next one looks again."""
        notify("READY=1")
        over = Event()
        feeder = Thread(target=self._feed, args=(over,), name="watchdog", daemon=True)
        feeder.start()
        try:
            while not self.stop.is_set():
                self._round()
                self.clock.sleep(self.healer.here.settings.healing.every, self.stop)
        finally:
            notify("STOPPING=1")
            over.set()
            feeder.join(_FEED_SECONDS)

    def _round(self) -> None:
        self._round_began = self.clock.monotonic()
        try:
            requests.fulfil(self.healer.here)
            done = self.healer.round()
        except Stopped:
            return
        except MedialiftError as error:
            self._say(str(error), logging.WARNING)
        except Exception:
            _log.exception("A round broke off")
            self._said = "the last round broke off"
        else:
            words = done.idle or f"{done.workers} workers, {len(done.stuck)} stuck"
            self._say(words, logging.WARNING if done.idle else logging.INFO)
            self.after(done)
        finally:
            self._round_began = None

    def _say(self, words: str, level: int) -> None:
        if words != self._said:
            _log.log(level, "%s", words)
        self._said = words

    def _feed(self, over: Event) -> None:
        """Feed systemd's watchdog, as long as no round takes too long."""
        while not over.is_set():
            if self.alive:
                notify(f"WATCHDOG=1\nSTATUS={self._said or 'the first round'}")
            over.wait(_FEED_SECONDS)
