"""A library as deliveries see it: a folder somewhere, with names below its root, and verified copies."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from threading import Event
from typing import Protocol

from medialift.audiobooks.delivery.naming import Place
from medialift.errors import Transient

CHUNK = 4 * 1024 * 1024
"""Bytes read at a time."""


@dataclass(frozen=True)
class Limits:
    """How long a delivery may take: until `deadline` (seconds, monotonic), or until it is stopped."""

    deadline: float
    stop: Event = field(default_factory=Event)
    monotonic: Callable[[], float] = time.monotonic

    def left(self) -> float:
        """Seconds that remain.

        Raises:
            Transient: none do, or it was stopped.
        """
        if self.stop.is_set():
            raise Transient("A delivery was stopped")
        left = self.deadline - self.monotonic()
        if left <= 0:
            raise Transient(
                "A delivery took too long",
                "",
                "It is begun again; raise the destination's timeout if it is slow",
            )
        return left


class Library(Protocol):
    """A folder on this host, on a mount, on another host or in a cloud."""

    def ready(self) -> None:
        """Make sure that it can be reached.

        Raises:
            Transient: it cannot be, such as when its mount is away. It is never made anew by that.
        """
        ...

    def settled(self, place: Place) -> Place:
        """The place with the spelling that folders have there already, where only case or accents differ."""
        ...

    def names(self, folder: PurePosixPath) -> list[str]:
        """What lies in a folder; nothing when it is not there."""
        ...

    def fingerprint(self, path: PurePosixPath) -> str | None:
        """What tells whether a file was changed since, in words of this library; None when there is none."""
        ...

    def holds(self, path: PurePosixPath, source: Path, *, there: str) -> bool:
        """Whether the file there, of the fingerprint `there`, has the content of `source`: by hashes."""
        ...

    def put(self, path: PurePosixPath, source: Path, *, replace: bool, passing: bool = False) -> str:
        """Bring a file there, under its name only when it is whole; its fingerprint.

        Args:
            replace: take the place of a file of that name.
            passing: `source` will not stay, and may lie on any file system: it is copied, never linked.

        Raises:
            Unsafe: a file of that name is there, and is not to be replaced.
            Transient, Permanent: it did not get there, or not as it is here.
        """
        ...

    def shown(self, path: PurePosixPath) -> str:
        """Its address for people."""
        ...


def hash_of(file: Path, limits: Limits, kind: str = "sha256") -> str:
    """The hash of a file's content, in hex; `kind` is one of hashlib's.

    Raises:
        OSError: it cannot be read.
        Transient: the time is over.
    """
    digest = hashlib.new(kind)
    with file.open("rb", buffering=0) as opened:
        while chunk := opened.read(CHUNK):
            limits.left()
            digest.update(chunk)
    return digest.hexdigest()
