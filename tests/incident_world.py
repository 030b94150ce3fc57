"""The incident's world: 224 films in an object store, a real rclone mount, a Plex that scans through it.

The store can be made to do what it did then: it goes on listing, and no object reads any more.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from medialift.foundation.jobs import Context
from medialift.foundation.journal import Entry, Journal, entries
from medialift.foundation.waiting import SystemClock, wait_until
from medialift.mounts.probe import SAMPLE, Read
from medialift.plex import scan
from medialift.plex.guard import MountGuard
from medialift.plex.run import Run
from medialift.plex.scan import Counts
from medialift.plex.server import Section
from sandbox.plex.builder import LibraryBuilder
from tests.mount_program import MountProcess
from tests.mount_world import RCLONE, S3Mount
from tests.plex_world import PlexWorld
from tests.store_world import StoreWorld

FILMS = 224
READABLE = 3
"""So many objects still read: 221 of 224 films were lost."""

OBJECTS = r"^GET /[^/?]+/.*\.mkv"


def name(number: int) -> str:
    return f"Movies/Film {number} (2001)/Film {number} (2001).mkv"


def fill(store: StoreWorld, films: int = FILMS, size: int = 150_000) -> None:
    """Put the films into the store."""
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda number: store.store.client.put_object(
                    Bucket=store.bucket, Key=name(number), Body=os.urandom(size)
                ),
                range(films),
            )
        )


class Nothing:
    """A guard that is switched off: it proves nothing, watches nothing, and believes everything."""

    def prove_roots(self, section: Section) -> None: ...

    def verify(self, database: Path, section: Section) -> list[Read]:
        return []

    def vigil(self, database: Path, sections: Sequence[Section], tell: object) -> Self:
        return self

    def heal(self, database: Path, sections: Sequence[Section], **_means: object) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None: ...

    def look(self) -> None: ...

    def prove(self) -> None: ...


@dataclass
class IncidentWorld:
    """One library on one mount, with a server that is up."""

    plex: PlexWorld
    mount: S3Mount
    store: StoreWorld
    stop: Event = field(default_factory=Event)

    @classmethod
    def up(
        cls, folder: Path, store: StoreWorld, *, films: int = FILMS, cache: str = "off", **switches: Any
    ) -> IncidentWorld:
        """A library with every film of the store, found healthy so far."""
        plex = PlexWorld(folder)
        mount = S3Mount(folder / "mount", store, cache=cache, place=plex.media)
        with LibraryBuilder.in_folder(plex.data) as library:
            section = library.add_section("Movies", "movie", str(plex.media / "Movies"))
            for number in range(films):
                library.add_movie(section, str(plex.media / name(number)), f"Film {number}", 2001)
        mount.up()
        plex.up(**switches)
        return cls(plex, mount, store)

    def down(self) -> None:
        self.store.faults.clear()
        self.plex.down()
        self.mount.down()

    def guarded(
        self, job: str = "job", *, restartable: bool = True, sample: int = SAMPLE, **more: Any
    ) -> dict[str, Any]:
        """Run as on an instance, with the mount's rclone in place of its unit.

        Args:
            sample: how many files are read before and after a scan.

        Raises:
            MedialiftError: as the run did.
        """
        remotes = {str(self.mount.place): self.remote()}
        given = {"mount_type": "fuse.rclone", "remotes": remotes, "analyze": False, **more}
        run = Run.of(self.context(job, self.plex.options(sections=["Movies"], **given)))
        assert isinstance(run.guard, MountGuard)
        programs = {str(self.mount.place): MountProcess(self.mount)} if restartable else {}
        return replace(run, guard=replace(run.guard, programs=programs, number=sample)).run()

    def unguarded(self, job: str = "job", **more: Any) -> dict[str, Any]:
        """Run with everything switched off that a test can switch off, and no option can."""
        # A plain folder, whose deletions a person has accepted: nobody asks the mount or the store anything.
        given = {"mount_type": "", "accept_deletions": True, "analyze": False, **more}
        run = Run.of(self.context(job, self.plex.options(sections=["Movies"], **given)))
        return replace(run, guard=Nothing()).run()

    def context(self, job: str, options: Mapping[str, Any]) -> Context:
        folder = self.plex.folder / job
        folder.mkdir()
        journal = Journal(folder / "journal.jsonl")
        return Context(folder, options, journal, self.stop, SystemClock())

    def remote(self) -> dict[str, Any]:
        (remote,) = self.mount.remote()
        return {"rclone": str(RCLONE), "config": str(self.mount.config), "remote": remote}

    def lines(self, job: str = "job") -> list[Entry]:
        return entries(self.plex.folder / job / "journal.jsonl")

    def counts(self) -> Counts:
        return scan.count(self.plex.database, "1")

    def when(self, line: str, then: Any, *, nth: int = 1, job: str = "job") -> Thread:
        """Do something as soon as the journal says this for the nth time, in a thread of its own."""

        def watch() -> None:
            said = wait_until(
                lambda: sum(line in entry.describe() for entry in self.lines(job)) >= nth,
                at_most=60,
                every=0.01,
                stop=self.stop,
            )
            if said:
                then()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        return thread

    def reads_fail(self) -> None:
        """From now on the store refuses objects, all but a few, as it does when a key expires."""
        self.store.faults.add("status403", OBJECTS)
        self.store.faults.add("pass", rf"/Film(%20|\+)[0-{READABLE - 1}](%20|\+)")

    def reads_hang(self) -> None:
        """From now on no object comes, and no error either."""
        self.store.faults.add("hang", OBJECTS)
