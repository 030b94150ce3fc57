"""Which field of a book goes into which atom, and what a file holds afterwards."""

import pytest

from medialift.audiobooks import tags
from medialift.audiobooks.metadata.model import Metadata, Series

FREE = "----:com.apple.iTunes:"
BOOK = Metadata(
    title="The Lighthouse Ledger",
    subtitle="A Tale",
    authors=("Ada Example", "Bo Two"),
    narrators=("Cy Voice",),
    series=Series("Harbour Tales", "2"),
    publisher="Quay Press",
    release_date="2021-03-04",
    year=2021,
    language="english",
    genres=("Mystery, Thriller & Suspense", "Crime"),
    description="First.\n\nSecond.",
    copyright="©2021 Ada",
    asin="B0TEST0001",
    isbn="9780306406157",
    rating=4.6,
    explicit=True,
    format="unabridged",
    product_url="https://www.audible.com/pd/B0TEST0001",
)


def test_every_field_has_its_atoms():
    assert tags.wanted(BOOK, "both") == {
        "©nam": "The Lighthouse Ledger",
        "©alb": "The Lighthouse Ledger",
        "©st3": "A Tale",
        FREE + "SUBTITLE": "A Tale",
        "©ART": "Ada Example, Bo Two, Cy Voice",
        "aART": "Ada Example, Bo Two",
        FREE + "ALBUMARTISTS": "Ada Example; Bo Two",
        "©wrt": "Cy Voice",
        "©nrt": "Cy Voice",
        "soal": "Harbour Tales 2 - The Lighthouse Ledger",
        "©grp": "Harbour Tales, Book #2",
        "©gen": "Mystery, Thriller & Suspense; Crime",
        "©day": "2021",
        FREE + "RELEASETIME": "2021-03-04",
        "©mvn": "Harbour Tales",
        "©mvi": "2",
        "shwm": "1",
        FREE + "SERIES": "Harbour Tales",
        FREE + "SERIES-PART": "2",
        FREE + "ASIN": "B0TEST0001",
        FREE + "ISBN": "9780306406157",
        FREE + "LANGUAGE": "English",
        FREE + "WWWAUDIOFILE": "https://www.audible.com/pd/B0TEST0001",
        "©cmt": "First.\n\nSecond.",
        "desc": "First.\n\nSecond.",
        "ldes": "First.\n\nSecond.",
        "©pub": "Quay Press",
        FREE + "PUBLISHER": "Quay Press",
        "cprt": "©2021 Ada",
        FREE + "FORMAT": "Unabridged",
        FREE + "RATING": "4.6",
        FREE + "RATING WMP": "255",
        "rtng": "1",
        FREE + "EXPLICIT": "1",
        "stik": "2",
        "pgap": "1",
    }


def test_a_scheme_chooses_among_twins_and_loses_no_field():
    itunes, freeform = tags.wanted(BOOK, "itunes"), tags.wanted(BOOK, "freeform")
    assert {"©st3", "©pub", "©mvn", "©mvi", "rtng"} <= itunes.keys()
    assert not {FREE + name for name in ("SUBTITLE", "PUBLISHER", "SERIES", "SERIES-PART", "EXPLICIT")} & (
        itunes.keys()
    )
    assert not {"©st3", "©pub", "©mvn", "©mvi", "rtng"} & freeform.keys()
    both = tags.wanted(BOOK, "both")
    assert itunes.keys() | freeform.keys() == both.keys()
    assert FREE + "ASIN" in itunes and "©nam" in freeform  # those without a twin are in every scheme


@pytest.mark.parametrize(
    ("part", "movement"),
    [
        ("2", "2"),
        ("02", "2"),
        ("0", "0"),
        ("1.5", None),
        ("1-3", None),
        ("", None),
        ("40000", None),
        ("²", None),
    ],
)
def test_a_movement_number_is_a_whole_number_or_is_not_there(part, movement):
    book = Metadata(title="T", series=Series("S", part))
    assert tags.wanted(book, "both").get("©mvi") == movement
    assert tags.wanted(book, "both").get(FREE + "SERIES-PART", "") == part
    # What is no number is not lost where iTunes' own atoms are wanted.
    itunes = tags.wanted(book, "itunes")
    assert itunes.get("©mvi") == movement
    assert itunes.get(FREE + "SERIES-PART", "") == ("" if movement else part)


def test_a_field_that_says_nothing_has_no_atom():
    assert tags.wanted(Metadata(), "both") == {"stik": "2", "pgap": "1"}
    assert tags.wanted(Metadata(title=" \x00 ", subtitle="a\x00b\x07"), "freeform") == {
        FREE + "SUBTITLE": "ab",
        "stik": "2",
        "pgap": "1",
    }


def test_a_book_that_is_clean_says_so_and_one_of_which_nobody_knows_says_nothing():
    clean = tags.wanted(Metadata(explicit=False), "both")
    assert (clean["rtng"], clean[FREE + "EXPLICIT"]) == ("2", "0")
    assert "rtng" not in tags.wanted(Metadata(), "both")


@pytest.mark.parametrize(
    ("book", "sort"),
    [
        (Metadata(title="T", series=Series("S", "1-3")), "S 1-3 - T"),
        (Metadata(title="T", series=Series("S")), "S - T"),
        (Metadata(title="T", subtitle="U"), "T - U"),
        (Metadata(title="T"), "T"),
    ],
)
def test_books_sort_by_their_series(book, sort):
    assert tags.wanted(book, "both")["soal"] == sort


def test_an_author_who_reads_his_own_book_is_named_once():
    assert tags.wanted(Metadata(authors=("A",), narrators=("A", "B")), "both")["©ART"] == "A, B"


def test_what_says_which_book_it_is_comes_from_the_new_answer_alone():
    old = {
        "©nam": "Wrong",
        "©mvn": "Wrong Series",
        FREE + "ASIN": "B0WRONG001",
        "cprt": "kept",
        "©gen": "kept",
    }
    assert tags.after(old, {"©nam": "Right"}) == {"©nam": "Right", "cprt": "kept", "©gen": "kept"}


def test_what_an_earlier_tagging_wrote_goes_when_nobody_says_it_any_more():
    old = {"©nam": "A", "cprt": "ours", "©pub": "the file's"}
    assert tags.after(old, {"©nam": "A"}, previous={"cprt": "ours", "©pub": "other"}) == {
        "©nam": "A",
        "©pub": "the file's",
    }


def test_what_a_person_said_is_empty_goes():
    assert tags.after({"cprt": "x", "©gen": "y"}, {}, emptied={"copyright"}) == {"©gen": "y"}


def test_another_scheme_leaves_no_twin_of_the_old_one():
    old = tags.wanted(BOOK, "both")
    assert tags.after(old, tags.wanted(BOOK, "freeform")) == tags.wanted(BOOK, "freeform")


def test_the_diff_tells_each_field_once_with_old_and_new():
    new = tags.wanted(Metadata(title="T", publisher="P"), "both")
    told = [
        (change.field, change.old, change.new) for change in tags.changes({"©nam": "S", "cprt": "C"}, new)
    ]
    assert told == [
        ("TITLE", "S", "T"),
        ("ALBUM", "", "T"),
        ("ALBUMSORT", "", "T"),
        ("PUBLISHER", "", "P"),
        ("COPYRIGHT", "C", ""),
        ("ITUNESMEDIATYPE", "", "2"),
        ("ITUNESGAPLESS", "", "1"),
    ]
    assert tags.changes(new, new) == ()
