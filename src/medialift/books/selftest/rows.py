"""Checks of what is made of Calibre's rows: texts, authors, times, sizes, and places below the library."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from medialift.books.calibre_rows import (
    Author,
    Planned,
    PlannedFormat,
    author_of,
    clean_text,
    fingerprint,
    moment,
    number,
    place_of,
    size_of,
)
from medialift.foundation.selftesting import Check, each, equal, true


def _texts(_: Path) -> None:
    each(
        "the clean text", clean_text, {None: "", 7: "7", " a\x00\x01b\n c ": "a b c", "x\ud800y": "x\ufffdy"}
    )
    equal("a text with lines", clean_text(" a\r\nb\tc\x0bd ", lines=True), "a\nb\tc d")


def _authors(_: Path) -> None:
    each(
        "the author",
        author_of,
        {
            ("Leo Tolstoy", "Tolstoy, Leo"): Author("Leo Tolstoy", "Tolstoy, Leo", "Leo", "Tolstoy"),
            ("Tolstoy| Leo", None): Author("Tolstoy, Leo", "Tolstoy, Leo", "Leo", "Tolstoy"),
            ("Mary Ann Evans", ""): Author("Mary Ann Evans", "Mary Ann Evans", "Mary Ann", "Evans"),
            ("Plato", "Plato"): Author("Plato", "Plato", "", "Plato"),
            ("Chess Club", "Chess Club"): Author("Chess Club", "Chess Club", "", "Chess Club"),
            ("Book Company", ""): Author("Book Company", "Book Company", "", "Book Company"),
            ("A|", ", A"): Author("A,", ", A", ",", "A"),
            (None, None): Author("", "", "", ""),
        },
    )


def _figures(_: Path) -> None:
    each("the size", size_of, {5: 5, "7": 7, None: 0, -3: 0, "x": 0, float("inf"): 0})
    each(
        "the number", number, {("2.5", 1.0): 2.5, (None, 1.0): 1.0, ("x", 3.0): 3.0, (float("nan"), 1.0): 1.0}
    )
    each(
        "the moment",
        moment,
        {
            "2020-01-02 03:04:05.678901+00:00": datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            "2020-01-02 03:04:05+02:00": datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC),
            "2020-01-02": datetime(2020, 1, 2, tzinfo=UTC),
            "0101-01-01 00:00:00+00:00": None,
            "0001-01-01 00:00:00+14:00": None,
            "never": None,
            None: None,
        },
    )


def _places(_: Path) -> None:
    library = Path("/library")
    each(
        "the place",
        place_of,
        {
            (library, "A/B (1)", "B - A", "EPUB"): library / "A/B (1)/B - A.epub",
            (library, "../../etc", "passwd", "TXT"): library / "__/__/etc/passwd.txt",
            (library, "/etc", "../x", "PDF"): library / "etc/.._x.pdf",
            (library, None, "a", "PDF"): library / "a.pdf",
            (library, "./A//B", "a", "PDF"): library / "A/B/a.pdf",
        },
    )


def _fingerprints(_: Path) -> None:
    # Plans hold these: with another figure every book of a library would count as changed.
    equal("a fingerprint", fingerprint("2020-01-01", "A/B (1)", ["EPUB:1", "PDF:2"]), "177619d655e55060d528")
    book = Planned(
        1,
        "A/B (1)",
        "2020-01-01",
        "2019-01-01",
        (PlannedFormat("EPUB", "x", 1), PlannedFormat("PDF", "x", 2)),
    )
    equal("a book's fingerprint", book.fingerprint, fingerprint("2020-01-01", "A/B (1)", ["EPUB:1", "PDF:2"]))
    other = fingerprint("2020-01-01", "A/B (1)", ["EPUB:1", "PDF:3"])
    true("another size is another fingerprint", other != book.fingerprint)
    true("a path that is no UTF-8 has one", fingerprint("", "\udcff", []))


CHECKS = [
    Check("texts without what databases refuse", _texts),
    Check("authors with first and last names", _authors),
    Check("sizes, numbers and times", _figures),
    Check("places that stay within the library", _places),
    Check("fingerprints", _fingerprints),
]
