"""Names are put into the order in which people number things."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.audiobooks.marks import is_bonus, mark_of, mark_within
from medialift.audiobooks.natural import natural_key, path_key, value_of
from medialift.audiobooks.numbering import numbering, total_of

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), max_size=20)


def in_order(names):
    return [names[place] for place in numbering(names).order]


@given(
    st.lists(st.integers(0, 10_000), unique=True, min_size=1), NAMES.filter(lambda one: one[-1:].isalpha())
)
def test_numbers_are_sorted_by_value_whatever_stands_before_them(values, before):
    names = [f"{before} {value}" for value in values]
    assert sorted(names, key=natural_key) == [f"{before} {value}" for value in sorted(values)]


@given(st.lists(NAMES, unique=True))
def test_any_names_at_all_have_one_order_that_does_not_depend_on_how_they_came(names):
    shuffled = names[:]
    random.Random(3).shuffle(shuffled)
    assert sorted(names, key=natural_key) == sorted(shuffled, key=natural_key)


def test_a_number_that_is_padded_or_not_is_the_same_number():
    names = ["Chapter 10", "chapter_2", "Chapter-001", "CHAPTER 03"]
    assert sorted(names, key=natural_key) == ["Chapter-001", "chapter_2", "CHAPTER 03", "Chapter 10"]


def test_discs_are_sorted_before_the_tracks_in_them():
    names = ["CD10/01.mp3", "CD2/02.mp3", "CD2/01.mp3", "CD1/11.mp3"]
    assert sorted(names, key=path_key) == ["CD1/11.mp3", "CD2/01.mp3", "CD2/02.mp3", "CD10/01.mp3"]


@pytest.mark.parametrize(
    ("written", "value"),
    [("7", 7), ("007", 7), ("IV", 4), ("xlii", 42), ("cxl", 140), ("twelve", 12), ("Twenty-One", 21)],
)
def test_a_number_is_read_in_digits_in_roman_and_in_words(written, value):
    assert value_of(written) == value


@pytest.mark.parametrize("written", ["", "iiii", "vx", "mix", "twentyten", "one two", "i.v"])
def test_what_is_no_number_is_none(written):
    assert value_of(written) is None


@given(st.integers(1, 399))
def test_every_roman_number_is_read_as_it_is_written(value):
    romans = [
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ]
    written, left = "", value
    for size, sign in romans:
        written, left = written + sign * (left // size), left % size
    assert value_of(written) == value


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [
        ("CD1", "disc", "1"),
        ("CD 02", "disc", "2"),
        ("Harbour Tales CD10", "disc", "10"),
        ("Disc 1 of 2", "disc", "1"),
        ("Disk_03", "disc", "3"),
        ("Disc Two", "disc", "2"),
        ("CD II", "disc", "2"),
        ("(Disc 3)", "disc", "3"),
        ("pt.4", "part", "4"),
        ("Part IV", "part", "4"),
        ("ch 5", "part", "5"),
        ("Book 2", "book", "2"),
        ("Vol. 3 - The Ledger", "book", "3"),
        ("#4", "book", "4"),
        ("Harbour Tales #1.5 - A Novella", "book", "1.5"),
        ("01 - The Ledger", "book", "1"),
        ("2. The Ledger", "book", "2"),
    ],
)
def test_a_folder_tells_its_place(name, kind, number):
    mark = mark_of(name)
    assert mark is not None
    assert (mark.kind, mark.number) == (kind, number)


@pytest.mark.parametrize(
    "name", ["Discworld 1", "The Discs", "Party 4 All", "Catch 22x", "1984", "CDs", "Cdx 3x"]
)
def test_a_title_that_looks_a_little_like_a_disc_is_none(name):
    mark = mark_of(name)
    assert mark is None or mark.kind == "book"


def test_a_number_behind_the_series_name_is_its_books_number():
    mark = mark_within("Harbour Tales 2 - The Ledger", "Harbour Tales")
    assert mark is not None and mark.number == "2"


@pytest.mark.parametrize(
    "name", ["Bonus", "bonus CD 1", "Extras", "Interview with the author", "The CD Extras"]
)
def test_a_bonus_is_no_disc(name):
    assert is_bonus(name)


def test_chapters_in_roman_numbers_are_in_order():
    names = ["Chapter V", "Chapter IX", "Chapter I", "Chapter IV", "Chapter X"]
    assert in_order(names) == ["Chapter I", "Chapter IV", "Chapter V", "Chapter IX", "Chapter X"]


def test_a_prologue_comes_first_and_an_epilogue_last():
    names = ["Chapter 1", "Chapter 2", "Epilogue", "Prologue"]
    assert in_order(names) == ["Prologue", "Chapter 1", "Chapter 2", "Epilogue"]
    assert numbering(names).certain


def test_names_without_numbers_are_not_certain():
    assert not numbering(["The Sea", "The Land"]).certain
    assert not numbering(["01 Sea", "02 Land", "The Author Speaks"]).certain


def test_the_number_that_counts_is_the_one_that_differs():
    names = ["1984 - 02 of 20", "1984 - 10 of 20", "1984 - 01 of 20"]
    assert in_order(names) == ["1984 - 01 of 20", "1984 - 02 of 20", "1984 - 10 of 20"]
    assert total_of(names) == 20


def test_a_number_in_front_wins_over_the_alphabet():
    assert in_order(["02 Apple", "01 Zebra", "10 Bear"]) == ["01 Zebra", "02 Apple", "10 Bear"]
    assert in_order(["Zebra 01", "Apple 02"]) == ["Zebra 01", "Apple 02"]


@pytest.mark.parametrize(
    "names",
    [
        ["sea_01_ada_64kb", "sea_02_ada_64kb", "sea_10_ada_64kb"],
        ["1-01 Sea", "1-02 Land", "2-01 Air"],
        ["001_Sea_ch1", "002_Sea_ch1", "003_Sea_ch2"],
        ["2021-03-04 - 12 Sea", "2021-03-11 - 13 Land", "2021-04-01 - 14 Air"],
        ["Sea-Part01", "Sea-Part02", "Sea-Part03"],
        ["Part 1 - Chapter 1", "Part 1 - Chapter 2", "Part 2 - Chapter 3"],
        ["Disc 01 Track 01", "Disc 01 Track 02", "Disc 02 Track 01"],
        ["1A Sea", "1B Land", "2A Air"],
        ["Chapter One", "Chapter Two", "Chapter Three", "Chapter Twenty-One"],
        ["00 Credits", "01 The 3 Bears", "02 The 2 Towers"],
        ["Opening Credits", "Chapter 1 - B", "Chapter 2 - A", "End Credits"],
    ],
)
def test_names_as_people_and_programs_give_them_are_in_order(names):
    shuffled = names[:]
    random.Random(7).shuffle(shuffled)
    told = numbering(shuffled)
    assert [shuffled[place] for place in told.order] == names
    assert told.certain


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["01", "02", "04"], ("3",)),
        (["1", "2", "3"], ()),
        (["0", "1", "2"], ()),
        (["03", "04"], ("1", "2")),
        (["10", "20", "30"], ()),
        (["101", "102", "201", "202"], ()),
        (["101", "102", "201", "203"], ("2-2",)),
        (["CD1-01", "CD1-02", "CD2-01", "CD2-03"], ("2-2",)),
        (["1", "2a", "2b", "3"], ()),
        (["sea_01-02_ada", "sea_03_ada", "sea_04-06_ada", "sea_07_ada"], ()),
        (["sea_01-02_ada", "sea_04_ada"], ("3",)),
        (["2021-03-04 - 1", "2021-03-11 - 2", "2021-03-18 - 3"], ()),
    ],
)
def test_what_is_missing_between_the_first_and_the_last_is_known(names, missing):
    assert numbering(names).missing() == missing


def test_a_disc_may_count_on_from_the_one_before():
    assert numbering(["11", "12"]).missing(follows=10) == ()


def test_a_number_that_is_there_twice_is_known():
    told = numbering(["01 Sea", "02 Land", "02 Air"])
    assert told.doubled == ("2",)
    assert not told.certain


@given(st.lists(st.text("abc 0123ivx-", min_size=1, max_size=12), unique=True, min_size=1, max_size=12))
def test_whatever_the_names_each_has_exactly_one_place(names):
    assert sorted(numbering(names).order) == list(range(len(names)))
