"""Calibre's words become the server's: languages, genres, names that fit into its paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from medialift.books.calibre_rows import Author, Book
from medialift.books.description import Words, describe
from medialift.books.handler import read_map
from medialift.books.naming import Named, fitted
from medialift.books.server.api import Vocabulary
from medialift.books.server.genres import genres
from medialift.books.server.languages import language
from medialift.errors import Permanent
from sandbox.mybookshelf.names import Shelved
from sandbox.mybookshelf.vocabulary import GENRES, LANGUAGES

KNOWN = Vocabulary(
    {code: number for number, (code, _) in LANGUAGES.items()}, {name: n for n, name in GENRES.items()}
)


def book(title: str = "A Title", *authors: str, **more: object) -> Book:
    names = authors or ("Ann Author",)
    made = tuple(Author(one, one, one.rpartition(" ")[0], one.rpartition(" ")[2]) for one in names)
    return Book(1, title, title, made, "path", (), **more)  # type: ignore[arg-type]


def told(one: Book, **maps: dict[str, str]):
    return describe(one, Words(KNOWN, "en", **maps))


@pytest.mark.parametrize(
    ("codes", "server"),
    [
        (["rus"], "ru"),
        (["ces"], "cs"),
        (["cze"], "cs"),
        (["slo"], "sk"),
        (["deu", "eng"], "en"),
        (["deu"], "en"),
        ([], "en"),
        (["CS-CZ"], "cs"),
        (["und"], "en"),
    ],
)
def test_a_language_is_the_first_that_the_server_has_or_the_default(codes: list[str], server: str):
    assert language(codes, KNOWN.languages, "en", {}) == server


def test_a_person_s_map_of_languages_goes_before_ours():
    assert language(["ukr"], KNOWN.languages, "en", {"ukr": "ru"}) == "ru"


def test_a_default_language_that_the_server_has_not_is_refused_with_those_it_has():
    with pytest.raises(Permanent, match="cs, en, ru, sk"):
        Words(KNOWN, "fr")


@pytest.mark.parametrize(
    ("tags", "server"),
    [
        (["Science Fiction", "sci-fi", "SF"], ("Science Fiction",)),
        (["Fiction.Mystery"], ("Crime/Mystery",)),
        (["Business/Investing"], ("Business/Investing",)),
        (["to read", "Классика"], ()),
        (["Young Adult", "HUMOR"], ("Youth's Books", "Humor/Satire")),
    ],
)
def test_tags_become_genres_and_unknown_ones_are_dropped(tags: list[str], server: tuple[str, ...]):
    assert genres(tags, KNOWN.genres, {}) == server


def test_a_person_s_map_of_genres_goes_before_ours():
    assert genres(["Классика"], KNOWN.genres, {"классика": "fiction"}) == ("Fiction",)


def test_a_series_number_is_whole_and_only_there_with_a_series():
    assert told(book(series="S", series_index=2.5)).to_make()["series_index"] == 2
    assert told(book(series="S", series_index=-1.0)).to_make()["series_index"] == 0
    assert "series_index" not in told(book(series_index=3.0)).to_make()


def test_two_books_share_an_identity_when_title_and_one_last_name_agree():
    one, other = told(book("T", "Ann Author", "Bo Writer")), told(book("T", "Cy Writer"))
    assert len(set(one.identities) & set(other.identities)) == 1
    assert not set(one.identities) & set(told(book("T", "Dee Poet")).identities)
    assert not set(one.identities) & set(told(book("t", "Ann Author")).identities)


def test_text_that_no_database_takes_is_left_out():
    made = told(book("A\x00B\x07 C\ud800", "X\x00 Y"))
    assert made.title == "A B C" and "\x00" not in str(made.to_make())


@pytest.mark.parametrize("series", ["", "S" * 20, "S" * 256, "Ряд " * 60])
@pytest.mark.parametrize("title", ["T", "T" * 256, "Slovo ě " * 60, "Æ" * 200, "…" * 200])
@pytest.mark.parametrize(
    "authors",
    [
        (("Author", "Ann"),),
        (("L" * 200, "F" * 200),),
        (("L" * 128, "F F F F"), ("M" * 128, "G"), ("N" * 128, "H")),
        tuple((f"Author{n}" * 4, "A B C") for n in range(6)),
    ],
)
def test_whatever_a_book_is_called_its_paths_fit(
    series: str, title: str, authors: tuple[tuple[str, str], ...]
):
    made = fitted(Named(title, authors, series, 12345, "en"))
    path = (
        Shelved(made.title, "en", made.authors, made.series or None, made.series_index).name() + "(1)(2).epub"
    )
    assert max(len(part.encode()) for part in path.split("/")) <= 255 and len(path) <= 512
    assert 0 < len(made.title) <= 256 and all(len(name) <= 128 for pair in made.authors for name in pair)


def test_a_short_name_stays_and_long_ones_that_begin_alike_stay_two():
    named = Named("A Title", (("Author", "Ann"),), "A Series", 1)
    assert fitted(named) == named
    long = "So Long A Title " * 20
    one, other = (fitted(Named(long + end, (("Author", "Ann"),))).title for end in ("1", "2"))
    assert one != other and one.startswith("So Long A Title") and "~" in one


def test_maps_are_read_from_yaml_and_json(tmp_path: Path):
    (tmp_path / "m.yml").write_text("Sci-Fi: Science Fiction\n")
    (tmp_path / "m.json").write_text('{"ukr": "ru"}')
    assert read_map(tmp_path / "m.yml") == {"sci-fi": "Science Fiction"}
    assert read_map(tmp_path / "m.json") == {"ukr": "ru"} and read_map(None) == {}
    (tmp_path / "list.yml").write_text("- a\n")
    with pytest.raises(Permanent):
        read_map(tmp_path / "list.yml")
