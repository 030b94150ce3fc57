"""Home's library goes into an empty Plex in the cloud: verified, remapped, once."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
from pathlib import Path

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.foundation.journal import Journal
from medialift.plex import database
from medialift.plex.paths import PathMap
from medialift.plex.restore import ArchiveSource, Injected, LibraryFolder, inject
from sandbox.plex.builder import LibraryBuilder
from sandbox.plex.schema import NEW_VERSION, OLD_VERSION, connect_as_plex, create_library
from tests.restore_world import FORWARD, World, describe, integrity, pack, snapshot, tree

OWNER = (os.getuid(), os.getgid())


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World.make(tmp_path)
    made.plex.stop()
    return made


@pytest.fixture
def cloud(tmp_path: Path) -> LibraryFolder:
    folder = tmp_path / "instance" / "Plex Media Server"
    folder.mkdir(parents=True)
    return LibraryFolder(folder)


def reference(world: World, **manifest) -> ArchiveSource:
    data = world.home.data
    facts = database.sections(data.library)
    told = {
        "format": 1,
        "kind": "reference",
        "library": "home",
        "created": "2027-01-15T08:00:00Z",
        "plex_version": NEW_VERSION,
        "machine": "",
        "schema": database.schema(data.library).to_dict(),
        "sections": [section.to_manifest() for section in facts],
        "path_map": {"forward": FORWARD},
        "watch_state": vars(world.reference),
        "contents": ["databases", "metadata", "media"],
        **manifest,
    }
    copy = world.folder / "copy"
    shutil.copytree(data.path, copy, dirs_exist_ok=True)
    (copy / "Preferences.xml").unlink()
    return pack(copy, world.folder / "reference.tar.zst", told)


def put(source: ArchiveSource, cloud: LibraryFolder, tmp_path: Path, **options) -> Injected:
    return inject(
        source,
        cloud,
        integrity=integrity,
        owner=OWNER,
        journal=Journal(tmp_path / "inject.jsonl"),
        **options,
    )


def test_homes_library_arrives_with_the_clouds_paths(world: World, cloud: LibraryFolder, tmp_path: Path):
    done = put(reference(world), cloud, tmp_path, plex_version=NEW_VERSION)
    there = snapshot(cloud)
    assert done.changed and done.manifest["kind"] == "reference"
    assert there["sections"][0] == ("Movies", 6, 6, ("/cloud/media/Movies",))
    assert all(file.startswith("/cloud/media/") for file in there["files"])
    assert all(url.startswith("file:///cloud/media/") for url in there["urls"])
    assert there["watched"] == world.reference.digest
    assert done.remap["changes"] == 2 + 9 + 6
    here, home = tree(cloud), tree(world.home.data)
    assert {name for name in home if name.startswith("Metadata")} <= set(here)
    assert "Preferences.xml" not in here
    assert sorted(entry.name for entry in cloud.ours.iterdir()) == ["injected.json", "lock"]


def test_the_same_archive_again_changes_nothing(world: World, cloud: LibraryFolder, tmp_path: Path):
    source = reference(world)
    first = put(source, cloud, tmp_path)
    before = tree(cloud)
    again = put(source, cloud, tmp_path)
    assert (again.changed, again.archive, again.remap) == (False, first.archive, first.remap)
    assert tree(cloud) == before


def test_an_empty_library_of_a_fresh_plex_makes_room(world: World, cloud: LibraryFolder, tmp_path: Path):
    cloud.databases.mkdir(parents=True)
    create_library(cloud.library, "new")
    create_library(cloud.blobs, "new")
    assert put(reference(world), cloud, tmp_path).changed
    assert database.sections(cloud.library)[0].items == 6


def test_a_library_with_sections_is_never_overwritten(world: World, cloud: LibraryFolder, tmp_path: Path):
    with LibraryBuilder.in_folder(cloud.path) as library:
        library.add_section("Mine", "movie", "/mine")
    before = tree(cloud)
    with pytest.raises(Unsafe, match=r"sections already: .*Mine"):
        put(reference(world), cloud, tmp_path)
    assert tree(cloud) == before


def test_wrong_versions_damage_and_quarantine_are_refused(world: World, cloud: LibraryFolder, tmp_path: Path):
    source = reference(world)
    with pytest.raises(Unsafe, match="another version of Plex"):
        put(source, cloud, tmp_path, plex_version=OLD_VERSION)
    with pytest.raises(Permanent, match="disk is too small"):
        put(source, cloud, tmp_path, free=lambda _: 1000)
    with pytest.raises(Unsafe, match="damaged"):
        inject(
            source,
            cloud,
            integrity=lambda _: ("row 1 missing",),
            owner=OWNER,
            journal=Journal(tmp_path / "inject.jsonl"),
        )
    describe(source, quarantined=True)
    with pytest.raises(Unsafe, match="quarantined"):
        put(source, cloud, tmp_path)
    assert tree(cloud) == {}


@pytest.mark.parametrize("after", [1, 7, 60])
def test_an_injection_that_was_cut_short_starts_anew(
    world: World, cloud: LibraryFolder, tmp_path: Path, after: int
):
    source = reference(world)

    def interrupt(done: int) -> None:
        if done == after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put(source, cloud, tmp_path, tell=interrupt)
    assert put(source, cloud, tmp_path).changed
    assert database.sections(cloud.library)[0].items == 6
    assert {name for name in tree(world.home.data) if name.startswith("M")} <= set(tree(cloud))


def test_another_map_than_the_manifests_can_be_given(world: World, cloud: LibraryFolder, tmp_path: Path):
    put(reference(world), cloud, tmp_path, paths=PathMap.of({"/library": "/mnt/x"}))
    assert snapshot(cloud)["sections"][0][3] == ("/mnt/x/media/Movies",)


def test_an_archive_of_the_old_kind_is_read_with_what_its_log_holds(
    world: World, cloud: LibraryFolder, tmp_path: Path
):
    """The original system packed a running Plex: part of the library was in the log only."""
    data = world.home.data
    con = connect_as_plex(data.library)
    con.execute("PRAGMA wal_autocheckpoint = 0")
    con.execute("UPDATE library_sections SET scanned_at = 4711")
    old = tmp_path / "old.tar.gz"
    with tarfile.open(old, "w:gz") as tar:
        tar.add(data.path / "Plug-in Support", "Plug-in Support")
        tar.add(data.path / "Metadata", "Metadata")
    con.close()
    done = put(ArchiveSource.at(old), cloud, tmp_path, paths=PathMap.of(FORWARD))
    assert (done.changed, done.manifest) == (True, {})
    assert snapshot(cloud)["sections"][0] == ("Movies", 6, 6, ("/cloud/media/Movies",))
    con = sqlite3.connect(cloud.library)
    assert con.execute("SELECT DISTINCT scanned_at FROM library_sections").fetchall() == [(4711,)]
    con.close()
    old.write_bytes(old.read_bytes()[:-100])
    shutil.rmtree(cloud.path)
    cloud.path.mkdir()
    with pytest.raises(Unsafe, match="archive"):
        put(ArchiveSource.at(old), cloud, tmp_path)


def test_what_was_injected_is_written_down(world: World, cloud: LibraryFolder, tmp_path: Path):
    done = put(reference(world), cloud, tmp_path)
    told = json.loads((cloud.ours / "injected.json").read_text())
    assert told["archive"] == done.archive and told["remap"]["forward"] == FORWARD
