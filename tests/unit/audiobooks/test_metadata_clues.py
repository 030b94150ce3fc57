"""What a book's tags and names say of it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.book import Book, InSeries, Part, Structure
from medialift.audiobooks.metadata import Series
from medialift.audiobooks.metadata.clues import common_tags, of_book, of_tags
from medialift.audiobooks.metadata.names import people, read_name
from medialift.audiobooks.source import Source

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def said(*names):
    told = of_tags({}, names=names)
    series = (told.series.name, told.series.part) if told.series else None
    return told.title, told.authors, told.narrators, series, told.year, told.asin


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["The Ledger"], ("The Ledger", (), (), None, None, "")),
        (["1984"], ("1984", (), (), None, None, "")),
        (["Ada Example - The Ledger"], ("The Ledger", ("Ada Example",), (), None, None, "")),
        (["Ada Example - The Ledger (2008)"], ("The Ledger", ("Ada Example",), (), None, 2008, "")),
        (["Ada Example - 1984 {mp3 64kbps}"], ("1984", ("Ada Example",), (), None, None, "")),
        (
            ["Ada Example - Harbour Tales 2 - The Ledger [B0ABCDEF12]"],
            ("The Ledger", ("Ada Example",), (), ("Harbour Tales", "2"), None, "B0ABCDEF12"),
        ),
        (
            ["Ada Example - [Harbour Tales 02] - The Ledger"],
            ("The Ledger", ("Ada Example",), (), ("Harbour Tales", "2"), None, ""),
        ),
        (
            ["Ada Example - Harbour Tales - 1.5 - The Ledger"],
            ("The Ledger", ("Ada Example",), (), ("Harbour Tales", "1.5"), None, ""),
        ),
        (["Harbour Tales 2 - The Ledger"], ("The Ledger", (), (), ("Harbour Tales", "2"), None, "")),
        (
            ["Book 2 of Harbour Tales"],
            ("Harbour Tales, Book 2", (), (), ("Harbour Tales", "2"), None, ""),
        ),
        (
            ["Ada Example", "Harbour Tales", "02 - The Ledger (Unabridged)"],
            ("The Ledger", ("Ada Example",), (), ("Harbour Tales", "2"), None, ""),
        ),
        (["Ada Example", "The Ledger"], ("The Ledger", ("Ada Example",), (), None, None, "")),
        (
            ["The Ledger by Ada Example read by Ben Voice"],
            ("The Ledger", ("Ada Example",), ("Ben Voice",), None, None, ""),
        ),
        (
            ["Ada Example - The Ledger (Read by Ben Voice and Cora Speaker)"],
            ("The Ledger", ("Ada Example",), ("Ben Voice", "Cora Speaker"), None, None, ""),
        ),
        (["Example, Ada - The Ledger"], ("The Ledger", ("Ada Example",), (), None, None, "")),
        (["Ada_Example_-_The_Ledger"], ("The Ledger", ("Ada Example",), (), None, None, "")),
        (
            ["Ada Example – Die Brücke (gelesen von Fritz Stimme)"],
            ("Die Brücke", ("Ada Example",), ("Fritz Stimme",), None, None, ""),
        ),
    ],
)
def test_the_usual_names_of_folders_are_understood(names, told):
    assert said(*names) == told


@pytest.mark.parametrize(
    ("text", "abridged"),
    [
        ("X (Abridged)", True),
        ("X (Unabridged)", False),
        ("X ungekürzt", False),
        ("X (gekürzt)", True),
        ("X", None),
    ],
)
def test_a_name_says_whether_the_book_is_abridged(text, abridged):
    assert read_name(text).abridged is abridged
    assert read_name(text).title == "X"


def test_a_word_of_ten_letters_is_no_asin():
    assert read_name("BOOKSHELVES and B0OKSHELVE").asin == ""


@QUICK
@given(st.text(max_size=120))
def test_any_name_is_read_and_never_makes_up_an_asin(name):
    told = read_name(name)
    assert told.asin == "" or told.asin in name.upper()
    assert told.title == told.title.strip()


@QUICK
@given(
    st.dictionaries(st.text(max_size=12), st.text(max_size=60), max_size=6),
    st.lists(st.text(max_size=40), max_size=4),
)
def test_any_tags_and_names_are_read(tags, names):
    told = of_tags(tags, names=names)
    assert all(
        isinstance(one, str) and one.strip() for one in (*told.authors, *told.narrators, *told.other_titles)
    )


def test_tags_win_over_names_which_stand_beside():
    told = of_tags(
        {
            "album": "The Lighthouse Ledger",
            "artist": "Ada Example",
            "composer": "Ben Voice",
            "date": "2008-03-01",
        },
        names=["ledger rip 3"],
    )
    assert (told.title, told.authors, told.narrators, told.year) == (
        "The Lighthouse Ledger",
        ("Ada Example",),
        ("Ben Voice",),
        2008,
    )
    assert told.other_titles == ("ledger rip 3",)


def test_tags_that_say_nothing_are_passed_over():
    told = of_tags(
        {"title": "Track 01", "album": "Unknown Album", "artist": "Various Artists"},
        names=["Ada Example - The Ledger"],
    )
    assert (told.title, told.authors) == ("The Ledger", ("Ada Example",))


@pytest.mark.parametrize(
    "tags",
    [
        {"ASIN": "b0ledger01"},
        {"audible_asin": "B0LEDGER01"},
        {"CDEK": "B0LEDGER01"},
    ],
)
def test_the_asin_of_a_tag_is_found_and_its_source_told(tags):
    told = of_tags({"album": "The Ledger", **tags}, names=["x [B0WRONG012]"])
    assert (told.asin, told.asin_from) == ("B0LEDGER01", "tags")


def test_an_asin_of_a_name_is_told_as_one():
    told = of_tags({"album": "The Ledger"}, names=["The Ledger [B0LEDGER01]"])
    assert (told.asin, told.asin_from) == ("B0LEDGER01", "name")


@pytest.mark.parametrize(
    "tags",
    [
        {"SERIES": "Harbour Tales", "SERIES-PART": "02"},
        {"mvnm": "Harbour Tales", "mvin": "2"},
        {"show": "Harbour Tales", "episode_id": "2"},
        {"grouping": "Harbour Tales, Book #2"},
    ],
)
def test_the_series_of_tags_of_players_is_found(tags):
    assert of_tags({"album": "The Ledger", **tags}).series == Series("Harbour Tales", "2")


def test_the_author_in_the_composer_is_no_narrator():
    told = of_tags({"album": "The Ledger", "artist": "Ada Example", "composer": "Example, Ada"})
    assert told.narrators == ()


def test_an_author_who_reads_is_a_narrator_when_a_tag_says_so():
    told = of_tags({"album": "The Ledger", "artist": "Ada Example", "narrator": "Ada Example"})
    assert told.narrators == ("Ada Example",)


def test_a_comment_names_the_reader():
    told = of_tags({"album": "The Ledger", "comment": "Read by Ben Voice // A tale of the sea"})
    assert told.narrators == ("Ben Voice",)


def test_what_stands_before_a_dash_is_no_author_when_another_is_known():
    told = of_tags({"album": "Dune - Messiah", "artist": "Frank Herbert"})
    assert (told.title, told.authors) == ("Dune - Messiah", ("Frank Herbert",))
    assert "Messiah" in told.other_titles


def test_the_title_of_a_chapter_is_not_the_title_of_the_book():
    assert of_tags({"title": "The Lamp"}, names=["The Ledger"], single=False).title == "The Ledger"
    assert of_tags({"title": "The Lamp"}, names=["The Ledger"], single=True).title == "The Lamp"


def test_a_tag_that_differs_from_file_to_file_says_nothing_of_the_book():
    files = [{"album": "The Ledger", "title": f"Chapter {number}", "Artist": " Ada "} for number in range(5)]
    assert common_tags([*files, {"album": "Another"}]) == {"album": "The Ledger", "artist": "Ada"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ada Example & Ben Voice", ("Ada Example", "Ben Voice")),
        ("Ada Example, Ben Voice", ("Ada Example", "Ben Voice")),
        ("Ada Example; Ben Voice/Cora Speaker", ("Ada Example", "Ben Voice", "Cora Speaker")),
        ("King, Stephen", ("Stephen King",)),
        ("Martin Luther King, Jr.", ("Martin Luther King, Jr.",)),
        ("", ()),
    ],
)
def test_people_are_told_apart(text, names):
    assert people(text) == names


def _book(tmp_path, name, structure):
    root = tmp_path / name
    root.mkdir(parents=True)
    path = root / "a.mp3"
    return (
        Book(name, root, structure, (Part(path, "a.mp3", 1),), (), "f", InSeries("Harbour Tales", "02")),
        [Source(path, "mp3", "mp3", "", 44_100, 1, 64_000, 60.0, tags={"album": "The Ledger"})],
    )


def test_a_book_tells_its_length_its_folder_and_what_its_folders_say_of_a_series(tmp_path):
    book, sources = _book(tmp_path, "Ada Example/Harbour Tales/02 - The Ledger", Structure.SINGLE)
    told = of_book(book, sources)
    assert (told.seconds, told.folder, told.series) == (60.0, book.root, Series("Harbour Tales", "2"))
    assert (told.title, told.authors, told.name) == ("The Ledger", ("Ada Example",), "02 - The Ledger")
    assert of_book(book, sources, seconds=61.5).seconds == 61.5


def test_files_beside_a_standalone_book_may_be_of_other_books_and_are_not_read():
    path = Path("/inbox/Ada Example - The Ledger.m4b")
    book = Book(
        "Ada Example - The Ledger.m4b", path, Structure.STANDALONE, (Part(path, path.name, 1),), (), "f"
    )
    source = Source(path, "mov,mp4,m4a,3gp,3g2,mj2", "aac", "LC", 44_100, 1, 64_000, 60.0)
    told = of_book(book, [source])
    assert told.folder is None
    assert (told.title, told.authors) == ("The Ledger", ("Ada Example",))
