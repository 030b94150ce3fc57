"""A false deletion can be taken back in the database while Plex is stopped, and nothing else with it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from medialift.errors import Unsafe
from medialift.plex.undelete import undelete
from sandbox.plex.builder import LibraryBuilder


def marked(path: Path) -> dict[str, list[int]]:
    con = sqlite3.connect(path)
    try:
        return {
            table: [row[0] for row in con.execute(f"SELECT id FROM {table} WHERE deleted_at IS NOT NULL")]
            for table in ("metadata_items", "media_items", "media_parts")
        }
    finally:
        con.close()


NOTHING: dict[str, list[int]] = {"metadata_items": [], "media_items": [], "media_parts": []}


def test_a_film_comes_back_with_its_media_and_its_neighbour_stays_deleted(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        movies = library.add_section("Movies", "movie", "/m")
        films = [library.add_movie(movies, f"/m/{name}.mkv", name) for name in ("a", "b")]
        for film in films:
            library.mark_deleted(film)
        parts = [library.part_of(film) for film in films]
    assert undelete(tmp_path / "library.db", ["/m/a.mkv", "/m/absent.mkv"]) == 1
    left = marked(tmp_path / "library.db")
    assert left["metadata_items"] == [films[1]] and left["media_parts"] == [parts[1]]
    assert len(left["media_items"]) == 1


def test_what_was_in_the_trash_before_stays_there_though_its_file_comes_back(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        movies = library.add_section("Movies", "movie", "/m")
        films = [library.add_movie(movies, "/m/a.mkv", name) for name in ("matched wrongly once", "a")]
        for film in films:
            library.mark_deleted(film)
        parts = [library.part_of(film) for film in films]
    assert undelete(tmp_path / "library.db", ["/m/a.mkv"], lived={parts[1]}) == 1
    left = marked(tmp_path / "library.db")
    assert left["metadata_items"] == [films[0]] and left["media_parts"] == [parts[0]]


def test_what_an_episode_is_in_comes_back_with_it(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        shows = library.add_section("TV", "show", "/tv")
        for number in (1, 2):
            library.mark_deleted(library.add_episode(shows, f"/tv/{number}.mkv", "Show", 1, number))
        library.con.execute("UPDATE metadata_items SET deleted_at = 1")  # the season and the show too
    assert undelete(tmp_path / "library.db", ["/tv/2.mkv"]) == 3
    left = marked(tmp_path / "library.db")
    assert len(left["metadata_items"]) == 1 and len(left["media_parts"]) == 1


def test_an_old_library_is_left_alone_where_an_item_would_have_to_be_written(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db", "old") as library:
        movies = library.add_section("Movies", "movie", "/m")
        library.mark_deleted(library.add_movie(movies, "/m/a.mkv", "a"))
    before = marked(tmp_path / "library.db")
    with pytest.raises(Unsafe, match="Plex's own SQLite"):
        undelete(tmp_path / "library.db", ["/m/a.mkv"])
    assert marked(tmp_path / "library.db") == before


def test_a_file_of_an_item_that_lives_on_comes_back_in_an_old_library_too(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db", "old") as library:
        movies = library.add_section("Movies", "movie", "/m")
        part = library.part_of(library.add_movie(movies, "/m/a.mkv", "a"))
        library.con.execute("UPDATE media_parts SET deleted_at = 1 WHERE id = ?", (part,))
    assert undelete(tmp_path / "library.db", ["/m/a.mkv"]) == 0
    assert marked(tmp_path / "library.db") == NOTHING


def test_a_library_that_is_open_is_never_written(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        movies = library.add_section("Movies", "movie", "/m")
        library.mark_deleted(library.add_movie(movies, "/m/a.mkv", "a"))
    hold = "import sys; held = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(tmp_path / "library.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"open\n"
        with pytest.raises(Unsafe, match="is open"):
            undelete(tmp_path / "library.db", ["/m/a.mkv"])
        holder.communicate()
    assert undelete(tmp_path / "library.db", ["/m/a.mkv"]) == 1
