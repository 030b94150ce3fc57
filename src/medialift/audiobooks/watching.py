"""Watching the inbox: the kernel tells of changes at once, so that a look need not wait for its turn.

It only ever hastens a look. File systems whose changes are made elsewhere (NFS, SMB) tell nothing, and a
kernel may be out of watches: whoever looks also does so every `rescan` seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType

import watchfiles

from medialift.audiobooks import inbox
from medialift.audiobooks.listing import Reading, shown
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.settings import AudiobooksSettings

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.5
_JOIN_SECONDS = 5.0
# A look that comes a moment too early would find the book waiting, and the next one may be far away.
_MARGIN_SECONDS = 0.5


class Watching:
    """Watches in a thread of its own, from the block's beginning to its end.

    Args:
        nudge: is called from that thread when something changed, and again when that has been quiet for the
            wait time.
    """

    def __init__(
        self, settings: AudiobooksSettings, nudge: Callable[[], object], *, clock: Clock | None = None
    ) -> None:
        self._settings, self._nudge, self._clock = settings, nudge, clock or SystemClock()
        self._reading = inbox.reading(settings)
        self._stop = Event()
        self._again_at: float | None = None
        self._silent = False
        self._thread = Thread(target=self._run, name="watching the inbox", daemon=True)

    def __enter__(self) -> Watching:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except Exception as error:  # whatever the kernel's reason is, the periodic looks go on
                if not self._silent:
                    _log.warning(
                        "%s is not watched, only looked at every %g s: %s",
                        shown(self._settings.inbox),
                        self._settings.rescan,
                        error,
                    )
                self._silent = True
                wait_until(self._stop.is_set, at_most=self._settings.rescan, stop=self._stop)

    def _watch(self) -> None:
        """Watch until the inbox is another folder than it was, or the end."""
        place = _place(self._settings.inbox)
        changes = watchfiles.watch(
            self._settings.inbox,
            watch_filter=lambda _change, path: matters(Path(path), self._settings.inbox, self._reading),
            stop_event=self._stop,
            rust_timeout=int(_LOOK_SECONDS * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )
        for changed in changes:
            if changed:
                self._silent = False
                self._nudge()
                self._again_at = self._clock.monotonic() + self._settings.wait + _MARGIN_SECONDS
            elif self._again_at is not None and self._clock.monotonic() >= self._again_at:
                self._again_at = None
                self._nudge()
            if _place(self._settings.inbox) != place:
                self._nudge()  # it was unmounted, mounted, or made anew: watches are of the old one
                return


def matters(path: Path, inbox: Path, reading: Reading) -> bool:
    """Whether a change there can be one of a book."""
    if any(path.is_relative_to(folder) for folder in reading.leave_out):
        return False
    return not any(reading.ignores(name) for name in path.relative_to(inbox).parts)


def _place(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino
