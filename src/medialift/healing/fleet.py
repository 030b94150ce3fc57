"""The workers of one pipeline on this host, as whatever runs them (systemd, or a test) handles them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Member:
    """One worker of the fleet.

    Attributes:
        name: its name in the ledger.
        number: 1 and up; the highest is drained first when there are too many.
        unit: the systemd unit, or what stands for it.
        enabled: it is to run.
        active: its process runs now.
        pid: its main process; 0 when none runs.
        restarts: how often it was started again by itself since it was last started by hand.
        settings, release: what was set for it alone by `configure`.
    """

    name: str
    number: int
    unit: str
    enabled: bool
    active: bool
    pid: int = 0
    restarts: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    release: Path | None = None


class Fleet(Protocol):
    """All methods may take long (a drain lasts until what is in flight is done) and raise Transient when the
    service manager does not answer, Permanent when there is no such worker."""

    def members(self) -> list[Member]:
        """All workers that are enabled or run, by number."""
        ...

    def stop(self, name: str, *, at_most: float) -> bool:
        """Drain it: it finishes what is in flight, gives back the rest and ends. What has not ended after
        `at_most` seconds is killed with all its children. Whether it ended by itself. It is not started again
        by itself, and stays enabled."""
        ...

    def start(self, name: str) -> None:
        """Have it run; no fault when it does."""
        ...

    def disable(self, name: str) -> None:
        """It is not to run any more, also after a reboot; what runs of it is not touched."""
        ...

    def enable(self, number: int) -> str:
        """A worker of this number is to run, also after a reboot; its name. It is not started yet."""
        ...

    def configure(self, name: str, settings: Mapping[str, str], release: Path | None = None) -> None:
        """From its next start on it has these settings (environment variables) and this release, instead of
        its common ones; nothing given: the common ones again."""
        ...
