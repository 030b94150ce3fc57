"""An export puts a whole, proven library in every place, or nothing that looks like one in any."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation import archive
from medialift.foundation.jobs import Stopped
from medialift.foundation.journal import phases
from medialift.plex import manifest
from medialift.plex.data_folder import BLOBS_NAME, LIBRARY_NAME, forbidden
from medialift.plex.export import export, forecast
from medialift.plex.places import FolderPlace
from tests.unit.plex.export_world import (
    IDENTITY,
    VERSION,
    FakeService,
    SteppingClock,
    make_data,
    means,
    request,
)

NAME = "reference/home-20261118T110640Z.tar.zst"


@pytest.fixture
def data(tmp_path):
    return make_data(tmp_path / "plex")


@pytest.fixture
def place(tmp_path):
    return FolderPlace(tmp_path / "archives")


@pytest.fixture
def run(tmp_path, data, place):
    """Export with these changes to the request (`with_` for changes to the means)."""

    def run(with_=None, places=None, **changes):
        return export(data, places or [place], request(**changes), means(tmp_path, **(with_ or {})))

    return run


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def members(place, name) -> dict[str, bytes]:
    into = place.path.parent / "unpacked"
    with place.open(name) as stream:
        archive.extract(stream, into)
    return {found: (into / found).read_bytes() for found in files(into)}


def test_the_archive_holds_databases_metadata_and_media_and_nothing_of_the_servers_identity(run, data, place):
    exported = run()
    held = members(place, NAME)
    expected = {
        str(p.relative_to(data.path))
        for t in ("Metadata", "Media")
        for p in (data.path / t).rglob("*")
        if p.is_file()
    } - set(IDENTITY)
    assert len(expected) >= 4
    assert set(held) == expected | {LIBRARY_NAME, BLOBS_NAME}
    assert held[LIBRARY_NAME] == data.library.read_bytes()
    assert not any(b"secret" in content for content in held.values())
    assert exported.archives == (str(place.path / NAME),)
    assert exported.facts.members == len(held)


@pytest.mark.parametrize(
    "name", [*(n for n in IDENTITY if "Plug-in Support/Pref" not in n), "Metadata/x-wal"]
)
def test_each_forbidden_file_is_known_by_its_name(name):
    assert forbidden(name)
    assert not forbidden(LIBRARY_NAME)
    assert not forbidden("Metadata/Movies/0/1.bundle/Contents/_combined/posters/com.plexapp.agents.imdb_1")


def test_the_manifest_tells_what_was_exported(run, data, place):
    exported = run(path_map={"/library/media": "/cloud/media"}, label="before")
    with place.open(NAME) as stream:
        told = dict(archive.read_manifest(stream))
    assert told["format"] == 1
    assert (told["kind"], told["library"], told["plex_version"], told["label"]) == (
        "reference", "home", VERSION, "before",
    )  # fmt: skip
    assert told["path_map"] == {"forward": {"/library/media": "/cloud/media"}}
    assert [(s["name"], s["items"], s["episodes_or_tracks"]) for s in told["sections"]] == [
        ("Movies", 3, 3),
        ("Music", 1, 1),
    ]
    assert told["schema"]["triggers"] == "new"
    assert len(told["watch_state"]["digest"]) == 64
    assert told["machine"] != "abc123" and len(told["machine"]) == 64
    assert manifest.Manifest.from_dict(told) == exported.manifest


def test_the_sidecar_is_written_last_and_agrees_with_the_archive(run, place):
    exported = run()
    assert files(place.path) == [NAME, NAME + ".json"]
    told = json.loads((place.path / (NAME + ".json")).read_text())
    assert told["archive"]["sha256"] == exported.facts.sha256
    assert told["archive"]["bytes"] == (place.path / NAME).stat().st_size
    assert (told["quarantined"], told["reasons"]) == (False, [])
    assert (place.path / NAME).stat().st_mode & 0o077 == 0


def test_two_places_get_the_same_archive_in_one_pass(run, place, tmp_path):
    other = FolderPlace(tmp_path / "second")
    exported = run(places=[place, other])
    assert len(exported.archives) == 2
    assert (place.path / NAME).read_bytes() == (other.path / NAME).read_bytes()
    assert files(other.path) == [NAME, NAME + ".json"]


def test_contents_can_be_chosen_but_never_without_databases(run, place):
    run(contents=("databases",))
    assert set(members(place, NAME)) == {LIBRARY_NAME, BLOBS_NAME}
    for wrong in ((), ("metadata",), ("databases", "logs")):
        with pytest.raises(Permanent, match="contents of an export"):
            run(contents=wrong)


def test_previews_can_be_left_out(run, data, place):
    bif = data.path / "Media/localhost/0/1.bundle/Contents/Indexes/index-sd.bif"
    bif.parent.mkdir(parents=True, exist_ok=True)
    bif.write_bytes(b"large")
    run(previews=False)
    assert not any(name.endswith(".bif") for name in members(place, NAME))


def test_plex_is_stopped_for_the_copy_and_runs_afterwards_only_if_it_ran(run):
    service = FakeService()
    run({"service": service})
    assert service.asked == ["stop", "start"]
    idle = FakeService(runs=False)
    run({"service": idle, "clock": SteppingClock(1_795_000_100)})
    assert idle.asked == []


def test_plex_is_started_again_when_the_copy_fails(run, data, place):
    (data.path / (LIBRARY_NAME + "-wal")).write_bytes(b"x" * 32)
    service = FakeService()
    with pytest.raises(Unsafe, match="write-ahead log is left"):
        run({"service": service})
    assert service.asked == ["stop", "start"]
    assert files(place.path) == []


def test_a_database_that_somebody_has_open_is_not_copied_as_stopped(run, data, place):
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('select count(*) from "
            "library_sections').fetchall(); print('open', flush=True); sys.stdin.read()",
            str(data.library),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(Unsafe, match=f"still open.*pid {holder.pid}"):
            run()
    finally:
        holder.communicate()
    assert files(place.path) == []


def test_online_the_write_ahead_log_of_a_running_plex_is_in_the_copy(run, data, place, tmp_path):
    plex = sqlite3.connect(data.library)
    plex.execute("PRAGMA journal_mode = WAL")
    plex.execute(
        "INSERT INTO metadata_item_views (account_id, guid, viewed_at) VALUES (1, 'plex://movie/1', 5)"
    )
    plex.commit()
    assert data.library.with_name(data.library.name + "-wal").stat().st_size > 0
    exported = run(mode="online")
    plex.close()
    assert exported.manifest.watch_state["views"] == 1
    assert set(members(place, NAME)) >= {LIBRARY_NAME, BLOBS_NAME}
    assert not any(name.endswith(("-wal", "-shm")) for name in files(tmp_path / "unpacked"))


def test_online_a_plex_that_works_is_waited_for_and_then_an_error(run, place):
    with pytest.raises(Transient, match="Plex is working"):
        run({"idle": lambda: False}, mode="online")
    assert files(place.path) == []
    answers = iter([False, True, True])
    run({"idle": lambda: next(answers)}, mode="online")


def test_online_a_database_written_between_the_two_copies_is_copied_again(run, data):
    times = []

    def idle() -> bool:
        times.append(None)
        # The second look comes after the copies: by then Plex has written once.
        if len(times) == 2:
            os.utime(data.blobs)
        return True

    run({"idle": idle}, mode="online")
    # The first try looked twice, the second found all quiet both times.
    assert len(times) == 4


def test_a_damaged_library_is_refused_and_nothing_is_left(run, place):
    with pytest.raises(
        Unsafe, match=r"damaged and is not exported: com.plexapp.plugins.library.db: row 1 missing"
    ):
        run({"check": lambda path: ("row 1 missing",) if "blobs" not in path.name else ()})
    assert files(place.path) == []


def test_a_file_that_is_no_database_is_refused(run, data, place):
    data.library.write_bytes(b"not a database" * 1000)
    with pytest.raises((Unsafe, Permanent), match="no healthy SQLite database"):
        run()
    assert files(place.path) == []


def test_blobs_of_another_library_are_refused(run, data, place, tmp_path):
    con = sqlite3.connect(data.blobs)
    con.executemany(
        "INSERT INTO blobs (linked_type, linked_id, blob_type) VALUES ('metadata_item', ?, 7)",
        [(number,) for number in range(90_000, 90_100)],
    )
    con.commit()
    con.close()
    with pytest.raises(Unsafe, match="not of one moment"):
        run()
    assert files(place.path) == []


def test_a_damaged_library_can_be_kept_in_quarantine_where_nobody_chooses_it(run, data, place):
    exported = run({"check": lambda _path: ("torn",)}, keep_damaged=True, kind="burst")
    assert exported.quarantined
    assert "torn" in exported.reasons[0]
    quarantined = NAME.replace("reference", "quarantine")
    assert files(place.path) == [quarantined, quarantined + ".json"]
    assert json.loads((place.path / (quarantined + ".json")).read_text())["quarantined"] is True
    with pytest.raises(Permanent, match="no usable burst archive"):
        manifest.newest(place, "burst", "home")


def test_a_reason_for_quarantine_sends_the_archive_there(run, place):
    exported = run(quarantine=("7 items are newly deleted",))
    assert exported.reasons == ("7 items are newly deleted",)
    assert files(place.path)[0].startswith("quarantine/")


def test_deletions_that_wait_for_a_word_are_in_the_manifest_and_beside_the_archive(run, place):
    exported = run(quarantine=("10 of 20 are gone",), acceptable=True, believed_deleted={"1": 10})
    assert exported.acceptable and exported.to_dict()["acceptable"]
    found = manifest.load(place, files(place.path)[0])
    assert found.sidecar.acceptable
    assert [section["believed_deleted"] for section in found.sidecar.manifest.sections][:1] == [10]


def test_damage_is_nothing_that_a_word_could_accept(run, place):
    exported = run(
        {"check": lambda _path: ("torn",)}, keep_damaged=True, quarantine=("10 are gone",), acceptable=True
    )
    assert exported.quarantined and not exported.acceptable
    assert not manifest.load(place, files(place.path)[0]).sidecar.acceptable
    assert not run(acceptable=True).acceptable


def test_a_disk_that_is_too_small_is_found_before_anything_is_written(run, place):
    service = FakeService()
    with pytest.raises(Permanent, match=r"disk is too small.*needed.*are there"):
        run({"free": lambda _path: 1000, "service": service})
    assert service.asked == []
    assert files(place.path) == []
    with pytest.raises(Permanent, match=r"1 TB must stay free"):
        run({"free": lambda _path: 10**11}, keep_free=10**12)


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, data):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True)
    try:
        place = FolderPlace(disk / "archives")
        (data.path / "Metadata" / "noise").write_bytes(os.urandom(300_000))
        with pytest.raises(Permanent, match="disk is full"):
            export(data, [place], request(work=tmp_path / "work"), means(tmp_path))
        assert files(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_place_that_keeps_something_else_than_was_written_is_caught(run, data, tmp_path):
    class Corrupting(FolderPlace):
        def create(self, name):
            pending = super().create(name)
            read_back = pending.read_back

            def altered():
                with read_back() as stream:
                    content = bytearray(stream.read())
                content[len(content) // 2] ^= 1
                return io.BytesIO(bytes(content))

            pending.read_back = altered
            return pending

    corrupting = Corrupting(tmp_path / "bad")
    good = FolderPlace(tmp_path / "good")
    with pytest.raises(Unsafe, match="damaged on its way"):
        run(places=[good, corrupting])
    # All or nothing: the good place has no archive of a failed export either.
    assert files(good.path) == files(corrupting.path) == []


def test_a_metadata_file_that_vanishes_meanwhile_ends_the_export_and_leaves_nothing(run, data, place):
    bundle = data.path / "Metadata/Movies/a.bundle"
    bundle.mkdir()
    (bundle / "first").write_bytes(os.urandom(9 << 20))
    (bundle / "second").write_bytes(b"x")

    class Slow(FolderPlace):
        def create(self, name):
            pending = super().create(name)
            write = pending.write

            def tidied_away(packed):
                (bundle / "second").unlink(missing_ok=True)
                return write(packed)

            pending.write = tidied_away
            return pending

    with pytest.raises(Transient, match=r"changed while it was being archived.*second"):
        run(places=[Slow(place.path)])
    assert files(place.path) == []


def test_what_is_no_file_has_no_content_and_is_passed_over(run, data, place):
    os.mkfifo(data.path / "Metadata" / "pipe")
    run()
    assert "Metadata/pipe" not in members(place, NAME)


def test_a_link_inside_is_followed_and_one_that_leads_out_is_refused(run, data, place, tmp_path):
    folder = data.path / "Metadata/Movies/0/linked.bundle"
    folder.mkdir(parents=True)
    (folder / "poster").write_bytes(b"picture")
    (folder / "combined").symlink_to("poster")
    (folder / "dangling").symlink_to("nothing")
    run()
    held = members(place, NAME)
    assert held["Metadata/Movies/0/linked.bundle/combined"] == b"picture"
    assert "Metadata/Movies/0/linked.bundle/dangling" not in held
    for target in (data.path / "Preferences.xml", data.path / "Cache"):
        (folder / "out").symlink_to(target)
        with pytest.raises(Unsafe, match="does not lead to a file beside it"):
            run({"clock": SteppingClock(1_795_000_100)})
        (folder / "out").unlink()


def test_metadata_on_another_disk_behind_a_link_is_exported(run, data, place, tmp_path):
    (data.path / "Metadata").rename(tmp_path / "big disk")
    (data.path / "Metadata").symlink_to(tmp_path / "big disk")
    run()
    assert any(name.startswith("Metadata/") for name in members(place, NAME))


def test_a_stop_ends_the_export_and_leaves_nothing(run, place):
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        run({"stop": stop})
    assert files(place.path) == []


def test_copies_and_parts_left_by_a_killed_export_are_removed_by_the_next(run, data, place, tmp_path):
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from medialift.plex.export import export\n"
        "from medialift.plex.places import FolderPlace\n"
        "from tests.unit.plex.export_world import *\n"
        "class Dying(FolderPlace):\n"
        "    def create(self, name):\n"
        "        pending = super().create(name)\n"
        "        pending.finish = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return pending\n"
        "here = Path(sys.argv[1])\n"
        "export(DataFolder(here / 'plex'), [Dying(here / 'archives')], request(), means(here))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=Path(__file__).parents[3])
    assert killed.returncode == -9
    left = files(place.path)
    assert any(".part" in name for name in left) and any("library.db" in name for name in left)
    run({"clock": SteppingClock(1_795_000_100)})
    assert files(place.path) == [
        "reference/home-20261118T110820Z.tar.zst",
        "reference/home-20261118T110820Z.tar.zst.json",
    ]


def test_an_export_that_is_being_written_is_left_alone_by_another(run, place):
    going = place.create("reference/home-20261118T110639Z.tar.zst")
    going.write(b"half")
    run()
    going.finish()
    going.publish()
    assert place.read("reference/home-20261118T110639Z.tar.zst") == b"half"


def test_a_folder_without_a_library_is_an_error(run, data, place):
    data.blobs.unlink()
    with pytest.raises(Permanent, match="holds no library"):
        run()
    data.path.rename(data.path.with_name("gone"))
    with pytest.raises(Permanent, match="no such Plex data folder"):
        run()


def test_the_forecast_tells_names_and_sizes_and_touches_nothing(data, place):
    told = forecast(data, [place], request(), clock=SteppingClock()).to_dict()
    assert told["archives"] == [str(place.path / NAME)]
    assert told["content_bytes"] > data.library.stat().st_size
    assert not place.path.exists()


def test_the_journal_tells_every_phase(run, tmp_path):
    run()
    assert [(phase.name, phase.outcome) for phase in phases(tmp_path / "journal.jsonl")] == [
        ("prepare the export", "ok"),
        ("copy the databases", "ok"),
        ("check the databases", "ok"),
        ("write the archive", "ok"),
        ("verify the archive", "ok"),
    ]
