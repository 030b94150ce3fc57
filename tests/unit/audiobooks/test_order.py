"""A book is read in the order that its names and tags agree on, or a person is asked."""

import random
from pathlib import Path

import pytest

from medialift.audiobooks.book import Book, Part, Structure
from medialift.audiobooks.order import check_order, sources_of
from medialift.audiobooks.source import Source
from medialift.errors import Permanent

FOLDER = Path("/inbox/Sea")


def book_of(files):
    """A book and its sources: {name: (track, disc) or track or None}; names in folders are of discs."""
    parts, sources = [], []
    for name, told in files.items():
        disc = int(name[2]) if name.startswith("CD") and "/" in name else 0
        track, of = told if isinstance(told, tuple) else (told, None)
        tags = {key: str(value) for key, value in (("track", track), ("disc", of)) if value is not None}
        parts.append(Part(FOLDER / name, name, 100, disc))
        sources.append(Source(FOLDER / name, "mp3", "mp3", "", 44100, 1, 64000, 60.0, tags=tags))
    return Book("Sea", FOLDER, Structure.FLAT, tuple(parts), (), "f"), sources


def checked(files):
    book, sources = book_of(files)
    return [part.name for part in check_order(book, sources).parts]


def refused(files):
    with pytest.raises(Permanent) as caught:
        checked(files)
    assert caught.value.hint
    return caught.value.what


def test_names_and_tags_that_agree_are_taken():
    assert checked({"01.mp3": 1, "02.mp3": 2, "10.mp3": 3}) == ["01.mp3", "02.mp3", "10.mp3"]


def test_names_are_enough_when_tags_say_nothing_or_are_worthless():
    for tags in ((None, None, None), (1, 1, 1), (None, 2, 3), ("x", "y", "z"), (1, 2, 2)):
        files = dict(zip(("01.mp3", "02.mp3", "03.mp3"), tags, strict=True))
        assert checked(files) == ["01.mp3", "02.mp3", "03.mp3"]


def test_tags_are_enough_when_names_say_nothing():
    assert checked({"Air.mp3": "3/3", "Land.mp3": "2/3", "Sea.mp3": "1/3"}) == [
        "Sea.mp3",
        "Land.mp3",
        "Air.mp3",
    ]
    assert checked({"x.mp3": (1, 2), "y.mp3": (2, 1), "z.mp3": (1, 1)}) == ["z.mp3", "y.mp3", "x.mp3"]


def test_nothing_that_tells_the_order_is_said():
    assert "say the order" in refused({"Air.mp3": None, "Land.mp3": None})
    assert "say the order" in refused({"Air.mp3": 1, "Land.mp3": 1})


def test_names_and_tags_that_contradict_each_other_are_said():
    said = refused({"01.mp3": 2, "02.mp3": 1, "03.mp3": 3})
    assert "different orders" in said and "01.mp3" in said and "02.mp3" in said


@pytest.mark.parametrize("tags", [(None, None, None), (1, 2, 4), (1, 1, 1)])
def test_a_track_that_is_missing_in_the_middle_is_named(tags):
    files = dict(zip(("01 a.mp3", "02 b.mp3", "04 d.mp3"), tags, strict=True))
    assert refused(files).startswith("Track 3 is missing")


def test_the_beginning_and_the_end_may_be_missing_too():
    assert refused({"03.mp3": None, "04.mp3": None}).startswith("Tracks 1, 2 are missing")
    assert refused({"1 of 3.mp3": None, "2 of 3.mp3": None}).startswith("Track 3 is missing")
    assert refused({"01.mp3": "1/4", "02.mp3": "2/4"}).startswith("Tracks 3, 4 are missing")
    assert refused({"Air.mp3": 4, "Land.mp3": 1}).startswith("Tracks 2, 3 are missing")


def test_many_missing_tracks_are_not_all_listed():
    assert refused({"001.mp3": None, "019.mp3": None}).count(",") < 13


def test_a_gap_in_the_names_is_none_when_whole_tags_say_the_same_order():
    assert checked({"01 a.mp3": 1, "02 b.mp3": 2, "04 d.mp3": 3}) == ["01 a.mp3", "02 b.mp3", "04 d.mp3"]


def test_gaps_in_the_tags_say_nothing_against_whole_names():
    assert checked({"01.mp3": 9, "02.mp3": 5, "03.mp3": 7}) == ["01.mp3", "02.mp3", "03.mp3"]


def test_a_number_that_is_there_twice_is_said_unless_the_tags_know_better():
    assert "The number 1 is there more than once" in refused(
        {"01 a.mp3": None, "01 b.mp3": None, "02.mp3": None}
    )
    assert checked({"01 b.mp3": 1, "01 a.mp3": 2, "02.mp3": 3}) == ["01 b.mp3", "01 a.mp3", "02.mp3"]


def test_each_disc_is_counted_by_itself_or_goes_on_from_the_one_before():
    for second in (1, 3):
        names = ["CD1/01.mp3", "CD1/02.mp3", f"CD2/0{second}.mp3", f"CD2/0{second + 1}.mp3"]
        assert checked(dict.fromkeys(names)) == names
    assert "on disc 2" in refused(dict.fromkeys(["CD1/01.mp3", "CD1/02.mp3", "CD2/01.mp3", "CD2/03.mp3"]))


def test_discs_whose_tags_have_another_order_than_their_folders_are_said():
    said = refused({"CD1/01.mp3": (1, 2), "CD1/02.mp3": (2, 2), "CD2/01.mp3": (1, 1), "CD2/02.mp3": (2, 1)})
    assert "2, 1" in said


def test_a_total_that_counts_the_parts_of_a_book_is_not_one_of_its_files():
    names = ["Part 1 of 9 - 01.mp3", "Part 1 of 9 - 02.mp3"]
    assert checked(dict.fromkeys(names)) == names


def test_roman_numbers_are_put_in_order_however_they_came():
    names = ["I - Sea.mp3", "II - Land.mp3", "III - Air.mp3", "IV - Fire.mp3", "V - End.mp3", "IX.mp3"]
    shuffled = names[:5]
    random.Random(5).shuffle(shuffled)
    assert checked(dict.fromkeys(shuffled)) == names[:5]
    assert "Tracks 6, 7, 8 are missing" in refused(dict.fromkeys(names))


def test_one_file_has_no_order():
    assert checked({"whatever.mp3": "7/9"}) == ["whatever.mp3"]


def test_the_sources_follow_the_parts():
    book, sources = book_of({"Air.mp3": 2, "Land.mp3": 1})
    ordered = check_order(book, sources)
    assert [source.path.name for source in sources_of(ordered, sources)] == ["Land.mp3", "Air.mp3"]
