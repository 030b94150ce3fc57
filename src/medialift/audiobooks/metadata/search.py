"""What a book is: everybody is asked, what they say is weighed, and merged or told what is missing.

The order: what a person said, what lies beside the book, Audible by the ASIN that the book names, Audible by
title, author, narrator and runtime. A book of the catalogue is taken only if it is sure to be this one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from medialift.audiobooks import overrides
from medialift.audiobooks.metadata import matching
from medialift.audiobooks.metadata.inquiry import regions
from medialift.audiobooks.metadata.limits import Stopped
from medialift.audiobooks.metadata.local import MetadataFile
from medialift.audiobooks.metadata.merging import merge
from medialift.audiobooks.metadata.model import Candidate, Clues, Found, Lookup, Metadata, Unsure
from medialift.audiobooks.metadata.opf import OpfFile
from medialift.audiobooks.metadata.provider import Catalogue, Local
from medialift.audiobooks.metadata.shapes import Misfit
from medialift.errors import MedialiftError
from medialift.settings import AudiobooksSettings

OWN = "book"
"""The origin of what the book's own tags and names say."""
_LOCAL: Mapping[str, Local] = {"metadata_yml": MetadataFile(), "opf": OpfFile()}
_BY_PERSON = ("override", "metadata.yml")
_SEARCHES = 4


class Enriching(Protocol):
    """Plug-ins that add to metadata."""

    def enrich(self, metadata: Metadata, /) -> tuple[Metadata, Sequence[str]]:
        """What they made of it, each the origin of what it changed, and the problems that they had."""
        ...


@dataclass
class Search:
    """One look-up of one book.

    Args:
        override: what a person said (see `audiobooks.overrides`): it wins, and its ASIN is believed.
        plugins: None: there are none.
    """

    clues: Clues
    settings: AudiobooksSettings
    catalogue: Catalogue
    override: Mapping[str, Any] = field(default_factory=dict)
    plugins: Enriching | None = None

    def __post_init__(self) -> None:
        self._problems: list[str] = []
        self._candidates: list[Candidate] = []
        self._local: list[tuple[str, Metadata]] = []

    def run(self) -> Lookup:
        """The book, or what keeps us from being sure.

        Raises:
            Transient: a service does not answer now, and what is known locally is not enough.
            Permanent: a file of a person's is wrong, or a service lets us not in.
        """
        self._read_local()
        clues = self._sharpened()
        chosen, why = None, "No catalogue is asked"
        if self._catalogue_place is not None and self.override.get("asin") != "":
            try:
                chosen, why = self._asked(clues)
            except Stopped:
                raise
            except Misfit as error:
                self._problems.append(str(error))
                why = error.what
            except MedialiftError as error:
                if not self._enough():
                    raise
                self._problems.append(str(error))
                why = error.what
        return self._told(chosen, why)

    @property
    def _providers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.settings.tagging.providers))

    @property
    def _catalogue_place(self) -> int | None:
        providers = self._providers
        return providers.index(self.catalogue.name) if self.catalogue.name in providers else None

    def _read_local(self) -> None:
        for name in self._providers:
            if name not in _LOCAL:
                continue
            told = _LOCAL[name].read(self.clues)
            self._problems += told.problems
            if told.metadata is not None:
                self._local.append((name, told.metadata))

    def _sharpened(self) -> Clues:
        """The clues with what a person or a file beside the book says in their place."""
        said = overrides.apply(merge(self._local), self.override)
        clues, asin_from = self.clues, ""
        if self.override.get("asin"):
            asin_from = "override"
        elif said.asin:
            asin_from = "metadata.yml" if said.origin.get("asin") == "metadata_yml" else "opf"
        better = {
            name: value
            for name, value in said.filled().items()
            if name in ("title", "subtitle", "authors", "narrators", "series", "year", "isbn", "language")
        }
        if said.title:
            # Other readings of names are of no use when the title is known.
            better["other_titles"] = ()
        if asin_from:
            better |= {"asin": said.asin, "asin_from": asin_from}
        if said.format in ("abridged", "unabridged"):
            better["abridged"] = said.format == "abridged"
        return replace(clues, **better)

    def _asked(self, clues: Clues) -> tuple[Candidate | None, str]:
        if clues.asin:
            by_asin = self._by_asin(clues)
            if by_asin is not None and by_asin.confidence >= self._threshold:
                return by_asin, by_asin.why
            if clues.asin_from in _BY_PERSON:
                told = f"The ASIN {clues.asin} of {clues.asin_from} {self._nowhere}"
                self._problems.append(told)
                return None, told
            if by_asin is None:
                self._problems.append(f"The ASIN {clues.asin} that the book names {self._nowhere}")
        return self._by_search(clues)

    def _by_asin(self, clues: Clues) -> Candidate | None:
        """The book of the ASIN in the first shop that has it, weighed."""
        for region in self._regions:
            told = self.catalogue.by_asin(clues.asin, region)
            self._problems += told.problems
            if told.metadata is None:
                continue
            weighed = matching.weigh_asin(clues, told.metadata)
            if clues.asin_from in _BY_PERSON:
                if weighed.confidence < self._threshold:
                    self._problems.append(f"{weighed.why} It is taken, since a person said it")
                why = f"A person named the ASIN {clues.asin} ({clues.asin_from})"
                weighed = replace(weighed, confidence=1.0, why=f"{why}.")
            self._candidates.append(weighed)
            return weighed
        return None

    def _by_search(self, clues: Clues) -> tuple[Candidate | None, str]:
        if not clues.title:
            return None, "The book says no title in its tags or its name, so nothing can be searched for"
        why = ""
        for region in self._regions:
            for words in _questions(clues):
                listed = self.catalogue.search(words, region)
                self._problems += [one for one in listed.problems if one not in self._problems]
                self._candidates += [matching.weigh(clues, one) for one in listed.books]
                choice = matching.choose(matching.ranked(self._candidates), self._threshold)
                why = choice.why
                if choice.candidate is not None:
                    full = self._in_full(clues, choice.candidate)
                    if full is not None:
                        return full, full.why
                    why = "What is known of the best candidate in full contradicts what its search said"
        return None, why

    def _in_full(self, clues: Clues, chosen: Candidate) -> Candidate | None:
        """The candidate with all that the catalogue knows of it; None when that makes it unlikely."""
        told = self.catalogue.by_asin(chosen.metadata.asin, chosen.metadata.region)
        self._problems += told.problems
        if told.metadata is None:
            return chosen
        full = matching.weigh(
            clues, merge([(self.catalogue.name, told.metadata), ("audible", chosen.metadata)])
        )
        return full if full.confidence >= self._threshold else None

    def _told(self, chosen: Candidate | None, why: str) -> Lookup:
        candidates = matching.ranked(self._candidates)
        if chosen is not None:
            # A search that came second may have been surer of another: the one that was taken stands first.
            candidates = (chosen, *(one for one in candidates if one.metadata.asin != chosen.metadata.asin))
            found = self._merged(chosen.metadata)
            return Found(found, chosen.confidence, chosen.why, candidates, tuple(self._problems))
        local = self._merged(None)
        if self._enough():
            told = f"{self._local_names()} says what the book is. {why}"
            return Found(local, 1.0, told, candidates, tuple(self._problems))
        if self._catalogue_place is None and local.title and local.authors:
            told = "The book says itself what it is, and no catalogue is to be asked"
            return Found(local, 1.0, told, candidates, tuple(self._problems))
        return Unsure(why, candidates, local, tuple(self._problems))

    def _merged(self, catalogue: Metadata | None) -> Metadata:
        """All of them, in the order of the providers; the book's own words last, and plug-ins over it."""
        said = dict(self._local)
        if catalogue is not None:
            said[self.catalogue.name] = catalogue
        ordered = [(name, said[name]) for name in self._providers if name in said]
        merged = overrides.apply(merge([*ordered, (OWN, _own(self.clues))]), self.override)
        if self.plugins is None:
            return merged
        better, problems = self.plugins.enrich(merged)
        self._problems += problems
        return better

    def _enough(self) -> bool:
        """Whether files beside the book say all that tells it apart, so that no catalogue is needed."""
        said = merge(self._local)
        return bool(said.title and said.authors and said.narrators)

    def _local_names(self) -> str:
        return " and ".join({"metadata_yml": "metadata.yml", "opf": "OPF"}[name] for name, _ in self._local)

    @property
    def _regions(self) -> tuple[str, ...]:
        said = overrides.apply(merge(self._local), self.override)
        return regions(self.settings.tagging, said.region)

    @property
    def _nowhere(self) -> str:
        return f"is in none of the shops that are asked ({', '.join(self._regions)})"

    @property
    def _threshold(self) -> float:
        return self.settings.tagging.confidence


def _questions(clues: Clues) -> Iterator[dict[str, str]]:
    """What the catalogue is asked, the most exact question first; few, since services count them."""
    author = clues.authors[0] if clues.authors else ""
    asked: list[dict[str, str]] = []
    for title in (clues.title, *clues.other_titles[:2]):
        asked.append({"title": title, "author": author} if author else {"title": title})
    asked.insert(
        1, {"keywords": " ".join(filter(None, (clues.title, author or " ".join(clues.narrators[:1]))))}
    )
    yield from asked[:_SEARCHES]


def _own(clues: Clues) -> Metadata:
    """What the book says of itself, as far as it may be written: an ASIN that was not found is not."""
    return Metadata(
        title=clues.title,
        subtitle=clues.subtitle,
        authors=clues.authors,
        narrators=clues.narrators,
        series=clues.series,
        publisher=clues.publisher,
        year=clues.year,
        language=clues.language,
        description=clues.description,
        isbn=clues.isbn,
        format="" if clues.abridged is None else "abridged" if clues.abridged else "unabridged",
    )
