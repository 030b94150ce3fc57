"""Switches that make the stand-in fail on purpose. Only tests reach them: they have a port of their own."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

DEFAULTS: dict[str, Any] = {
    # Reading media fails while listing goes on, as on a mount whose store refuses:
    # {"match": regex on the path, "error": "EIO", "after": reads that still work}
    "degraded_mount": None,
    # Requests whose "METHOD path" matches are answered with a status:
    # {"match": regex, "status": 503, "times": how many; none for ever}
    "http_errors": None,
    # Requests that match are accepted and never answered: {"match": regex}
    "hang": None,
    # The process dies, without closing anything, after so many files of the next scan.
    "crash_after_files": None,
    # Every library request is answered 500 and the database's pages are spoiled at once.
    "malformed_database": False,
    # The account has removed this server: no token is good any more.
    "token_revoked": False,
    # Somebody is watching: /status/sessions has so many sessions.
    "watching": 0,
    # Cancelling a scan is answered 200 and forgotten.
    "ignore_cancel": False,
    # The account has a Plex Pass; without it there is no sonic analysis.
    "plex_pass": True,
    # Sonic analysis stops after so many tracks while its task goes on, as when it is stuck.
    "sonic_stalls_after": None,
    # A scan stops after so many files and stays "refreshing", as when it is stuck.
    "scan_stalls_after": None,
    # Seconds that each file of a scan takes on top.
    "seconds_per_file": 0.0,
}


@dataclass
class Switches:
    """The switches as they are now. `changed` is notified at every change."""

    values: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    changed: Condition = field(default_factory=Condition)
    reads: int = 0

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def set(self, wanted: dict[str, Any]) -> None:
        """Set some switches.

        Raises:
            KeyError: there is no such switch.
        """
        unknown = sorted(set(wanted) - set(DEFAULTS))
        if unknown:
            raise KeyError(f"no such switch: {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
        with self.changed:
            self.values.update(wanted)
            self.reads = 0
            self.changed.notify_all()

    def reset(self) -> None:
        self.set(dict(DEFAULTS))

    def media_error(self, path: str) -> OSError | None:
        """The error that reading this media file shall meet, None when it may be read."""
        fault = self.values["degraded_mount"]
        if not fault or not re.search(fault.get("match", ""), path):
            return None
        self.reads += 1
        if self.reads <= fault.get("after", 0):
            return None
        number = getattr(errno, fault.get("error", "EIO"))
        return OSError(number, os.strerror(number), path)

    def http_status(self, line: str) -> int | None:
        """The status that a request ("GET /library/sections") shall be answered with, None for the truth."""
        with self.changed:
            fault = self.values["http_errors"]
            if not fault or not re.search(fault.get("match", ""), line):
                return None
            left = fault.get("times")
            if left is not None:
                if left <= 0:
                    return None
                fault["times"] = left - 1
            return int(fault.get("status", 503))

    def wait_while_hanging(self, line: str) -> bool:
        """Hold a request for as long as a `hang` matches it. True when it was held."""
        held = False
        with self.changed:
            while (fault := self.values["hang"]) and re.search(fault.get("match", ""), line):
                held = True
                self.changed.wait(1.0)
        return held
