"""Telling a person that a service's answers changed: once a day and service, not once a book."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

from medialift.audiobooks.metadata.shapes import Misfit
from medialift.foundation import atomic
from medialift.foundation.locks import alone
from medialift.foundation.waiting import Clock, SystemClock

EVERY = 86_400.0
_log = logging.getLogger(__name__)

Tell = Callable[[Misfit], object]
"""Sends an alert to people."""


class Alerts:
    """Tells of misfits, each service's once a day; when is remembered in a file, for all processes.

    Args:
        folder: of that file. One that cannot be written makes an alert come more than once a day.
        tell: None: only the log says it.
    """

    def __init__(self, folder: Path, tell: Tell | None = None, *, clock: Clock | None = None) -> None:
        self._folder, self._tell, self._clock = folder, tell, clock or SystemClock()

    def misfit(self, fault: Misfit) -> None:
        """An answer did not fit. Whatever happens while it is told fails no book."""
        _log.warning("%s", fault)
        if self._tell is None or not self._due(fault.service):
            return
        try:
            self._tell(fault)
        except Exception as error:  # a destination of notices may raise anything
            _log.warning("The alert could not be told: %s", error)

    def _due(self, service: str) -> bool:
        now, file = self._clock.now(), self._folder / "alerts.json"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with alone(file.with_suffix(".lock")):
                told = _read(file)
                if 0 <= now - told.get(service, -EVERY) < EVERY:
                    return False
                atomic.write_json(file, {**told, service: now})
        except OSError as error:
            _log.warning("When an alert was told cannot be remembered: %s", error)
        return True


def _read(file: Path) -> dict[str, float]:
    try:
        return {str(name): float(at) for name, at in json.loads(file.read_bytes()).items()}
    except (FileNotFoundError, ValueError, TypeError, AttributeError):
        return {}
