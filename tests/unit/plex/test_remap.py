"""Paths in a library move to where the media are now, each rule by itself, in both trigger generations."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.errors import Permanent, Unsafe
from medialift.plex import database, remap
from medialift.plex.paths import PathMap
from medialift.plex.prefix_sql import Prefixes
from sandbox.plex.builder import LibraryBuilder

BOTH = pytest.mark.parametrize("library", ["old", "new"], indirect=True)
NEW = pytest.mark.parametrize("library", ["new"], indirect=True)


@pytest.fixture
def library(tmp_path: Path, request: pytest.FixtureRequest):
    with LibraryBuilder.in_folder(tmp_path / "Plex Media Server", request.param) as builder:
        yield builder


def move(library: LibraryBuilder, mappings: dict[str, str], **options: bool) -> remap.Applied:
    return remap.apply(remap.plan(library.path, mappings), **options)


def rows(library: LibraryBuilder, query: str) -> list[tuple]:
    return library.con.execute(query).fetchall()


@BOTH
def test_a_prefix_never_matches_half_a_folder_name(library: LibraryBuilder):
    for file in (
        "/Media/TV/a.mkv",
        "/Media/TVShows/b.mkv",
        "/media/TV/c.mkv",
        "/x/Media/TV/d.mkv",
        "/Media/TV",
    ):
        library.add_part(file)
    move(library, {"/Media/TV": "/srv/tv"})
    assert library.parts() == [
        "/srv/tv/a.mkv",
        "/Media/TVShows/b.mkv",
        "/media/TV/c.mkv",
        "/x/Media/TV/d.mkv",
        "/srv/tv",
    ]


@BOTH
def test_wildcards_repeats_and_other_scripts_are_plain_text(library: LibraryBuilder):
    before = ["/m_%/m_%/a.mkv", "/mXY/b.mkv", "/m_%/Amélie.mkv", "/m_%/Ame\u0301lie.mkv", "/m_%/日本.mkv", ""]
    for file in before:
        library.add_part(file)
    move(library, {"/m_%": "/c"})
    assert library.parts() == [
        "/c/m_%/a.mkv",
        "/mXY/b.mkv",
        "/c/Amélie.mkv",
        "/c/Ame\u0301lie.mkv",
        "/c/日本.mkv",
        "",
    ]


@BOTH
def test_swaps_chains_and_nested_folders_happen_in_one_pass(library: LibraryBuilder):
    for file in ("/a/1", "/b/2", "/c/3", "/a/deep/4", "/keep/no/5", "/keep/6"):
        library.add_part(file)
    move(
        library, {"/a": "/b", "/b": "/a", "/c": "/d", "/a/deep": "/c", "/keep": "/k", "/keep/no": "/keep/no"}
    )
    assert library.parts() == ["/b/1", "/a/2", "/d/3", "/c/4", "/keep/no/5", "/k/6"]


FOLDERS = ("/a", "/a/b", "/a/b/c", "/a-b", "/a0", "/a.b", "/b", "/é", "C:\\a", "C:\\a\\b")
NAMES = st.lists(st.sampled_from(["a", "b", "c", "-b", "0", "\x01", "é", "x y"]), max_size=4)


@given(
    olds=st.lists(st.sampled_from(FOLDERS), min_size=1, unique=True),
    paths=st.lists(st.builds(lambda root, names: "/".join([root, *names]), st.sampled_from(FOLDERS), NAMES)),
    itself=st.booleans(),
)
def test_the_database_maps_every_path_as_python_does(olds: list[str], paths: list[str], itself: bool):
    mappings = {old: f"/new/{number}" for number, old in enumerate(olds)}
    if itself:
        mappings[olds[0]] = olds[0]
    lines = PathMap.of(mappings)
    sql = Prefixes.of("path", lines)
    con = sqlite3.connect(":memory:")
    for path in [*paths, "", *olds]:
        moved, moves = con.execute(
            f"SELECT {sql.mapped()}, {sql.moves()} FROM (SELECT :path AS path)", {**sql.bound, "path": path}
        ).fetchone()
        assert (moved, bool(moves)) == (lines.map(path), lines.map(path) != path)
    con.close()


@BOTH
def test_counting_sees_what_applying_does_and_changes_nothing(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", ["/m", "/m/deep"])
    for file in ("/m/1.mkv", "/m/2.mkv", "/m/deep/3.mkv", "/other/4.mkv"):
        library.add_movie(section, file)
    library.add_stream_url(1, "/m/deep/3.srt")
    plan = remap.plan(library.path, {"/m": "/cloud/m", "/m/deep": "/cloud/deep"})
    assert plan.to_dict()["tables"] == {
        "section_locations.root_path": {"/m/deep": 1, "/m": 1},
        "media_parts.file": {"/m/deep": 1, "/m": 2},
        "media_streams.url": {"/m/deep": 1},
    }
    assert (plan.changes, library.roots()) == (6, ["/m", "/m/deep"])
    assert "media_parts.file: /cloud/m (2)" in plan.diff()["after"]
    assert remap.apply(plan).changes == 6
    assert library.roots() == ["/cloud/m", "/cloud/deep"]
    remap.apply(remap.plan(library.path, plan.paths.inverse()))
    assert library.roots() == ["/m", "/m/deep"]


@BOTH
def test_counting_does_not_depend_on_the_index(library: LibraryBuilder):
    for file in ("/a/1", "/a/b/2", "/a/b/c/3", "/a/b/c", "/z/4"):
        library.add_part(file)
    mappings = {"/a": "/x", "/a/b": "/y", "/a/b/c": "/w"}
    indexed = remap.plan(library.path, mappings)
    library.con.execute("DROP INDEX index_media_parts_on_file")
    assert remap.plan(library.path, mappings).rows == indexed.rows
    assert indexed.to_dict()["tables"]["media_parts.file"] == {"/a/b/c": 2, "/a/b": 1, "/a": 1}


@BOTH
def test_a_second_run_changes_nothing_even_for_a_swap(library: LibraryBuilder):
    library.add_section("A", "movie", "/a")
    library.add_section("B", "movie", "/b")
    library.add_part("/a/1"), library.add_part("/b/2")
    swap = {"/a": "/b", "/b": "/a"}
    assert move(library, swap).changes == 4
    again = remap.plan(library.path, swap)
    assert (again.changes, again.applied_before) == (0, True)
    assert move(library, {"/x": "/y"}).changes == 0
    assert library.parts() == ["/b/1", "/a/2"]


@BOTH
def test_subtitles_beside_the_media_move_with_their_encoding(library: LibraryBuilder):
    part = library.add_part("/My Films, old/a.mkv")
    for url in (
        "/My Films, old/100% (a) {b}, c.srt",
        "file:///My%20Films%2C%20old2/x.srt",
        "blob://42",
        "file:///other/x.srt",
    ):
        library.add_stream_url(part, url)
    move(library, {"/My Films, old": "/cloud, one/films"})
    assert library.urls() == [
        "file:///cloud%2C%20one/films/100%25%20(a)%20{b}%2C%20c.srt",
        "file:///My%20Films%2C%20old2/x.srt",
        "blob://42",
        "file:///other/x.srt",
    ]


@NEW
def test_newer_databases_let_file_guids_move_with_hash_bundle_views_and_settings(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "/m")
    library.add_movie(section, "/m/film.mkv", "Film")
    extra = library.add_extra(section, "/m/film-trailer.mkv")
    old_guid = library.guid(extra)
    library.set_watch(old_guid, views=2)
    old = bundle(library, old_guid)
    old.mkdir(parents=True)
    (old / "Info.xml").write_text("trailer")

    plan = remap.plan(library.path, {"/m": "/c d"})
    applied = remap.apply(plan)

    guid = "file:///c%20d/film-trailer.mkv"
    assert (library.guid(extra), plan.guids_left) == (guid, 0)
    assert rows(library, f"SELECT hash FROM metadata_items WHERE id = {extra}") == [(sha1(guid),)]
    assert rows(library, "SELECT guid FROM metadata_item_settings") == [(guid,)]
    assert rows(library, "SELECT guid FROM metadata_item_views") == [(guid,), (guid,)]
    assert not old.exists() and (bundle(library, guid) / "Info.xml").read_text() == "trailer"
    assert applied.residue == remap.Residue()


@pytest.mark.parametrize("library", ["old"], indirect=True)
def test_older_databases_keep_file_guids_whole_and_say_so(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "/m")
    extra = library.add_extra(section, "/m/film-trailer.mkv")
    guid = library.guid(extra)
    library.set_watch(guid, views=1)
    plan = remap.plan(library.path, {"/m": "/c"})
    applied = remap.apply(plan)
    assert plan.guids_left == 3
    assert library.guid(extra) == guid
    assert rows(library, "SELECT guid FROM metadata_item_settings") == [(guid,)]
    assert library.parts() == ["/c/film-trailer.mkv"]
    assert applied.residue.guids == {
        "metadata_items.guid": 1,
        "metadata_item_settings.guid": 1,
        "metadata_item_views.guid": 1,
    }


@BOTH
def test_a_library_from_windows_moves_and_finds_its_way_back(library: LibraryBuilder):
    section = library.add_section("Movies", "movie", "D:\\Films")
    other = library.add_section("Local", "movie", "/local")
    library.add_movie(section, "D:\\Films\\A (1979)\\a.mkv", "A")
    library.add_stream_url(1, "file:///D:/Films/A%20(1979)/a.srt")
    library.con.execute(
        f"UPDATE directories SET path = 'A (1979)\\Extras' WHERE library_section_id = {section}"
    )
    library.con.execute(f"INSERT INTO directories (library_section_id, path) VALUES ({other}, 'odd\\name')")
    before = [library.roots(), library.parts(), library.urls(), rows(library, "SELECT path FROM directories")]
    forward = {"D:\\Films": "/cloud/films"}

    move(library, forward)

    assert library.roots() == ["/cloud/films", "/local"]
    assert library.parts() == ["/cloud/films/A (1979)/a.mkv"]
    assert library.urls() == ["file:///cloud/films/A%20(1979)/a.srt"]
    assert ("odd\\name",) in rows(library, "SELECT path FROM directories")
    assert ("A (1979)/Extras",) in rows(library, "SELECT path FROM directories")

    record = json.loads(library.path.with_name(library.path.name + ".remap.json").read_text())
    move(library, record["inverse"])
    assert before == [
        library.roots(),
        library.parts(),
        library.urls(),
        rows(library, "SELECT path FROM directories"),
    ]


@BOTH
def test_a_backup_and_the_way_back_lie_beside_the_library(library: LibraryBuilder):
    library.add_part("/m/a.mkv")
    applied = move(library, {"/m": "/c"})
    assert applied.backup is not None and applied.record is not None
    kept = sqlite3.connect(applied.backup)
    assert kept.execute("SELECT file FROM media_parts").fetchall() == [("/m/a.mkv",)]
    kept.close()
    record = json.loads(applied.record.read_text())
    assert (record["forward"], record["inverse"]) == ({"/m": "/c"}, {"/c": "/m"})
    assert record["backup"] == applied.backup.name
    move(library, record["inverse"])
    assert library.parts() == ["/m/a.mkv"]


@BOTH
def test_texts_that_still_mention_the_old_place_are_counted_in_every_encoding(library: LibraryBuilder):
    for file in ("/my m/a.mkv", "/my m/b.mkv", "/my m/c.mkv", "/my m/d.mkv"):
        library.add_part(file)
    texts = [
        '{"at:from":"/my m/x"}',
        "at%3Afrom=%2Fmy%20m%2Fx",
        '{"url":"file:///my%20m/x"}',
        '{"pv:version":"1/2 my m"}',
    ]
    for number, text in enumerate(texts, 1):
        library.con.execute("UPDATE media_parts SET extra_data = ? WHERE id = ?", (text, number))
    assert move(library, {"/my m": "/c"}).residue.extra == {"media_parts.extra_data": 3}


@NEW
@pytest.mark.parametrize(
    "folders",
    [
        ("/library/media/disk1", "/library/media/disk2"),
        ("/one", "/two", "/three", "/four", "/five"),
        ("/映画", "/音楽"),
        ("C:\\Films", "D:\\Music"),
    ],
)
def test_texts_are_found_whatever_the_folders_have_in_common(
    library: LibraryBuilder, folders: tuple[str, ...]
):
    for number, folder in enumerate(folders):
        mark = "\\" if "\\" in folder else "/"
        library.add_part(f"{folder}{mark}a.mkv")
        for form in ({"at:from": f"{folder}{mark}x"}, {"at:from": f"{folder}s{mark}x"}):
            text = json.dumps(form, ensure_ascii=False)
            library.con.execute('INSERT INTO taggings ("index", extra_data) VALUES (?, ?)', (number, text))
    assert remap.residual(library.path, folders).extra == {"taggings.extra_data": len(folders)}


@BOTH
def test_a_folder_moved_into_itself_leaves_no_residue(library: LibraryBuilder):
    library.add_part("/media/a.mkv")
    library.con.execute("""UPDATE media_parts SET extra_data = '{"at:x":"/media/cloud/a"}'""")
    assert move(library, {"/media": "/media/cloud"}).residue == remap.Residue()
    assert library.parts() == ["/media/cloud/a.mkv"]
    assert remap.residual(library.path, ["/media"]).paths == {
        "section_locations.root_path": 1,
        "media_parts.file": 1,
    }


@BOTH
def test_a_library_that_plex_has_open_is_refused(library: LibraryBuilder):
    library.add_part("/m/a.mkv")
    plan = remap.plan(library.path, {"/m": "/c"})
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('SELECT 1 FROM media_parts').fetchall();"
        "print('open', flush=True); sys.stdin.read()"
    )
    plex = subprocess.Popen(
        [sys.executable, "-c", code, str(library.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert plex.stdout.readline() == "open\n"
        for attempt in (lambda: remap.plan(library.path, {"/m": "/c"}), lambda: remap.apply(plan)):
            with pytest.raises(Unsafe, match="Stop Plex first"):
                attempt()
    finally:
        plex.communicate()
    assert library.parts() == ["/m/a.mkv"]


@BOTH
def test_a_library_that_changed_since_it_was_counted_is_left_alone(library: LibraryBuilder):
    library.add_part("/m/a.mkv")
    plan = remap.plan(library.path, {"/m": "/c"})
    library.add_part("/m/b.mkv")
    with pytest.raises(Unsafe, match="changed since it was counted"):
        remap.apply(plan)
    assert library.parts() == ["/m/a.mkv", "/m/b.mkv"]


@BOTH
def test_wrong_maps_and_unknown_databases_are_refused(library: LibraryBuilder, tmp_path: Path):
    with pytest.raises(Permanent, match="not absolute"):
        remap.plan(library.path, {"m": "/c"})
    library.con.execute("DROP TABLE media_streams")
    with pytest.raises(Unsafe, match="kind we know"):
        remap.plan(library.path, {"/m": "/c"})
    with pytest.raises(Permanent, match="no such database"):
        remap.plan(tmp_path / "none.db", {"/m": "/c"})


def test_the_watch_state_survives(tmp_path: Path):
    with LibraryBuilder(tmp_path / "library.db") as library:
        section = library.add_section("Movies", "movie", "/m")
        library.set_watch(library.guid(library.add_movie(section, "/m/a.mkv", "A")), views=2, rating=7.0)
        before = database.watch_state(library.path)
        move(library, {"/m": "/c"}, backup=False)
        assert database.watch_state(library.path) == before


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def bundle(library: LibraryBuilder, guid: str) -> Path:
    digest = sha1(guid)
    return library.data / "Metadata" / "Movies" / digest[0] / f"{digest[1:]}.bundle"
