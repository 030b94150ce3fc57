"""What stands between a scan and a library: no scan unless its files read, no archive if items went missing.

Before a section is scanned its mount is read, on the host and inside the container, on files taken at random
from the database; and the trash is proved not to empty itself. What a scan took away all the same is looked
at by `medialift.plex.deletions`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.process import Runner
from medialift.foundation.sqlite import open_readonly
from medialift.foundation.waiting import Clock
from medialift.mounts import probe as mounts
from medialift.mounts.probe import READ_BYTES, Read, Verdict
from medialift.plex.paths import PathMap
from medialift.plex.preferences import Settable
from medialift.plex.server import Section


@dataclass(frozen=True)
class File:
    """A file of the library as the container names it, with its size in bytes as Plex saw it."""

    path: str
    size: int


def prove_trash_off(server: Settable) -> None:
    """Prove, by reading it back, that Plex will not delete what it cannot read.

    Raises:
        Unsafe: it would.
    """
    trash = server.preferences().get("autoEmptyTrash")
    if trash is None or trash.value.lower() not in ("0", "false"):
        raise Unsafe(
            "Plex would empty its trash after a scan",
            f"autoEmptyTrash is {trash.value if trash else 'not listed'}",
            "Switch it off: what a scan cannot read would be deleted for good",
        )


def sample_files(database: Path, section: Section, number: int, dice: random.Random) -> list[File]:
    """Random files of a section that Plex holds for present; fewer when it has fewer, none when it is new.

    Raises:
        Transient, Permanent: the database could not be read.
    """
    with open_readonly(database) as con:
        ids = [
            row[0]
            for row in con.execute(
                "SELECT p.id FROM media_parts p JOIN media_items m ON m.id = p.media_item_id "
                "WHERE m.library_section_id = ? AND p.deleted_at IS NULL AND p.file LIKE '/%'",
                (int(section.key),),
            )
        ]
        chosen = dice.sample(ids, min(number, len(ids)))
        rows = [
            con.execute("SELECT file, size FROM media_parts WHERE id = ?", (one,)).fetchone()
            for one in chosen
        ]
    return [File(file, int(size or 0)) for file, size in rows]


@dataclass(frozen=True)
class MountGuard:
    """Reads a section's files where Plex will read them.

    Attributes:
        roots: container path to host path of each mount: {"/cloud/media": "/mnt/cloud/media"}. Sections
            outside of them are read inside the container only.
        enter: the words before a command that run it inside the container (["docker", "exec", "plex"]); none
            when Plex runs on the host itself.
        filesystem: what the mounts must be; "" when plain folders will do.
        deadline: seconds for one check on the host, and for one command in the container.
        number: how many files are read in each place.
    """

    roots: Mapping[str, str]
    enter: Sequence[str]
    runner: Runner
    clock: Clock
    deadline: float
    filesystem: str = mounts.RCLONE
    number: int = mounts.SAMPLE
    dice: random.Random = field(default_factory=random.SystemRandom)
    note: Callable[[Read], None] = lambda _read: None

    def verify(self, database: Path, section: Section) -> list[Read]:
        """Read files of a section on the host and inside the container; what was read.

        Raises:
            Permanent: a root of the section is absent inside the container.
            Unsafe: the mount does not read, or a root is empty. Nothing must be scanned.
        """
        self.roots_present(section)
        files = sample_files(database, section, self.number, self.dice)
        reads: list[Read] = []
        for verdict in self._on_host(section, files):
            for read in verdict.reads:
                self.note(read)
            if not verdict.healthy:
                raise _refused(section, verdict.mountpoint, f"it is {verdict.state}: {verdict.reason}")
            reads += verdict.reads
        return reads + self._in_container(section, files)

    def roots_present(self, section: Section) -> None:
        """Prove that each of the section's roots has something in it, inside the container.

        An unreachable root makes Plex skip a scan; an empty one makes it delete everything.
        """
        if not section.locations:
            raise Permanent("A section has no folder", section.name, "Give it one, or leave the section out")
        for root in section.locations:
            try:
                # One name is enough, and a folder of millions is not listed to its end for it.
                found = self.runner(
                    [*self.enter, "find", root, "-mindepth", "1", "-maxdepth", "1", "-print", "-quit"]
                )
            except Transient as hung:
                raise _refused(section, root, f"listing it: {hung.what}") from hung
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

    def _on_host(self, section: Section, files: Sequence[File]) -> Iterable[Verdict]:
        places = PathMap.of(self.roots)
        for inside, mountpoint in self.roots.items():
            here = [root for root in section.locations if _within(root, inside)]
            if not here:
                continue
            on_host = [places.map(file.path) for file in files if _within(file.path, inside)]
            yield mounts.probe(
                mountpoint,
                on_host,
                [] if on_host else [places.map(root) for root in here],
                sample=self.number,
                deadline=self.deadline,
                filesystem=self.filesystem,
                clock=self.clock,
            )

    def _in_container(self, section: Section, files: Sequence[File]) -> list[Read]:
        chosen = list(files) or self._found(section)
        reads = [self._dd(file) for file in chosen]
        mountpoint = f"{section.locations[0]} inside the container"
        missing = [read for read in reads if read.missing]
        broken = [read for read in reads if not read.ok and not read.missing]
        for read in reads:
            self.note(read)
        if broken:
            raise _refused(section, mountpoint, f"{broken[0].path} cannot be read: {broken[0].error}")
        if not reads or len(missing) > mounts.MISSING_SHARE * len(reads):
            raise _refused(section, mountpoint, f"{len(missing)} of {len(reads)} files are not there")
        return reads

    def _found(self, section: Section) -> list[File]:
        """Some files of a new section, as the container lists them: there are none in the database yet."""
        found = []
        for root in section.locations:
            # The first few that turn up: walking a store of millions to choose better would take hours.
            listed = self.runner(
                [
                    *self.enter,
                    "sh",
                    "-c",
                    'find "$1" -type f -size +0 | head -n "$2"',
                    "sh",
                    root,
                    str(self.number),
                ]
            )
            found += [File(path, 0) for path in listed.out.splitlines() if path]
        return found

    def _dd(self, file: File) -> Read:
        """Read the head and a random piece of a file inside the container."""
        pieces = [0]
        if file.size > 2 * READ_BYTES:
            pieces.append(self.dice.randrange(1, file.size // READ_BYTES))
        at, begun = self.clock.now(), self.clock.monotonic()
        error = ""
        for piece in pieces:
            command = [
                "dd",
                f"if={file.path}",
                "of=/dev/null",
                f"bs={READ_BYTES}",
                "count=1",
                f"skip={piece}",
            ]
            try:
                done = self.runner([*self.enter, *command])
            except MedialiftError as failed:
                error = failed.what
                break
            if not done.ok:
                error = _last_line(done.err)
                break
        missing = "No such file or directory" in error
        return Read(file.path, at, self.clock.monotonic() - begun, not error, error, missing)


def _refused(section: Section, mountpoint: str, reason: str) -> Unsafe:
    return Unsafe(
        f"The mount does not read, so nothing is scanned ({reason})",
        f"{section.name}: {mountpoint}",
        "Restart the mount's service and start the run again",
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it wrote nothing"


def summary(reads: Sequence[Read]) -> dict[str, Any]:
    """{reads, slowest} for a journal's line: how many, and seconds."""
    return {"reads": len(reads), "slowest": round(max((read.seconds for read in reads), default=0.0), 4)}
