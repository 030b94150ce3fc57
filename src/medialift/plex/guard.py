"""The guard around every scan: no scan unless its files read, and none believed unless they still read.

Before a section is scanned its mount is read, on the host and inside the container, on files taken at random
from the database; and the trash is proved not to empty itself. While Plex reads, so does a vigil. When the
work is done, the mount is read once more before the result is believed. What a scan took away all the same is
looked at by `medialift.plex.deletions`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.backoff import retried
from medialift.foundation.jobs import Stopped
from medialift.foundation.process import Runner
from medialift.foundation.sqlite import open_readonly
from medialift.foundation.waiting import Clock
from medialift.mounts import probe as mounts
from medialift.mounts import sampling
from medialift.mounts.monitor import Observation
from medialift.mounts.probe import DEGRADED, HEALTHY, Read, Verdict
from medialift.mounts.recovery import MountProgram
from medialift.mounts.remote import Remote
from medialift.plex.healing import Healing
from medialift.plex.inside import File, Inside
from medialift.plex.mount_record import MountRecord
from medialift.plex.paths import PathMap
from medialift.plex.preferences import Settable
from medialift.plex.server import Section
from medialift.plex.vigil import MountLost, Vigil, Watching, lost

# How many files of a section are remembered from before its first scan, to be read as long as the run lasts.
# Asked for later, the database would name just those files that a scan could read, and they would read well.
REMEMBERED = 500

Tell = Callable[[str, Mapping[str, Any]], None]


class Guard(Protocol):
    """What a run asks of its guard."""

    def prove_roots(self, section: Section) -> None:
        """Prove that each root of a section has something in it where Plex sees it.

        Raises:
            Permanent, Unsafe: it has not, and must not be scanned.
        """
        ...

    def verify(self, database: Path, section: Section) -> list[Read]:
        """Read files of a section before it is scanned; what was read.

        Raises:
            MountLost: the mount does not read.
            Permanent, Unsafe: it must not be scanned for another reason.
        """
        ...

    def vigil(self, database: Path, sections: Sequence[Section], tell: Tell) -> Watching:
        """What watches the mounts of these sections while Plex reads them."""
        ...

    def heal(
        self,
        database: Path,
        sections: Sequence[Section],
        *,
        halt: Callable[[], None],
        resume: Callable[[], None],
        tell: Tell,
    ) -> bool:
        """Bring the mounts of these sections back; whether they read again in the time there is."""
        ...


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


def none_removed(_section: Section, _files: Sequence[str]) -> Collection[str]:
    """Where nothing can be asked, every file of the database should be there."""
    return ()


@dataclass(frozen=True)
class MountGuard:
    """Reads a section's files where Plex reads them, before, while and after it does.

    Attributes:
        roots: container path to host path of each mount: {"/cloud/media": "/mnt/cloud/media"}. Sections
            outside of them are read inside the container only.
        enter: the words before a command that run it inside the container (["docker", "exec", "plex"]); none
            when Plex runs on the host itself.
        deadline: seconds for one check on the host; `runner` has its own for one command in the container.
        filesystem: what the mounts must be; "" when plain folders will do.
        number: how many files are read in each place.
        every, failures: of the vigil: seconds between two probes, and how many in a row lose a mount.
        heal_within: seconds for a lost mount to read again.
        programs: what serves a mount, by its host path, so that it can be restarted. One without is waited
            for.
        remotes: how the store itself is asked about a mount's files, by the mount's host path.
        record: what is seen goes here.
        stop: ends everything at once.
        remembered: files of each section, by its key, from before anything was done to it.
        removed: says which of a section's files the store itself has lost (`medialift.plex.witness`).
        gone: those it named: a mount is right not to show them, and they are not read.
    """

    roots: Mapping[str, str]
    enter: Sequence[str]
    runner: Runner
    clock: Clock
    deadline: float
    filesystem: str = mounts.RCLONE
    number: int = mounts.SAMPLE
    every: float = 60.0
    failures: int = 2
    heal_within: float = 900.0
    programs: Mapping[str, MountProgram] = field(default_factory=dict)
    remotes: Mapping[str, Remote] = field(default_factory=dict)
    record: MountRecord = field(default_factory=MountRecord)
    stop: Event = field(default_factory=Event)
    dice: random.Random = field(default_factory=random.SystemRandom)
    remembered: dict[str, list[File]] = field(default_factory=dict)
    removed: Callable[[Section, Sequence[str]], Collection[str]] = none_removed
    gone: set[str] = field(default_factory=set)

    def prove_roots(self, section: Section) -> None:
        """Prove that each root of a section has something in it inside the container.

        Raises:
            Permanent: a root is absent.
            Unsafe: one is empty.
            MountLost: one does not list.
            Stopped: the run was stopped.
        """
        try:
            self._inside.prove_roots(section)
        except Stopped:
            raise
        except Transient as hung:
            raise _refused(section, section.locations[0], f"listing it: {hung.what}") from hung

    def verify(self, database: Path, section: Section) -> list[Read]:
        """Read files of a section on the host and inside the container; what was read.

        Raises:
            MountLost: the mount does not read. Nothing must be scanned.
            Permanent, Unsafe: a root of the section is absent or empty inside the container.
            Transient: the database could not be read.
            Stopped: the run was stopped.
        """
        self.prove_roots(section)
        begun = len(self.record.reads)
        try:
            return self._read(section, self._known(database, section))
        except MountLost:
            if not any(read.missing for read in self.record.reads[begun:]):
                raise
            if not self._set_removed_aside(database, section):
                raise
        return self._read(section, self._known(database, section))

    def vigil(self, database: Path, sections: Sequence[Section], tell: Tell) -> Vigil:
        """A vigil over the mounts of these sections, to begin with the work and to end with it.

        Raises:
            Transient, Permanent: the database could not be read.
        """
        known = {section.key: self._known(database, section) for section in sections}

        def told(one: Observation) -> None:
            self.record.observation(one)
            verdict = one.verdict
            if not verdict.healthy:
                tell(
                    f"the mount {verdict.mountpoint} is {verdict.state}: {verdict.reason}",
                    {"mount": verdict.mountpoint, "state": verdict.state, "failures": one.failures},
                )

        def last() -> None:
            for section in sections:
                self._still_reads(section, known[section.key] or self._known(database, section))

        return Vigil(
            lambda stop: self._glance(sections, known, stop),
            name=_names(sections),
            every=self.every,
            failures=self.failures,
            clock=self.clock,
            told=told,
            last=last,
        )

    def heal(
        self,
        database: Path,
        sections: Sequence[Section],
        *,
        halt: Callable[[], None],
        resume: Callable[[], None],
        tell: Tell,
    ) -> bool:
        """Bring the mounts of these sections back: restart what serves them, or wait.

        Args:
            halt: stops what Plex does on the sections, as far as that can be done while the mount is lost.
            resume: is called when all mounts read again; then Plex must be at rest.

        Raises:
            Stopped: the run was stopped.
            MedialiftError: what `resume` raises, or why a mount cannot be recovered at all.
        """
        known = {section.key: self._known(database, section) for section in sections}
        return Healing(
            mounts=tuple(place.mountpoint for place in self._places(sections, known)),
            probe=lambda mountpoint, stop: self._check_one(mountpoint, sections, known, stop),
            programs=self.programs,
            filesystem=self.filesystem,
            within=self.heal_within,
            clock=self.clock,
            stop=self.stop,
            record=self.record,
            tell=tell,
        ).run(halt, resume)

    @property
    def _inside(self) -> Inside:
        return Inside(self.enter, self.runner, self.clock, self.dice, self.stop)

    def _known(self, database: Path, section: Section) -> list[File]:
        """What to read of a section, the same throughout the run."""
        if not self.remembered.get(section.key):
            files = retried(limit=3)(sample_files)(database, section, REMEMBERED, self.dice)
            self.remembered[section.key] = [file for file in files if file.path not in self.gone]
        return self.remembered[section.key]

    def _set_removed_aside(self, database: Path, section: Section) -> bool:
        """Read no more what the store itself has lost; whether there is any."""
        known = self._known(database, section)
        gone = self.removed(section, [file.path for file in known])
        self.gone.update(gone)
        self.remembered[section.key] = [file for file in known if file.path not in self.gone]
        return bool(gone)

    def _read(self, section: Section, files: Sequence[File]) -> list[Read]:
        reads: list[Read] = []
        for place in self._places([section], {section.key: files}):
            verdict = self._probe(place, self.number, self.stop, self.remotes.get(place.mountpoint))
            if not verdict.healthy:
                raise _refused(section, verdict.mountpoint, f"it is {verdict.state}: {verdict.reason}")
            reads += verdict.reads
        inside = self._probe_inside(section, files, self.number)
        if not inside.healthy:
            raise _refused(section, inside.mountpoint, inside.reason)
        return reads + list(inside.reads)

    def _still_reads(self, section: Section, files: Sequence[File]) -> None:
        """Read a section's files once more, now that Plex has read them. Raises MountLost or Stopped."""
        try:
            self.prove_roots(section)
            self._read(section, files)
        except (Permanent, Unsafe) as gone:
            # It was there before the work: so it is lost, and may come back.
            raise lost(
                f"is not well after the scan, which is not believed ({gone.what})", gone.subject
            ) from gone

    def _glance(
        self, sections: Sequence[Section], known: Mapping[str, Sequence[File]], stop: Event
    ) -> Verdict:
        """One small read of each mount, and more of one if that fails: the first that is ill, or the last."""
        verdict = Verdict("", HEALTHY)
        for place in self._places(sections, known):
            verdict = self._probe(place, 1, stop)
            if not verdict.healthy:
                return verdict
        for section in sections:
            if not all(self._mounted(root) for root in section.locations):
                verdict = self._probe_inside(section, known[section.key], 1)
                if not verdict.healthy:
                    return verdict
        return verdict

    def _check_one(
        self, mountpoint: str, sections: Sequence[Section], known: Mapping[str, Sequence[File]], stop: Event
    ) -> Verdict:
        (place,) = (one for one in self._places(sections, known) if one.mountpoint == mountpoint)
        # Compared as well: a mount of something else reads, and only a restart brings the right one back.
        return self._probe(place, self.number, stop, self.remotes.get(mountpoint))

    def _probe(self, place: _Place, sample: int, stop: Event, remote: Remote | None = None) -> Verdict:
        verdict = mounts.probe(
            place.mountpoint,
            place.files,
            [] if place.files else place.roots,
            sample=sample,
            deadline=self.deadline,
            filesystem=self.filesystem,
            remote=remote,
            stop=stop,
            clock=self.clock,
        )
        self.record.verdict(verdict)
        return verdict

    def _places(self, sections: Sequence[Section], known: Mapping[str, Sequence[File]]) -> Iterator[_Place]:
        """The mounts that these sections lie on, with what to read of them."""
        places = PathMap.of(self.roots)
        for inside, mountpoint in self.roots.items():
            roots = [root for one in sections for root in one.locations if _within(root, inside)]
            if roots:
                files = [
                    file.path for one in sections for file in known[one.key] if _within(file.path, inside)
                ]
                yield _Place(
                    mountpoint, [places.map(path) for path in files], [places.map(root) for root in roots]
                )

    def _mounted(self, root: str) -> bool:
        return any(_within(root, inside) for inside in self.roots)

    def _probe_inside(self, section: Section, files: Sequence[File], number: int) -> Verdict:
        reads = tuple(self._reads_inside(section, files, number))
        failed = [read for read in reads if not read.ok]
        if reads and not sampling.condemned(reads, len(reads) if files else 0):
            differing = tuple(read.path for read in failed)
            verdict = Verdict(_inside_of(section), HEALTHY, reads=reads, differing=differing)
        else:
            verdict = Verdict(_inside_of(section), DEGRADED, _why(reads, failed), reads)
        self.record.verdict(verdict)
        return verdict

    def _reads_inside(self, section: Section, files: Sequence[File], number: int) -> list[Read]:
        """Read so many files inside the container, and more once one fails: as a probe does on the host."""
        most = sampling.enlarged(number, sampling.NEEDED)
        chosen = self.dice.sample(list(files), min(most, len(files))) or self._found(section, most)
        reads: list[Read] = []
        for file in chosen:
            reads.append(self._inside.read(file))
            well = all(read.ok for read in reads)
            if sampling.hopeless(reads, sampling.NEEDED) or (well and len(reads) >= number):
                break
        return reads

    def _found(self, section: Section, number: int) -> list[File]:
        try:
            return self._inside.find(section, number)
        except Stopped:
            raise
        except Transient as hung:
            raise _refused(section, _inside_of(section), f"listing it: {hung.what}") from hung


@dataclass(frozen=True)
class _Place:
    """A mount, and what to read of it: files, or where none are known, below which folders to look."""

    mountpoint: str
    files: list[str]
    roots: list[str]


def _why(reads: Sequence[Read], failed: Sequence[Read]) -> str:
    if not reads:
        return "there is no file to read in it"
    broken = next((read for read in failed if not read.missing), None)
    if broken is not None:
        return f"{broken.path} cannot be read: {broken.error}"
    return f"{len(failed)} of {len(reads)} files are not there"


def _inside_of(section: Section) -> str:
    return f"{section.locations[0]} inside the container"


def _names(sections: Iterable[Section]) -> str:
    return ", ".join(section.name for section in sections)


def _refused(section: Section, mountpoint: str, reason: str) -> MountLost:
    return MountLost(
        f"The mount does not read, so nothing is scanned ({reason})",
        f"{section.name}: {mountpoint}",
        "Look at the mount's service and at the store, then start the run again",
    )


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def summary(reads: Sequence[Read]) -> dict[str, Any]:
    """{reads, slowest} for a journal's line: how many, and seconds."""
    return {"reads": len(reads), "slowest": round(max((read.seconds for read in reads), default=0.0), 4)}
