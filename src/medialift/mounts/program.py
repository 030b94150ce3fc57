"""The program behind a mount: which processes serve it, how it is told to end, how it is started again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from medialift.foundation import process
from medialift.foundation.process import Runner
from medialift.foundation.systemd import shown

_patient = process.runner(timeout=30.0)


class MountProgram(Protocol):
    """What a recovery needs of it. Nothing here waits: the recovery looks again and again."""

    def pids(self) -> Sequence[int]:
        """The processes that serve the mount; none when it does not run."""
        ...

    def stop(self) -> None:
        """Tell it to end (SIGTERM), and whoever looks after it not to start it again by itself."""
        ...

    def start(self) -> None:
        """Start it."""
        ...


@dataclass(frozen=True)
class SystemdUnit:
    """A mount as a unit of systemd, such as `rclone-media.service`.

    Raises, in each method:
        Permanent: there is no such unit, or systemd refuses.
        Transient: systemd does not answer.
    """

    unit: str
    runner: Runner = _patient

    def pids(self) -> list[int]:
        """Its main process, if it has one."""
        hint = "Name the unit that mounts it, such as rclone-media"
        main = int(shown(self.unit, "MainPID", runner=self.runner, hint=hint) or 0)
        return [main] if main else []

    def stop(self) -> None:
        """Have systemd end it, so that its own restart does not come in between.

        What requires the mount (Plex) goes on: whoever recovers has stopped what reads, and only that. And it
        is not waited for: `systemctl stop` comes back when the unit has stopped, which may be never.
        """
        self.runner(["systemctl", "stop", "--no-block", "--job-mode=ignore-requirements", self.unit]).checked(
            "systemd would not stop the mount"
        )

    def start(self) -> None:
        """Start it; systemd does so when it has ended."""
        # One that failed too often in a row refuses to start until it is forgiven; else this does nothing.
        self.runner(["systemctl", "reset-failed", self.unit])
        self.runner(["systemctl", "start", "--no-block", self.unit]).checked(
            "systemd would not start the mount", f"Look at: journalctl -u {self.unit}"
        )
