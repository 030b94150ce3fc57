"""One recovery of a mount at a time, whoever does it: the kernel's lock on a file of the mount's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from medialift.foundation import locks

# Not below /var: after a restart of the machine no recovery goes on.
FOLDER = Path("/run/lock/medialift")


def path(mountpoint: Path | str, folder: Path = FOLDER) -> Path:
    """The lock file of a mount."""
    return folder / f"mount-{quote(str(mountpoint), safe='')}.lock"


@contextmanager
def held(mountpoint: Path | str, folder: Path = FOLDER) -> Iterator[Callable[[], bool]]:
    """As `medialift.foundation.locks.trying`, with the lock of the mount.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locks.trying(path(mountpoint, folder)) as taken:
        yield taken


def busy(mountpoint: Path | str, folder: Path = FOLDER) -> bool:
    """Whether a recovery of the mount goes on."""
    return locks.busy(path(mountpoint, folder))
