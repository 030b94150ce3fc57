"""How often a service is asked: so many times a minute by all processes of this host, less if it says so.

The record lies in a file per service, so that a command and the service keep one limit together, and a
service that asked to be left alone is left alone also after a restart.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeVar

from medialift.errors import Transient
from medialift.foundation import atomic
from medialift.foundation.locks import alone
from medialift.foundation.units import format_duration
from medialift.foundation.waiting import Clock, SystemClock, wait_until

_log = logging.getLogger(__name__)
_MINUTE = 60.0
USUAL_PAUSE = 60.0
"""Seconds that a service is left alone when it does not say how long: its limits are by the minute."""
LONGEST_PAUSE = 3600.0
_T = TypeVar("_T")


class Stopped(Transient):
    """The look-up was stopped: it goes on when it is begun again."""

    def __init__(self, subject: str) -> None:
        super().__init__("The look-up was stopped", subject, "It goes on at the next try")


@dataclass
class _Record:
    """When requests were sent in the last minute, and until when none may be: seconds since the epoch."""

    sent: list[float] = field(default_factory=list)
    until: float = 0.0


class Turns:
    """Gives out turns to ask services.

    Args:
        folder: of the records. One that cannot be written is as if each process were alone.
        per_minute: requests to one service in any 60 seconds.
    """

    def __init__(self, folder: Path, per_minute: int, *, clock: Clock | None = None) -> None:
        self._folder, self._per_minute, self._clock = folder, per_minute, clock or SystemClock()
        self._alone: dict[str, _Record] = {}
        self._lock = Lock()

    def take(self, service: str, *, at_most: float, stop: Event | None = None) -> None:
        """Wait for a turn of this service, `at_most` seconds long, and count it.

        Raises:
            Transient: there is none within that time; it is said at once, without waiting.
            Stopped: `stop` was set.
        """
        stop = stop or Event()
        deadline = self._clock.monotonic() + at_most
        while wait := self._recorded(service, self._counted):
            if wait > deadline - self._clock.monotonic():
                raise Transient(
                    f"{service} must be left alone for {format_duration(wait)} more",
                    service,
                    "It goes on by itself: the limits of the service are kept",
                )
            wait_until(lambda: False, at_most=wait, every=wait, clock=self._clock, stop=stop)
            if stop.is_set():
                raise Stopped(service)

    def leave_alone(self, service: str, seconds: float) -> None:
        """Nobody asks this service for so long: it said so."""
        until = self._clock.now() + min(max(0.0, seconds), LONGEST_PAUSE)

        def longer(record: _Record) -> None:
            record.until = max(record.until, until)

        self._recorded(service, longer)

    def _counted(self, record: _Record) -> float:
        """0 when a request may be sent now, which is counted; else in how many seconds one may."""
        now = self._clock.now()
        # A clock that was put back leaves times in the future: they would bar everything until then.
        record.sent = [at for at in record.sent if now - _MINUTE < at <= now]
        if now < record.until <= now + LONGEST_PAUSE:
            return record.until - now
        if len(record.sent) >= self._per_minute:
            # The smallest wait keeps a rounded difference from being taken for none.
            return max(record.sent[-self._per_minute] + _MINUTE - now, 0.001)
        record.sent.append(now)
        return 0.0

    def _recorded(self, service: str, change: Callable[[_Record], _T]) -> _T:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = self._folder / f"{service}.json"
            with alone(file.with_suffix(".lock")) as held:
                if not held:
                    raise OSError("another process holds its lock")
                record = _read(file)
                result = change(record)
                atomic.write_json(file, {"sent": record.sent, "until": record.until})
                return result
        except OSError as error:
            _log.warning("The requests to %s are counted by this process alone: %s", service, error)
            with self._lock:
                return change(self._alone.setdefault(service, _Record()))


def pause_asked(header: str | None, now: float) -> float:
    """Seconds of a Retry-After header, which is a number of them or a date; the usual pause without one."""
    if header is None:
        return USUAL_PAUSE
    try:
        return min(max(0.0, float(header)), LONGEST_PAUSE)
    except ValueError:
        pass
    try:
        return min(max(0.0, parsedate_to_datetime(header).timestamp() - now), LONGEST_PAUSE)
    except (ValueError, TypeError, OverflowError):
        return USUAL_PAUSE


def _read(file: Path) -> _Record:
    """What the file says; nothing when it is not there or not ours."""
    try:
        told: Any = json.loads(file.read_bytes())
        return _Record([float(at) for at in told["sent"]], float(told["until"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return _Record()
