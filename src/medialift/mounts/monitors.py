"""The monitors of this host, started and stopped by whoever asks: as units of systemd, or as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation import process
from medialift.foundation.launching import SYSTEMD
from medialift.foundation.process import Runner
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.mounts import published
from medialift.mounts.history import History
from medialift.mounts.probe import HEALTHY
from medialift.mounts.published import Published
from medialift.mounts.watch import runner_of
from medialift.mounts.watch_options import FOLDER, Place, WatchOptions

UNIT = "medialift-mount-monitor@{name}.service"

# A monitor is up when it holds its lock, and gone when it does not. Both take less than a second.
START_SECONDS, STOP_SECONDS = 60.0, 30.0


@dataclass(frozen=True)
class Monitors:
    """Monitors of this host, each in a folder of its own below `folder`.

    Args:
        supervisor: what runs them: SYSTEMD, or PROCESS where there is no systemd.
    """

    folder: Path = FOLDER
    supervisor: str = SYSTEMD
    runner: Runner = process.run
    clock: Clock = field(default_factory=SystemClock)

    def status(self, name: str, lines: int = 20) -> dict[str, Any]:
        """{running, unit, status: what it published last, history: its newest lines}."""
        place = Place(name, self.folder)
        told = published.read(place.state)
        return {
            "running": runner_of(place) > 0,
            "unit": UNIT.format(name=name) if self.supervisor == SYSTEMD else "",
            "status": told.to_dict() if told else {},
            "history": History(place.history).last(lines),
        }

    def described(self, name: str) -> dict[str, Any]:
        """{running, release, options}: what a difference is shown of; release and options of one that runs.

        Raises:
            Permanent: the name is none.
        """
        place = Place(name, self.folder)
        if not runner_of(place):
            return {"running": False}
        told = published.read(place.state)
        try:
            options = place.read_options().model_dump(mode="json")
        except Permanent:  # damaged, or of another release: it is started anew, with those that are given
            options = {}
        return {"running": True, "release": told.release if told else "", "options": options}

    def wanted(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The same of a monitor with these options, by this release.

        Raises:
            Permanent: an option is wrong.
        """
        return {
            "running": True,
            "release": version("medialift"),
            "options": WatchOptions.of(given).model_dump(mode="json"),
        }

    def must_start(self, name: str, given: Mapping[str, Any]) -> bool:
        """Whether `start` would change anything.

        Raises:
            Permanent: an option is wrong.
        """
        return self.described(name) != self.wanted(given)

    def start(self, name: str, given: Mapping[str, Any]) -> bool:
        """Have a monitor with these options run, by this release; whether anything was changed.

        Raises:
            Permanent: an option is wrong, or systemd refuses.
            Transient: it did not start in time.
        """
        if not self.must_start(name, given):
            return False
        place = Place(name, self.folder)
        self.stop(name)
        place.write_options(WatchOptions.of(given))
        if self.supervisor == SYSTEMD:
            unit = UNIT.format(name=name)
            self.runner(["systemctl", "reset-failed", unit])
            self.runner(["systemctl", "start", "--no-block", unit]).checked(
                "systemd would not start the monitor", "Apply the role 'rclone_mount' again"
            )
        else:
            self._spawn(place)
        if not wait_until(lambda: runner_of(place) > 0, at_most=START_SECONDS, every=0.1, clock=self.clock):
            raise Transient(
                f"The monitor did not start within {START_SECONDS:g} s",
                name,
                f"Look at: journalctl -u {UNIT.format(name=name)}"
                if self.supervisor == SYSTEMD
                else f"Look at {place.path / 'output.log'}",
            )
        return True

    def stop(self, name: str) -> bool:
        """Have none run; whether one did.

        Raises:
            Permanent: systemd refuses.
            Transient: it did not stop in time.
        """
        place = Place(name, self.folder)
        pid = runner_of(place)
        if self.supervisor == SYSTEMD:
            # Also when it is down: systemd may be about to start it again.
            asked = self.runner(["systemctl", "stop", "--no-block", UNIT.format(name=name)])
            if pid:
                asked.checked("systemd would not stop the monitor")
        elif pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: not runner_of(place), at_most=STOP_SECONDS, every=0.05, clock=self.clock):
            raise Transient(
                f"The monitor did not stop within {STOP_SECONDS:g} s", name, f"It is process {pid}"
            )
        return pid > 0

    def healthy(
        self, name: str, at_most: float, *, every: float = 1.0, stop: Event | None = None
    ) -> Published:
        """Wait until the monitor that runs has found the mount healthy; what it published.

        Raises:
            Transient: no monitor runs.
            Unsafe: the mount is not healthy after `at_most` seconds.
        """
        place = Place(name, self.folder)
        if not runner_of(place):
            raise Transient(
                "No monitor of this mount runs", name, "Start it: mount_monitor with state: started"
            )

        def now() -> Published | None:
            told = published.read(place.state)
            # What an earlier monitor found says nothing: this one has to have looked itself.
            fresh = told is not None and told.at is not None and told.at >= told.started_at
            return told if fresh else None

        def well() -> bool:
            told = now()
            return told is not None and told.state == HEALTHY and not told.recovering

        came = wait_until(well, at_most=at_most, every=every, clock=self.clock, stop=stop)
        told = now()
        if told is not None and came:
            return told
        found = f"{told.state}: {told.reason}" if told else "not probed yet"
        raise Unsafe(
            f"The mount is not healthy after {at_most:g} s ({found})",
            name,
            told.note if told and told.note else f"See: medialift mounts history {name}",
        )

    def _spawn(self, place: Place) -> None:
        program = Path(sys.executable).parent / "medialift"
        with (place.path / "output.log").open("ab") as output:
            subprocess.Popen(
                [str(program), "mounts", "monitor", place.name, "--folder", str(self.folder)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                cwd="/",
            )
