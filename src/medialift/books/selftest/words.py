"""Checks of how a book is told: languages, genres, formats, names that are cut, and the whole description."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from medialift.books.calibre_rows import Author, Book
from medialift.books.description import Description, Words, describe
from medialift.books.naming import Named, fitted, shortened
from medialift.books.server.api import Vocabulary
from medialift.books.server.formats import mime_type
from medialift.books.server.genres import genres
from medialift.books.server.languages import language
from medialift.errors import Permanent
from medialift.foundation.selftesting import Check, Wrong, each, equal, true

LANGUAGES = {code: number for number, code in enumerate(("en", "cs", "de", "fr", "ru", "pt", "zh"), start=1)}
GENRES = {
    name: number
    for number, name in enumerate(
        ("Crime/Mystery", "Fantasy", "Historical Fiction", "Science Fiction", "Poetry", "Youth's Books"), 1
    )
}
VOCABULARY = Vocabulary(LANGUAGES, GENRES)
WORDS = Words(VOCABULARY, "en", {"xxx": "de"}, {"wizards": "Fantasy"})

_MIME_TYPES = {
    "epub": "application/epub+zip",
    "mobi": "application/x-mobipocket-ebook",
    "azw3": "application/x-mobi8-ebook",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "html": "text/html",
    "fb2": "application/x-fictionbook+xml",
    "djvu": "image/vnd.djvu",
    "chm": "application/octet-stream",
    "rtf": "application/rtf",
    "zz9": "application/x-zz9",
    "zzя": "application/x-unknown",
}


def _formats(_: Path) -> None:
    each("the type", mime_type, _MIME_TYPES)


def _languages(_: Path) -> None:
    expected: dict[Any, object] = {
        ("eng",): "en",
        ("rus", "eng"): "ru",
        ("ger",): "de",
        ("deu",): "de",
        ("cze",): "cs",
        ("fre",): "fr",
        ("zho",): "zh",
        ("pt-BR",): "pt",
        ("POR",): "pt",
        (" Rus ",): "ru",
        ("xxx", "eng"): "de",
        ("tlh", "fra"): "fr",
        ("tlh",): "en",
        ("epo",): "en",
        (): "en",
    }
    for codes, wanted in expected.items():
        equal(f"the language of {codes}", language(codes, LANGUAGES, "en", {"xxx": "DE"}), wanted)
    # Some servers keep three letters.
    equal("a code of three letters", language(["de"], {"ger": 1, "eng": 2}, "eng", {}), "ger")
    equal("another default", language([], LANGUAGES, "fr", {}), "fr")


def _genres(_: Path) -> None:
    expected: dict[tuple[str, ...], tuple[str, ...]] = {
        ("Fantasy",): ("Fantasy",),
        ("fantasy ", "FANTASY"): ("Fantasy",),
        ("sci-fi", "Mystery"): ("Science Fiction", "Crime/Mystery"),
        ("Poems",): ("Poetry",),
        ("ya",): ("Youth's Books",),
        ("Fiction.Crime",): ("Crime/Mystery",),
        ("Fiction / Historical",): ("Historical Fiction",),
        ("Crime.Fantasy",): ("Fantasy",),
        ("Wizards",): ("Fantasy",),
        ("to read", "", "business"): (),
        (): (),
    }
    for tags, wanted in expected.items():
        equal(f"the genres of {tags}", genres(tags, GENRES, {"Wizards": "fantasy"}), wanted)
    equal("a map of a person's before ours", genres(["sf"], GENRES, {"sf": "Poetry"}), ("Poetry",))


def _short_names(_: Path) -> None:
    long = "Ω" * 300
    each("the cut", shortened, {("short", 5): "short", ("short", 5, len): "short"})
    cut, other = shortened("a" * 300, 40), shortened("a" * 299 + "b", 40)
    equal("the beginning of a cut text", cut[:33].rstrip(), "a" * 32)
    true("a cut text fits", len(cut) <= 40)
    true("a cut text ends in a mark", cut[-7] == "~" and all(one in "0123456789abcdef" for one in cut[-6:]))
    true("two long texts that begin alike stay two", cut != other)
    equal("the same text is cut alike", shortened("a" * 300, 40), cut)
    equal("a text without room is its mark", shortened("abc", 0)[:1], "~")
    # It is given as characters of a column, or bytes of a path, in which most letters take one.
    true("a text is cut by the measure that is given", len(shortened(long, 256, len)) <= 256)

    plain = Named("War and Peace", (("Tolstoy", "Leo"),), "Novels", 2, "ru")
    equal("a name that fits", fitted(plain), plain)
    for title, series, count in (
        ("t" * 400, "", 1),
        ("t" * 400, "s" * 400, 1),
        ("t" * 90, "s" * 240, 3),
        ("ф" * 300, "ж" * 300, 5),
        ("t" * 250, "", 1),
        ("Æ" * 200, "", 2),
    ):
        authors = tuple(
            (f"L{number}" + "l" * 150, "First Second Third " + "f" * 150) for number in range(count)
        )
        named = fitted(Named(title, authors, series, 12, "en"))
        equal("the authors' number", len(named.authors), count)
        room(named)
        true("the title begins as it did", named.title[:20] == title[:20])
        equal("the series' number", (named.series_index, named.language), (12, "en"))
        true("the series begins as it did", named.series[:15] == series[:15])
    room(fitted(Named("a short title", (("N" * 140, "A"),))))
    room(fitted(Named("a short title", (("A", "N" * 140),))))


def room(named: Named) -> None:
    """Whether the server can keep these names.

    Raises:
        Wrong: in a column, or in a part of a path, there is too little room.
    """
    columns = [
        (named.title, 256),
        (named.series, 256),
        *((one, 128) for name in named.authors for one in name),
    ]
    for text, size in columns:
        if len(text) > size:
            raise Wrong(f"{len(text)} characters are in a column of {size}")
    parts = path_of(named)
    if any(len(part) > 255 for part in parts) or len("/".join(parts)) > 512:
        raise Wrong(f"the path has parts of {[len(part) for part in parts]}")


def path_of(named: Named) -> list[str]:
    """Where MyBookshelf2 files a book, with the longest suffix; letters without what it takes away."""
    title, series = _plain(named.title), _plain(named.series)
    pairs = [(_plain(last), _plain(first)) for last, first in named.authors]
    if len(pairs) == 1:
        authors = " ".join(pairs[0])
    else:
        shown = [f"{last} {' '.join(word[0] for word in first.split())}" for last, first in pairs[:3]]
        authors = ", ".join(shown) + (" and others" if len(pairs) > 3 else "")
    if not series:
        return [authors, f"{title}({named.language})", f"{authors} - {title}(1)(2).epub"]
    inside = f"{series} {named.series_index} - {title}"
    return [authors, series, f"{inside}({named.language})", f"{authors} - {inside}(1)(2).epub"]


def _plain(text: str) -> str:
    whole = unicodedata.normalize("NFKD", text)
    wide = whole.replace("Æ", "AE").replace("æ", "ae").replace("Œ", "OE").replace("œ", "oe")
    return "".join(one for one in wide if unicodedata.category(one) != "Mn")


def _description(_: Path) -> None:
    book = Book(
        id=7,
        title="  Dune\x00 Messiah\n",
        sort="Dune Messiah",
        authors=(
            Author("Frank Herbert", "Herbert, Frank", "Frank", "Herbert"),
            Author("Plato", "Plato", "", "Plato"),
            Author("Frank Herbert", "Herbert, Frank", "Frank", "Herbert"),
        ),
        path="Frank Herbert/Dune Messiah (7)",
        formats=(),
        series="Dune",
        series_index=2.5,
        languages=("fra", "eng"),
        tags=("sf", "to read", "Fantasy"),
    )
    told = describe(book, WORDS)
    expected = Description(
        title="Dune Messiah",
        authors=(("Herbert", "Frank"), ("Plato", "")),
        language="fr",
        language_id=LANGUAGES["fr"],
        series="Dune",
        series_index=2,
        genres=(("Science Fiction", GENRES["Science Fiction"]), ("Fantasy", GENRES["Fantasy"])),
    )
    equal("the description", told, expected)
    equal("the last names", told.last_names, frozenset({"Herbert", "Plato"}))
    shared: dict[str, Any] = {
        "title": "Dune Messiah",
        "authors": [{"last_name": "Herbert", "first_name": "Frank"}, {"last_name": "Plato"}],
        "series": {"title": "Dune"},
        "series_index": 2,
    }
    genre_names = [{"name": "Science Fiction"}, {"name": "Fantasy"}]
    equal("what is proposed", told.proposed(), {**shared, "language": {"code": "fr"}, "genres": genre_names})
    genre_ids = [{"id": GENRES["Science Fiction"]}, {"id": GENRES["Fantasy"]}]
    made = {**shared, "language": {"id": LANGUAGES["fr"]}, "genres": genre_ids}
    equal("what an ebook is made of", told.to_make(), made)
    # These are in ledgers already: another figure would make second ebooks of those that are there.
    equal(
        "the identities",
        told.identities,
        ("19c616d885d2296b2d920789e7af47eef227d192", "5e53d7905f2d010c4879b043beb7fb784a672e63"),
    )
    _bare()


def _bare() -> None:
    bare = Book(1, "", "", (), "", (), series_index=float("nan"), languages=("tlh",))
    told = describe(bare, WORDS)
    unknown = Description("Unknown", (("Unknown", ""),), "en", LANGUAGES["en"])
    equal("the description of a book that says nothing", told, unknown)
    true("a book without a series has none", "series" not in told.to_make())
    composed = describe(Book(1, "Cafe\u0301", "", (), "", (), series="S", series_index=1e30), WORDS)
    equal("a composed title", composed.title, "Café")
    equal("a series' highest number", composed.series_index, 2**31 - 1)
    mapped = describe(Book(1, "T", "", (), "", (), languages=("xxx",), tags=("Wizards",)), WORDS)
    equal("a language of a person's map", mapped.language, "de")
    equal("a genre of a person's map", mapped.genres, (("Fantasy", GENRES["Fantasy"]),))
    other = describe(Book(1, "Dune", "", (Author("A B", "B, A", "A", "B"),), "", ()), WORDS)
    true("another title is another identity", not set(other.identities) & set(told.identities))
    try:
        Words(VOCABULARY, "xx")
    except Permanent:
        return
    raise Wrong("a default language that the server does not know is taken")


CHECKS = [
    Check("the types of files", _formats),
    Check("languages", _languages),
    Check("genres", _genres),
    Check("names that the server can keep", _short_names),
    Check("how a book is told", _description),
]
