"""Which books are meant, as people and surveys write it, and what it means in a library."""

import pytest

from medialift.books.calibre import Calibre
from medialift.books.selection import Selection, payload_of, wanted_by
from medialift.errors import Permanent
from sandbox.calibre import Library


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A library that is open for reading, with its books by title."""
    with Library(tmp_path_factory.mktemp("shelf")) as library:
        add = library.add
        add("War", ["Лев Толстой"], languages=["rus"], tags=["Novel"], formats={"EPUB": 10, "FB2": 20})
        add("Peace", ["Лев Толстой", "Ann Other"], languages=["rus", "eng"], formats={"PDF": 30})
        add("Robots", ["Karel Čapek"], languages=["ces"], tags=["Play.Science fiction"], formats={"EPUB": 40})
        add("Insects", ["Karel Čapek"], languages=["ces"], tags=["play"], formats={"MOBI": 50})
        add("Comma", ["Smith, Jr., John"], tags=["Playground"], formats={"EPUB": 60, "CBZ": 70})
        add("Nothing", ["Ann Other"], tags=["Novel"])
        titles = {title: book for book, title in library.con.execute("SELECT id, title FROM books")}
        with Calibre(library.folder) as calibre:
            calibre.titles = {book: title for title, book in titles.items()}
            yield calibre


def titles(shelf, **given):
    pages = list(shelf.pages(Selection.of(given), size=2))
    return [shelf.titles[book.id] for page in pages for book in page]


def formats(shelf, **given):
    return [one.format for page in shelf.pages(Selection.of(given)) for book in page for one in book.formats]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, ["War", "Peace", "Robots", "Insects", "Comma", "Nothing"]),
        ({"authors": "лев толстой"}, ["War", "Peace"]),
        ({"authors": ["Толстой, Лев", "KAREL ČAPEK"]}, ["War", "Peace", "Robots", "Insects"]),
        ({"authors": "Karel C\u030capek"}, ["Robots", "Insects"]),
        ({"authors": "Smith, Jr., John"}, ["Comma"]),
        ({"tags": "play"}, ["Robots", "Insects"]),
        ({"tags": "novel, Playground"}, ["War", "Comma", "Nothing"]),
        ({"languages": ["eng", "ces"]}, ["Peace", "Robots", "Insects"]),
        ({"languages": "rus", "tags": "novel"}, ["War"]),
        ({"formats": "epub"}, ["War", "Robots", "Comma"]),
        ({"formats": [".pdf", "MOBI"]}, ["Peace", "Insects"]),
        ({"ids": "1, 3-4"}, ["War", "Robots", "Insects"]),
        ({"ids": [2, "5", 4711]}, ["Peace", "Comma"]),
        ({"exclude": {"languages": ["ces"]}}, ["War", "Peace", "Comma", "Nothing"]),
        ({"authors": ["лев толстой"], "exclude": {"authors": ["Ann Other"]}}, ["War"]),
        ({"exclude": {"tags": "nowhere"}}, ["War", "Peace", "Robots", "Insects", "Comma", "Nothing"]),
        ({"exclude": {"ids": "1-4"}}, ["Comma", "Nothing"]),
    ],
)
def test_books_are_chosen_by_what_they_have(shelf, given, found):
    assert titles(shelf, **given) == found


def test_only_the_wanted_formats_of_a_book_come(shelf):
    assert formats(shelf, formats="EPUB, PDF") == ["EPUB", "PDF", "EPUB", "EPUB"]
    assert formats(shelf, exclude={"formats": ["epub"]}) == ["FB2", "PDF", "MOBI", "CBZ"]
    assert formats(shelf, formats="EPUB", languages="ces") == ["EPUB"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"authors": ["Karel Capek"]}, "Did you mean: .*Čapek"),
        ({"tags": "Novels"}, "Did you mean: Novel"),
        ({"tags": "xyzzy"}, "There are: Novel, Play.Science fiction, Playground, play"),
        ({"languages": "ru"}, "Did you mean: rus"),
        ({"formats": "EBUP"}, "There are: CBZ, EPUB, FB2"),
    ],
)
def test_a_name_that_no_book_has_is_refused_with_the_nearest(shelf, given, told):
    with pytest.raises(Permanent, match=told):
        titles(shelf, **given)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"author": "x"}, "There are: authors, exclude, formats"),
        ({"exclude": {"newest_first": True}}, "selection.exclude"),
        ({"exclude": "CBZ"}, "Write exclude as"),
        ({"ids": "one"}, "Write ids such as"),
        ({"ids": "3-"}, "Write ids such as"),
        ({"ids": "1-1000000000"}, "Name at most 1,000,000"),
        ({"newest_first": "maybe"}, "Write yes or no"),
    ],
)
def test_what_is_no_selection_is_refused(given, told):
    with pytest.raises(Permanent, match=told):
        Selection.of(given)


def test_the_same_subset_has_the_same_digest_however_it_is_written():
    one = Selection.of(
        {"authors": ["B", "a "], "formats": "epub,pdf", "ids": [3, 1, 2], "newest_first": "yes"}
    )
    other = Selection.of(
        {"authors": ["A", "b", "a"], "formats": [".PDF", "EPUB"], "ids": "1-3", "newest_first": True}
    )
    assert one == other
    assert one.digest() == other.digest()
    assert Selection.of(one.to_dict()) == one


def test_other_subsets_have_other_digests():
    written = [
        {},
        {"tags": "a"},
        {"authors": "a"},
        {"exclude": {"tags": "a"}},
        {"newest_first": True},
        {"tags": "a", "newest_first": True},
    ]
    assert len({Selection.of(one).digest() for one in written}) == len(written)
    assert Selection.of({"tags": None, "authors": []}).digest() == Selection().digest() == "all"


def test_what_a_plan_leaves_with_a_book_says_which_formats_are_meant():
    assert payload_of(Selection.of({"tags": "x"})) == {}
    payload = payload_of(Selection.of({"formats": "EPUB,PDF", "exclude": {"formats": "pdf"}}))
    assert [one for one in ("EPUB", "epub", "PDF", "MOBI") if wanted_by(payload, one)] == ["EPUB", "epub"]
    assert wanted_by({}, "MOBI")
