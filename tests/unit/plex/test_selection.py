"""A run works on the sections that were meant, and says why it leaves others alone."""

from __future__ import annotations

import pytest

from medialift.errors import Permanent
from medialift.plex.selection import choose
from medialift.plex.server import Section


def section(key: str, name: str, kind: str) -> Section:
    return Section(key, name, kind, "", "", "", (f"/cloud/media/{name}",), False, 0)


SECTIONS = [
    section("1", "Movies", "movie"),
    section("2", "TV Shows", "show"),
    section("3", "Music", "artist"),
    section("4", "Photos", "photo"),
]


def test_without_names_everything_but_photos_is_chosen() -> None:
    selection = choose(SECTIONS)
    assert [one.name for one in selection.chosen] == ["Movies", "TV Shows", "Music"]
    (skipped,) = selection.skipped
    assert skipped.section.name == "Photos" and "Immich" in skipped.reason


def test_photos_can_be_switched_on_or_named() -> None:
    assert len(choose(SECTIONS, photo=True).chosen) == 4
    assert [one.name for one in choose(SECTIONS, ["Photos"]).chosen] == ["Photos"]


def test_named_sections_only_and_the_others_are_shown_as_skipped() -> None:
    selection = choose(SECTIONS, ["Music", "Movies"])
    assert [one.name for one in selection.chosen] == ["Movies", "Music"]
    assert {one.section.name: one.reason for one in selection.skipped}["TV Shows"].startswith("not among")


def test_an_unknown_name_is_an_error_that_lists_the_valid_ones() -> None:
    with pytest.raises(Permanent, match=r"Movis.*Movies, TV Shows, Music, Photos"):
        choose(SECTIONS, ["Movis"])


def test_music_is_told_only_when_it_is_chosen() -> None:
    assert [one.name for one in choose(SECTIONS).music] == ["Music"]
    assert choose(SECTIONS, ["Movies"]).music == ()


def test_nothing_to_do_is_an_error() -> None:
    with pytest.raises(Permanent, match="No section"):
        choose(SECTIONS[3:])
