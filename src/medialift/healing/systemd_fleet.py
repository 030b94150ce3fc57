"""The workers of a pipeline as instances of a systemd template, held together by a target.

A worker is enabled when the target's folder of wants links to it, as `systemctl enable` makes it. What is set
for one worker alone stands in a drop-in of its own below /run: a restart of the machine forgets it.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Permanent, Transient
from medialift.foundation import atomic, process
from medialift.foundation.process import Completed, Runner
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.healing.fleet import Member
from medialift.healing.pipeline import Pipeline

_patient = process.runner(timeout=30.0)

DROP_IN = "50-healing.conf"
_NOTED = "# set: "
_ACTIVE = ("active", "activating", "reloading", "deactivating")
# How systemd says that it had to end a service itself: systemd.exec(5), $SERVICE_RESULT.
_KILLED = ("timeout", "watchdog", "signal", "core-dump", "oom-kill")
# A bus that is away, or a systemd that is just busy with its own restart: both answer again later.
_AWAY = ("connect to", "connection", "timed out", "transport endpoint", "reply", "refused")
_SHOWN = ("Id", "LoadState", "ActiveState", "MainPID", "NRestarts", "Result")


@dataclass
class SystemdFleet:
    """The fleet of one pipeline on this host.

    Attributes:
        host: as %H in the names of its workers.
        units: where the target's folder of wants lies.
        drop_ins: below it, what is set for single workers is written.
        dying: seconds that what was killed may take to go; what waits in the kernel may never do so.
        stop_waiting: ends any wait at once, as when the healing itself is told to end.
    """

    pipeline: Pipeline
    runner: Runner = _patient
    host: str = field(default_factory=socket.gethostname)
    units: Path = Path("/etc/systemd/system")
    drop_ins: Path = Path("/run/systemd/system")
    dying: float = 20.0
    clock: Clock = field(default_factory=SystemClock)
    stop_waiting: Event = field(default_factory=Event)

    def members(self) -> list[Member]:
        """All workers that are enabled or run, by number."""
        enabled, active = self._enabled(), self._active()
        numbers = sorted(enabled | active)
        if not numbers:
            return []
        shown = self._shown([self._unit(number) for number in numbers])
        return [
            self._member(number, number in enabled, shown.get(self._unit(number), {})) for number in numbers
        ]

    def stop(self, name: str, *, at_most: float) -> bool:
        """Drain it; what has not ended in time is killed. Whether it ended by itself.

        Raises:
            Transient: it does not even end when it is killed: it waits in the kernel, as on a dead mount.
        """
        unit = self._unit_of(name)
        was_active = self._state(unit).get("ActiveState") in _ACTIVE
        self._systemctl("stop", "--no-block", unit)
        if self._ended(unit, at_most):
            return not was_active or self._state(unit).get("Result") not in _KILLED
        if self.stop_waiting.is_set():
            raise Transient("The wait for a worker's end was ended", name, "It goes on to end by itself")
        self._systemctl("kill", "--signal=SIGKILL", unit)
        if not self._ended(unit, self.dying):
            raise Transient(
                "A worker does not end even though it was killed",
                name,
                "It waits in the kernel: look at its mount and its disk",
            )
        return False

    def start(self, name: str) -> None:
        """Have it run. It is not waited for: whether it works, its progress tells."""
        unit = self._unit_of(name)
        # What ended too often is not started any more until this was said.
        self._systemctl("reset-failed", unit, may_fail=True)
        self._systemctl("start", "--no-block", unit)

    def disable(self, name: str) -> None:
        """It does not run any more with the target; what runs of it is not touched."""
        self._systemctl("disable", self._unit_of(name))

    def enable(self, number: int) -> str:
        """A worker of this number runs with the target; its name. It is not started yet."""
        if number < 1:
            raise Permanent("Workers are counted from 1", str(number))
        if number > 1 and self.pipeline.alone:
            raise Permanent("A host has one of these only", self.pipeline.unit)
        self._systemctl("enable", self._unit(number))
        return self._name(number)

    def configure(self, name: str, settings: Mapping[str, str], release: Path | None = None) -> None:
        """What it has of its own from its next start on; nothing given: its common ones again."""
        folder = self.drop_ins / f"{self._unit_of(name)}.d"
        file = folder / DROP_IN
        if settings or release is not None:
            content = drop_in(settings, release, self.pipeline.command)
            if _read(file) == content:
                return
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write_text(file, content)
        elif file.exists():
            shutil.rmtree(folder) if _is_ours(folder) else file.unlink()
        else:
            return
        self._systemctl("daemon-reload")

    # -- names ------------------------------------------------------------------------------------------

    def _name(self, number: int) -> str:
        return f"{self._before}@{number}"

    @property
    def _before(self) -> str:
        return f"{self.host}{self.pipeline.label}"

    def _unit(self, number: int) -> str:
        return self.pipeline.unit.format(number=number)

    def _unit_of(self, name: str) -> str:
        host, at, number = name.rpartition("@")
        if not at or host != self._before or not re.fullmatch(r"[1-9][0-9]{0,4}", number):
            raise Permanent(
                "There is no such worker on this host", name, f"Its name is {self._before}@NUMBER"
            )
        return self._unit(int(number))

    def _number(self, unit: str) -> int | None:
        if self.pipeline.alone:
            return 1 if unit == self.pipeline.unit else None
        before, after = self.pipeline.unit.split("{number}")
        found = re.fullmatch(f"{re.escape(before)}([1-9][0-9]{{0,4}}){re.escape(after)}", unit)
        return int(found[1]) if found else None

    # -- what systemd says --------------------------------------------------------------------------------

    def _enabled(self) -> set[int]:
        wants = self.units / f"{self.pipeline.target}.wants"
        with suppress(FileNotFoundError):
            return {number for one in wants.iterdir() if (number := self._number(one.name)) is not None}
        return set()

    def _active(self) -> set[int]:
        pattern = self.pipeline.unit.format(number="*")
        listed = self._systemctl(
            "list-units", "--plain", "--no-legend", "--full", f"--state={','.join(_ACTIVE)}", pattern
        )
        first = (line.split()[0] for line in listed.out.splitlines() if line.strip())
        return {number for unit in first if (number := self._number(unit)) is not None}

    def _shown(self, units: Sequence[str]) -> dict[str, dict[str, str]]:
        told = self._systemctl("show", f"--property={','.join(_SHOWN)}", *units)
        found: dict[str, dict[str, str]] = {}
        for block in told.out.strip().split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            found[values.get("Id", "")] = values
        return found

    def _state(self, unit: str) -> dict[str, str]:
        found = self._shown([unit]).get(unit, {})
        if found.get("LoadState") != "loaded":
            raise Permanent("There is no such service", unit, "Apply the role that makes the workers")
        return found

    def _ended(self, unit: str, at_most: float) -> bool:
        return wait_until(
            lambda: self._state(unit).get("ActiveState") not in _ACTIVE,
            at_most=at_most,
            every=min(1.0, max(0.02, at_most / 20)),
            clock=self.clock,
            stop=self.stop_waiting,
        )

    def _member(self, number: int, enabled: bool, shown: Mapping[str, str]) -> Member:
        unit = self._unit(number)
        settings, release = read_drop_in(self.drop_ins / f"{unit}.d" / DROP_IN)
        # A unit that waits for its next start by itself is active, and has no process.
        return Member(
            name=self._name(number),
            number=number,
            unit=unit,
            enabled=enabled,
            active=shown.get("ActiveState") in _ACTIVE,
            pid=int(shown.get("MainPID") or 0),
            restarts=int(shown.get("NRestarts") or 0),
            settings=settings,
            release=release,
        )

    def _systemctl(self, *words: str, may_fail: bool = False) -> Completed:
        try:
            done = self.runner(["systemctl", *words])
        except Permanent as error:
            raise Permanent("There is no systemd here", error.subject, error.hint) from error
        if done.ok or may_fail:
            return done
        said = (done.err or done.out).strip().splitlines()
        why = said[-1] if said else f"exit code {done.rc}"
        kind = Transient if any(word in why.lower() for word in _AWAY) else Permanent
        raise kind(f"systemd does not do it ({why})", f"systemctl {' '.join(words)}")


def drop_in(settings: Mapping[str, str], release: Path | None, command: Sequence[str]) -> str:
    """The text of a drop-in with these environment variables and this release.

    Raises:
        Permanent: a variable or a value cannot stand in a unit.
    """
    lines = [
        "# Written by medialift's healing for this worker alone; gone when the machine starts again.",
        _NOTED + json.dumps({"settings": dict(settings), "release": str(release) if release else None}),
        "[Service]",
    ]
    for variable, value in settings.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", variable) or not value.isprintable():
            raise Permanent("This cannot be set for a worker", variable, "Its name or its value is none")
        lines.append(f"Environment={_quoted(f'{variable}={value}')}")
    if release is not None:
        if not release.is_absolute() or not str(release).isprintable():
            raise Permanent("A release is a folder with an absolute path", str(release))
        program = _quoted(str(release / "venv" / "bin" / "python"))
        # The empty one first: else there would be two. A "$" in the path of a program stands for itself.
        lines += ["ExecStart=", f"ExecStart={' '.join([program, '-m', 'medialift', *command])}"]
    return "\n".join(lines) + "\n"


def read_drop_in(file: Path) -> tuple[dict[str, str], Path | None]:
    """The settings and the release of a drop-in of ours; nothing when there is none."""
    for line in (_read(file) or "").splitlines():
        if line.startswith(_NOTED):
            told: dict[str, Any] = json.loads(line.removeprefix(_NOTED))
            return told["settings"], Path(told["release"]) if told["release"] else None
    return {}, None


def _read(file: Path) -> str | None:
    with suppress(FileNotFoundError):
        return file.read_text(encoding="utf-8")
    return None


def _is_ours(folder: Path) -> bool:
    """Nobody else put anything beside it."""
    return [one.name for one in folder.iterdir()] == [DROP_IN]


def _quoted(text: str) -> str:
    """As one word of a unit file, with nothing in it that systemd would replace: systemd.syntax(7)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
