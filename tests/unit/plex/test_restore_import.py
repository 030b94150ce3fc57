"""An import at home: it ends with the new library served, or with the old one untouched."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.archive import verify
from medialift.foundation.jobs import Stopped
from medialift.foundation.journal import phases
from medialift.plex import database
from medialift.plex.restore import (
    ArchiveSource,
    LibraryFolder,
    Options,
    Outcome,
    import_library,
    predict,
    recover,
    rollback,
)
from medialift.plex.restore.importing import PutBack
from sandbox.plex.builder import LibraryBuilder
from sandbox.plex.schema import OLD_VERSION, connect_as_plex, create_library
from tests.restore_world import OPTIONS, World, describe, path_of, tree


@pytest.fixture
def world(tmp_path: Path):
    made = World.make(tmp_path)
    yield made
    if made.plex.running():
        made.plex.stop()


def take(world: World, source: ArchiveSource, **options) -> Outcome:
    chosen = Options(**{**vars(OPTIONS), **options})
    return import_library(world.home, source, chosen, journal=world.journal, clock=world.clock)


def refused(world: World, source: ArchiveSource, message: str, kind=Unsafe, **options) -> MedialiftError:
    """The import is refused, Plex serves what it served, and nothing of ours is left behind."""
    before = tree(world.home.data)
    with pytest.raises(kind, match=message) as caught:
        take(world, source, **options)
    assert tree(world.home.data) == before
    assert world.plex.running()
    assert leftovers(world) == []
    return caught.value


def leftovers(world: World) -> list[str]:
    ours = world.home.data.ours
    return (
        sorted(e.name for e in ours.iterdir() if e.name not in ("lock", "imported.json"))
        if ours.exists()
        else []
    )


def test_an_import_brings_the_new_library_with_homes_paths(world: World):
    outcome = take(world, world.burst())

    assert (outcome.outcome, outcome.changed) == ("imported", True)
    assert outcome.sections[0] == {
        "name": "Movies",
        "type": "movie",
        "items_before": 6,
        "items_after": 8,
        "newly_deleted": 0,
    }
    serving = world.serving()
    assert serving["sections"][0] == ("Movies", 8, 8, ("/library/media/Movies",))
    assert "/library/media/Movies/New 10.mkv" in serving["files"]
    assert all(file.startswith("/library/media/") for file in serving["files"])
    assert all(url.startswith("file:///library/media/") for url in serving["urls"])
    assert database.watch_state(world.home.data.library) == world.reference
    assert world.plex.told == ["stop", "start"]
    assert world.plex.trash == "0"
    assert (world.home.data.path / "Preferences.xml").read_text().count("of home") == 1
    assert [p.name for p in phases(world.journal.path) if p.outcome == "ok"][-2:] == [
        "exchange the library",
        "verify that Plex serves it",
    ]


def test_metadata_is_laid_over_homes_and_nothing_of_homes_is_deleted(world: World):
    home = world.home.data.path
    own = home / "Metadata" / "Movies" / "own poster.jpg"
    own.write_bytes(b"made at home")
    same = next((home / "Metadata").rglob("Info.xml"))
    name = same.relative_to(home).as_posix()
    source = world.burst(extra={name: b"the cloud's", "Metadata/New/deep/er.jpg": b"new"})
    before = same.read_bytes()

    outcome = take(world, source)

    assert own.read_bytes() == b"made at home"
    assert same.read_bytes() == b"the cloud's"
    assert (home / "Metadata/New/deep/er.jpg").read_bytes() == b"new"
    kept = world.home.data.rollback(outcome.name)
    assert (kept / name).read_bytes() == before
    assert outcome.files["replaced"] == 1
    assert outcome.files["identical"] > 5
    stat = (home / "Metadata/New/deep").stat()
    assert stat.st_mode & 0o777 == 0o755
    assert (home / "Metadata/New/deep/er.jpg").stat().st_mode & 0o777 == 0o644
    assert (stat.st_uid, stat.st_gid) == world.home.data.owner()


def test_the_same_archive_again_changes_nothing(world: World):
    source = world.burst()
    first = take(world, source)
    before = tree(world.home.data)
    world.plex.told.clear()
    again = take(world, source)
    assert (again.outcome, again.archive) == ("unchanged", first.archive)
    assert (world.plex.told, tree(world.home.data)) == ([], before)
    record = json.loads((world.home.data.ours / "imported.json").read_text())
    assert record["archive"] == verify(path_of(source).open("rb")).sha256


def test_a_prediction_says_what_would_happen_and_touches_nothing(world: World):
    source = world.burst()
    before, trash = tree(world.home.data), world.plex.trash
    told = predict(world.home, source, OPTIONS)
    assert told.changed and told.sections[0]["items_after"] == 8
    assert (tree(world.home.data), world.plex.trash, world.plex.told) == (before, trash, [])
    assert not world.home.data.ours.exists()
    take(world, source)
    assert not predict(world.home, source, OPTIONS).changed


def test_a_quarantined_archive_is_refused_with_its_reasons(world: World):
    source = world.burst()
    describe(source, quarantined=True, reasons=["Movies lost 221 of 224 items"])
    assert "221 of 224" in str(refused(world, source, "quarantined"))


def many_removed(world: World) -> ArchiveSource:
    """A burst in which all but one film were gone from the store, and nobody had said that this is meant."""

    def lose(library: LibraryBuilder) -> None:
        for item in (1, 2, 3, 4, 5):
            library.mark_deleted(item)

    plain = world.burst("plain", lose)
    sections = json.loads(path_of(plain).with_name(path_of(plain).name + ".json").read_text())["sections"]
    sections[0]["believed_deleted"] = 5
    source = world.burst("removed", lose, sections=sections)
    reasons = ["Movies: 5 of 6 items are gone: Film 0, Film 1"]
    describe(source, quarantined=True, reasons=reasons, acceptable=True)
    return source


def test_deletions_that_only_wait_for_a_word_are_imported_with_it_and_not_without(world: World):
    source = many_removed(world)
    error = refused(world, source, "quarantined")
    assert "Film 0, Film 1" in str(error) and "accept_deletions" in error.hint
    outcome = take(world, source, accept_deletions=True)
    assert (outcome.outcome, outcome.sections[0]["items_after"]) == ("imported", 3)


def test_no_word_lets_an_archive_out_that_is_quarantined_for_anything_else(world: World):
    source = many_removed(world)
    describe(source, acceptable=False, reasons=["Movies: 1 item marked deleted that the store still has: A"])
    refused(world, source, "the store still has: A", accept_deletions=True)
    describe(source, acceptable="yes")
    refused(world, source, "quarantined", accept_deletions=True)


def test_a_word_does_not_vouch_for_items_that_nobody_looked_up(world: World):
    def lose(library: LibraryBuilder) -> None:
        for item in (1, 2, 3, 4, 5):
            library.mark_deleted(item)

    source = world.burst(change=lose)
    describe(source, quarantined=True, reasons=["Movies: many are gone"], acceptable=True)
    refused(world, source, "Items would be lost", accept_deletions=True)


def test_a_reference_archive_cannot_be_imported(world: World):
    refused(world, world.burst(kind="reference"), "not the result of a burst")


def test_another_version_of_plex_is_refused(world: World):
    refused(world, world.burst(plex_version=OLD_VERSION), "another version of Plex")


def test_a_newer_schema_is_refused_even_when_the_manifest_hides_it(tmp_path: Path):
    (tmp_path / "old").mkdir()
    create_library(tmp_path / "old" / "library.db", "old")
    old = database.schema(tmp_path / "old" / "library.db")

    def from_the_future(library: LibraryBuilder) -> None:
        library.con.execute("INSERT INTO schema_migrations (version) VALUES ('20991231000000')")

    world = World.make(tmp_path)
    try:
        refused(world, world.burst(change=from_the_future), "newer Plex")
        honest = {"max_version": old.max_version, "triggers": "new"}
        refused(world, world.burst("lying", from_the_future, schema=honest), "newer Plex")
    finally:
        world.plex.stop()


def test_lost_items_sections_and_folders_are_refused(world: World):
    def lose(library: LibraryBuilder) -> None:
        for item in (1, 2, 3):
            library.mark_deleted(item)

    error = refused(world, world.burst("items", lose), "Items would be lost")
    assert "Movies would fall from 6 to 5 items" in error.subject

    def forget_music(library: LibraryBuilder) -> None:
        library.con.execute("DELETE FROM library_sections WHERE name = 'Music'")

    assert "Music is missing" in str(refused(world, world.burst("section", forget_music), "would be lost"))

    def move_away(library: LibraryBuilder) -> None:
        library.con.execute("UPDATE section_locations SET root_path = '/cloud/media/Other' WHERE id = 1")

    assert "lose its folder" in str(refused(world, world.burst("folder", move_away), "would be lost"))


def test_deletions_that_the_store_confirmed_are_accepted(world: World):
    def lose(library: LibraryBuilder) -> None:
        for item in (1, 2, 3):
            library.mark_deleted(item)

    def with_belief(number: int) -> ArchiveSource:
        plain = world.burst(f"plain{number}", lose)
        manifest = json.loads(path_of(plain).with_name(path_of(plain).name + ".json").read_text())
        sections = manifest["sections"]
        sections[0]["believed_deleted"] = number
        return world.burst(f"believed{number}", lose, sections=sections)

    refused(world, with_belief(0), "Items would be lost")
    outcome = take(world, with_belief(1))
    assert outcome.sections[0]["newly_deleted"] == 3


def test_watching_at_home_since_the_export_is_never_overwritten_unless_asked(world: World):
    source = world.burst()
    with LibraryBuilder.in_folder(world.home.data.path) as library:
        library.set_watch(library.guid(2), views=1)
    refused(world, source, "would be lost")
    outcome = take(world, source, accept_loss=True)
    assert outcome.lost_watch_state
    assert database.watch_state(world.home.data.library) == world.reference


def test_watching_in_the_last_moment_is_noticed_after_plex_stopped(world: World):
    def watch() -> None:
        world.plex.on_stop = lambda: None
        with LibraryBuilder.in_folder(world.home.data.path) as library:
            library.set_watch(library.guid(3), views=1)

    source = world.burst()
    world.plex.on_stop = watch
    with pytest.raises(Unsafe, match="changed since the export"):
        take(world, source)
    assert world.plex.told == ["stop", "start"]
    assert world.serving()["sections"][0][1] == 6
    assert leftovers(world) == []


def test_a_burst_from_scratch_is_refused_where_people_watched(world: World):
    refused(world, world.burst(reference=None), "would be lost")


@pytest.mark.parametrize("damage", ["truncated", "altered", "another"])
def test_a_damaged_archive_is_refused(world: World, damage: str):
    source = world.burst()
    content = bytearray(path_of(source).read_bytes())
    if damage == "truncated":
        path_of(source).write_bytes(content[: len(content) // 2])
    elif damage == "altered":
        content[len(content) // 2] ^= 0xFF
        path_of(source).write_bytes(content)
    else:
        shutil.copy(path_of(world.burst("other", extra={"Metadata/x": b"1"})), path_of(source))
    refused(world, source, "archive")


def test_an_archive_whose_manifest_counts_something_else_is_refused(world: World):
    good = world.burst()
    sections = json.loads(path_of(good).with_name(path_of(good).name + ".json").read_text())["sections"]
    sections[0]["items"] += 1
    assert "Movies" in str(refused(world, world.burst("lying", sections=sections), "does not hold"))


def test_an_archive_without_a_description_is_refused(world: World):
    source = world.burst()
    path_of(source).with_name(path_of(source).name + ".json").unlink()
    refused(world, source, "nothing vouches for it", Permanent)
    refused(world, ArchiveSource.at(world.folder / "none.tar.zst"), "no such archive", Permanent)


def test_an_archive_with_the_blobs_of_another_library_is_refused(world: World):
    def foreign(library: LibraryBuilder) -> None:
        library.blobs.execute("UPDATE blobs SET linked_id = linked_id + 100000")
        for number in range(40):
            library.blobs.execute(
                "INSERT INTO blobs (linked_type, linked_id, blob_type) VALUES ('metadata_item', ?, 7)",
                (500_000 + number,),
            )

    refused(world, world.burst(change=foreign), "do not belong together")


def test_a_database_that_only_plex_finds_damaged_is_refused(world: World):
    source = world.burst()
    object.__setattr__(world.home, "integrity", lambda path: ("row 3 missing from index_title_sort_icu",))
    refused(world, source, "damaged.*row 3")


def test_a_disk_too_small_is_refused_before_anything_is_unpacked(world: World):
    source = world.burst()
    with pytest.raises(Permanent, match="disk is too small"):
        import_library(
            world.home, source, OPTIONS, journal=world.journal, clock=world.clock, free=lambda _: 10_000
        )
    assert leftovers(world) == [] and world.plex.told == []


def test_it_waits_until_nobody_is_watching_and_not_for_ever(world: World):
    world.plex.viewers = [["anna: Film 1"], ["anna: Film 1"], []]
    began = world.clock.now()
    take(world, world.burst())
    assert world.clock.now() - began == 30
    world.plex.viewers = [["anna: Film 1"]] * 100
    began = world.clock.now()
    take(world, world.burst("second"), wait=60)
    assert world.clock.now() - began == 60


def test_being_stopped_while_waiting_leaves_everything_as_it_was(world: World):
    world.plex.viewers = [["anna: Film 1"]] * 100
    source, stop = world.burst(), Event()
    stop.set()
    with pytest.raises(Stopped):
        import_library(world.home, source, OPTIONS, journal=world.journal, clock=world.clock, stop=stop)
    assert (leftovers(world), world.plex.told) == ([], [])


def test_a_stale_log_never_reaches_another_database(world: World):
    """A killed Plex leaves a log; replayed into the new database it would destroy it."""
    source = world.burst()
    data = world.home.data
    log = data.library.with_name(data.library.name + "-wal")

    def die() -> None:
        # What a kill leaves: the log, with a change that is in it only.
        world.plex.on_stop = lambda: None
        con = connect_as_plex(data.library)
        con.execute("PRAGMA wal_autocheckpoint = 0")
        con.execute("UPDATE library_sections SET scanned_at = 4711")
        left = {log: log.read_bytes()}
        con.close()
        for path, content in left.items():
            path.write_bytes(content)

    world.plex.on_stop = die
    outcome = take(world, source)
    assert (data.rollback(outcome.name) / log.relative_to(data.path)).stat().st_size > 0
    world.plex.stop()
    assert not log.exists()
    con = sqlite3.connect(data.library)
    assert con.execute("SELECT count(*) FROM library_sections WHERE scanned_at = 4711").fetchone() == (0,)
    con.close()
    world.plex.start()
    assert rollback(world.home, ready=5.0, clock=world.clock).changed
    con = sqlite3.connect(data.library)
    assert con.execute("SELECT count(*) FROM library_sections WHERE scanned_at = 4711").fetchone() == (2,)
    con.close()


@pytest.mark.parametrize("fault", ["never ready", "other version", "trash", "files", "counts"])
def test_what_does_not_verify_is_rolled_back_by_itself(world: World, fault: str):
    source = world.burst()
    before = tree(world.home.data)
    stopped: list[int] = []

    def upset() -> None:
        stopped.append(1)
        new = len(stopped) == 1
        if fault == "never ready":
            world.plex.broken = lambda: new and len(stopped) == 1
        elif fault == "other version":
            world.plex.version = "1.43.5.1-abc" if new else before_version
        elif fault == "trash":
            world.plex.trash = "1"
        elif fault == "files":
            world.plex.lost_files = tuple(f"/library/media/Music/{n}.mp3" for n in range(3)) if new else ()
        elif fault == "counts":
            world.plex.totals_off = new

    before_version = world.plex.version
    world.plex.on_stop = upset
    if fault == "counts":
        real = world.plex.totals
        off = {"Movies": 3, "Music": 1}
        totals = lambda: off if getattr(world.plex, "totals_off", False) and len(stopped) == 1 else real()  # noqa: E731
        object.__setattr__(world.home, "totals", totals)
    with pytest.raises(PutBack, match="was put back"):
        take(world, source)
    assert tree(world.home.data) == before
    assert world.plex.running() and world.plex.told == ["stop", "start", "stop", "start"]
    assert leftovers(world) == []
    world.plex.on_stop = lambda: None
    assert take(world, source).changed


def test_a_file_that_one_sample_misses_is_told_and_no_reason_to_go_back(world: World):
    world.plex.lost_files = ("/library/media/Music/1.mp3",)
    outcome = take(world, world.burst())
    assert outcome.changed
    assert outcome.missing in ({}, {"Music": ["/library/media/Music/1.mp3"]})


def test_a_file_in_the_way_ends_in_the_old_library(world: World):
    source = world.burst(extra={"Metadata/Odd/a": b"1", "Metadata/Odd/b": b"2"})
    home = world.home.data.path

    def intrude(done: int) -> None:
        target = home / "Metadata/Odd/b"
        if target.parent.is_dir() and not target.exists():
            target.write_bytes(b"an intruder")

    with pytest.raises(PutBack, match="appeared"):
        import_library(world.home, source, OPTIONS, journal=world.journal, clock=world.clock, tell=intrude)
    assert (home / "Metadata/Odd/b").read_bytes() == b"an intruder"
    assert world.serving()["sections"][0][1] == 6 and world.plex.running()


def test_rolling_back_is_one_call_and_keeps_what_it_takes_away(world: World):
    before = tree(world.home.data)
    source = world.burst(extra={"Metadata/New/a.jpg": b"new"})
    outcome = take(world, source)
    done = rollback(world.home, ready=5.0, clock=world.clock)
    assert done.changed and done.undone is not None and done.undone.name == outcome.name
    assert tree(world.home.data) == before
    assert (done.kept / "Metadata/New/a.jpg").read_bytes() == b"new"
    assert not rollback(world.home, ready=5.0, clock=world.clock).changed
    assert take(world, source).outcome == "unchanged"
    assert take(world, source, again=True).outcome == "imported"


def test_rolling_back_goes_through_every_import_kept_and_older_ones_are_pruned(world: World):
    names, states = [], [tree(world.home.data)]
    for number in range(3):
        source = world.burst(f"b{number}", extra={f"Metadata/New/{number}": b"x"})
        outcome = take(world, source, keep=2)
        names.append(outcome.name)
        states.append(tree(world.home.data))
        world.clock.time += 3600
    assert outcome.pruned == (f"rollback-{names[0]}",)
    for expected in (states[2], states[1]):
        assert rollback(world.home, ready=5.0, clock=world.clock).changed
        assert tree(world.home.data) == expected
    with pytest.raises(Permanent, match="not there any more"):
        rollback(world.home, ready=5.0, clock=world.clock)


def test_two_imports_at_once_are_refused(world: World):
    source = world.burst()
    inner: list[str] = []

    def second(done: int) -> None:
        if not inner:
            try:
                recover(world.home, clock=world.clock)
            except Transient as error:
                inner.append(error.what)

    import_library(world.home, source, OPTIONS, journal=world.journal, clock=world.clock, tell=second)
    assert inner == ["Another import or rollback of this library is under way"]


def test_a_library_with_old_triggers_goes_the_same_way(tmp_path: Path):
    world = World.make(tmp_path, "old")
    try:
        assert take(world, world.burst()).changed
        assert world.serving()["sections"][0][1] == 8
    finally:
        world.plex.stop()


def test_a_folder_without_a_library_is_refused(world: World, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    home = replace(world.home, data=LibraryFolder(tmp_path / "empty"))
    with pytest.raises(Permanent, match="no Plex library here"):
        import_library(home, world.burst(), OPTIONS, journal=world.journal, clock=world.clock)


def test_identity_files_in_an_archive_never_arrive(world: World):
    source = world.burst(
        extra={
            "Preferences.xml": b"<Preferences PlexOnlineToken='of the cloud'/>",
            "Plug-in Support/Databases/other.db": b"x",
            "Cache/x": b"x",
        }
    )
    take(world, source)
    home = world.home.data.path
    assert "of home" in (home / "Preferences.xml").read_text()
    assert not (home / "Cache").exists() and not (home / "Plug-in Support/Databases/other.db").exists()


def test_an_unknown_format_is_refused(world: World):
    refused(world, world.burst(format=2), "newer medialift")
    refused(world, world.burst("bare", schema={}), "manifest is incomplete")
    refused(world, world.burst("odd", path_map={"forward": {"media": "/cloud"}}), "path map is wrong")
