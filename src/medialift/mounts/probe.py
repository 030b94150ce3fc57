"""Is a mount really there? Only bytes that were just read say so: names and sizes come from a cache.

A mount that lost its store still lists, stats and answers; so the check reads random ranges of random
files. A reader stuck in a dead FUSE mount ignores even SIGKILL; so it is a child that is looked at and
never waited for, and while one is stuck no second one is sent after it.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from errno import ECONNABORTED, ENOENT, ENOTCONN
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Permanent, Transient
from medialift.foundation.child import Child, Late
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.mounts import mountinfo, reader
from medialift.mounts.mountinfo import Mount
from medialift.mounts.orphans import argument, stuck_readers
from medialift.mounts.remote import Remote
from medialift.mounts.sampling import NEEDED, condemned, enlarged, hopeless
from medialift.mounts.verdict import (
    ABSENT,
    DEGRADED,
    EMPTY,
    FOREIGN,
    HEALTHY,
    HUNG,
    STALE,
    STATES,
    Read,
    Verdict,
)

__all__ = [
    "ABSENT",
    "DEADLINE_SECONDS",
    "DEGRADED",
    "EMPTY",
    "FOREIGN",
    "HEALTHY",
    "HUNG",
    "NEEDED",
    "RCLONE",
    "READ_BYTES",
    "SAMPLE",
    "STALE",
    "STATES",
    "Read",
    "Remote",
    "Verdict",
    "probe",
    "stuck_readers",
]

RCLONE = "fuse.rclone"

# Small, since rclone itself fetches a whole chunk (--vfs-read-chunk-size) for it; with its cache off, two for
# a range that is not at the head: it opens every file there.
READ_BYTES = 8 * 1024
# What a tuned mount needs for a failing read is under 40 s (facts of rclone's own retries); a good one
# reads in a tenth of a second.
DEADLINE_SECONDS = 60.0
SAMPLE = 5
# How many reads are compared with the store itself; each costs a program and three requests.
COMPARED = 2
# Of a deadline that leaves more, as much is given to each question to the store.
_REMOTE_SECONDS = 15.0
_DYING_SECONDS = 1.0
# What a mount answers whose program died: at once, and to whoever was waiting.
_DEAD = (ENOTCONN, ECONNABORTED)


def probe(
    mountpoint: Path | str,
    files: Sequence[str] = (),
    roots: Sequence[str] = (),
    *,
    sample: int = SAMPLE,
    needed: int = NEEDED,
    deadline: float = DEADLINE_SECONDS,
    filesystem: str = RCLONE,
    source: str = "",
    remote: Remote | None = None,
    stop: Event | None = None,
    clock: Clock | None = None,
    mounts: Callable[[], Sequence[Mount]] = mountinfo.mounts,
    seed: int | None = None,
) -> Verdict:
    """Read from a mount, and say within about `deadline` seconds what it is. It never hangs.

    How fresh a read is: the kernel's own cache is dropped first. With --vfs-cache-mode off every read then
    goes to the store. With full, rclone serves what it has fetched before from its disk, as long as it keeps
    it, though the store be gone; no reader of the mount can tell. So files and ranges are drawn anew each
    time, and a range of the middle of a file rather than its head, which a scan has read: give it many files,
    and large ones among them. A library that lies in the cache as a whole reads well without its store, for
    the probe as for Plex; then only the comparison with `remote` asks the store.

    What a probe costs: with `sample` 1 it is quick: one range of one file is read. Only when that fails are
    more read, as `medialift.mounts.sampling` says, before anything is condemned.

    The comparison: ranges that were read well are read once more by `remote`, and must be the same bytes. A
    store that cannot be read so proves nothing, neither that the mount is good nor that it is bad: the
    verdict is then what the mount's own reads say, and `note` says why nothing was compared.

    After a fault of the store rclone's full mode refuses for a while files that failed before (it counts
    their errors, and forgets them at the first success), so a first probe may still say degraded.

    Args:
        files: absolute paths that should be there; `sample` random ones are read. Give more, so that there
            are others to read when one fails.
        roots: folders below which `sample` random files each are looked for and read; each must have a file.
            With neither files nor roots, the mountpoint itself is the root.
        needed: failing files that condemn a mount when they outnumber the others.
        deadline: seconds for everything together.
        filesystem: the type it should have; "" means that a plain folder will do.
        source: what should be mounted, as the kernel names it: "store:bucket/prefix", or rclone's --devname;
            "" means that any will do.
        stop: when it is set, the probe ends at once.
        seed: for the choice of files and ranges; chance, unless it is given.

    Raises:
        Stopped: `stop` was set. Nothing else is raised.
    """
    look = _Look(
        place=str(mountpoint),
        expected=(filesystem, source),
        until=(clock or SystemClock()).monotonic() + deadline,
        deadline=deadline,
        needed=needed,
        remote=remote,
        clock=clock or SystemClock(),
        stop=stop or Event(),
        mounts=mounts,
        dice=random.Random(seed),  # noqa: S311 - chance for sampling, not for secrets
    )
    try:
        look.whole(list(files), list(roots), sample)
    except _Found as found:
        verdict = look.verdict(found.state, found.reason)
    else:
        verdict = look.verdict(HEALTHY)
    return verdict


class _Found(Exception):
    """The mount is not well."""

    def __init__(self, state: str, reason: str) -> None:
        super().__init__(state, reason)
        self.state, self.reason = state, reason


@dataclass
class _Look:
    """One probe: its means, and what it has read so far."""

    place: str
    expected: tuple[str, str]
    until: float
    deadline: float
    needed: int
    remote: Remote | None
    clock: Clock
    stop: Event
    mounts: Callable[[], Sequence[Mount]]
    dice: random.Random
    reads: dict[str, Read] = field(default_factory=dict)
    pieces: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each file that was read well, one range: {offset, length, sha256}."""
    compared: set[str] = field(default_factory=set)
    named: frozenset[str] = frozenset()
    note: str = ""

    def whole(self, files: list[str], roots: list[str], sample: int) -> None:
        """Look at everything.

        Raises:
            _Found: the mount is not well.
            Stopped.
        """
        device = self._mounted()
        self._none_stuck()
        self.named = frozenset(files)
        # Those that come into question, in the order in which they are read; a database may name millions.
        files = self.dice.sample(files, min(len(files), 4 * enlarged(sample, self.needed)))
        try:
            self._read_all(device, files, roots, sample)
        except _Found as found:
            # A mount that was taken away, or replaced, while it was being read is that first of all.
            if found.state != HUNG:
                self._mounted()
            raise

    def _read_all(self, device: str, files: list[str], roots: list[str], sample: int) -> None:
        walked = roots or ([] if files else [self.place])
        groups = [{"files": files, "roots": [], "number": sample}] if files else []
        groups += [{"files": [], "roots": [root], "number": sample} for root in walked]
        self._send(groups, device, head=sample > 1)
        self._compare(COMPARED if sample > 1 else 1)
        if self.reads and all(read.ok for read in self._known()):
            return
        more = enlarged(sample, self.needed) - len(self.reads)
        if more > 0 and not hopeless(self._known(), self.needed):
            again = {"files": files, "roots": roots or [self.place], "number": more}
            self._send([again], device, head=True)
        if any(read.differs for read in self.reads.values()):
            self._compare(len(self.reads))
        self._judge()

    def _mounted(self) -> str:
        """The device that files of the mount are on; "" when a plain folder will do."""
        filesystem, source = self.expected
        if not filesystem:
            return ""
        mount = mountinfo.at(self.place, self.mounts())
        if mount is None:
            raise _Found(ABSENT, "nothing is mounted there")
        if mount.filesystem != filesystem:
            raise _Found(FOREIGN, f"it is a {mount.filesystem} of {mount.source}, not a {filesystem}")
        if source and mount.source != source:
            raise _Found(FOREIGN, f"it is a mount of {mount.source}, not of {source}")
        return mount.device

    def _none_stuck(self) -> None:
        stuck: list[int] = []

        def none() -> bool:
            stuck[:] = stuck_readers(self.place)
            return not stuck

        # One that was killed a moment ago may only need that moment to go.
        if (
            not wait_until(none, at_most=_DYING_SECONDS, every=0.1, clock=self.clock, stop=self.stop)
            and stuck
        ):
            if self.stop.is_set():
                raise Stopped(self.place)
            raise _Found(HUNG, f"a reader sent earlier is still stuck in it (process {stuck[0]})")

    def _send(self, groups: list[dict[str, Any]], device: str, *, head: bool) -> None:
        """Send a reader, and take down what it finds."""
        asked = {
            "mountpoint": self.place,
            "length": READ_BYTES,
            "head": head,
            "seed": self.dice.getrandbits(64),
            "avoid": list(self.reads),
            "groups": groups,
        }
        words = [sys.executable, "-I", "-S", str(reader.__file__), argument(self.place)]
        begun: dict[str, Any] = {"step": "list", "path": self.place}
        at, pending = self.clock.now(), b""
        try:
            with Child(words, json.dumps(asked).encode(), clock=self.clock, stop=self.stop) as child:
                for piece in child.said(self.until):
                    *whole, pending = (pending + piece).split(b"\n")
                    for line in whole:
                        told = json.loads(line)
                        if told["step"] == "end":
                            return
                        if "seconds" not in told:
                            at, begun = self.clock.now(), told
                            continue
                        self._take(told, at, device)
                        if hopeless(list(self.reads.values()), self.needed):
                            return
                complaint = child.complaints().strip().splitlines()
        except OSError as error:
            raise _Found(DEGRADED, f"no reader could be sent: {error.strerror}") from error
        except Late:
            if begun["step"] == "read" and begun["path"] not in self.reads:
                waited = self.clock.now() - at
                self.reads[begun["path"]] = Read(begun["path"], at, waited, False, "no answer")
            doing = "reading" if begun["step"] == "read" else "listing"
            raise _Found(HUNG, f"{doing} {begun['path']} did not come back in {self.deadline:g} s") from None
        raise _Found(DEGRADED, f"its reader died: {complaint[-1] if complaint else 'it was killed'}")

    def _take(self, told: dict[str, Any], at: float, device: str) -> None:
        path, error = told["path"], told.get("error", "")
        if told["step"] == "read":
            missing = told.get("errno") == ENOENT
            self.reads[path] = Read(path, at, told["seconds"], not error, error, missing)
        if told.get("errno") in _DEAD:
            raise _Found(STALE, f"it is still mounted, but its program died: {error}")
        if error and told["step"] != "read":
            raise _Found(DEGRADED, f"{path} cannot be listed: {error}")
        if told.get("empty"):
            raise _Found(EMPTY, "it lists nothing")
        if told.get("files") == 0:
            raise _Found(EMPTY, f"there is no file to read in {path}")
        if device and told.get("device", device) != device:
            raise _Found(FOREIGN, f"{path} lies on another file system ({told['device']}, not {device})")
        if told.get("pieces"):
            self.pieces[path] = told["pieces"][-1]

    def _compare(self, number: int) -> None:
        """Read up to so many of the ranges that came through the mount from the store itself."""
        for path, piece in self.pieces.items():
            if self.remote is None or len(self.compared) >= number:
                return
            if path in self.compared:
                continue
            left = min(_REMOTE_SECONDS, self.until - self.clock.monotonic())
            try:
                content = self.remote.cat(
                    path, piece["offset"], piece["length"], left, clock=self.clock, stop=self.stop
                )
            except Stopped:
                raise
            except Permanent as error:  # this file; another may have a name that can be asked for
                self.note = f"not compared with the store: {error}"
                continue
            except Transient as error:
                self.note = f"not compared with the store: {error}"
                self.remote = None  # it would be waited for once more
                return
            self.compared.add(path)
            if hashlib.sha256(content).hexdigest() != piece["sha256"]:
                why = "other bytes than the store's came" if content else "the store holds no such bytes"
                self.reads[path] = replace(self.reads[path], ok=False, error=why, differs=True)

    def _known(self) -> list[Read]:
        """The reads that count: once one differs, of those that went well only the compared ones."""
        reads = list(self.reads.values())
        if not any(read.differs for read in reads):
            return reads
        return [read for read in reads if not read.ok or read.path in self.compared]

    def _judge(self) -> None:
        known = self._known()
        if not self.reads:
            raise _Found(EMPTY, "there is no file to read in it")
        named = len(self.named & self.reads.keys())
        if not (hopeless(known, self.needed) or condemned(known, named)):
            return
        failed = [read for read in known if not read.ok]
        missing = [read for read in failed if read.missing]
        if len(missing) == len(failed):
            raise _Found(DEGRADED, f"{len(failed)} of {named} files are not there: {failed[0].path}")
        worst = next(read for read in failed if not read.missing)
        what = "differ from the store" if worst.differs else "cannot be read"
        raise _Found(DEGRADED, f"{len(failed)} of {len(known)} files {what}: {worst.path}: {worst.error}")

    def verdict(self, state: str, reason: str = "") -> Verdict:
        reads = tuple(self.reads.values())
        differing = tuple(read.path for read in reads if not read.ok)
        return Verdict(self.place, state, reason, reads, differing, self.note)
