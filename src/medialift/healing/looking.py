"""What the kernel says of a worker's process: memory, I/O, open files, and where its threads wait.

Nothing here touches a path that the process has open: one on a dead mount would hang whoever looks at it.
(`psutil.Process.open_files` does: it asks for the kind of each file.)
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

import psutil

from medialift.errors import Permanent, Transient
from medialift.foundation import holding
from medialift.foundation.holding import PROC
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed
from medialift.queueing import workers

LOOK_SECONDS = 1.0
"""So long a process is looked at to see whether it does anything."""
CGROUPS = Path("/sys/fs/cgroup")
GONE = {"state": "gone"}
_MOST_FILES = 200
# The kernel's word for no limit (cgroup v1: the largest number of whole pages).
_UNLIMITED = 1 << 60
# What the kernel calls a thread that does not wait, or that it does not tell of.
_NOWHERE = ("", "0")
# Parts of the names of the places where it waits for a program or a server of a file system.
_REMOTE = ("fuse", "request_wait_answer", "nfs", "rpc_wait", "cifs", "smb", "ceph", "p9_client")


def process_of(seen: Observed, member: Member | None) -> int:
    """The process of a worker: that of its life in the ledger, or else what its service runs; 0: none.

    A later process that happens to have the number of a life which is over is never taken for it.
    """
    if seen.pid and workers.is_alive(seen.life):
        return seen.pid
    if member is not None and member.pid and holding.process(member.pid) is not None:
        return member.pid
    return 0


def looked_at(pid: int, *, seconds: float = LOOK_SECONDS, stop: Event | None = None) -> dict[str, Any]:
    """What a process uses, and what it does within a second: see `Evidence.process`.

    What its user may not see of it (its I/O) is left out.

    Raises:
        Permanent: this user may not look at it.
    """
    try:
        process = psutil.Process(pid)
        before, began = _worked(process), time.monotonic()
        (stop or Event()).wait(seconds)
        with process.oneshot():
            after, took = _worked(process), time.monotonic() - began
            memory = psutil.virtual_memory()
            found: dict[str, Any] = {
                "state": process.status(),
                "rss": process.memory_info().rss,
                "cpu_seconds": round(after.cpu, 2),
                "threads": process.num_threads(),
                "looked": round(took, 2),
                "busy": round((after.cpu - before.cpu) / took, 3),
                "wanted": round((after.cpu + after.queued - before.cpu - before.queued) / took, 3),
                "waits": sorted(set(waits(pid))),
                "host_total": memory.total,
                "host_available": memory.available,
            }
            with suppress(psutil.AccessDenied):
                found["open_files"] = process.num_fds()
    except psutil.NoSuchProcess:
        return dict(GONE)
    except psutil.AccessDenied as error:
        raise Permanent("A process may not be looked at", str(pid), "Run the healing as root") from error
    if found["state"] == psutil.STATUS_ZOMBIE:
        return dict(GONE)
    if after.read is not None and after.written is not None:
        found |= {"read_bytes": after.read, "write_bytes": after.written}
        found["moved"] = after.read + after.written - (before.read or 0) - (before.written or 0)
    return found


@dataclass(frozen=True)
class _Work:
    """What a process did since its start: seconds of processors, seconds for which its threads were ready and
    waited for one, bytes of disks (None: not told)."""

    cpu: float
    queued: float
    read: int | None
    written: int | None


def _worked(process: psutil.Process) -> _Work:
    times = process.cpu_times()
    worked = _Work(times.user + times.system, _queued(process.pid), None, None)
    with suppress(psutil.AccessDenied):
        moved = process.io_counters()
        return replace(worked, read=moved.read_bytes, written=moved.write_bytes)
    return worked


def _queued(pid: int, proc: Path = PROC) -> float:
    """Seconds for which threads of a process were ready to run, and others ran: on a busy host one that
    computes without end gets little of a processor. Source: the kernel's scheduler/sched-stats.rst."""
    queued = 0
    with suppress(OSError):  # it ended meanwhile
        for thread in (proc / str(pid) / "task").iterdir():
            with suppress(OSError):
                queued += int((thread / "schedstat").read_text().split()[1])
    return queued / 1e9


def waits(pid: int, proc: Path = PROC) -> Iterator[str]:
    """The places in the kernel where threads of a process wait and may wait for ever, by the kernel's names.

    No signal reaches a thread in state D. One that waits for the program of a FUSE mount can be in state S
    (`request_wait_answer`): signals do reach it. Source: proc_pid_wchan(5).
    """
    with suppress(OSError):  # it ended meanwhile
        for thread in (proc / str(pid) / "task").iterdir():
            with suppress(OSError):
                state = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
                place = (thread / "wchan").read_text().strip()
                if place not in _NOWHERE and (state == "D" or is_remote(place)):
                    yield place


def is_remote(place: str) -> bool:
    """Whether who waits there waits for the program or the server of a file system."""
    return any(word in place for word in _REMOTE)


def files(pid: int, proc: Path = PROC) -> tuple[str, ...]:
    """The files that a process has open, by their paths; sockets, pipes and devices of no interest left out.

    Raises:
        Permanent: this user may not look. Transient: the process has ended.
    """
    found = set()
    try:
        for number in (proc / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed while we looked
                path = os.fsencode(number.readlink()).decode(errors="replace")
                if path.startswith("/") and not path.startswith(("/dev/", "/proc/")):
                    found.add(path)
    except FileNotFoundError:
        raise Transient("A process ended while it was looked at", str(pid)) from None
    except PermissionError as error:
        raise Permanent(
            "The open files of a process may not be seen", str(pid), "Run the healing as root"
        ) from error
    return tuple(sorted(found)[:_MOST_FILES])


def memory_limit(pid: int, proc: Path = PROC, cgroups: Path = CGROUPS) -> int | None:
    """Bytes that the service of a process may use, that of all its parents with it; None without a limit.

    Sources: cgroups(7), the kernel's admin-guide/cgroup-v2.rst (memory.max) and cgroup-v1/memory.rst.

    Raises:
        Transient: the process has ended.
    """
    try:
        lines = (proc / str(pid) / "cgroup").read_text(errors="replace").splitlines()
    except OSError:
        raise Transient("A process ended while it was looked at", str(pid)) from None
    limits: list[int] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            limits += _limits(cgroups, path, "memory.max")
            limits += _limits(cgroups / "unified", path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits(cgroups / "memory", path, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits(root: Path, path: str, name: str) -> Iterator[int]:
    """The limits of a group and of all above it; seen from within a container some of them are not there."""
    group = Path(path.lstrip("/"))
    for one in (group, *group.parents) if group.parts else (group,):
        with suppress(OSError):
            told = (root / one / name).read_text().strip()
            if told.isdigit() and int(told) < _UNLIMITED:
                yield int(told)
