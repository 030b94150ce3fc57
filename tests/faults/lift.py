"""A whole burst without a machine: a home, a store behind the fault proxy, a mount of it, a Plex on that.

Everything but the two Plexes is real: the export of the reference, its injection, the run with its guard,
the export of the result and the import at home.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

from medialift.foundation import jobs
from medialift.foundation.journal import Journal
from medialift.foundation.waiting import SystemClock, wait_until
from medialift.plex.data_folder import DataFolder
from medialift.plex.export import Exported, ExportRequest, Means, export
from medialift.plex.paths import PathMap
from medialift.plex.places import StorePlace
from medialift.plex.restore import ArchiveSource, LibraryFolder, find, inject
from medialift.plex.run import Run
from sandbox.plex.schema import NEW_VERSION
from sandbox.settings import ACCESS_KEY, REGION, SECRET_KEY
from tests.faults.at_home import attempt, grown, take, whole
from tests.mount_world import RCLONE, S3Mount
from tests.plex_world import PlexWorld
from tests.restore_world import World, integrity, tree
from tests.store_world import StoreWorld

MEDIA = "media"
# Two films that home has not.
NEW = ("Movies/New 10.mkv", "Movies/New 11.mkv")
FILES = (
    *(f"Movies/Film {number}.mkv" for number in range(6)),
    *NEW,
    *(f"Music/{number}.mp3" for number in range(3)),
)
# A store that answers nothing is given up soon: a person would rather wait.
PATIENCE = 0.5
TIMES = {"mount": 6, "probe_every": 0.3, "heal": 1, "section": 30, "stall": 8, "unreadable": 3, "ready": 15}


def impatient(context: jobs.Context) -> dict[str, Any]:
    """The run, with the patience of a test for a store that does not answer."""
    run = Run.of(context)
    assert run.media is not None
    store = replace(run.media.store, timeout=2, patience=PATIENCE)
    return replace(run, media=replace(run.media, store=store)).run()


class Home:
    """A home with a library, and its reference in the store."""

    def __init__(self, folder: Path, store: StoreWorld) -> None:
        folder.mkdir(parents=True)
        self.folder, self.store = folder, store
        patient = replace(store.store, patience=PATIENCE)
        self.place = StorePlace(patient, store.bucket, f"plex-{folder.name}")
        self.world = World.make(folder)
        request = ExportRequest(kind="reference", library="home", plex_version=NEW_VERSION)
        means = Means(journal=Journal(folder / "reference.jsonl"), check=integrity)
        self.reference = export(DataFolder(self.world.home.data.path), [self.place], request, means)
        self.before = tree(self.world.home.data)

    def untouched(self) -> bool:
        return whole(self.world, self.before)

    def newest(self, kind: str = "burst") -> ArchiveSource:
        return find(
            "newest",
            store=self.store.store,
            bucket=self.store.bucket,
            prefix=self.place.prefix,
            library="home",
            kind=kind,
        )  # type: ignore[arg-type]

    def comes_home(self) -> bool:
        """Import the newest archive; whether home has what it had, and the two new films."""
        return take(self.world, self.newest()).changed and grown(self.world)

    def refuses(self, archive: str) -> bool:
        """Whether home leaves this archive alone."""
        source = find(archive, store=self.store.store, bucket="", prefix="", library="home")
        return attempt(self.world, source) is not None and self.untouched()

    def down(self) -> None:
        if self.world.plex.running():
            self.world.plex.stop()


def fill_store(store: StoreWorld) -> None:
    """The media: home's, and two films more."""
    for name in FILES:
        store.store.client.put_object(Bucket=store.bucket, Key=f"{MEDIA}/{name}", Body=os.urandom(200_000))


class Instance:
    """The machine of a burst: its Plex, its mount and its jobs, all in one folder."""

    def __init__(self, folder: Path, home: Home) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.home, self.store = folder, home, home.store
        self.plex = PlexWorld(folder)
        self.mount = S3Mount(folder / "mount", self.store, prefix=MEDIA, place=self.plex.media)
        self.data = LibraryFolder(self.plex.data)
        self.paths = {"/library/media": str(self.plex.media)}
        self.settings = folder / "medialift.toml"
        self.settings.write_text(
            f'[store]\nendpoint = "{self.store.store.endpoint}"\nregion = "{REGION}"\n'
            f'bucket = "{self.store.bucket}"\naccess_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n'
        )
        self.settings.chmod(0o600)

    def set_up(self, **switches: Any) -> None:
        """Mount the media, bring home's library in, start Plex."""
        self.mount.up()
        self.inject()
        self.plex.up(**switches).wait_ready(at_most=20, every=0.1)

    def inject(self) -> None:
        self.plex.data.mkdir(exist_ok=True)
        inject(
            self.home.newest("reference"),
            self.data,
            integrity=integrity,
            owner=(0, 0),
            journal=Journal(self.folder / "inject.jsonl"),
            paths=PathMap.of(self.paths),
        )

    def arguments(self, **times: Any) -> dict[str, Any]:
        remote = {"rclone": str(RCLONE), "config": str(self.mount.config), "remote": self.mount.name}
        return self.plex.options(
            sections=["Movies"],
            sonic=False,
            analyze=False,
            mount_type="fuse.rclone",
            remotes={str(self.mount.place): remote},
            store={"bucket": self.store.bucket, "prefix": MEDIA},
            config=str(self.settings),
            times={**TIMES, **times},
        )

    @property
    def job(self) -> Path:
        return self.folder / "job"

    def scan(self, **times: Any) -> jobs.Status:
        """The run, to its end; begun again if it failed or died before."""
        jobs.submit(self.job, "plex-run", self.arguments(**times))
        jobs.request(self.job)
        jobs.execute(self.job, {"plex-run": f"{__name__}:impatient"})
        return jobs.state(self.job)

    def scanning(self) -> bool:
        """Whether the run has come to its scan."""
        journal = self.job / "journal.jsonl"
        return journal.exists() and '"phase": "scan Movies", "event": "start"' in journal.read_text()

    @contextmanager
    def when(self, phase: str, act: Callable[[], None], after: float = 0.0) -> Iterator[None]:
        """Do something `after` seconds into a phase of the run that the block runs."""
        over, done = Event(), Event()

        def watch() -> None:
            line = f'"phase": "{phase}", "event": "start"'
            journal = self.job / "journal.jsonl"
            begun = wait_until(
                lambda: journal.exists() and line in journal.read_text(), at_most=60, every=0.02, stop=over
            )
            if begun and not SystemClock().sleep(after, over):
                act()
                done.set()

        watcher = Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        assert done.is_set(), f"{phase} ended before the fault came"

    def export(self, status: jobs.Status, *, quarantine: tuple[str, ...] = (), **means: Any) -> Exported:
        """The archive of what the run left, as the playbook has it made."""
        reasons = status.value["quarantine"]["reasons"] if status.state == jobs.OK else ()
        reference = self.home.reference
        request = ExportRequest(
            kind="burst",
            library="home",
            plex_version=NEW_VERSION,
            mode="stopped",
            path_map=self.paths,
            reference={
                "sha256": reference.facts.sha256,
                "created": reference.manifest.created,
                "watch_state": dict(reference.manifest.watch_state),
            },
            quarantine=(*quarantine, *reasons),
            work=self.folder / "work",
        )
        given = {"journal": Journal(self.folder / "export.jsonl"), "check": integrity, "service": self}
        return export(DataFolder(self.plex.data), [self.home.place], request, Means(**{**given, **means}))

    # Plex's service, for the export.
    def running(self) -> bool:
        return self.plex.process is not None and self.plex.process.poll() is None

    def stop(self) -> None:
        assert self.plex.process is not None
        self.plex.process.terminate()
        self.plex.process.wait(20)

    def start(self) -> None:
        self.plex.up().wait_ready(at_most=20, every=0.1)

    def lost(self) -> None:
        """It is gone, with everything on it."""
        self.down()
        shutil.rmtree(self.folder)

    def down(self) -> None:
        self.plex.down()
        self.mount.down()


def unharmed(instance: Instance, status: jobs.Status) -> None:
    """Whatever came of the run, home is as it was, and the run vouches for nothing that it lost."""
    if status.state == jobs.OK and status.value["outcome"] == "ok":
        rows = {row["name"]: row for row in status.value["sections"]}
        assert rows["Movies"]["items_after"] >= rows["Movies"]["items_before"] >= 6
        assert rows["Movies"]["newly_deleted"] == 0
    assert instance.home.untouched()


def succeeds(instance: Instance) -> None:
    """The same burst again: it grows by the two films, loses nothing, and comes home."""
    status = instance.scan()
    assert status.state == jobs.OK, (status.error, instance.plex.log()[-2000:])
    assert status.value["quarantine"]["reasons"] == []
    instance.export(status)
    assert instance.home.comes_home()
