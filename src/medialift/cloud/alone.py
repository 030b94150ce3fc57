"""One run at a time makes an instance of a name on this machine: two at once would rent two."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medialift.errors import Permanent, Transient
from medialift.foundation import locks
from medialift.foundation.waiting import Clock

from . import tags


@contextmanager
def alone(name: str, *, at_most: float, every: float, clock: Clock) -> Iterator[None]:
    """Hold the name for the length of the block; a second run waits, and then finds what the first one made.

    The lock goes with its process, however that ends. Runs of other machines are not seen by it: those are
    noticed by the two instances that they make.

    Args:
        at_most, every: seconds to wait for another run, and between two looks.

    Raises:
        Transient: another run of this machine still makes it.
        Permanent: the folder for locks is another user's.
    """
    path = _folder() / f"{tags.checked_name(name)}.lock"
    with locks.alone(path, at_most=at_most, every=every, clock=clock) as held:
        if not held:
            raise Transient("Another run on this machine is making the instance", name, "Wait for that run")
        yield


def _folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"medialift-instances-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise Permanent("The folder for locks is another user's", str(folder), "Remove it")
    return folder
