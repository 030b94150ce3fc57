"""Audnexus: what it gathered of a book of Audible's, and the titles of its chapters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from medialift.audiobooks.metadata.audible import authors, names
from medialift.audiobooks.metadata.cache import ABSENT, Cache
from medialift.audiobooks.metadata.fetching import Fetcher
from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.audiobooks.metadata.plain import one_line, plain_text
from medialift.audiobooks.metadata.shapes import AudnexusBook, AudnexusChapters, Misfit, Placed, fitted
from medialift.audiobooks.metadata.shops import product_page
from medialift.audiobooks.metadata.wording import part_number

SERVICE = "audnexus"
CHAPTERS = "chapters"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_T = TypeVar("_T")


@dataclass(frozen=True)
class TitledChapter:
    """A chapter of Audible's edition: seconds from the beginning of that edition, and how long it is."""

    start: float
    seconds: float
    title: str


@dataclass(frozen=True)
class ChapterTitles:
    """All chapters of Audible's edition.

    Attributes:
        seconds: how long that edition plays, with its intro and outro.
        intro, outro: seconds of "This is Audible" and the like, which other editions do not have.
        accurate: whether Audible says that the places are exact.
    """

    asin: str
    region: str
    seconds: float
    intro: float
    outro: float
    accurate: bool
    chapters: tuple[TitledChapter, ...]


class Audnexus:
    """Audnexus's answers, from the cache where they are known."""

    def __init__(self, fetcher: Fetcher, cache: Cache, address: str) -> None:
        self._fetcher, self._cache, self._address = fetcher, cache, address.rstrip("/")

    def book(self, asin: str, region: str) -> Metadata | None:
        """The book of an ASIN; None when Audnexus has none for this shop.

        Raises:
            Misfit, Transient, Permanent: as `Fetcher.json`.
        """

        def understood(told: Any) -> Metadata:
            book = fitted(AudnexusBook, told, service=SERVICE, subject=asin)
            _same(book.asin, asin)
            return book_metadata(book, region)

        return self._known(SERVICE, asin, region, f"/books/{asin}", understood)

    def chapters(self, asin: str, region: str) -> ChapterTitles | None:
        """The chapters of a book; None when there are none, which is no reason to do without the rest.

        Raises:
            Misfit, Transient, Permanent: as `Fetcher.json`.
        """

        def understood(told: Any) -> ChapterTitles:
            answer = fitted(AudnexusChapters, told, service=SERVICE, subject=f"chapters of {asin}")
            _same(answer.asin, asin)
            return _chapter_titles(answer, region)

        return self._known(CHAPTERS, asin, region, f"/books/{asin}/chapters", understood)

    def _known(
        self, shelf: str, asin: str, region: str, path: str, understood: Callable[[Any], _T]
    ) -> _T | None:
        kept = self._cache.get(shelf, region, asin)
        if kept is not None and kept.answer == ABSENT:
            return None
        if kept is not None:
            try:
                return understood(kept.answer)
            except Misfit:
                pass  # kept by a release that knew another shape: asked again
        told = self._fetcher.json(SERVICE, f"{self._address}{path}", {"region": region, "update": "1"})
        if told is None:
            self._cache.put(shelf, region, asin, ABSENT)
            return None
        answer = understood(told)
        self._cache.put(shelf, region, asin, told)
        return answer


def book_metadata(book: AudnexusBook, region: str) -> Metadata:
    """What a book of Audnexus says, as ours. `summary` is the whole text, `description` its beginning."""
    date = _DATE.match(book.releaseDate)
    text = book.summary or book.description
    placed = [_series(one) for one in (book.seriesPrimary, book.seriesSecondary) if one and one.name.strip()]
    genres = [one_line(one.name) for kind in ("genre", "tag") for one in book.genres if one.type == kind]
    return Metadata(
        title=one_line(book.title),
        subtitle=one_line(book.subtitle),
        authors=authors(book.authors),
        narrators=names(book.narrators),
        series=placed[0] if placed else None,
        more_series=tuple(placed[1:]),
        publisher=one_line(book.publisherName),
        release_date=date[0] if date else "",
        year=int(date[0][:4]) if date else None,
        language=language_word(book.language),
        genres=tuple(dict.fromkeys(filter(None, genres))),
        description=plain_text(text),
        description_html=text,
        copyright=one_line(str(book.copyright)),
        asin=book.asin,
        isbn=book.isbn,
        rating=_stars(book.rating),
        explicit=book.isAdult,
        format=book.formatType.strip().casefold(),
        runtime_minutes=book.runtimeLengthMin or None,
        cover_url=book.image if book.image.startswith(("https://", "http://")) else "",
        product_url=product_page(book.asin, region),
        region=region,
    )


def _chapter_titles(answer: AudnexusChapters, region: str) -> ChapterTitles:
    return ChapterTitles(
        asin=answer.asin,
        region=region,
        seconds=answer.runtimeLengthMs / 1000,
        intro=answer.brandIntroDurationMs / 1000,
        outro=answer.brandOutroDurationMs / 1000,
        accurate=bool(answer.isAccurate),
        chapters=tuple(
            TitledChapter(one.startOffsetMs / 1000, one.lengthMs / 1000, one_line(one.title))
            for one in sorted(answer.chapters, key=lambda one: one.startOffsetMs)
        ),
    )


def _series(placed: Placed) -> Series:
    return Series(one_line(placed.name), part_number(placed.position), placed.asin)


def _stars(told: str | float | int | None) -> float | None:
    try:
        stars = float(told) if told is not None else 0.0
    except ValueError:
        return None
    return round(stars, 2) if 0 < stars <= 5 else None


def _same(told: str, asked: str) -> None:
    if told != asked:
        raise Misfit(SERVICE, f"it is of another book, {told}", asked)
