"""The media maker writes real files, the same for a seed, named and tagged as Plex expects."""

from __future__ import annotations

import hashlib
import json
import subprocess
import unicodedata
from pathlib import Path, PurePosixPath

import pytest

from sandbox.media import make, plan
from sandbox.plex import identify, rows, tags

SECTIONS = {"Movies": "movie", "TV Shows": "show", "Music": "artist", "Photos": "photo"}


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def thirty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thirty")
    assert make(folder, files=30, seed=1).files == 30
    return folder


def test_the_same_seed_gives_the_same_bytes_and_more_files_a_superset(thirty: Path, tmp_path: Path) -> None:
    make(tmp_path, files=40, seed=1)
    small, large = digests(thirty), digests(tmp_path)
    assert small.items() < large.items()


def test_a_library_can_grow_from_where_it_is(thirty: Path, tmp_path: Path) -> None:
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    make(whole, files=35, seed=1)
    assert make(grown, files=35, seed=1, start=30).files == 5
    assert digests(thirty) | digests(grown) == digests(whole)


def test_another_seed_gives_another_library() -> None:
    one, two = ({file.key for file in plan(200, seed)} for seed in (1, 2))
    assert len(one & two) < 10


def test_no_two_files_of_a_large_library_have_one_name() -> None:
    keys = [file.key for file in plan(5000, 1)]
    assert len(keys) == len(set(keys)) > 5000
    assert max(len(name.encode()) for key in keys for name in key.split("/")) < 255


def test_no_two_files_have_the_same_content(thirty: Path) -> None:
    found = digests(thirty)
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("suffix", [".mkv", ".mp3", ".flac", ".jpg"])
def test_files_are_real_media_that_decode_without_a_complaint(thirty: Path, suffix: str) -> None:
    for path in sorted(thirty.rglob(f"*{suffix}"))[:4]:
        command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
        decoded = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (decoded.returncode, decoded.stderr) == (0, "")


def test_a_video_carries_its_title(thirty: Path) -> None:
    path = next((thirty / "Movies").rglob("*).mkv"))
    probe = ["ffprobe", "-v", "error", "-show_format", "-of", "json", str(path)]
    shown = json.loads(subprocess.run(probe, capture_output=True, text=True, check=True).stdout)
    assert shown["format"]["tags"]["title"].startswith(path.stem.rsplit(" (", 1)[0])


def test_some_files_are_larger_than_one_block_of_the_part_hash(thirty: Path) -> None:
    sizes = [path.stat().st_size for path in thirty.rglob("*") if path.is_file()]
    assert min(sizes) < 64 * 1024 < max(sizes)


def test_names_and_tags_tell_plex_what_each_file_is(thirty: Path) -> None:
    for file in plan(30, 1):
        path = PurePosixPath(file.key)
        if file.kind in ("subtitle", "trailer"):
            continue
        found = tags.read((thirty / file.key).read_bytes()[: 64 * 1024])
        levels = identify.identify(SECTIONS[path.parts[0]], "/".join(path.parts[1:]), found)
        if file.tags:
            expected = dict(file.tags)
            assert {name: found[name] for name in ("artist", "album", "title")} == {
                name: expected[name] for name in ("artist", "album", "title")
            }
            assert [level.title for level in levels] == [
                expected["artist"],
                expected["album"],
                expected["title"],
            ]
            assert levels[-1].index == int(expected["tracknumber"])
        elif file.kind == "photo":
            assert levels[-1].kind == rows.PHOTO
        else:
            assert levels[-1].title == file.title


def test_subtitles_and_trailers_lie_beside_their_movies(thirty: Path) -> None:
    files = list(plan(30, 1))
    videos = {PurePosixPath(file.key) for file in files if file.kind in ("movie", "episode")}
    subtitles = [PurePosixPath(file.key) for file in files if file.kind == "subtitle"]
    assert subtitles
    for subtitle in subtitles:
        languages = [identify.subtitle_language(video, subtitle) for video in videos]
        assert [language for language in languages if language is not None] in (["en"], ["de"])
    assert [identify.is_extra(file.key) for file in files if file.kind == "trailer"] == [True]


def test_names_are_odd_as_peoples_are() -> None:
    names = " ".join(file.key for file in plan(150, 1))
    assert all(sign in names for sign in "'\"%,&#[{七")
    assert unicodedata.normalize("NFC", names) != names
    assert unicodedata.normalize("NFD", names) != names
