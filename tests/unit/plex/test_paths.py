"""Path maps: what is accepted, what is refused and how, and what one does to a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.errors import Permanent
from medialift.plex.paths import PathMap


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.json", '{"mappings": {"/library/media": "/cloud/media", "/music": "/cloud/music"}}'),
        ("map.json", '{"/library/media": "/cloud/media", "/music": "/cloud/music"}'),
        (
            "map.json",
            '[{"from": "/library/media", "to": "/cloud/media"}, {"from": "/music", "to": "/cloud/music"}]',
        ),
        ("map.yml", "mappings:\n  /library/media: /cloud/media\n  /music: /cloud/music\n"),
        ("map.yml", "/library/media: /cloud/media\n/music: /cloud/music\n"),
        (
            "map.yml",
            "- from: /library/media\n  to: /cloud/media\n- {from: /music, to: /cloud/music}\n",
        ),
        ("map.yml", "{/library/media: /cloud/media, /music: /cloud/music}\n"),
        (
            "map.yml",
            "[{from: /library/media, to: /cloud/media},  # films\n {from: /music, to: /cloud/music}]\n",
        ),
    ],
)
def test_every_form_of_a_map_file_is_read(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    assert PathMap.load(tmp_path / name).to_dict() == {
        "/library/media": "/cloud/media",
        "/music": "/cloud/music",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty or no map"),
        ("just words", "empty or no map"),
        ('{"/a": ', "malformed"),
        ("/a: [", r"malformed.*line"),
        ('{"media": "/cloud"}', r"not absolute: .*media"),
        ('{"/media": "cloud"}', r"not absolute: .*cloud"),
        ('{"D:/Films": "/cloud"}', "Write it with backslashes"),
        ('{"/media/": "/cloud"}', "ends in a separator.*Write it as /media"),
        ('{"/": "/cloud"}', "ends in a separator.*as a whole cannot be mapped"),
        ('{"/media/../x": "/cloud"}', "dotted part"),
        ('{"/media//x": "/cloud"}', "empty or dotted part"),
        ('{"/a": "/x", "/a": "/y"}', "mapped twice"),
        ("/a: /x\n/a: /y\n", "mapped twice"),
        ("{/a: /x, /a: /y}", "mapped twice"),
        ('{"/a": "/x", "/b": "/x"}', "target of two"),
        ('{"/a": "/x", "/b": "/x/y"}', r"/x/y lies inside /x"),
        ('{"/a": "/x", "/a/y": "/x/y"}', "Leave out /a/y"),
        ('{"/a": 5}', "is no path"),
        ('[{"from": "/a"}]', "is not {from, to}"),
        ('{"mappings": ["x"]}', "is not {from, to}"),
    ],
)
def test_a_map_that_is_wrong_says_what_is_wrong(tmp_path: Path, text: str, message: str):
    (tmp_path / "map").write_text(text)
    with pytest.raises(Permanent, match=message) as caught:
        PathMap.load(tmp_path / "map")
    assert str(tmp_path / "map") in str(caught.value)


def test_a_missing_map_file_says_so(tmp_path: Path):
    with pytest.raises(Permanent, match="no such path map"):
        PathMap.load(tmp_path / "map.json")


@pytest.mark.parametrize(
    ("path", "mapped"),
    [
        ("/Media/TV", "/srv/tv"),
        ("/Media/TV/a.mkv", "/srv/tv/a.mkv"),
        ("/Media/TVShows/b.mkv", "/Media/TVShows/b.mkv"),
        ("/media/TV/a.mkv", "/media/TV/a.mkv"),
        ("/x/Media/TV/a.mkv", "/x/Media/TV/a.mkv"),
        ("", ""),
    ],
)
def test_a_prefix_matches_whole_folder_names_byte_by_byte(path: str, mapped: str):
    assert PathMap.of({"/Media/TV": "/srv/tv"}).map(path) == mapped


def test_the_longest_prefix_decides_and_swaps_and_chains_happen_once():
    paths = PathMap.of({"/a": "/b", "/b": "/a", "/a/deep": "/c", "/c": "/d"})
    assert [paths.map(p) for p in ("/a/1", "/b/2", "/a/deep/3", "/c/4")] == ["/b/1", "/a/2", "/c/3", "/d/4"]
    assert paths.feeds_itself
    assert PathMap.of({"/media": "/media/cloud"}).feeds_itself
    assert not PathMap.of({"/media": "/cloud", "/music": "/music"}).feeds_itself


def test_windows_paths_get_slashes_and_find_their_way_back():
    paths = PathMap.of({"D:\\Films": "/cloud/films", "\\\\nas\\tv": "/cloud/tv"})
    assert paths.map("D:\\Films\\Alien (1979)\\a.mkv") == "/cloud/films/Alien (1979)/a.mkv"
    assert paths.map("\\\\nas\\tv\\x.mkv") == "/cloud/tv/x.mkv"
    assert paths.inverse().map("/cloud/films/Alien (1979)/a.mkv") == "D:\\Films\\Alien (1979)\\a.mkv"
    assert (
        paths.map_url("file:///D:/Films/Alien%20(1979)/a.srt") == "file:///cloud/films/Alien%20(1979)/a.srt"
    )
    assert paths.inverse().map_url("file:///cloud/films/a.srt") == "file:///D:/Films/a.srt"


@pytest.mark.parametrize(
    ("url", "mapped"),
    [
        ("file:///My%20Films/a%2C b.srt", "file:///cloud%2C%20one/a%2C b.srt"),
        ("file:///My%20Films", "file:///cloud%2C%20one"),
        ("file:///My%20Films2/a.srt", "file:///My%20Films2/a.srt"),
        ("file:///My Films/a.srt", "file:///cloud, one/a.srt"),
        ("file:///%4Dy%20Films/(a)%25.srt", "file:///cloud%2C%20one/(a)%25.srt"),
        ("blob:///My%20Films/a.srt", "blob:///My%20Films/a.srt"),
        ("/My Films/a.srt", "/My Films/a.srt"),
        ("file:///My", "file:///My"),
        ("file:///My%2", "file:///My%2"),
    ],
)
def test_urls_are_matched_however_they_are_encoded_and_keep_their_rest(url: str, mapped: str):
    assert PathMap.of({"/My Films": "/cloud, one"}).map_url(url) == mapped


def test_a_map_may_leave_a_folder_out_by_mapping_it_to_itself():
    paths = PathMap.of({"/media": "/cloud", "/media/keep": "/media/keep"})
    assert (paths.map("/media/keep/a"), paths.map("/media/b")) == ("/media/keep/a", "/cloud/b")


FOLDER = st.text("abAé%_ ,(.", min_size=1, max_size=4).filter(lambda text: text not in (".", ".."))


@given(st.lists(FOLDER, min_size=1, max_size=4), st.sampled_from(["/a", "/a b", "/é/x"]))
def test_there_and_back_again_changes_nothing(folders: list[str], old: str):
    paths = PathMap.of({old: "/cloud/x,y"})
    path = "/".join([old, *folders])
    assert paths.inverse().map(paths.map(path)) == path
