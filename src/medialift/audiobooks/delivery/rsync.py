"""A library that rsync reaches: HOST:path over ssh, or a path. Every copy is compared by its checksum.

rsync writes beside the file and renames; it tells no hash, so a file that was delivered before is known by
its size and time. Exit code 23 with "No such file" is an answer; 5, 10, 12, 30, 35 and ssh's 255 may pass
(rsync(1), "EXIT VALUES").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medialift.audiobooks.delivery.library import Limits
from medialift.audiobooks.delivery.naming import Place
from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.process import Completed, run
from medialift.foundation.text import redact

_PARTIAL = 23
_ABSENT = "No such file or directory"
_PASSING = (5, 10, 11, 12, 24, 30, 35, 255)
_DENIED = ("Permission denied", "Host key verification failed", "Could not resolve hostname")
# -s: names go through the protocol, not through a shell. A time of a fixed zone can be compared later.
_OPTIONS = ("-s", "--timeout=60")
_ENVIRONMENT = {"TZ": "UTC", "LC_ALL": "C.UTF-8"}
_PATTERN, _ESCAPED = re.compile(r"([*?\[\]\\])"), r"\\\1"
# "-rw-r--r--      1,234 2026/11/29 09:58:25 name"
_LISTED = re.compile(r"^(?P<mode>[a-z-]\S{9})\s+(?P<size>[\d,.]+)\s+(?P<time>\S+ \S+) (?P<name>.*)$")

Run = Callable[..., Completed]
"""`medialift.foundation.process.run`."""


@dataclass(frozen=True)
class RsyncLibrary:
    """The library at `root`: `host:/srv/audiobooks`, `user@host:books`, or a path."""

    root: str
    limits: Limits
    program: str = "rsync"
    run: Run = run

    def ready(self) -> None:
        """See Library."""
        if self._listed(PurePosixPath(), inside=True) is None:
            raise Transient(
                "The folder of a library is not there", self.root, "Mount it there, or make the folder"
            )

    def settled(self, place: Place) -> Place:
        """See Library. What lies there is not searched: the place stays as it is."""
        return place

    def names(self, folder: PurePosixPath) -> list[str]:
        """See Library."""
        found = self._listed(folder, inside=True) or []
        return sorted(one["name"] for one in found if one["name"] != ".")

    def fingerprint(self, path: PurePosixPath) -> str | None:
        """See Library. It is the size and the time."""
        found = self._listed(path)
        if not found:
            return None
        return f"size:{re.sub('[,.]', '', found[0]['size'])},modified:{found[0]['time']}"

    def holds(self, path: PurePosixPath, source: Path, *, there: str) -> bool:  # noqa: ARG002
        """See Library."""
        done = self._rsync(
            "A library cannot be compared",
            "-n",
            "--checksum",
            "--out-format=%i",
            "--",
            str(source),
            self._at(path),
        )
        # A line per file whose content would be sent, or that is not there.
        return not any(line[:1] in "<>c" and line[2:3] in "c+" for line in done.out.splitlines())

    def put(self, path: PurePosixPath, source: Path, *, replace: bool, passing: bool = False) -> str:  # noqa: ARG002
        """See Library."""
        if not replace and self.fingerprint(path) is not None:
            raise self._taken(path)
        kept = () if replace else ("--ignore-existing",)
        self._rsync(
            "A book could not be sent",
            "--checksum",
            "--times",
            "--mkpath",
            *kept,
            "--",
            str(source),
            self._at(path),
        )
        found = self.fingerprint(path)
        if found is None or not self.holds(path, source, there=found):
            raise Transient("A copy differs from its source", self.shown(path), "It is tried again")
        return found

    def shown(self, path: PurePosixPath) -> str:
        """See Library."""
        return self._at(path)

    def _at(self, path: PurePosixPath) -> str:
        root = self.root if self.root.endswith(":") else self.root.rstrip("/") + "/"
        return root + path.as_posix()

    def _taken(self, path: PurePosixPath) -> Unsafe:
        return Unsafe(
            "Another file took the name of a book", self.shown(path), "Look at both, and rename one of them"
        )

    def _listed(self, path: PurePosixPath, *, inside: bool = False) -> list[dict[str, str]] | None:
        """What `rsync --list-only` tells; None when there is nothing."""
        address = self._at(path) + ("/" if inside else "")
        if ":" in self.root.split("/", 1)[0]:
            # The far side takes a source for a pattern, and `[` stands in many names.
            host, _, rest = address.partition(":")
            address = f"{host}:{_PATTERN.sub(_ESCAPED, rest)}"
        done = self._rsync("A library cannot be looked at", "--list-only", "--", address, absent=True)
        return (
            [found.groupdict() for found in map(_LISTED.match, done.out.splitlines()) if found]
            if done.ok
            else None
        )

    def _rsync(self, what: str, *words: str, absent: bool = False) -> Completed:
        done = self.run(
            (self.program, *_OPTIONS, *words),
            timeout=self.limits.left(),
            stop=self.limits.stop,
            env=_ENVIRONMENT,
        )
        if done.ok or (absent and done.rc == _PARTIAL and _ABSENT in done.err):
            return done
        said = [line.strip() for line in done.err.splitlines() if line.strip()]
        why = redact(said[0] if said else f"rsync ended with {done.rc}").rstrip(".")
        passing = done.rc in _PASSING and not any(sign in done.err for sign in _DENIED)
        full = "No space left" in done.err
        raise (Transient if passing or full else Permanent)(what, self.root, why)
