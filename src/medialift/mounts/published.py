"""How a monitored mount stands, as a file that anybody may read: replaced as a whole after each probe."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from medialift.foundation import atomic


@dataclass(frozen=True)
class Published:
    """What a monitor tells of itself and its mount. Times are seconds since the epoch.

    Attributes:
        state: of the last probe; "unknown" before the first has ended.
        reason: why it is not healthy.
        at: when that probe began.
        seconds: how long it took.
        since: since when the mount is in this state.
        failures: probes in a row that found it ill and counted.
        failed: there were too many: nothing may rely on the mount.
        last_success: when a probe last found it healthy; None when none did.
        recovering: a recovery goes on.
        recoveries: how many brought it back; recovery_failures: how many did not.
        recovered_at: when one last did.
        waiting: units that were stopped for a recovery and wait for a healthy mount.
        note: why a mount that failed is not being recovered.
        pid: process of the monitor. started_at: when it began. release: version of medialift it runs.
    """

    name: str
    mountpoint: str
    state: str = "unknown"
    reason: str = ""
    at: float | None = None
    seconds: float = 0.0
    since: float | None = None
    failures: int = 0
    in_grace: bool = False
    failed: bool = False
    last_success: float | None = None
    recovering: bool = False
    recoveries: int = 0
    recovery_failures: int = 0
    recovered_at: float | None = None
    waiting: tuple[str, ...] = ()
    note: str = ""
    pid: int = 0
    started_at: float = 0.0
    release: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it, by the attributes' names."""
        return {**asdict(self), "waiting": list(self.waiting)}

    def write(self, path: Path) -> None:
        """Replace the file.

        Raises:
            OSError: it cannot be written; the old one is left.
        """
        atomic.write_json(path, self.to_dict())


def read(path: Path) -> Published | None:
    """What a monitor told last; None when none ever did, or when the file is damaged or from another release.

    It holds nothing that the next probe does not tell again, but for `waiting`; so a damaged one is as none.
    """
    try:
        told = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    known = {field.name for field in fields(Published)}
    if not isinstance(told, dict) or not {"name", "mountpoint"} <= told.keys():
        return None
    given = {name: value for name, value in told.items() if name in known}
    return Published(**{**given, "waiting": tuple(given.get("waiting", ()))})
