"""Is a mount really there? Only bytes that were just read say so: names and sizes come from a cache.

A mount that lost its store still lists, stats and answers; so the check reads random ranges of random
files. A reader stuck in a dead FUSE mount ignores even SIGKILL; so it is a child that is looked at and
never waited for, and while one is stuck no second one is sent after it.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from errno import ENOENT
from pathlib import Path
from typing import Any

from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.mounts import mountinfo, reader
from medialift.mounts.mountinfo import Mount

ABSENT, HEALTHY, DEGRADED, HUNG, FOREIGN, EMPTY = "absent", "healthy", "degraded", "hung", "foreign", "empty"

RCLONE = "fuse.rclone"

READ_BYTES = 64 * 1024
# What a tuned mount needs for a failing read is under 40 s (facts of rclone's own retries); a good one
# reads in a tenth of a second.
DEADLINE_SECONDS = 60.0
SAMPLE = 5
# Files that are gone from the store make single reads fail with ENOENT on a mount that is well; when more
# than this share is gone, the mount shows something else than it should.
MISSING_SHARE = 0.2
_DYING_SECONDS = 1.0


@dataclass(frozen=True)
class Read:
    """One file that was read: when (seconds since the epoch), for how long, and what went wrong, if so."""

    path: str
    at: float
    seconds: float
    ok: bool
    error: str = ""
    missing: bool = False

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
        state: absent (nothing is mounted there), foreign (another file system is), empty (it lists nothing),
            degraded (a read failed), hung (a read does not come back), healthy (all that was asked for
            was read).
        reason: one sentence; empty when healthy.
        reads: what was read, the failed and the hanging ones too.
    """

    mountpoint: str
    state: str
    reason: str = ""
    reads: tuple[Read, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether a scan may trust it."""
        return self.state == HEALTHY

    def to_dict(self) -> dict[str, Any]:
        """{mountpoint, state, reason, reads: [{path, at, seconds, ok, error}]}."""
        return {
            "mountpoint": self.mountpoint,
            "state": self.state,
            "reason": self.reason,
            "reads": [read.to_dict() for read in self.reads],
        }


def probe(
    mountpoint: Path | str,
    files: Sequence[str] = (),
    roots: Sequence[str] = (),
    *,
    sample: int = SAMPLE,
    deadline: float = DEADLINE_SECONDS,
    filesystem: str = RCLONE,
    clock: Clock | None = None,
    mounts: Callable[[], Sequence[Mount]] = mountinfo.mounts,
    seed: int | None = None,
) -> Verdict:
    """Read from a mount, and say within `deadline` seconds what it is. It never hangs and never raises.

    Args:
        files: absolute paths that should be there; `sample` random ones are read.
        roots: folders below which `sample` random files each are looked for and read. With neither files nor
            roots, the mountpoint itself is the root.
        deadline: seconds for everything together.
        filesystem: the type it should have; "" means that a plain folder will do.
    """
    clock = clock or SystemClock()
    place = str(mountpoint)
    if filesystem:
        mount = mountinfo.at(place, mounts())
        if mount is None:
            return Verdict(place, ABSENT, "nothing is mounted there")
        if mount.filesystem != filesystem:
            return Verdict(
                place, FOREIGN, f"it is a {mount.filesystem} of {mount.source}, not a {filesystem}"
            )
    stuck: list[int] = []

    def none_stuck() -> bool:
        stuck[:] = stuck_readers(place)
        return not stuck

    # One that was killed a moment ago may only need that moment to go.
    if not wait_until(none_stuck, at_most=_DYING_SECONDS, every=0.1, clock=clock):
        return Verdict(place, HUNG, f"a reader sent earlier is still stuck in it (process {stuck[0]})")
    asked = {
        "mountpoint": place,
        "files": list(files),
        "roots": list(roots) or ([] if files else [place]),
        "sample": sample,
        "length": READ_BYTES,
        "seed": seed,
    }
    lines, ended = _ask(place, asked, deadline, clock)
    return _verdict(place, lines, ended, deadline)


def stuck_readers(mountpoint: str, proc: Path = Path("/proc")) -> Iterator[int]:
    """Readers of this mount, of this or any other process, that were killed and are still there."""
    marker = f"--reader-of={mountpoint}".encode()
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it ended while we looked
            if marker in (process / "cmdline").read_bytes().split(b"\0") and _killed_in_vain(process):
                yield int(process.name)


def _killed_in_vain(process: Path) -> bool:
    """SIGKILL is pending: it waits inside the kernel (state D), where no signal reaches it."""
    pending = 0
    for line in (process / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("SigPnd", "ShdPnd"):
            pending |= int(value, 16)
    return bool(pending & 1 << (signal.SIGKILL - 1))


def _ask(
    place: str, asked: dict[str, Any], deadline: float, clock: Clock
) -> tuple[list[tuple[float, dict[str, Any]]], bool]:
    """Send a reader; what it said, each line with when it came, and whether it came to its end."""
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", str(reader.__file__), f"--reader-of={place}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # The reader must not keep a folder of ours busy, nor start in one that is itself on the mount.
        cwd="/",
    )
    assert child.stdin is not None and child.stdout is not None  # noqa: S101 - both are pipes, above
    child.stdin.write(json.dumps(asked).encode())
    child.stdin.close()
    until = clock.monotonic() + deadline
    said: list[tuple[float, dict[str, Any]]] = []
    pending, ended = b"", False
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while not ended and (left := until - clock.monotonic()) > 0:
            if not selector.select(left):
                continue
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                break
            *whole, pending = (pending + chunk).split(b"\n")
            said += [(clock.now(), json.loads(line)) for line in whole]
            ended = bool(said) and said[-1][1]["step"] == "end"
    child.stdout.close()
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    # One look, to take a dead child off the list. Waiting for one that is stuck would hang us too.
    child.poll()
    return said, ended


def _verdict(place: str, said: list[tuple[float, dict[str, Any]]], ended: bool, deadline: float) -> Verdict:
    reads = tuple(
        Read(
            line["path"],
            at - line["seconds"],
            line["seconds"],
            "error" not in line,
            line.get("error", ""),
            line.get("errno") == ENOENT,
        )
        for at, line in said
        if line["step"] == "read" and "seconds" in line
    )
    listing = next((line for _, line in said if line["step"] == "list" and "seconds" in line), None)
    if listing is not None and "error" in listing:
        return Verdict(place, DEGRADED, f"{listing['path']} cannot be listed: {listing['error']}")
    if not ended:
        at, last = said[-1] if said else (0.0, {"step": "list", "path": place})
        doing = "listing" if last["step"] == "list" else "reading"
        if last["step"] == "read" and "seconds" not in last:
            reads += (Read(last["path"], at, deadline, False, "no answer"),)
        return Verdict(place, HUNG, f"{doing} {last['path']} did not come back in {deadline:g} s", reads)
    if listing is None or listing["empty"]:
        return Verdict(place, EMPTY, "it lists nothing", reads)
    broken = [read for read in reads if not read.ok and not read.missing]
    if broken:
        return Verdict(place, DEGRADED, f"{broken[0].path} cannot be read: {broken[0].error}", reads)
    missing = [read for read in reads if read.missing]
    if len(missing) > MISSING_SHARE * len(reads):
        return Verdict(
            place, DEGRADED, f"{len(missing)} of {len(reads)} files are not there: {missing[0].path}", reads
        )
    if not reads:
        return Verdict(place, EMPTY, "there is no file to read in it", reads)
    return Verdict(place, HEALTHY, "", reads)
