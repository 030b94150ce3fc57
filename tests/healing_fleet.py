"""A fleet of real processes, handled as systemd would: started, drained, killed, started again by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, RLock, Thread
from types import TracebackType

from medialift.errors import Permanent
from medialift.foundation.waiting import wait_until
from medialift.healing.fleet import Member

ROOT = Path(__file__).parents[1]

Command = Callable[[str, int, Path | None], Sequence[str]]
"""The command line of a worker: its name, its number, and the release that is set for it alone."""


@dataclass
class _Unit:
    """One worker as systemd would know it: whether it is to run, and its process of now."""

    number: int
    enabled: bool = False
    wanted: bool = False
    """Started, and neither stopped nor given up since."""
    settings: dict[str, str] = field(default_factory=dict)
    release: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    begun: list[int] = field(default_factory=list)
    """The process ids of all its lives."""

    @property
    def active(self) -> bool:
        return self.process is not None and self.process.poll() is None


class ProcessFleet:
    """Workers of this machine as processes in sessions of their own; use it in a `with`.

    Args:
        command: the command line of a worker.
        folder: for what they write: `NAME.log`.
        host: in front of the numbers in their names.
        env: of all of them, beside this process's own.
        restart: after `delay` seconds, start again what ended without being told to (Restart=always).
        give_up: exit codes after which it is not (RestartPreventExitStatus).
    """

    def __init__(
        self,
        command: Command,
        folder: Path,
        *,
        host: str = "here",
        env: Mapping[str, str] | None = None,
        restart: bool = True,
        delay: float = 0.1,
        give_up: Sequence[int] = (2,),
    ) -> None:
        self.command, self.folder, self.host, self.env = command, folder, host, dict(env or {})
        self.restart, self.delay, self.give_up = restart, delay, tuple(give_up)
        self.done: list[tuple[str, str]] = []
        """What was asked of it, in order: (stop | start | enable | disable | configure, name)."""
        self._units: dict[int, _Unit] = {}
        self._lock = RLock()
        self._ended = Event()
        self._keeper = Thread(target=self._keep, name="fleet", daemon=True)
        self._keeper.start()

    def __enter__(self) -> ProcessFleet:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill all that runs, with all their children."""
        self._ended.set()
        self._keeper.join(10)
        for unit in self._units.values():
            unit.wanted = False
            self._kill(unit)

    # -- Fleet ------------------------------------------------------------------------------------------

    def members(self) -> list[Member]:
        with self._lock:
            return [
                Member(
                    name=self.name(unit.number),
                    number=unit.number,
                    unit=f"process-{unit.number}",
                    enabled=unit.enabled,
                    active=unit.active or unit.wanted,
                    pid=unit.process.pid if unit.process is not None and unit.active else 0,
                    restarts=unit.restarts,
                    settings=dict(unit.settings),
                    release=unit.release,
                )
                for unit in sorted(self._units.values(), key=lambda one: one.number)
                if unit.enabled or unit.active or unit.wanted
            ]

    def stop(self, name: str, *, at_most: float) -> bool:
        unit = self._asked("stop", name)
        with self._lock:
            unit.wanted = False
            process = unit.process
            if process is None or not unit.active:
                self._kill(unit)  # what its process left behind
                return True
            # As systemd does, so that one that is frozen hears it as well.
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        by_itself = wait_until(lambda: process.poll() is not None, at_most=at_most, every=0.02)
        by_itself = by_itself and process.returncode >= 0
        self._kill(unit)
        return by_itself

    def start(self, name: str) -> None:
        unit = self._asked("start", name)
        with self._lock:
            unit.wanted = True
            unit.restarts = 0
            if not unit.active:
                self._begin(unit)

    def disable(self, name: str) -> None:
        self._asked("disable", name).enabled = False

    def enable(self, number: int) -> str:
        name = self.name(number)
        with self._lock:
            self._units.setdefault(number, _Unit(number)).enabled = True
        self._asked("enable", name)
        return name

    def configure(self, name: str, settings: Mapping[str, str], release: Path | None = None) -> None:
        unit = self._asked("configure", name)
        with self._lock:
            unit.settings, unit.release = dict(settings), release

    # -- for tests ----------------------------------------------------------------------------------------

    def run(self, count: int) -> list[str]:
        """Enable and start the workers 1 to `count`; their names. Nothing of it counts as done."""
        names = [self.enable(number) for number in range(1, count + 1)]
        for name in names:
            self.start(name)
        self.done.clear()
        return names

    def name(self, number: int) -> str:
        return f"{self.host}@{number}"

    def pid(self, name: str) -> int:
        """Its process; 0 when none runs now."""
        return next((one.pid for one in self.members() if one.name == name), 0)

    def lives(self, name: str) -> list[int]:
        """The process ids of all its lives, the newest last."""
        return list(self._unit(name).begun)

    def signal(self, name: str, number: int) -> None:
        """Send its process a signal."""
        os.kill(self.pid(name), number)

    def log(self, name: str) -> Path:
        """What it wrote, over all its lives."""
        return self.folder / f"{name}.log"

    # -- inside -------------------------------------------------------------------------------------------

    def _unit(self, name: str) -> _Unit:
        host, _, number = name.rpartition("@")
        if host != self.host or not number.isdigit() or int(number) not in self._units:
            raise Permanent("There is no such worker", name)
        return self._units[int(number)]

    def _asked(self, what: str, name: str) -> _Unit:
        unit = self._unit(name)
        self.done.append((what, name))
        return unit

    def _begin(self, unit: _Unit) -> None:
        name = self.name(unit.number)
        with self.log(name).open("ab") as log:
            unit.process = subprocess.Popen(
                list(self.command(name, unit.number, unit.release)),
                cwd=ROOT,
                env={**os.environ, **self.env, **unit.settings},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        unit.begun.append(unit.process.pid)

    def _kill(self, unit: _Unit) -> None:
        """Its process with all its children, and collect it."""
        if unit.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(unit.process.pid, signal.SIGKILL)
            unit.process.wait(10)
            unit.process = None  # its number may soon be another's

    def _keep(self) -> None:
        """Start again what ended by itself."""
        while not self._ended.wait(self.delay):
            with self._lock:
                for unit in self._units.values():
                    if not unit.wanted or unit.active or unit.process is None:
                        continue
                    if not self.restart or unit.process.returncode in self.give_up:
                        unit.wanted = False
                        continue
                    self._kill(unit)
                    unit.restarts += 1
                    self._begin(unit)
