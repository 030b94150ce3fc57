"""Free space where a pipeline writes, asked for by a child: the folder may lie on a dead mount."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from threading import Event

from medialift.errors import Permanent, Transient
from medialift.foundation.child import Child, Late
from medialift.foundation.waiting import SystemClock
from medialift.healing import space_reader
from medialift.healing.evidence import DiskSpace
from medialift.mounts.orphans import argument, stuck_readers

SECONDS = 10.0
_FULL_BYTES = 256 << 20
_FULL_PART = 50
_FULL_FILES = 100


def free(folder: Path, *, seconds: float = SECONDS, stop: Event | None = None) -> DiskSpace:
    """The free space of the file system that a folder lies on.

    Raises:
        Permanent: there is no such folder, or it may not be looked at.
        Transient: it does not answer. While an earlier look is stuck there, no further one is sent.
        Stopped: `stop` was set.
    """
    if next(stuck_readers(str(folder)), None) is not None:
        raise Transient("The folder does not answer", str(folder), "An earlier look at it is stuck")
    words = [sys.executable, "-I", "-S", str(space_reader.__file__), argument(str(folder))]
    said = b""
    with Child(words, str(folder).encode(), clock=SystemClock(), stop=stop or Event()) as child:
        try:
            said = b"".join(child.said(time.monotonic() + seconds))
        except Late:
            raise Transient("The folder does not answer", str(folder)) from None
        complaint = child.complaints().strip().splitlines()
    if not said:
        raise Permanent("Free space cannot be looked up", str(folder), complaint[-1] if complaint else "")
    told = json.loads(said)
    if "error" in told:
        raise Permanent(f"Free space cannot be looked up ({told['error']})", str(folder))
    return DiskSpace(str(folder), told["free"], told["total"], told["files_free"])


def is_full(disk: DiskSpace) -> bool:
    """Whether nothing can be written there any more, or as good as nothing."""
    return _short_of(disk, 1)


def has_room(disk: DiskSpace) -> bool:
    """Whether one that was full is not any more; twice the limit, so that it is not full again at once."""
    return not _short_of(disk, 2)


def is_full_of_bytes(disk: DiskSpace) -> bool:
    """Whether it is bytes that it has no more room for, and not files."""
    return disk.free < _limit(disk)


def _short_of(disk: DiskSpace, times: int) -> bool:
    no_files = disk.files_free is not None and disk.files_free < times * _FULL_FILES
    return disk.free < times * _limit(disk) or no_files


def _limit(disk: DiskSpace) -> int:
    return min(_FULL_BYTES, disk.total // _FULL_PART)
