"""The books that the stand-in has, and how each of the two services tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

ENDINGS = {
    "com": "us",
    "co.uk": "uk",
    "de": "de",
    "fr": "fr",
    "ca": "ca",
    "com.au": "au",
    "it": "it",
    "es": "es",
    "in": "in",
    "co.jp": "jp",
    "com.br": "br",
}
EVERYWHERE = tuple(ENDINGS.values())
_SUMMARY = (
    "<p>The keeper of the light writes down <i>everything</i>.</p>"
    "<p>Then a page is missing &amp; nobody<br />knows why.</p><ul><li>Unabridged</li></ul>"
)


@dataclass(frozen=True)
class Edition:
    """One recording that a shop sells.

    Attributes:
        seconds: how long it plays; the services tell minutes.
        series: (name, place, ASIN) each, the main one first.
        chapters: (title, milliseconds) each; none: Audnexus answers 404.
        picture: "jpeg", "png" or "" for none.
        on_audnexus: whether Audnexus knows it.
    """

    asin: str
    title: str
    authors: tuple[str, ...]
    narrators: tuple[str, ...]
    seconds: float
    subtitle: str = ""
    series: tuple[tuple[str, str, str], ...] = ()
    publisher: str = "Quay Audio"
    released: str = "2021-03-04"
    language: str = "english"
    format: str = "unabridged"
    summary: str = _SUMMARY
    genres: tuple[str, ...] = ("Literature & Fiction", "Sea Stories")
    tags: tuple[str, ...] = ("Suspenseful",)
    isbn: str = ""
    copyright: str = "©2020 Ada Example (P)2021 Quay Audio"
    rating: float = 4.7
    adult: bool = False
    regions: tuple[str, ...] = EVERYWHERE
    picture: str = "jpeg"
    chapters: tuple[tuple[str, int], ...] = ()
    on_audnexus: bool = True

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Edition:
        """From JSON.

        Raises:
            ValueError: a field is missing or unknown.
        """
        names = {one.name for one in fields(cls)}
        if unknown := set(told) - names:
            raise ValueError(f"no such fields: {', '.join(sorted(unknown))}")
        values = {name: _hard(value) for name, value in told.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from error

    @property
    def minutes(self) -> int:
        return max(1, round(self.seconds / 60))

    def picture_name(self, edge: int) -> str:
        return f"{self.asin.lower()}._SL{edge}_.{'jpg' if self.picture == 'jpeg' else 'png'}"

    def product(self, images: str) -> dict[str, Any]:
        """As Audible's catalogue tells it: null for what it does not know."""
        return {
            "asin": self.asin,
            "title": self.title,
            "subtitle": self.subtitle or None,
            "authors": [{"asin": None, "name": name} for name in self.authors],
            "narrators": [{"name": name} for name in self.narrators] or None,
            "publisher_name": self.publisher or None,
            "release_date": self.released or None,
            "issue_date": self.released or None,
            "language": self.language,
            "format_type": self.format,
            "runtime_length_min": self.minutes,
            "publisher_summary": self.summary or None,
            "merchandising_summary": self.summary[:60] or None,
            "product_images": {
                str(edge): f"{images}/{self.picture_name(edge)}" for edge in (500, 1024) if self.picture
            },
            "series": [
                {"asin": asin, "title": name, "sequence": place, "url": f"/pd/{asin}"}
                for name, place, asin in self.series
            ]
            or None,
            "category_ladders": [
                {
                    "ladder": [{"id": str(at), "name": name} for at, name in enumerate(self.genres)],
                    "root": "Genres",
                }
            ],
            "rating": {
                "num_reviews": 12,
                "overall_distribution": {"average_rating": self.rating, "display_stars": 4.5},
            },
            "is_adult_product": self.adult,
            "copyright": self.copyright or None,
            "isbn": self.isbn or None,
            "content_type": "Product",
            "sku_lite": "BK_QUAY_000001",
        }

    def audnexus(self, region: str, images: str) -> dict[str, Any]:
        """As Audnexus tells it: what it does not know is not there."""
        told: dict[str, Any] = {
            "asin": self.asin,
            "title": self.title,
            "authors": [{"name": name} for name in self.authors],
            "narrators": [{"name": name} for name in self.narrators],
            "publisherName": self.publisher,
            "releaseDate": f"{self.released}T00:00:00.000Z",
            "runtimeLengthMin": self.minutes,
            "language": self.language,
            "formatType": self.format,
            "summary": self.summary,
            "description": re.sub(r"<[^>]+>", " ", self.summary)[:80],
            "genres": [
                {"asin": f"18580{at:05}", "name": name, "type": kind}
                for kind, names in (("genre", self.genres), ("tag", self.tags))
                for at, name in enumerate(names)
            ],
            "rating": f"{self.rating:g}",
            "isAdult": self.adult,
            "literatureType": "fiction",
            "region": region,
        }
        if self.picture:
            told["image"] = f"{images}/{self.picture_name(500)}"
        for name, value in (("subtitle", self.subtitle), ("isbn", self.isbn)):
            if value:
                told[name] = value
        if self.copyright:
            told["copyright"] = 2020
        for key, one in zip(("seriesPrimary", "seriesSecondary"), self.series, strict=False):
            told[key] = {"asin": one[2], "name": one[0], **({"position": one[1]} if one[1] else {})}
        return told

    def audnexus_chapters(self, region: str) -> dict[str, Any]:
        start, chapters = 0, []
        for title, length in self.chapters:
            chapters.append(
                {
                    "lengthMs": length,
                    "startOffsetMs": start,
                    "startOffsetSec": start // 1000,
                    "title": title,
                }
            )
            start += length
        return {
            "asin": self.asin,
            "brandIntroDurationMs": 2043,
            "brandOutroDurationMs": 5061,
            "chapters": chapters,
            "isAccurate": True,
            "region": region,
            "runtimeLengthMs": round(self.seconds * 1000),
            "runtimeLengthSec": round(self.seconds),
        }


def found(editions: Iterable[Edition], *, title: str, author: str, keywords: str) -> list[Edition]:
    """The editions that a search finds, those with the most words in common first."""
    ranked: list[tuple[int, Edition]] = []
    for one in editions:
        names = _words(f"{one.title} {one.subtitle} {' '.join(name for name, _, _ in one.series)}")
        people = _words(" ".join((*one.authors, *one.narrators)))
        if title and not _words(title) & names:
            continue
        if author and not _words(author) & people:
            continue
        common = len(_words(f"{title} {keywords}") & names) * 2 + len(_words(f"{author} {keywords}") & people)
        if common:
            ranked.append((common, one))
    return [one for _, one in sorted(ranked, key=lambda pair: -pair[0])]


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold())) - {"the", "a", "of", "and"}


def _hard(value: Any) -> Any:
    return tuple(map(_hard, value)) if isinstance(value, list) else value


def load(text: str) -> list[Edition]:
    """Editions from a list of JSON.

    Raises:
        ValueError: it is none.
    """
    told = json.loads(text)
    if not isinstance(told, list):
        raise ValueError("a list of books is needed")
    return [Edition.of(one) for one in told]


def _numbered(titles: Sequence[str], seconds: Sequence[float]) -> tuple[tuple[str, int], ...]:
    return tuple((title, round(one * 1000)) for title, one in zip(titles, seconds, strict=True))


_HARBOUR = "B0SERIES01"
USUAL: tuple[Edition, ...] = (
    Edition(
        "B0LEDGER01",
        "The Lighthouse Ledger",
        ("Ada Example",),
        ("Ben Voice",),
        34_800.0,
        subtitle="A Harbour Tale",
        series=(("Harbour Tales", "2", _HARBOUR), ("Tales of the Coast", "7", "B0SERIES02")),
        isbn="9780000000019",
        chapters=_numbered(("Opening Credits", "The Lamp", "The Missing Page"), (20.0, 17_000.0, 17_780.0)),
    ),
    # The same text, cut: who takes it for the whole loses half of the book.
    Edition(
        "B0LEDGER02",
        "The Lighthouse Ledger",
        ("Ada Example",),
        ("Ben Voice",),
        17_100.0,
        series=(("Harbour Tales", "2", _HARBOUR),),
        format="abridged",
        released="2019-01-01",
    ),
    # The same text, read by another.
    Edition(
        "B0LEDGER03",
        "The Lighthouse Ledger",
        ("Ada Example",),
        ("Cora Speaker",),
        36_900.0,
        series=(("Harbour Tales", "2", _HARBOUR),),
        released="2015-06-01",
        picture="png",
    ),
    Edition(
        "B0LEDGER04",
        "The Lighthouse Ledger II",
        ("Ada Example",),
        ("Ben Voice",),
        34_700.0,
        series=(("Harbour Tales", "3", _HARBOUR),),
    ),
    Edition(
        "B0HARBOUR1",
        "A Harbour in Winter",
        ("Ada Example",),
        ("Ben Voice",),
        29_400.0,
        series=(("Harbour Tales", "1", _HARBOUR),),
        chapters=_numbered(("One", "Two"), (14_000.0, 15_400.0)),
    ),
    # Of the same name, and of somebody else.
    Edition("B0OTHER001", "The Lighthouse", ("Dan Else",), ("Eve Tone",), 31_000.0, on_audnexus=False),
    Edition(
        "B0LEUCHT01",
        "Das Leuchtturmbuch",
        ("Ada Example",),
        ("Fritz Stimme",),
        40_200.0,
        language="german",
        regions=("de",),
        summary="Nur ein Satz.",
        rating=0,
        copyright="",
        genres=(),
        tags=(),
    ),
)
