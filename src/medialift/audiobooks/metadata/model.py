"""What is known of a book, what it says of itself, and how sure it is that both belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Series:
    """A series that a book belongs to, and its place there as it is written: "2", "1.5", "1-3", ""."""

    name: str
    part: str = ""
    asin: str = ""


@dataclass(frozen=True)
class Metadata:
    """All that is known of one book. A field that nobody said anything of is empty or None.

    Attributes:
        authors, narrators: names as they are printed, in order.
        series: the series it is shelved under; `more_series`: the others that it belongs to.
        release_date: ISO, "2021-03-04". year: of the release.
        language: the English word in lower case, as Audible says it: "english".
        genres: names, main genres first.
        description: plain text, paragraphs parted by an empty line. description_html: as it was sent.
        rating: stars, 0 to 5.
        format: "unabridged", "abridged" or another word of the shop's, in lower case.
        runtime_minutes: whole minutes.
        cover_url: of the largest picture; cover_file: one that lies beside the book, and wins.
        region: Audible's shop, "us".
        origin: which provider each filled field came from.
    """

    title: str = ""
    subtitle: str = ""
    authors: tuple[str, ...] = ()
    narrators: tuple[str, ...] = ()
    series: Series | None = None
    more_series: tuple[Series, ...] = ()
    publisher: str = ""
    release_date: str = ""
    year: int | None = None
    language: str = ""
    genres: tuple[str, ...] = ()
    description: str = ""
    description_html: str = ""
    copyright: str = ""
    asin: str = ""
    isbn: str = ""
    rating: float | None = None
    explicit: bool | None = None
    format: str = ""
    runtime_minutes: int | None = None
    cover_url: str = ""
    cover_file: Path | None = None
    product_url: str = ""
    region: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)

    def filled(self) -> dict[str, Any]:
        """The fields that say something, without their origins."""
        told = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "origin"}
        return {name: value for name, value in told.items() if value not in ("", (), None)}

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it: the filled fields, and their origins."""
        return {**{name: _plain(value) for name, value in self.filled().items()}, "origin": dict(self.origin)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Metadata:
        """From what `to_dict` told; what is missing there is empty, what is unknown is left out.

        Raises:
            TypeError, KeyError: `told` is not what `to_dict` tells.
        """
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in told.items() if name in known}
        for name in ("authors", "narrators", "genres"):
            if name in values:
                values[name] = tuple(values[name])
        if values.get("series"):
            values["series"] = Series(**values["series"])
        if "more_series" in values:
            values["more_series"] = tuple(Series(**one) for one in values["more_series"])
        if values.get("cover_file"):
            values["cover_file"] = Path(values["cover_file"])
        return cls(**values)


@dataclass(frozen=True)
class Clues:
    """What a book says of itself: by its tags, its names and the files beside it. Nothing of it is proven.

    Attributes:
        title, authors, narrators, series, year, asin, isbn, language: empty when nothing says them.
        other_titles: other readings of its tags and names, the likeliest first.
        abridged: None when nothing says it.
        seconds: how long it plays, by its decoded samples; 0: unknown.
        folder: where local metadata and covers lie; None when there are none to be looked for.
        asin_from: what the ASIN was read from: "override", "tags", "metadata.yml", "name", "".
        name: what the book is called for a person.
    """

    title: str = ""
    subtitle: str = ""
    authors: tuple[str, ...] = ()
    narrators: tuple[str, ...] = ()
    series: Series | None = None
    year: int | None = None
    asin: str = ""
    asin_from: str = ""
    isbn: str = ""
    language: str = ""
    publisher: str = ""
    description: str = ""
    other_titles: tuple[str, ...] = ()
    abridged: bool | None = None
    seconds: float = 0.0
    folder: Path | None = None
    name: str = ""


@dataclass(frozen=True)
class Scores:
    """How well a candidate agrees with the clues, 0 to 1 each; None where one of both says nothing."""

    title: float | None = None
    author: float | None = None
    narrator: float | None = None
    runtime: float | None = None

    def to_dict(self) -> dict[str, float | None]:
        return {
            "title": self.title,
            "author": self.author,
            "narrator": self.narrator,
            "runtime": self.runtime,
        }


@dataclass(frozen=True)
class Candidate:
    """A book of a catalogue that may be the one: how sure that is (0 to 1), and why, in a sentence."""

    metadata: Metadata
    scores: Scores
    confidence: float
    why: str

    def to_dict(self) -> dict[str, Any]:
        """For a person who chooses: what tells it apart, and the scores."""
        shown = self.metadata
        return {
            "asin": shown.asin,
            "region": shown.region,
            "title": shown.title,
            "subtitle": shown.subtitle,
            "authors": list(shown.authors),
            "narrators": list(shown.narrators),
            "runtime_minutes": shown.runtime_minutes,
            "format": shown.format,
            "release_date": shown.release_date,
            "product_url": shown.product_url,
            "confidence": round(self.confidence, 3),
            "scores": {
                name: None if score is None else round(score, 3)
                for name, score in self.scores.to_dict().items()
            },
            "why": self.why,
        }


@dataclass(frozen=True)
class Found:
    """The book is known.

    Attributes:
        metadata: of all providers, merged.
        confidence: 0 to 1. why: what it rests on, in a sentence.
        candidates: all that were weighed, the best one first; empty when none had to be.
        problems: what went wrong on the way and did not matter enough to fail, a sentence each.
    """

    metadata: Metadata
    confidence: float
    why: str
    candidates: tuple[Candidate, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unsure:
    """No candidate is sure enough: a person chooses by an override of the ASIN, or says the fields.

    Attributes:
        why: what is missing, in a sentence.
        candidates: the best one first; may be empty.
        local: what local providers and the book itself say, merged; never a field of a candidate.
        problems: what went wrong on the way, a sentence each.
    """

    why: str
    candidates: tuple[Candidate, ...] = ()
    local: Metadata = Metadata()
    problems: tuple[str, ...] = ()

    @property
    def confidence(self) -> float:
        """Of the best candidate; 0 when there is none."""
        return self.candidates[0].confidence if self.candidates else 0.0


Lookup = Found | Unsure


def _plain(value: Any) -> Any:
    if isinstance(value, Series):
        return {"name": value.name, "part": value.part, "asin": value.asin}
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
