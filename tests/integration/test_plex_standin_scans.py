"""The stand-in scans as Plex does: it opens every file, forgets the unreadable, ends later than it says."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from sandbox.plex import media, rows, schema
from sandbox.plex.builder import LibraryBuilder
from tests.integration.plex_standin import ROOT, Standin, until


@pytest.fixture(params=[schema.NEW_VERSION, schema.OLD_VERSION], ids=["new", "old"])
def both(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Standin]:
    server = Standin(tmp_path, version=request.param)
    yield server
    server.close()


@pytest.fixture
def music(claimed: Standin) -> tuple[Standin, int]:
    for number in range(1, 5):
        claimed.put_file(f"Music/Artist/Album/{number:02} - Song {number}.mp3")
    return claimed, claimed.add_section("Music", "artist", "Music")


def movies(server: Standin, count: int = 4) -> int:
    for number in range(1, count + 1):
        server.put_file(f"Movies/Film {number} (200{number})/Film {number} (200{number}).mkv")
    return server.add_section("Movies", "movie", "Movies")


def deleted(server: Standin) -> list[str]:
    return [
        row[0] for row in server.query("SELECT title FROM metadata_items WHERE deleted_at > 0 ORDER BY 1")
    ]


def no_trash(server: Standin) -> None:
    assert server.request("PUT", "/:/prefs", params={"autoEmptyTrash": "0"}).ok


def test_a_section_is_scanned_identified_and_listed_by_plexapi(both: Standin) -> None:
    key = movies(both)
    both.put_file("TV Shows/Show, The/Season 02/Show, The - S02E03 - Name.mkv")
    shows = both.add_section("TV Shows", "show", "TV Shows")
    both.put_file("Photos/Holiday/Beach 001.jpg")
    both.add_section("Photos", "photo", "Photos")
    plex = both.plex()
    section = plex.library.section("Movies")
    assert section.totalSize == 4
    assert [(movie.title, movie.year) for movie in section.all()] == [
        (f"Film {number}", 2000 + number) for number in range(1, 5)
    ]
    assert [movie.title for movie in section.all(container_start=1, container_size=2, maxresults=2)] == [
        "Film 2",
        "Film 3",
    ]
    movie = section.all()[0]
    assert movie.guid.startswith("plex://movie/")
    assert movie.locations == [str(both.media / "Movies/Film 1 (2001)/Film 1 (2001).mkv")]
    assert section.locations == [str(both.media / "Movies")]
    tv = plex.library.section("TV Shows")
    assert tv.totalViewSize(libtype="episode") == 1
    episode = tv.all()[0].episodes()[0]
    assert (episode.grandparentTitle, episode.parentIndex, episode.index, episode.title) == (
        "Show, The",
        2,
        3,
        "Name",
    )
    photos = plex.library.section("Photos")
    assert photos.totalViewSize(libtype="photo") == 1
    assert both.attribute(shows, "scannedAt") is not None
    assert both.attribute(key, "refreshing") == "0"


def test_bundles_are_named_by_part_hash_and_by_sha1_of_the_guid(standin: Standin) -> None:
    path = standin.put_file("Movies/Film 1 (2001)/Film 1 (2001).mkv", b"x" * 100_000)
    standin.add_section("Movies", "movie", "Movies")
    content = path.read_bytes()
    hashes = [hashlib.sha1(block).hexdigest() for block in (content[: 64 * 1024], content[-64 * 1024 :])]
    expected = hashlib.sha1(("100000" + "".join(hashes)).encode()).hexdigest()
    assert standin.query("SELECT hash FROM media_parts") == [(expected,)]
    assert (standin.data / "Media" / "localhost" / expected[0] / f"{expected[1:]}.bundle").is_dir()
    guid, digest = standin.query("SELECT guid, hash FROM metadata_items")[0]
    assert digest == hashlib.sha1(guid.encode()).hexdigest()
    assert (standin.data / "Metadata" / "Movies" / digest[0] / f"{digest[1:]}.bundle").is_dir()


def test_refreshing_goes_off_before_the_last_row_is_written(tmp_path: Path) -> None:
    server = Standin(tmp_path, pace=0.05)
    try:
        for number in range(1, 31):
            server.put_file(f"Movies/Film {number} ({1950 + number})/Film {number} ({1950 + number}).mkv")
        plex = server.plex()
        plex.library.add("Movies", "movie", "agent", "scanner", str(server.media / "Movies"))
        seen_on = until(lambda: server.attribute(1, "refreshing") == "1", every=0.002)
        assert seen_on
        until(lambda: server.attribute(1, "refreshing") == "0", every=0.002)
        off = time.monotonic()
        at_off = server.query("SELECT count(*) FROM media_parts")[0][0]
        # Here lies the trap: nothing in /activities tells that the work goes on.
        assert [row.get("type") for row in server.xml("/activities")] == ["butler"]
        until(lambda: "library.update.item.metadata" in [row.type for row in plex.activities], every=0.002)
        until(
            lambda: server.query("SELECT count(*) FROM metadata_items WHERE guid LIKE 'plex://%'")[0][0] == 30
        )
        assert at_off < 30
        assert server.query("SELECT count(*) FROM media_parts") == [(30,)]
        assert time.monotonic() - off > 3 * 0.05
    finally:
        server.close()


def test_an_activity_names_its_section_in_a_child_element(standin: Standin) -> None:
    key = movies(standin)
    standin.switch(scan_stalls_after=1)
    standin.request("GET", f"/library/sections/{key}/refresh")

    def scanning() -> list[str | None]:
        return [
            context.get("librarySectionID")
            for row in standin.xml("/activities")
            if row.get("type") == "library.update.section"
            for context in row.findall("Context")
        ]

    assert until(scanning) == [str(key)]
    assert all("librarySectionID" not in row.attrib for row in standin.xml("/activities"))


def test_a_file_that_cannot_be_read_is_marked_deleted_and_comes_back(standin: Standin) -> None:
    no_trash(standin)
    key = movies(standin)
    standin.switch(degraded_mount={"match": "Film [23]"})
    standin.scan(key)
    assert deleted(standin) == ["Film 2", "Film 3"]
    assert standin.query("SELECT count(*) FROM media_items WHERE deleted_at > 0") == [(2,)]
    assert standin.query("SELECT count(*) FROM media_parts WHERE deleted_at > 0") == [(2,)]
    assert standin.plex().library.section("Movies").totalSize == 4
    standin.switch(degraded_mount=None)
    standin.scan(key)
    assert deleted(standin) == []


def test_with_the_default_setting_unreadable_files_are_gone_for_good(standin: Standin) -> None:
    key = movies(standin)
    guid = standin.query("SELECT guid FROM metadata_items WHERE title='Film 2'")[0][0]
    digest = rows.sha1(guid)
    bundle = standin.data / "Metadata" / "Movies" / digest[0] / f"{digest[1:]}.bundle"
    assert bundle.is_dir()
    standin.switch(degraded_mount={"match": "Film 2"})
    standin.scan(key)
    until(lambda: standin.query("SELECT count(*) FROM metadata_items") == [(3,)])
    assert standin.query("SELECT count(*) FROM media_parts") == [(3,)]
    assert not bundle.exists()


def test_a_missing_root_keeps_its_items_but_an_empty_one_loses_them(standin: Standin) -> None:
    no_trash(standin)
    key = movies(standin)
    root, aside = standin.media / "Movies", standin.media / "aside"
    root.rename(aside)
    standin.scan(key)
    assert deleted(standin) == []
    assert standin.query("SELECT available FROM section_locations") == [("f",)]
    root.mkdir()
    standin.scan(key)
    assert len(deleted(standin)) == 4
    root.rmdir()
    aside.rename(root)
    standin.scan(key)
    assert deleted(standin) == []
    assert standin.query("SELECT available FROM section_locations") == [("t",)]


def test_emptying_the_trash_removes_what_is_missing(standin: Standin) -> None:
    no_trash(standin)
    key = movies(standin)
    shutil.rmtree(standin.media / "Movies" / "Film 1 (2001)")
    standin.scan(key)
    standin.plex().library.section("Movies").emptyTrash()
    assert standin.query("SELECT title FROM metadata_items ORDER BY 1") == [
        ("Film 2",),
        ("Film 3",),
        ("Film 4",),
    ]


def test_a_scan_of_one_folder_leaves_the_others_alone(standin: Standin) -> None:
    no_trash(standin)
    key = movies(standin)
    shutil.rmtree(standin.media / "Movies" / "Film 1 (2001)")
    standin.put_file("Movies/New (2020)/New (2020).mkv")
    standin.put_file("Movies/Other (2021)/Other (2021).mkv")
    standin.scan(key, str(standin.media / "Movies" / "New (2020)"))
    assert deleted(standin) == []
    titles = {row[0] for row in standin.query("SELECT title FROM metadata_items")}
    assert "New" in titles
    assert "Other" not in titles


def test_force_refreshes_metadata_and_looks_for_no_files(tmp_path: Path) -> None:
    with closing(Standin(tmp_path, pace=0.1)) as slow:
        key = movies(slow)
        scanned = slow.attribute(key, "scannedAt")
        slow.put_file("Movies/New (2020)/New (2020).mkv")
        slow.query("SELECT 1")
        slow.plex().library.section("Movies").refresh()
        until(lambda: slow.attribute(key, "refreshing") == "1", every=0.002)
        until(lambda: slow.attribute(key, "refreshing") == "0")
        assert slow.attribute(key, "scannedAt") == scanned
        assert slow.query("SELECT count(*) FROM media_parts") == [(4,)]


def test_a_scan_can_be_cancelled_and_then_deletes_nothing(standin: Standin) -> None:
    no_trash(standin)
    key = movies(standin)
    scanned = standin.attribute(key, "scannedAt")
    standin.switch(degraded_mount={"match": ""}, scan_stalls_after=1)
    section = standin.plex().library.section("Movies")
    section.update()
    until(lambda: standin.attribute(key, "refreshing") == "1")
    time.sleep(4 * standin.pace)
    section.cancelUpdate()
    until(lambda: standin.attribute(key, "refreshing") == "0")
    assert deleted(standin) == []
    assert standin.attribute(key, "scannedAt") == scanned


def test_a_cancel_may_not_be_heard(standin: Standin) -> None:
    key = movies(standin)
    standin.switch(scan_stalls_after=1, ignore_cancel=True)
    section = standin.plex().library.section("Movies")
    section.update()
    until(lambda: standin.attribute(key, "refreshing") == "1")
    section.cancelUpdate()
    time.sleep(0.5)
    assert standin.attribute(key, "refreshing") == "1"


def test_check_files_asks_the_file_system(standin: Standin) -> None:
    movies(standin)
    movie = standin.plex().library.section("Movies").all()[0]
    movie.reload(checkFiles=True)
    assert movie.media[0].parts[0].exists is True
    assert movie.media[0].parts[0].accessible is True
    Path(movie.locations[0]).unlink()
    movie.reload(checkFiles=True)
    assert movie.media[0].parts[0].exists is False


def test_external_subtitles_are_streams_with_encoded_urls(standin: Standin) -> None:
    standin.put_file("Movies/100%, (a) (2001)/100%, (a) (2001).mkv")
    subtitle = standin.put_file("Movies/100%, (a) (2001)/100%, (a) (2001).en.srt")
    standin.add_section("Movies", "movie", "Movies")
    url, language = standin.query("SELECT url, language FROM media_streams WHERE stream_type_id=3")[0]
    assert url.endswith("/Movies/100%25%2C%20(a)%20(2001)/100%25%2C%20(a)%20(2001).en.srt")
    assert url == rows.file_url(str(subtitle))
    assert language == "eng"


def test_a_local_extra_is_known_by_the_url_of_its_file(standin: Standin) -> None:
    standin.put_file("Movies/Film (2001)/Film (2001).mkv")
    extra = standin.put_file("Movies/Film (2001)/Film-trailer.mkv")
    standin.add_section("Movies", "movie", "Movies")
    assert standin.query("SELECT guid FROM metadata_items WHERE metadata_type=12") == [
        (rows.file_url(str(extra)),)
    ]
    assert standin.plex().library.section("Movies").totalSize == 1


def test_changed_content_gets_a_new_bundle_and_the_old_one_goes(standin: Standin) -> None:
    path = standin.put_file("Movies/Film (2001)/Film (2001).mkv", b"one")
    key = standin.add_section("Movies", "movie", "Movies")
    old = standin.query("SELECT hash FROM media_parts")[0][0]
    path.write_bytes(b"another")
    standin.scan(key)
    new = standin.query("SELECT hash FROM media_parts")[0][0]
    assert new == media.read(str(path), lambda _: None).part_hash != old
    assert not (standin.data / "Media" / "localhost" / old[0] / f"{old[1:]}.bundle").exists()
    assert (standin.data / "Media" / "localhost" / new[0] / f"{new[1:]}.bundle").exists()


def test_a_moved_file_keeps_its_item_and_its_watch_state(standin: Standin) -> None:
    no_trash(standin)
    path = standin.put_file("Movies/Film (2001)/Film (2001).mkv")
    key = standin.add_section("Movies", "movie", "Movies")
    standin.plex().library.section("Movies").all()[0].markPlayed()
    target = standin.media / "Movies" / "Film (2001) moved"
    path.parent.rename(target)
    standin.scan(key)
    assert deleted(standin) == []
    movie = standin.plex().library.section("Movies").all()[0]
    assert movie.viewCount == 1
    assert standin.query("SELECT file FROM media_parts WHERE deleted_at IS NULL") == [
        (str(target / path.name),)
    ]


def test_watching_and_rating_change_the_watch_state(standin: Standin) -> None:
    movies(standin, 1)
    movie = standin.plex().library.section("Movies").all()[0]
    movie.markPlayed()
    movie.markPlayed()
    movie.rate(8.0)
    assert standin.query("SELECT guid, view_count, rating FROM metadata_item_settings") == [
        (movie.guid, 2, 8.0)
    ]
    assert standin.query("SELECT count(*) FROM metadata_item_views") == [(2,)]


def test_a_crash_in_the_middle_of_a_scan_leaves_the_wal_and_the_next_start_recovers(standin: Standin) -> None:
    key = movies(standin, 9)
    standin.switch(crash_after_files=1)
    standin.request("GET", f"/library/sections/{key}/refresh")
    assert standin.process is not None
    assert standin.process.wait(10) == -9
    assert standin.database.with_name(standin.database.name + "-wal").exists()
    standin.start()
    standin.scan(key)
    assert standin.plex().library.section("Movies").totalSize == 9


def test_music_is_not_refreshed_on_a_server_that_is_not_signed_in(standin: Standin) -> None:
    standin.put_file("Music/A/B/01 - C.mp3")
    standin.plex().library.add("Music", "artist", "agent", "scanner", str(standin.media / "Music"))
    refused = standin.request("GET", "/library/sections/1/refresh")
    assert refused.status_code == 503
    assert "not signed in" in refused.text
    assert standin.query("SELECT count(*) FROM media_parts") == [(0,)]


def test_sonic_analysis_writes_versions_and_vectors_as_it_goes(music: tuple[Standin, int]) -> None:
    server, _ = music
    server.switch(sonic_stalls_after=2)
    server.plex().runButlerTask("MusicAnalysis")
    done = "SELECT count(*) FROM metadata_items WHERE extra_data LIKE '%musicAnalysisVersion%'"
    until(lambda: server.query(done) == [(2,)])
    assert server.request("POST", "/butler/MusicAnalysis").status_code == 202
    server.switch(sonic_stalls_after=None)
    until(lambda: server.query(done) == [(4,)])
    tracks = server.plex().library.section("Music").searchTracks()
    assert all(track.hasSonicAnalysis for track in tracks)
    vectors = server.query("SELECT blob, blob_type, linked_type, linked_id FROM blobs", blobs=True)
    assert {row[3] for row in vectors} == {track.ratingKey for track in tracks}
    assert {(row[1], row[2]) for row in vectors} == {(7, "metadata_item")}
    assert all(len(gzip.decompress(row[0]).split(b",")) == 50 for row in vectors)


@pytest.mark.parametrize("reason", ["never", "no pass"])
def test_sonic_analysis_does_nothing_when_it_may_not(music: tuple[Standin, int], reason: str) -> None:
    server, _ = music
    if reason == "never":
        server.request("PUT", "/:/prefs", params={"MusicAnalysisBehavior": "never"})
    else:
        server.switch(plex_pass=False)
    assert server.request("POST", "/butler/MusicAnalysis").status_code == 200
    until(lambda: server.request("DELETE", "/butler/MusicAnalysis").status_code == 404)
    assert server.query("SELECT count(*) FROM blobs", blobs=True) == [(0,)]


def test_analysing_a_section_is_no_sonic_analysis(music: tuple[Standin, int]) -> None:
    server, _ = music
    server.plex().library.section("Music").analyze()
    time.sleep(0.3)
    assert server.query("SELECT count(*) FROM blobs", blobs=True) == [(0,)]


@pytest.mark.parametrize("version", [schema.OLD_VERSION, schema.NEW_VERSION])
def test_a_built_library_is_served_and_scanned_with_its_own_paths(tmp_path: Path, version: str) -> None:
    data = tmp_path / "config" / "Library" / "Application Support" / "Plex Media Server"
    files = [tmp_path / "media" / "Movies" / f"Film {n} (200{n})" / f"Film {n} (200{n}).mkv" for n in (1, 2)]
    with LibraryBuilder.in_folder(data, version=version) as library:
        section = library.add_section("Movies", "movie", str(tmp_path / "media" / "Movies"))
        for number, file in enumerate(files, 1):
            library.add_movie(section, str(file), f"Film {number}", 2000 + number)
    server = Standin(tmp_path, version=version)
    try:
        for file in files:
            file.parent.mkdir(parents=True)
            file.write_bytes(str(file).encode())
        before = server.query("SELECT id, guid FROM metadata_items ORDER BY id")
        server.put_file("Movies/Film 3 (2003)/Film 3 (2003).mkv")
        server.scan(section)
        after = server.query("SELECT id, guid FROM metadata_items ORDER BY id")
        assert after[:2] == before
        assert len(after) == 3
        assert deleted(server) == []
    finally:
        server.close()


def test_plex_sqlite_checks_a_library_that_stock_sqlite_cannot(standin: Standin) -> None:
    movies(standin)
    standin.stop()
    shell = ["python3", "-m", "sandbox.plex.shell", str(standin.database)]

    def run(*sql: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*shell, *sql], cwd=ROOT, capture_output=True, text=True)

    assert run("PRAGMA integrity_check;").stdout == "ok\n"
    assert run("SELECT title, NULL, year FROM metadata_items ORDER BY 1 LIMIT 1").stdout == "Film 1||2001\n"
    assert run("SELECT 'a;b'; SELECT 2;").stdout == "a;b\n2\n"
    wrong = run("SELECT * FROM nowhere")
    assert wrong.returncode == 1
    assert "no such table: nowhere" in wrong.stderr
    stock = subprocess.run(
        ["sqlite3", str(standin.database), "PRAGMA integrity_check"], capture_output=True, text=True
    )
    assert stock.returncode != 0
    assert "icu_root" in stock.stderr


def test_a_section_wants_a_folder_that_exists(standin: Standin) -> None:
    reply = requests.post(
        f"{standin.url}/library/sections",
        params={"name": "X", "type": "movie", "location": "/does/not/exist"},
        timeout=5,
    )
    assert reply.status_code == 400
