"""A section's files, read inside Plex's container: what Plex itself will see of the mount."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.jobs import Stopped
from medialift.foundation.process import Completed, Runner
from medialift.foundation.waiting import Clock
from medialift.mounts.probe import READ_BYTES, Read
from medialift.plex.server import Section


@dataclass(frozen=True)
class File:
    """A file of the library as the container names it, with its size in bytes as Plex saw it."""

    path: str
    size: int


@dataclass(frozen=True)
class Inside:
    """Reads where Plex reads.

    Attributes:
        enter: the words before a command that run it inside the container (["docker", "exec", "plex"]); none
            when Plex runs on the host itself.
        stop: ends a read at once.
    """

    enter: Sequence[str]
    runner: Runner
    clock: Clock
    dice: random.Random
    stop: Event

    def prove_roots(self, section: Section) -> None:
        """Prove that each of the section's roots has something in it.

        An unreachable root makes Plex skip a scan; an empty one makes it delete everything.

        Raises:
            Permanent: the section has no root, or one is absent.
            Unsafe: one is empty.
            Transient: one cannot be listed: the listing hangs.
            Stopped: `stop` was set.
        """
        if not section.locations:
            raise Permanent("A section has no folder", section.name, "Give it one, or leave the section out")
        for root in section.locations:
            # One name is enough, and a folder of millions is not listed to its end for it.
            found = self._ask(["find", root, "-mindepth", "1", "-maxdepth", "1", "-print", "-quit"])
            if not found.ok:
                raise Permanent(
                    "A section root is absent inside the container",
                    f"{section.name}: {root}",
                    "Check the binds of the container and the path map",
                )
            if not found.out.strip():
                raise Unsafe(
                    "A section root is empty inside the container",
                    f"{section.name}: {root}",
                    "A scan would delete the whole section: check the mount and its propagation (rslave)",
                )

    def find(self, section: Section, number: int) -> list[File]:
        """Some files of a new section, as the container lists them: the database knows none yet."""
        found = []
        for root in section.locations:
            # The first few that turn up: walking a store of millions to choose better would take hours.
            command = 'find "$1" -type f -size +0 | head -n "$2"'
            listed = self._ask(["sh", "-c", command, "sh", root, str(number)])
            found += [File(path, 0) for path in listed.out.splitlines() if path]
        return found

    def read(self, file: File) -> Read:
        """Read a random piece of a file: its head is what a scan has read, and what a cache may still have.

        Raises:
            Stopped: `stop` was set.
        """
        piece = self.dice.randrange(1, file.size // READ_BYTES) if file.size > 2 * READ_BYTES else 0
        at, begun = self.clock.now(), self.clock.monotonic()
        command = [f"if={file.path}", "of=/dev/null", f"bs={READ_BYTES}", "count=1", f"skip={piece}"]
        error = ""
        try:
            done = self._ask(["dd", *command])
        except Stopped:
            raise
        except MedialiftError as failed:
            error = failed.what
        else:
            error = "" if done.ok else _last_line(done.err)
        missing = "No such file or directory" in error
        return Read(file.path, at, self.clock.monotonic() - begun, not error, error, missing)

    def _ask(self, command: Sequence[str]) -> Completed:
        if self.stop.is_set():
            raise Stopped(command[0])
        try:
            return self.runner([*self.enter, *command])
        except Transient:
            if self.stop.is_set():
                raise Stopped(command[0]) from None
            raise


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"
