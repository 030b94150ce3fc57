"""One recovery of a mount at a time, whoever does it: the kernel's lock on a file of the mount's own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

# Not below /var: after a restart of the machine no recovery goes on.
FOLDER = Path("/run/lock/medialift")


def path(mountpoint: Path | str, folder: Path = FOLDER) -> Path:
    """The lock file of a mount."""
    return folder / f"mount-{quote(str(mountpoint), safe='')}.lock"


@contextmanager
def held(mountpoint: Path | str, folder: Path = FOLDER) -> Iterator[Callable[[], bool]]:
    """A function that tries once to take the lock, and says whether it has it. The block's end gives it back.

    The kernel gives it back too when the process dies, so none is ever left over.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Not inherited: a child that outlives the recovery (rclone, a stuck fusermount3) must not hold it.
    handle = os.open(path(mountpoint, folder), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def taken() -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield taken
    finally:
        os.close(handle)


def busy(mountpoint: Path | str, folder: Path = FOLDER) -> bool:
    """Whether a recovery of the mount goes on."""
    if not path(mountpoint, folder).exists():
        return False
    with held(mountpoint, folder) as taken:
        return not taken()
