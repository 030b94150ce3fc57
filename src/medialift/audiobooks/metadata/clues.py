"""What a book says of itself: by its tags, by its names and by where it lies. None of it is proven.

Tags win over names, since names of folders are cut and cleaned; names fill what tags do not say, and stand
beside as another reading of the title. Tags that say nothing ("Track 01", "Unknown Artist") are passed over.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medialift.audiobooks.book import Book, InSeries, Structure
from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Clues, Series
from medialift.audiobooks.metadata.names import Said, people, read_name
from medialift.audiobooks.metadata.plain import one_line, plain_text
from medialift.audiobooks.metadata.wording import name_likeness, part_number, title_likeness
from medialift.audiobooks.source import Source

Tags = Mapping[str, str]

# Figures alone are a track; four of them are a title ("1984").
_NOTHING = re.compile(
    r"^(?:track|titel|chapter|kapitel|part|disc|cd|audiobook|hörbuch|various|various artists|unbekannt"
    r"|unknown|unknown (?:artist|author|album|title)|n/?a|none|untitled|no (?:title|artist))?"
    r"[\s._#-]*\d{0,3}$",
    re.IGNORECASE,
)
_DISC = re.compile(
    r"[\s,:_-]*[\[(]?\b(?:disc|disk|cd|part|pt)\b[\s._#-]*\d+(?:\s*(?:of|/)\s*\d+)?[\])]?$", re.IGNORECASE
)
_READ_BY = re.compile(
    r"\b(?:read|narrated|performed|gelesen)\s+(?:by|von)[\s:]+(?P<names>[^\n.;(\[/]+?)\s*(?:[\n.;(\[]|//|$)",
    re.IGNORECASE,
)
_GROUPED = re.compile(
    r"^(?P<name>.+?),?\s*(?:book|#|vol(?:ume)?\.?)\s*#?\s*(?P<number>\d+(?:\.\d+)?)$", re.IGNORECASE
)
_LABEL = re.compile(r"[^a-z0-9]")
_ASIN = re.compile(r"[A-Z0-9]{10}")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")
_SAME_TITLE = 0.97
_SAME_NAME = 0.9


def of_book(book: Book, sources: Sequence[Source], *, seconds: float = 0.0, language: str = "") -> Clues:
    """What a book in the inbox says.

    Args:
        seconds: how long it plays; 0: as its headers say.
        language: of books that do not say theirs (settings.audiobooks.language).
    """
    single = len(sources) == 1 and book.structure in (Structure.SINGLE, Structure.STANDALONE)
    folder = book.root.parent if book.structure is Structure.STANDALONE else book.root
    names = list(PurePosixPath(book.key).parts)
    if book.structure is Structure.STANDALONE:
        names[-1] = PurePosixPath(names[-1]).stem
    return of_tags(
        common_tags([source.tags for source in sources]),
        names=names,
        single=single,
        seconds=seconds or sum(source.seconds for source in sources),
        # Beside a standalone file lie the files of other books.
        folder=None if book.structure is Structure.STANDALONE else folder,
        series=book.series,
        language=language,
    )


def of_tags(
    tags: Tags,
    *,
    names: Sequence[str] = (),
    single: bool = True,
    seconds: float = 0.0,
    folder: Path | None = None,
    series: InSeries | None = None,
    language: str = "",
) -> Clues:
    """What tags and names say.

    Args:
        tags: of the file, or those that all files share; names of any spelling.
        names: of the folders from the inbox down to the book, without endings; the last one is the book's.
        single: whether the book is one file: then its tag `title` is the book's, and not a chapter's.
        series: what the folders say of a series.
    """
    by_label = {_LABEL.sub("", label.lower()): value for label, value in tags.items()}
    said = _of_tags(by_label, single=single)
    named = _of_names(names)
    asin, asin_from = (said.asin, "tags") if said.asin else (named.asin, "name" if named.asin else "")
    authors = said.authors or named.authors
    narrators = said.narrators or named.narrators or _composer(by_label, authors)
    titles = _titles(said.title, *_other_readings(said.title), named.title, *_other_readings(named.title))
    return Clues(
        title=titles[0] if titles else "",
        other_titles=titles[1:],
        subtitle=_first(by_label, "subtitle", "tit3"),
        authors=authors,
        narrators=narrators,
        series=_series(said, named, series),
        year=said.year or named.year,
        asin=asin,
        asin_from=asin_from,
        isbn=_isbn(_first(by_label, "isbn")),
        language=language_word(_first(by_label, "language", "lang")) or language_word(language),
        publisher=_first(by_label, "publisher", "label", "organization"),
        description=plain_text(_raw(by_label, "synopsis", "longdescription", "ldes", "description", "desc")),
        abridged=said.abridged if said.abridged is not None else named.abridged,
        seconds=seconds,
        folder=folder,
        name=names[-1] if names else "",
    )


def common_tags(each: Sequence[Tags]) -> dict[str, str]:
    """The tags that most files share. One that differs from file to file says nothing of the book."""
    counts: dict[str, Counter[str]] = {}
    for tags in each:
        for label, value in tags.items():
            if value.strip():
                counts.setdefault(label.lower(), Counter())[value.strip()] += 1
    shared = {}
    for label, values in counts.items():
        value, count = values.most_common(1)[0]
        if count * 2 > len(each):
            shared[label] = value
    return shared


def _of_tags(tags: Tags, *, single: bool) -> Said:
    album = _DISC.sub("", _first(tags, "album", "parentgroup") or (_first(tags, "title") if single else ""))
    book, authors = read_name(album), _author_tag(tags)
    if authors and book.authors and not _alike(authors, book.authors):
        # The author is known, so what stands before the dash is of the title, or a series.
        book = replace(book, title=" - ".join((", ".join(book.authors), book.title)), authors=())
    comment = _raw(tags, "comment", "description")
    narrators = people(_first(tags, "narrator", "narrators", "narratedby", "nrt", "reader"))
    if not narrators and (found := _READ_BY.search(comment)):
        narrators = people(found["names"])
    series = _first(tags, "series", "mvnm", "movementname", "movement", "show")
    number = part_number(_raw(tags, "seriespart", "seriesposition", "mvin", "movementindex", "episodeid"))
    grouped = _GROUPED.match(_first(tags, "grouping", "contentgroup"))
    if not series and grouped:
        series, number = grouped["name"].strip(), part_number(grouped["number"])
    asin = _raw(tags, "asin", "audibleasin", "cdek").strip().upper()
    year = _YEAR.search(_raw(tags, "date", "year", "originaldate", "releasetime", "releasedate"))
    return replace(
        book,
        authors=authors or book.authors,
        narrators=narrators or book.narrators,
        series=series or book.series,
        number=number if series else book.number,
        year=int(year[0]) if year else book.year,
        asin=asin if _ASIN.fullmatch(asin) else book.asin,
    )


def _author_tag(tags: Tags) -> tuple[str, ...]:
    return people(_first(tags, "author", "authors", "albumartist", "artist", "writer"))


def _composer(tags: Tags, authors: Sequence[str]) -> tuple[str, ...]:
    """Taggers of audiobooks write the narrator there; other programs the author."""
    told = people(_first(tags, "composer"))
    return tuple(one for one in told if not _alike((one,), authors))


def _alike(some: Sequence[str], others: Sequence[str]) -> bool:
    return any(name_likeness(one, other) > _SAME_NAME for one in some for other in others)


def _of_names(names: Sequence[str]) -> Said:
    """What the folders say: the book's own, and those above it where it leaves something open."""
    if not names:
        return Said()
    *above, own = names
    said = read_name(own)
    if said.authors or not above:
        return said
    parents = [one for one in above if not _NOTHING.match(one)]
    # AUTHOR/TITLE, AUTHOR/SERIES/TITLE: who stands above is the author, if it looks like a name.
    if parents and not any(one.isdigit() for one in parents[0]):
        above_said = read_name(parents[0])
        author = above_said.authors or people(parents[0])
        series = said.series or (parents[-1] if len(parents) > 1 and said.number else "")
        return replace(said, authors=author, series=series, unsure=True)
    return said


def _other_readings(title: str) -> Iterable[str]:
    """ "Author - Title - Subtitle" is "Author - Series - Title" as well."""
    pieces = re.split(r"\s+[-–—]\s+", title)
    if len(pieces) > 1:
        yield pieces[-1]
        yield pieces[0]


def _titles(*told: str) -> tuple[str, ...]:
    """Each title once, the first ones first."""
    kept: list[str] = []
    for one in told:
        if (
            one
            and not _NOTHING.match(one)
            and all(title_likeness(one, other) < _SAME_TITLE for other in kept)
        ):
            kept.append(one)
    return tuple(kept)


def _series(said: Said, named: Said, folders: InSeries | None) -> Series | None:
    if said.series:
        return Series(said.series, said.number)
    if folders is not None and folders.name:
        return Series(folders.name, part_number(folders.number) or named.number)
    return Series(named.series, named.number) if named.series else None


def _first(tags: Tags, *labels: str) -> str:
    """The first of these tags that says something, on one line."""
    for label in labels:
        text = one_line(tags.get(label, ""))
        if text and not _NOTHING.match(text):
            return text
    return ""


def _raw(tags: Tags, *labels: str) -> str:
    return next((tags[label] for label in labels if tags.get(label, "").strip()), "")


def _isbn(told: str) -> str:
    text = re.sub(r"[\s-]", "", told).upper()
    return text if re.fullmatch(r"\d{9}[\dX]|\d{13}", text) else ""
