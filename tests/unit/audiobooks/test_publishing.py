"""A finished book appears whole, under a name of its own, and what dead attempts left goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from medialift.audiobooks import manifest as manifests
from medialift.audiobooks import publishing
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import Conversion, Manifest, Sources

OF = "audiobooks"


class Places:
    """A work folder and one of finished books."""

    def __init__(self, root: Path) -> None:
        self.work, self.converted = root / "work", root / "converted"
        self.work.mkdir()
        self.converted.mkdir()

    def publish(
        self, name: str = "Tales", order: str = "one", words: str = "sound", *, overwrite: bool = False
    ) -> Manifest:
        attempt = publishing.attempt_name(OF, 1, 7)
        with publishing.staged(self.work, self.converted, attempt) as (_, stage):
            (stage / f"{name}.m4b").write_text(words)
            return publishing.publish(stage, self.converted, of(name, order), overwrite=overwrite)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.converted.iterdir())

    def sound(self, name: str) -> str:
        return (self.converted / name / f"{name}.m4b").read_text()


def of(name: str, order: str) -> Manifest:
    made = Manifest(
        name=name,
        sources=Sources(key=name, structure=Structure.FLAT),
        conversion=Conversion(kind="converted", file=f"{name}.m4b"),
    )
    return Manifest.model_validate({**made.model_dump(), "order": order})


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_book_appears_with_its_manifest_and_nothing_else(places: Places) -> None:
    named = places.publish()
    assert places.names() == ["Tales"] and places.sound("Tales") == "sound"
    assert manifests.read(places.converted / "Tales") == named
    assert list(places.work.iterdir()) == []


def test_another_book_of_the_name_gets_a_number_and_so_does_its_file(places: Places) -> None:
    places.publish()
    assert places.publish(order="two", words="other").name == "Tales (2)"
    assert places.publish(order="three").name == "Tales (3)"
    assert places.sound("Tales") == "sound" and places.sound("Tales (2)") == "other"
    assert manifests.read(places.converted / "Tales (2)").conversion.file == "Tales (2).m4b"


def test_an_empty_folder_of_the_name_is_somebodys(places: Places) -> None:
    (places.converted / "Tales").mkdir()
    assert places.publish().name == "Tales (2)"


def test_overwriting_replaces_the_book_of_the_name(places: Places) -> None:
    places.publish(words="old")
    assert places.publish(words="new", overwrite=True).name == "Tales"
    assert places.names() == ["Tales"] and places.sound("Tales") == "new"


def test_a_book_is_known_again_by_its_order_whatever_its_number(places: Places) -> None:
    places.publish(order="one")
    places.publish(order="two")
    found = publishing.published(places.converted, "Tales", "two")
    assert found is not None and found.name == "Tales (2)"
    assert publishing.published(places.converted, "Tales", "three") is None
    assert publishing.published(places.converted, "Tales", "") is None


def test_a_name_like_another_is_no_match(places: Places) -> None:
    places.publish(name="Tales of the Sea", order="one")
    assert publishing.published(places.converted, "Tales", "one") is None


def test_a_copy_under_another_name_is_not_taken_for_the_book(places: Places) -> None:
    places.publish(order="one")
    (places.converted / "Tales").rename(places.converted / "Tales (2)")
    assert publishing.published(places.converted, "Tales", "one") is None


def test_what_a_dead_attempt_left_is_swept_and_what_goes_on_is_not(places: Places) -> None:
    dead, alive = publishing.attempt_name(OF, 1, 1), publishing.attempt_name(OF, 2, 2)
    for attempt in (dead, alive, "other.1.1"):
        for folder in (places.work / attempt, places.converted / f".medialift-new-{attempt}"):
            folder.mkdir()
            (folder / "half").write_text("half")
    (places.work / "locks").mkdir()
    found = publishing.attempts(places.work, places.converted, OF)
    assert found == {dead, alive}
    assert publishing.sweep(places.work, places.converted, OF, found - {alive}) == 2
    left = [alive, "other.1.1"]
    assert places.names() == [f".medialift-new-{name}" for name in left]
    assert sorted(path.name for path in places.work.iterdir()) == sorted([*left, "locks"])


def test_a_book_that_was_moved_aside_to_be_replaced_comes_back_when_nothing_took_its_place(
    places: Places,
) -> None:
    places.publish(words="old")
    (places.converted / "Tales").rename(places.converted / ".medialift-old-audiobooks.1.9")
    publishing.sweep(places.work, places.converted, OF, {"audiobooks.1.9"})
    assert places.names() == ["Tales"] and places.sound("Tales") == "old"


def test_a_book_that_was_replaced_does_not_come_back(places: Places) -> None:
    places.publish(words="new")
    (places.converted / ".medialift-old-audiobooks.1.9").mkdir()
    manifests.write(places.converted / ".medialift-old-audiobooks.1.9", of("Tales", "older"))
    publishing.sweep(places.work, places.converted, OF, {"audiobooks.1.9"})
    assert places.names() == ["Tales"] and places.sound("Tales") == "new"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("It's “quoted” 🎧: a/b", "It's “quoted” 🎧: a_b"),
        ("...hidden", "hidden"),
        ("ü" * 150, "ü" * 110),
        ("...", "book"),
        ("Vol. 1. ", "Vol. 1"),
    ],
)
def test_names_are_kept_as_far_as_a_file_system_can_hold_them(name: str, wanted: str) -> None:
    assert publishing.file_name(name) == wanted
