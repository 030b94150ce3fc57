"""What a run saw of its mounts: every read, every probe that failed, every recovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medialift.mounts.monitor import Observation
from medialift.mounts.probe import Read, Verdict


@dataclass
class MountRecord:
    """Grows while the run goes on. It is added to from two threads, in single steps only.

    Attributes:
        reads: files that were read, on the host and inside the container.
        probes: how many probes a vigil made.
        ill: those of them that failed: {at, seconds, mountpoint, state, reason}.
        unreadable: files that could not be read, or differed, on a mount that was found healthy; and why.
        uncompared: why a mount could not be compared with its store at some time, by its mountpoint.
        recoveries: {at, seconds, mountpoints, healed, steps}.
    """

    reads: list[Read] = field(default_factory=list)
    probes: int = 0
    ill: list[dict[str, Any]] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    uncompared: dict[str, str] = field(default_factory=dict)
    recoveries: list[dict[str, Any]] = field(default_factory=list)

    def verdict(self, verdict: Verdict) -> None:
        """Take what one check found."""
        self.reads.extend(verdict.reads)
        if verdict.note:
            self.uncompared[verdict.mountpoint] = verdict.note
        if verdict.healthy:
            errors = {read.path: read.error for read in verdict.reads}
            self.unreadable.update({path: errors.get(path, "") for path in verdict.differing})

    def observation(self, one: Observation) -> None:
        """Take a probe of a vigil; its verdict was taken by `verdict`."""
        self.probes += 1
        if not one.verdict.healthy:
            self.ill.append(
                {
                    "at": round(one.at, 3),
                    "seconds": round(one.seconds, 3),
                    "mountpoint": one.verdict.mountpoint,
                    "state": one.verdict.state,
                    "reason": one.verdict.reason,
                }
            )

    def to_dict(self) -> dict[str, Any]:
        """{probes, ill: [{at, seconds, mountpoint, state, reason}], unreadable: [{path, error}], uncompared:
        [{mountpoint, why}], recoveries: [{at, seconds, mountpoints, healed, steps}]}."""
        return {
            "probes": self.probes,
            "ill": list(self.ill),
            "unreadable": [{"path": path, "error": error} for path, error in sorted(self.unreadable.items())],
            "uncompared": [{"mountpoint": one, "why": why} for one, why in sorted(self.uncompared.items())],
            "recoveries": list(self.recoveries),
        }
