"""What a run is asked for is checked before Plex is touched, and what came of it is judged."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.process import Completed, runner
from medialift.foundation.waiting import SystemClock
from medialift.plex import census, scratch
from medialift.plex.guard import MountGuard
from medialift.plex.mount_record import MountRecord
from medialift.plex.run import Request
from medialift.plex.server import Section
from sandbox.plex.builder import LibraryBuilder

LEAST: dict[str, Any] = {
    "server": {"url": "http://127.0.0.1:32400", "preferences": "/srv/Preferences.xml"},
    "database": "/srv/library.db",
}
MOVIES = {"name": "Movies", "type": "movie", "locations": ["/cloud/media/Movies"]}


def test_little_is_needed_and_the_rest_is_careful() -> None:
    request = Request.of(LEAST)
    assert request.wanted["autoEmptyTrash"] is False
    assert request.options.mount_type == "fuse.rclone" and not request.options.photo
    assert request.times.section == 4 * 3600 and request.times.whole == 72 * 3600


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"database": None}, "database"),
        ({"mode": "both"}, "mode"),
        ({"sectoins": ["Movies"]}, "sectoins"),
        ({"times": {"pol": 3}}, "pol"),
        ({"times": {"poll": "soon"}}, "soon"),
        ({"mode": "scratch"}, "create_sections"),
        ({"create_sections": [MOVIES]}, "create_sections"),
        ({"settings": {"autoEmptyTrash": True}}, "autoEmptyTrash"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(Permanent, match=named):
        Request.of({**LEAST, **wrong})


def test_sections_take_plex_s_own_agents_unless_told_otherwise() -> None:
    movies, music = scratch.parse(
        [MOVIES, {"name": "Music", "type": "music", "locations": "/cloud/media/Music/"}]
    )
    assert (movies.agent, movies.scanner, movies.language) == ("tv.plex.agents.movie", "Plex Movie", "en-US")
    assert (music.type, music.locations) == ("artist", ("/cloud/media/Music",))


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("Movies", "must be a list"),
        (["Movies"], "section 1 is no mapping"),
        ([{**MOVIES, "name": ""}], "section 1 .* has no name"),
        ([{**MOVIES, "type": "cinema"}], "cinema.*Valid are: movie, show, artist, photo"),
        ([{**MOVIES, "locations": []}], "has no locations"),
        ([{**MOVIES, "locations": ["media/Movies"]}], "absolute path"),
        ([{**MOVIES, "locations": ["/"]}], "absolute path"),
        ([{**MOVIES, "location": "/m"}], "unknown fields.*location"),
        ([MOVIES, MOVIES], "same name: Movies"),
    ],
)
def test_a_malformed_section_is_named(given: Any, named: str) -> None:
    with pytest.raises(Permanent, match=named):
        scratch.parse(given)


class Libraries:
    def __init__(self, *there: Section) -> None:
        self.there = list(there)

    def sections(self) -> list[Section]:
        return self.there

    def create_section(self, *, locations: Sequence[str], **named: str) -> Section:
        made = Section(
            str(len(self.there) + 1), **named, locations=tuple(locations), refreshing=False, scanned_at=0
        )
        self.there.append(made)
        return made


def test_sections_are_made_once() -> None:
    server, specs = Libraries(), scratch.parse([MOVIES])
    assert scratch.create(server, specs) == ["Movies"]
    assert scratch.create(server, specs) == []


def test_another_section_of_the_same_name_is_not_taken_for_it() -> None:
    there = Section("1", "Movies", "movie", "", "", "", ("/elsewhere",), False, 0)
    with pytest.raises(Permanent, match="/elsewhere"):
        scratch.create(Libraries(there), scratch.parse([MOVIES]))


def test_items_are_counted_by_kind_without_those_marked_deleted(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        shows = library.add_section("TV", "show", "/tv")
        library.add_episode(shows, "/tv/a.mkv", "A", 1, 1)
        library.mark_deleted(library.add_episode(shows, "/tv/b.mkv", "A", 1, 2))
    section = Section(str(shows), "TV", "show", "", "", "", ("/tv",), False, 0)
    assert census.living_items(tmp_path / "library.db", [section]) == {str(shows): 1}


@pytest.fixture
def library(tmp_path: Path) -> tuple[Path, Section, list[Path]]:
    """A section with four real files."""
    root = tmp_path / "media"
    root.mkdir()
    with LibraryBuilder(tmp_path / "library.db") as built:
        key = built.add_section("Movies", "movie", "/cloud/media")
        files = []
        for number in range(4):
            file = root / f"{number}.mkv"
            file.write_bytes(bytes(200_000))
            built.add_movie(key, f"/cloud/media/{number}.mkv", f"Film {number}", size=200_000)
            files.append(file)
    section = Section(str(key), "Movies", "movie", "", "", "", ("/cloud/media",), False, 0)
    return tmp_path / "library.db", section, files


def guarding(inside: Path, host: Path, record: MountRecord | None = None) -> MountGuard:
    """A guard whose container sees `inside` at /cloud/media, as a bind mount does."""

    def enter(argv: Sequence[str]) -> Completed:
        words = [word.replace("/cloud/media", str(inside)) for word in argv]
        return runner(timeout=10)(words)

    return MountGuard(
        roots={"/cloud/media": str(host)},
        enter=[],
        runner=enter,
        clock=SystemClock(),
        deadline=10,
        filesystem="",
        dice=random.Random(1),
        record=record or MountRecord(),
    )


def test_files_are_read_on_the_host_and_inside_the_container(
    library: tuple[Path, Section, list[Path]],
) -> None:
    database, section, files = library
    record = MountRecord()
    reads = guarding(files[0].parent, files[0].parent, record).verify(database, section)
    assert len(reads) == 8 and all(read.ok for read in reads) and record.reads == reads
    assert {read.path.rsplit("/", 1)[0] for read in reads} == {str(files[0].parent), "/cloud/media"}


def test_a_container_that_sees_another_tree_is_refused(
    library: tuple[Path, Section, list[Path]], tmp_path: Path
) -> None:
    database, section, files = library
    other = tmp_path / "other"
    other.mkdir()
    (other / "something").touch()
    with pytest.raises(Unsafe, match="3 of 3 files are not there"):
        guarding(other, files[0].parent).verify(database, section)


def test_a_container_whose_bind_is_stale_and_empty_is_refused(
    library: tuple[Path, Section, list[Path]], tmp_path: Path
) -> None:
    database, section, files = library
    (tmp_path / "stale").mkdir()
    with pytest.raises(Unsafe, match=r"empty inside the container.*rslave"):
        guarding(tmp_path / "stale", files[0].parent).verify(database, section)


def test_a_root_that_the_container_lacks_is_named(
    library: tuple[Path, Section, list[Path]], tmp_path: Path
) -> None:
    database, section, files = library
    with pytest.raises(Permanent, match="absent inside the container: Movies: /cloud/media"):
        guarding(tmp_path / "nowhere", files[0].parent).verify(database, section)


def test_a_container_that_does_not_answer_is_refused(library: tuple[Path, Section, list[Path]]) -> None:
    database, section, files = library

    def hang(argv: Sequence[str]) -> Completed:
        raise Transient("A program did not end within 1 s and was killed", argv[0])

    there = guarding(files[0].parent, files[0].parent)
    stuck = MountGuard(there.roots, [], hang, there.clock, 5, "")
    with pytest.raises(Unsafe, match="does not read, so nothing is scanned"):
        stuck.verify(database, section)


def test_a_new_section_is_read_though_the_database_knows_no_file_of_it(
    library: tuple[Path, Section, list[Path]], tmp_path: Path
) -> None:
    _, section, files = library
    with LibraryBuilder(tmp_path / "new.db") as empty:
        empty.add_section("Movies", "movie", "/cloud/media")
    reads = guarding(files[0].parent, files[0].parent).verify(tmp_path / "new.db", section)
    assert len(reads) == 8 and all(read.ok for read in reads)
