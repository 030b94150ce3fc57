"""What a mount is found to be, and the reads that say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ABSENT, HEALTHY, DEGRADED, STALE = "absent", "healthy", "degraded", "stale"
HUNG, FOREIGN, EMPTY = "hung", "foreign", "empty"
STATES = (ABSENT, HEALTHY, DEGRADED, STALE, HUNG, FOREIGN, EMPTY)


@dataclass(frozen=True)
class Read:
    """One file that was read: when (seconds since the epoch), for how long, and what went wrong, if so.

    Attributes:
        missing: the file is not there.
        differs: it reads, but not what the store itself holds; `ok` is then False too.
    """

    path: str
    at: float
    seconds: float
    ok: bool
    error: str = ""
    missing: bool = False
    differs: bool = False

    def to_dict(self) -> dict[str, Any]:
        """{path, at, seconds, ok, error}."""
        return {
            "path": self.path,
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 4),
            "ok": self.ok,
            "error": self.error,
        }


@dataclass(frozen=True)
class Verdict:
    """What the mount is.

    Attributes:
        state: absent (nothing is mounted there), foreign (something else is), empty (it lists nothing),
            stale (still mounted, but its program died), degraded (it lists, but too many reads fail or bring
            other bytes than the store's), hung (a read or listing does not come back), healthy.
        reason: one sentence; empty when healthy.
        reads: what was read, the failed and the hanging ones too.
        differing: files that are missing, cannot be read, or are not what the store holds. A few of them do
            not condemn a mount, so a healthy one may name some.
        note: what could not be found out: why the store itself was not compared with.
    """

    mountpoint: str
    state: str
    reason: str = ""
    reads: tuple[Read, ...] = ()
    differing: tuple[str, ...] = ()
    note: str = ""

    @property
    def healthy(self) -> bool:
        """Whether a scan may trust it."""
        return self.state == HEALTHY

    def to_dict(self) -> dict[str, Any]:
        """{mountpoint, state, reason, reads: [{path, at, seconds, ok, error}], differing: [path], note}."""
        return {
            "mountpoint": self.mountpoint,
            "state": self.state,
            "reason": self.reason,
            "reads": [read.to_dict() for read in self.reads],
            "differing": list(self.differing),
            "note": self.note,
        }
