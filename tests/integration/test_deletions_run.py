"""A whole run whose library loses files: in the store, or only on the way to it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from medialift.cloud import objects
from medialift.errors import Unsafe
from medialift.foundation import jobs, journal
from medialift.foundation.waiting import wait_until
from medialift.plex.data_folder import DataFolder
from medialift.plex.export import ExportRequest, Means, export
from medialift.plex.manifest import Sidecar, load
from medialift.plex.places import FolderPlace
from medialift.plex.restore.checks import refuse_unfit
from medialift.plex.restore.claims import Claims
from medialift.plex.run import Run
from medialift.plex.scan import count
from sandbox.settings import ACCESS_KEY, REGION, SECRET_KEY
from tests.plex_world import JOBS, PlexWorld
from tests.restore_world import integrity
from tests.store_world import StoreWorld, store_world

BUCKET, PREFIX = "media", "library"


@pytest.fixture(scope="module")
def running() -> Iterator[StoreWorld]:
    with store_world(BUCKET) as world:
        yield world


class LossyWorld(PlexWorld):
    """A Plex whose media folder is what a mount would show of the store; what differs is the test's doing."""

    def __init__(self, folder: Path, store: StoreWorld) -> None:
        super().__init__(folder)
        self.store = store
        self.jobs = JOBS
        self.config = folder / "medialift.toml"
        self.config.write_text(
            f'[store]\nendpoint = "{store.store.endpoint}"\nregion = "{REGION}"\n'
            f'access_key = "{ACCESS_KEY}"\nsecret_key = "{SECRET_KEY}"\n'
        )

    def fill(self, movies: int) -> None:
        self.library(movies=movies, tracks=1)
        self.upload()

    def upload(self) -> None:
        files = [file for file in self.media.rglob("*") if file.is_file()]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self._upload, files))

    def _upload(self, file: Path) -> None:
        objects.put_bytes(self.store.store, BUCKET, self.key(file), b"media")

    def key(self, file: Path) -> str:
        return f"{PREFIX}/{file.relative_to(self.media)}"

    def remove(self, *numbers: int) -> None:
        """Remove films as their owner does: from the store, and so from the mount."""
        for number in numbers:
            file = Path(self.movie(number))
            file.unlink()
            objects.delete(self.store.store, BUCKET, self.key(file))

    def run(self, **more: Any) -> jobs.Status:
        given = {
            "sections": ["Movies"],
            "analyze": False,
            "sonic": False,
            "mount_type": "",
            "store": {"bucket": BUCKET, "prefix": PREFIX},
            "config": str(self.config),
            **more,
        }
        folder = self.folder / "job"
        jobs.submit(folder, "plex-run", self.options(**given))
        jobs.execute(folder, self.jobs)
        return jobs.state(folder)


@pytest.fixture
def plex(tmp_path: Path, running: StoreWorld) -> Iterator[LossyWorld]:
    running.empty()
    world = LossyWorld(tmp_path, running)
    yield world
    world.down()
    running.empty()


def movies(status: jobs.Status) -> dict[str, Any]:
    assert status.state == "ok", status.error
    return next(row for row in status.value["sections"] if row["name"] == "Movies")


def numbers(status: jobs.Status) -> dict[str, Any]:
    return {name: told for name, told in movies(status)["deletions"].items() if told and name != "named"}


def test_two_films_that_were_removed_from_the_store_are_believed(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.remove(3, 7)
    plex.up()
    status = plex.run()
    assert (status.value["outcome"], numbers(status)) == ("ok", {"believed": 2})
    assert status.value["believed_deleted"] == {"1": 2}
    assert {one["title"] for one in movies(status)["deletions"]["named"]} == {"Film 3", "Film 7"}
    assert not (plex.folder / "job" / "census.db").exists()


def test_ten_films_that_were_removed_need_a_word(plex: LossyWorld) -> None:
    # So many that a check of the mount, which reads a few of them, still finds most.
    plex.fill(200)
    plex.remove(*range(10))
    plex.up()
    status = plex.run()
    assert (status.value["outcome"], numbers(status)) == ("quarantined", {"believed": 10})
    quarantine = status.value["quarantine"]
    assert quarantine["acceptable"] and "10 of 200 items are gone" in quarantine["reasons"][0]
    assert "plex_accept_deletions" in quarantine["reasons"][-1]
    sidecar = exported(plex, status)
    with pytest.raises(Unsafe, match="10 of 200 items are gone"):
        admit(sidecar, accept_deletions=False)
    admit(sidecar, accept_deletions=True)


def test_ten_films_that_were_removed_are_accepted_with_a_word(plex: LossyWorld) -> None:
    # So many that a check of the mount, which reads a few of them, still finds most.
    plex.fill(200)
    plex.remove(*range(10))
    plex.up()
    status = plex.run(accept_deletions="true")
    assert (status.value["outcome"], numbers(status)) == ("ok", {"believed": 10, "accepted": True})
    assert status.value["believed_deleted"] == {"1": 10}


def test_a_section_of_which_most_was_removed_is_scanned_and_passes_with_a_word(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.remove(*range(10))
    plex.up()
    status = plex.run(accept_deletions=True)
    assert (status.value["outcome"], numbers(status)) == ("ok", {"believed": 10, "accepted": True})


def test_a_section_of_which_all_was_removed_is_scanned_and_needs_a_word(plex: LossyWorld) -> None:
    plex.fill(4)
    beside = plex.media / "Movies" / "notes.txt"  # without anything in it, Plex would find no folder
    beside.write_bytes(b"media")
    plex.upload()
    plex.remove(*range(4))
    plex.up()
    status = plex.run()
    assert (status.value["outcome"], numbers(status)) == ("quarantined", {"believed": 4})
    quarantine = status.value["quarantine"]
    assert quarantine["acceptable"] and "no item is left of 4" in " ".join(quarantine["reasons"])


def test_a_mount_that_lacks_most_of_what_the_store_has_is_not_scanned(plex: LossyWorld) -> None:
    plex.fill(12)
    for number in range(10):
        Path(plex.movie(number)).unlink()
    plex.up()
    status = plex.run(accept_deletions=True)
    assert status.state == "failed" and "files are not there" in status.error["what"]
    assert count(plex.database, "1").deleted == 0


def test_a_folder_that_this_store_does_not_have_at_all_is_not_taken_for_removed(plex: LossyWorld) -> None:
    # Two buckets may be shown in one root, and only one of them be told.
    plex.fill(12)
    for number in range(12):
        objects.delete(plex.store.store, BUCKET, plex.key(Path(plex.movie(number))))
    for number in range(10):
        Path(plex.movie(number)).unlink()
    plex.up()
    status = plex.run(accept_deletions=True)
    assert status.state == "failed" and "files are not there" in status.error["what"]
    assert count(plex.database, "1").deleted == 0


def test_what_only_the_scan_could_not_read_is_scanned_again_and_undone(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.up()
    plex.switch(degraded_mount={"match": "Film [0-4] ", "error": "EIO"})
    # The store answers about them only when the mount reads again: the second scan must not come before.
    plex.store.faults.add("hang", "HEAD .*Film%20[0-4]")
    done = Event()

    def heal() -> None:
        def looked_up() -> bool:
            told = journal.phases(plex.folder / "job" / "journal.jsonl")
            return any(phase.name == "look up deletions" for phase in told)

        wait_until(looked_up, at_most=60, every=0.05, stop=done)
        plex.switch(degraded_mount=None)
        plex.store.faults.clear()

    healer = Thread(target=heal)
    healer.start()
    try:
        status = plex.run()
    finally:
        done.set()
        healer.join(10)
    assert (status.value["outcome"], numbers(status)) == ("ok", {"undone": 5})
    assert (movies(status)["items_after"], movies(status)["newly_deleted"]) == (12, 0)
    assert [phase.name for phase in status.phases].count("scan Movies") == 2
    assert count(plex.database, "1").deleted == 0


class ProcessService:
    """Plex's process as the service that it is on an instance."""

    def __init__(self, plex: PlexWorld) -> None:
        self.plex = plex
        self.told: list[str] = []

    def running(self) -> bool:
        return self.plex.process is not None and self.plex.process.poll() is None

    def stop(self) -> None:
        self.told.append("stop")
        assert self.plex.process is not None
        self.plex.process.terminate()
        self.plex.process.wait(20)

    def start(self) -> None:
        self.told.append("start")
        # What could not be read still cannot: no later scan must be what brings the films back.
        self.plex.up(degraded_mount={"match": "Film [0-1] ", "error": "EIO"})


SERVICES: list[ProcessService] = []


def run_with_a_service(context: jobs.Context) -> dict[str, Any]:
    """The job "plex-run" where Plex's service is known."""
    return replace(Run.of(context), service=SERVICES[-1]).run()


def test_what_no_scan_brings_back_is_unmarked_while_plex_is_stopped(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.remove(9)
    plex.up()
    plex.switch(degraded_mount={"match": "Film [0-1] ", "error": "EIO"})
    SERVICES.append(ProcessService(plex))
    plex.jobs = {"plex-run": f"{__name__}:run_with_a_service"}
    status = plex.run()
    assert (status.value["outcome"], numbers(status)) == ("ok", {"believed": 1, "undone": 2})
    assert SERVICES[-1].told == ["stop", "start"]
    assert (movies(status)["items_after"], count(plex.database, "1").deleted) == (11, 1)
    assert plex.server().preferences()["autoEmptyTrash"].value == "false"


def exported(plex: LossyWorld, status: jobs.Status) -> Sidecar:
    """The archive that the burst's playbook makes of this run, found again where it lies."""
    assert plex.process is not None
    plex.process.terminate()
    plex.process.wait(20)
    place = FolderPlace(plex.folder / "archives")
    made = export(
        DataFolder(plex.data),
        [place],
        ExportRequest(
            kind="burst",
            library="home",
            plex_version=plex.version,
            mode="online",
            quarantine=tuple(status.value["quarantine"]["reasons"]),
            acceptable=status.value["quarantine"]["acceptable"],
            believed_deleted=status.value["believed_deleted"],
        ),
        Means(journal.Journal(plex.folder / "export.jsonl"), integrity),
    )
    return load(place, made.archives[0].removeprefix(f"{place.url}/")).sidecar


def admit(sidecar: Sidecar, *, accept_deletions: bool) -> None:
    """What home says to an archive by its description."""
    told = sidecar.manifest
    claims = Claims.of(told)
    refuse_unfit(sidecar, claims, told.plex_version, claims.schema_version, accept_deletions=accept_deletions)


def test_what_no_scan_brings_back_keeps_the_archive_in_quarantine_and_no_word_lets_it_out(
    plex: LossyWorld,
) -> None:
    plex.fill(12)
    plex.remove(9)
    plex.up()
    plex.switch(degraded_mount={"match": "Film [0-1] ", "error": "EIO"})
    status = plex.run(accept_deletions=True)
    assert (status.value["outcome"], numbers(status)) == ("quarantined", {"false": 2, "believed": 1})
    (reason,) = status.value["quarantine"]["reasons"]
    assert "2 items marked deleted that the store still has: Film 0, Film 1" in reason
    assert [phase.name for phase in status.phases].count("scan Movies") == 3
    sidecar = exported(plex, status)
    assert (sidecar.quarantined, sidecar.acceptable, sidecar.reasons) == (True, False, (reason,))
    assert sidecar.manifest.sections[0]["believed_deleted"] == 1
    with pytest.raises(Unsafe, match="Film 0, Film 1"):
        admit(sidecar, accept_deletions=True)


def test_what_cannot_be_looked_up_is_not_believed(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.remove(4)
    plex.up()
    # Listing goes on: the run begins, and only the looks fail, all of them but the controls.
    plex.store.faults.add("status403", "HEAD .*Film%204")
    status = plex.run(accept_deletions=True)
    assert (status.value["outcome"], numbers(status)) == ("quarantined", {"unknown": 1})
    assert "could not be looked up in the store" in status.value["quarantine"]["reasons"][0]
    assert "Film 4" in status.value["quarantine"]["reasons"][0]
    assert not status.value["quarantine"]["acceptable"] and status.value["believed_deleted"] == {}


def test_a_wrong_prefix_makes_everything_look_gone_and_nothing_is_believed(plex: LossyWorld) -> None:
    plex.fill(60)
    plex.remove(*range(3))
    objects.put_bytes(plex.store.store, BUCKET, "elsewhere/a.mkv", b"another library")
    plex.up()
    status = plex.run(store={"bucket": BUCKET, "prefix": "elsewhere"}, accept_deletions=True)
    assert (status.value["outcome"], numbers(status)) == ("quarantined", {"unknown": 3})
    assert "control" in status.value["quarantine"]["reasons"][0]


def test_a_store_that_refuses_is_told_before_plex_is_touched(plex: LossyWorld) -> None:
    plex.fill(2)
    plex.config.write_text(plex.config.read_text().replace(SECRET_KEY, "wrong"))
    status = plex.run()
    assert status.state == "failed" and "does not accept the credentials" in status.error["what"]
    assert [phase.name for phase in status.phases] == ["check the store"]


def test_what_a_run_that_was_killed_took_away_is_looked_up_by_the_next(plex: LossyWorld) -> None:
    plex.fill(12)
    plex.up(crash_after_files=12)
    options = {"times": {"unreadable": 1.5}}
    assert plex.run(**options).state == "failed"
    assert (plex.folder / "job" / "census.db").is_file()
    # What Plex had written when it died: most of the section marked deleted.
    con = sqlite3.connect(plex.database)
    con.execute("UPDATE media_items SET deleted_at = 1 WHERE library_section_id = 1")
    con.execute("UPDATE media_parts SET deleted_at = 1 WHERE file LIKE '%/Movies/%'")
    con.execute("UPDATE metadata_items SET deleted_at = 1 WHERE library_section_id = 1")
    con.commit()
    con.close()
    plex.remove(11)
    plex.up()
    status = plex.run(**options)
    assert (status.value["outcome"], numbers(status)) == ("ok", {"believed": 1})
    assert (movies(status)["items_before"], movies(status)["items_after"]) == (12, 11)


def test_a_new_library_that_lacks_most_of_what_the_store_holds_is_quarantined(plex: LossyWorld) -> None:
    for number in range(10):
        plex.movie(number)
    plex.upload()
    for number in range(7):
        Path(plex.movie(number)).unlink()  # the mount does not show them
    plex.up()
    sections = [{"name": "Movies", "type": "movie", "locations": [str(plex.media / "Movies")]}]
    status = plex.run(mode="scratch", create_sections=sections)
    assert status.value["outcome"] == "quarantined"
    quarantine = status.value["quarantine"]
    assert "7 of the 10 media files in the store are not in the library" in quarantine["reasons"][0]
    assert json.dumps(quarantine).count("Film") >= 1 and quarantine["acceptable"]
