"""Several things found out at once, each within a time of its own; what comes too late is left behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TypeVar

from medialift.errors import MedialiftError
from medialift.foundation.jobs import Stopped
from medialift.foundation.units import format_duration

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_TICK_SECONDS = 0.1


class Parts:
    """Begins each part at once in a thread, and says of those that failed or are late why they are missing.

    A late one is not waited for at the end of the process either. So each has to end by itself sooner or
    later: what can hang for ever, such as a look at a mount, belongs into a child process.

    Attributes:
        missing: {name: why it could not be found out}.
    """

    def __init__(self, stop: Event | None = None) -> None:
        self.missing: dict[str, str] = {}
        self._stop = stop or Event()

    def begin(self, name: str, seconds: float, find: Callable[[], _T], otherwise: _T) -> Callable[[], _T]:
        """Begin to find something out; what is returned waits for it.

        Args:
            seconds: longest that it may take from now on.
            otherwise: what it is taken for when it is missing.

        Raises (when it is waited for):
            Stopped: the stop event was set. Nothing else: that one part is missing never costs the others.
        """
        found: SimpleQueue[_T | Exception] = SimpleQueue()

        def work() -> None:
            try:
                found.put(find())
            except Exception as error:  # told in the thread that waits
                found.put(error)

        until = time.monotonic() + seconds
        Thread(target=work, name=f"evidence: {name}", daemon=True).start()

        def awaited() -> _T:
            while not self._stop.is_set():
                try:
                    answer = found.get(timeout=max(0.0, min(_TICK_SECONDS, until - time.monotonic())))
                except Empty:
                    if time.monotonic() < until:
                        continue
                    self.missing[name] = f"it took longer than {format_duration(seconds)}"
                    return otherwise
                if isinstance(answer, Exception):
                    self._failed(name, answer)
                    return otherwise
                return answer
            raise Stopped(name)

        return awaited

    def now(self, name: str, find: Callable[[], _T], otherwise: _T) -> _T:
        """Find something out in this thread, which `find` must not hold up for long.

        Raises:
            Stopped: the stop event was set.
        """
        try:
            return find()
        except Exception as error:
            self._failed(name, error)
            return otherwise

    def _failed(self, name: str, error: Exception) -> None:
        if isinstance(error, Stopped):
            raise error
        if not isinstance(error, (MedialiftError, OSError)):
            _log.error("A part of the evidence could not be collected: %s", name, exc_info=error)
        self.missing[name] = str(error) or type(error).__name__
