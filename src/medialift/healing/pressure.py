"""How busy this host is: its disks, its memory, and how long its server takes for a simple answer.

A disk's share of busy time is read from the kernel's counter between two looks. Waiting for I/O says nothing
about a disk: one reader of a mount whose program hangs drives the share of I/O wait, and the pressure stall
information, to 99 % while every disk is idle. So neither counts as pressure, and both together with idle
disks are a finding of its own. Nor is there a disk behind a FUSE mount: what lies there has no busy time.

No path is touched to find its disk, since one below a dead mount would hang whoever asks for it: the kernel's
table of mounts is read instead, and links are followed only as long as they lie on a file system of a disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from medialift.foundation.units import format_duration
from medialift.foundation.waiting import Clock, SystemClock
from medialift.healing.evidence import ServerHealth
from medialift.mounts import mountinfo
from medialift.mounts.mountinfo import Mount
from medialift.settings import ScalingSettings

STALLED = 0.9
"""The share of the time in which somebody waited for I/O from which on a hung mount comes into question."""
IDLE = 0.1
"""A disk that is busy for less cannot be what they wait for."""
_ROOM_IN_MEMORY = 0.1
"""Memory is calm when so much more than the limit leaves is free: another worker takes some too."""
_LINKS = 40


class Level(StrEnum):
    """How much there is going on, as scaling sees it."""

    SATURATED = "saturated"
    HIGH = "high"
    """Neither saturated nor calm: the number of workers is right."""
    CALM = "calm"
    UNKNOWN = "unknown"
    """Nothing was measured yet, or what is slow cannot be told: nothing is changed."""


@dataclass(frozen=True)
class Measured:
    """The host between two looks.

    Attributes:
        seconds: between them.
        busy: {disk: share of the time in which it was busy, 0 to 1}, partitions and mapped disks too.
        hardware: those of them that are no part of another.
        memory: share of the memory that is in use and could not be had.
        iowait: share of the processors' time in which they had nothing to do but wait for I/O.
        stalled: share of the time in which somebody waited for I/O (PSI); None: this kernel does not tell.
    """

    seconds: float
    busy: Mapping[str, float] = field(default_factory=dict)
    hardware: frozenset[str] = frozenset()
    memory: float = 0.0
    iowait: float = 0.0
    stalled: float | None = None

    @property
    def hung_mount(self) -> bool:
        """Somebody waits for I/O nearly all the time, and no disk has anything to do."""
        waits = self.iowait if self.stalled is None else self.stalled
        disks = [self.busy[name] for name in self.hardware if name in self.busy]
        return waits >= STALLED and bool(disks) and max(disks) <= IDLE


@dataclass(frozen=True)
class Pressure:
    """What one pipeline's workers meet on this host.

    Attributes:
        disks: {disk: share of busy time} of those behind the pipeline's folders.
        hung_mount: a mount hangs: see the module.
        server: how its server answers; None when it has none.
        measured: False at the first look, when nothing can be compared yet.
    """

    disks: Mapping[str, float] = field(default_factory=dict)
    memory: float = 0.0
    iowait: float = 0.0
    stalled: float | None = None
    hung_mount: bool = False
    server: ServerHealth | None = None
    measured: bool = True

    def level(self, limits: ScalingSettings) -> tuple[Level, str]:
        """How high it is, and what it is that is so, in words."""
        if not self.measured:
            return Level.UNKNOWN, "nothing was measured yet"
        if self.server is not None and not self.server.ok:
            return Level.UNKNOWN, f"{self.server.name} does not answer: {self.server.why}"
        full = self._at(limits.saturated, limits.memory, limits.latency)
        if full:
            return Level.SATURATED, ", ".join(full)
        room = max(0.0, limits.memory - _ROOM_IN_MEMORY)
        used = self._at(limits.calm, room, limits.latency * limits.calm / limits.saturated)
        return (Level.HIGH, ", ".join(used)) if used else (Level.CALM, "disks, memory and server have room")

    def to_dict(self) -> dict[str, Any]:
        """For the history: JSON's types only."""
        return asdict(self)

    def _at(self, disk: float, memory: float, latency: float) -> list[str]:
        """What has reached these limits."""
        found = [
            f"{name} is busy for {busy:.0%} of the time" for name, busy in self.disks.items() if busy >= disk
        ]
        if self.memory >= memory:
            found.append(f"{self.memory:.0%} of the memory is in use")
        took = self.server.latency if self.server is not None else None
        if self.server is not None and took is not None and took >= latency:
            found.append(f"{self.server.name} takes {format_duration(took)} for a simple answer")
        return found


def hung_mount_words(measured: Measured) -> str:
    """The finding of a hung mount, in a sentence."""
    waits = measured.iowait if measured.stalled is None else measured.stalled
    return (
        f"Somebody waits for I/O {waits:.0%} of the time while no disk has anything to do: a mount hangs, "
        "or what is behind it"
    )


# -- measuring --------------------------------------------------------------------------------------------


def _busy_seconds() -> dict[str, float]:
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    return {name: one.busy_time / 1000 for name, one in counters.items()}


def _memory() -> float:
    memory = psutil.virtual_memory()
    return float(1 - memory.available / memory.total)


def _processors() -> tuple[float, float]:
    times = psutil.cpu_times()
    # What runs in guests is counted as the user's already.
    return float(times.iowait), float(sum(times) - times.guest - times.guest_nice)


@dataclass(frozen=True)
class Sources:
    """Where the figures come from: this host, or what a test made.

    Attributes:
        busy: {disk: seconds for which it was busy since the start}.
        memory: the share in use.
        processors: (seconds of I/O wait, all seconds) since the start.
        stalls: the kernel's account of stalls over I/O: Documentation/accounting/psi.rst.
        sys: the kernel's devices.
    """

    busy: Callable[[], Mapping[str, float]] = _busy_seconds
    memory: Callable[[], float] = _memory
    processors: Callable[[], tuple[float, float]] = _processors
    stalls: Path = Path("/proc/pressure/io")
    sys: Path = Path("/sys")
    mounts: Callable[[], Sequence[Mount]] = mountinfo.mounts


@dataclass(frozen=True)
class _Look:
    at: float
    busy: Mapping[str, float]
    processors: tuple[float, float]
    stalled: float | None


class Gauge:
    """Looks at this host once in a round, and tells what was between two looks."""

    def __init__(self, sources: Sources | None = None, clock: Clock | None = None) -> None:
        self.sources = sources or Sources()
        self._clock = clock or SystemClock()
        self._before: _Look | None = None

    def measure(self) -> Measured | None:
        """What was since the last look; None at the first."""
        sources = self.sources
        now = _Look(
            self._clock.monotonic(), dict(sources.busy()), sources.processors(), _stalled(sources.stalls)
        )
        before, self._before = self._before, now
        if before is None or now.at <= before.at:
            return None
        seconds = now.at - before.at
        wait, all_time = (new - old for new, old in zip(now.processors, before.processors, strict=True))
        stalled = (
            None
            if now.stalled is None or before.stalled is None
            else _share(now.stalled - before.stalled, seconds)
        )
        return Measured(
            seconds=seconds,
            # A counter that went back is another disk's, of the same name.
            busy={
                name: _share(busy - before.busy[name], seconds)
                for name, busy in now.busy.items()
                if name in before.busy and busy >= before.busy[name]
            },
            hardware=frozenset(
                name for name in now.busy if (sources.sys / "block" / name / "device").exists()
            ),
            memory=sources.memory(),
            iowait=_share(wait, all_time),
            stalled=stalled,
        )

    def pressure(
        self, measured: Measured | None, folders: Iterable[Path], server: ServerHealth | None
    ) -> Pressure:
        """What a pipeline with these folders and this server meets, of what was measured."""
        if measured is None:
            return Pressure(server=server, measured=False)
        behind = self.disks_behind(folders)
        return Pressure(
            disks={name: busy for name, busy in sorted(measured.busy.items()) if name in behind},
            memory=measured.memory,
            iowait=measured.iowait,
            stalled=measured.stalled,
            hung_mount=measured.hung_mount,
            server=server,
        )

    def disks_behind(self, folders: Iterable[Path]) -> set[str]:
        """The disks that these folders lie on, as the kernel names them: vda, nvme0n1."""
        mounts = self.sources.mounts()
        found: set[str] = set()
        for folder in folders:
            mount = mountinfo.over(str(_followed(folder, mounts)), mounts)
            if mount is not None and (device := self._device(mount)):
                found |= self._below(device)
        return found

    def _device(self, mount: Mount) -> str:
        """Its block device, as "major:minor"; "" when there is none."""
        if not mount.device.startswith("0:"):
            return mount.device
        # Btrfs numbers its volumes by itself; the disk is what was mounted. The kernel is asked and not /dev,
        # which a service may have of its own.
        known = self.sources.sys / "class" / "block"
        named = [known / mount.source.rpartition("/")[2]] if mount.source.startswith("/dev/") else []
        if mount.source.startswith("/dev/mapper/"):
            named = [
                one.parent.parent
                for one in known.glob("dm-*/dm/name")
                if one.read_text().strip() == mount.source.removeprefix("/dev/mapper/")
            ]
        return next(((one / "dev").read_text().strip() for one in named if (one / "dev").exists()), "")

    def _below(self, device: str) -> set[str]:
        """The whole disks under a device: that of a partition, those of an array or a mapped volume."""
        link = self.sources.sys / "dev" / "block" / device
        if not link.exists():
            return set()
        place = link.resolve()
        if (place / "partition").exists():
            place = place.parent
        slaves = place / "slaves"
        below = sorted(slaves.iterdir()) if slaves.is_dir() else []
        if not below:
            return {place.name}
        return set().union(*(self._below((one / "dev").read_text().strip()) for one in below))


def _share(part: float, whole: float) -> float:
    return min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0


def _stalled(file: Path) -> float | None:
    """Seconds since the start in which somebody waited for I/O; None when the kernel keeps no account."""
    with suppress(OSError):
        found = re.search(r"^some .*\btotal=(\d+)", file.read_text(), re.MULTILINE)
        return int(found[1]) / 1e6 if found else None
    return None


def _followed(path: Path, mounts: Sequence[Mount]) -> PurePosixPath:
    """Where a path leads, links followed as long as what they lie on cannot hang."""
    left, here, links = list(path.parts[1:]), PurePosixPath("/"), 0
    while left:
        here = here / left.pop(0)
        mount = mountinfo.over(str(here), mounts)
        if mount is None or not _answers(mount):
            return here.joinpath(*left)
        with suppress(OSError):
            target = PurePosixPath(Path(here).readlink())
            links += 1
            if links > _LINKS:
                return here.joinpath(*left)
            whole = PurePosixPath(os.path.normpath(here.parent / target))
            left, here = [*whole.parts[1:], *left], PurePosixPath("/")
    return here


def _answers(mount: Mount) -> bool:
    """It is a disk's file system, or one of the kernel's own: a look at it does not hang."""
    if mount.filesystem.startswith("fuse"):
        return False
    of_a_disk = not mount.device.startswith("0:") or mount.source.startswith("/dev/")
    return of_a_disk or mount.filesystem in ("tmpfs", "overlay", "zfs")
