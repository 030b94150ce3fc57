"""The lock of a book: who converts, tags, delivers or moves one holds it, so no two are at it at once.

It is the kernel's, on a file in the work folder, so it goes with its process. Several hosts share a book only
through the ledger, where a lease is one book's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event

from medialift.errors import Transient
from medialift.foundation import locks
from medialift.settings import AudiobooksSettings

_PATIENCE_SECONDS = 30.0


@contextmanager
def holding(
    settings: AudiobooksSettings,
    *names: str,
    at_most: float = _PATIENCE_SECONDS,
    stop: Event | None = None,
) -> Iterator[None]:
    """Hold books for the length of the block.

    Args:
        names: such as convert/KEY or tag/NAME; taken in their order, so two that want the same never wait
            for each other.
        at_most: seconds to wait for whoever holds one.

    Raises:
        Transient: somebody held one all that time, or `stop` was set.
    """
    with ExitStack() as held:
        for name in sorted({_of_book(name) for name in names}):
            path = _path(settings, name)
            if not held.enter_context(locks.alone(path, at_most=at_most, stop=stop)):
                raise Transient("Somebody works on this book", name, "It is tried again")
        yield


def _of_book(name: str) -> str:
    """Tagging and delivery are of the same folder in converted; conversion is of one in the inbox."""
    stage, _, book = name.partition("/")
    return f"inbox/{book}" if stage == "convert" else f"converted/{book}"


def _path(settings: AudiobooksSettings, name: str) -> Path:
    folder = settings.work / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    # A name may be longer than a file's may be, and hold a slash.
    return folder / f"{hashlib.sha256(f'{settings.collection}:{name}'.encode()).hexdigest()[:32]}.lock"
