"""The order of a book's parts: what names say is checked against the tags, once the parts were probed.

Names decide, tags confirm. Where names say nothing, tags decide. Where both speak and differ, where a number
is missing or is there twice, a person decides: a book in the wrong order sounds right for an hour.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from medialift.audiobooks.book import Book, Part
from medialift.audiobooks.listing import shown
from medialift.audiobooks.natural import value_of
from medialift.audiobooks.numbering import Numbering, numbering, total_of
from medialift.audiobooks.source import Source
from medialift.errors import Permanent

_OF = re.compile(r"\s*([0-9]+|[ivxlcIVXLC]+)\s*(?:(?:/|of)\s*([0-9]+))?\s*")
_TRACK, _DISC = ("track", "tracknumber", "trkn"), ("disc", "discnumber", "disk")
_TRACKS = ("tracktotal", "totaltracks")
_SHOWN = 12


@dataclass(frozen=True)
class _Place:
    """What the tags of one part say: (disc, track), and how many tracks there are to be, 0 when unknown."""

    disc: int
    track: int
    total: int

    @property
    def number(self) -> tuple[int, int]:
        return self.disc, self.track


def check_order(book: Book, sources: Sequence[Source]) -> Book:
    """The book with its parts in the order in which they are heard.

    Args:
        sources: its parts, probed; they are matched by their paths.

    Raises:
        Permanent: a part is missing, a number is there twice, names and tags say different orders, or nothing
            says any. The hint says what to rename.
    """
    if len(book.parts) < 2:
        return book
    tags = {source.path: _place(source.tags) for source in sources}
    discs: defaultdict[int, list[Part]] = defaultdict(list)
    for part in book.parts:
        discs[part.disc].append(part)
    _check_discs(book, discs, tags)
    ordered: list[Part] = []
    last = 0
    for disc, parts in discs.items():
        places = [tags.get(part.path) for part in parts]
        stems = [PurePosixPath(part.name).stem for part in parts]
        names = numbering(stems)
        ordered += _Disc(book, disc, parts, names, _told(places), total_of(stems), last).in_order()
        last = names.last
    return replace(book, parts=tuple(ordered))


def sources_of(book: Book, sources: Sequence[Source]) -> list[Source]:
    """The sources in the order of the book's parts."""
    by_path = {source.path: source for source in sources}
    return [by_path[part.path] for part in book.parts]


@dataclass(frozen=True)
class _Disc:
    """The parts of one disc (0: of a book without) and all that is said of their order.

    `tags`: of each part its place; None when they do not tell the parts apart.
    """

    book: Book
    disc: int
    parts: Sequence[Part]
    names: Numbering
    tags: Sequence[_Place] | None
    total: int
    last: int

    def in_order(self) -> list[Part]:
        if len(self.parts) == 1:
            return list(self.parts)
        by_name = [self.parts[at] for at in self.names.order]
        if not self.names.certain:
            return self._by_tags()
        missing = self.names.missing(follows=self.last)
        if self.tags is None:
            if missing:
                raise self._missing(missing)
            self._check_total()
            return by_name
        if self._tagged() != by_name:
            # Tags with gaps or of some other count say nothing against whole names, and the other way round.
            if missing and self._tags_are_whole():
                return self._tagged()
            if not missing and not self._tags_are_whole():
                return by_name
            raise self._disagree(by_name)
        if missing and not self._tags_are_whole():
            raise self._missing(missing)
        self._check_total()
        return by_name

    def _by_tags(self) -> list[Part]:
        """The order when names do not say it."""
        if self.tags is None:
            raise self._nothing_says()
        if gaps := self._gaps_of_tags():
            raise self._missing(gaps, "by the track numbers in the tags")
        return self._tagged()

    def _tagged(self) -> list[Part]:
        tags = self.tags or ()
        return [self.parts[at] for at in sorted(range(len(tags)), key=lambda at: tags[at].number)]

    def _tags_are_whole(self) -> bool:
        return not self._gaps_of_tags()

    def _gaps_of_tags(self) -> tuple[str, ...]:
        discs: defaultdict[int, set[int]] = defaultdict(set)
        for place in self.tags or ():
            discs[place.disc].add(place.track)
        last, gaps = self.last, []
        for disc, tracks in sorted(discs.items()):
            first = min(tracks) if min(tracks) in (0, 1, last + 1) else 1
            label = f"{disc}-" if len(discs) > 1 else ""
            gaps += [f"{label}{one}" for one in range(first, max(tracks)) if one not in tracks]
            last = max(tracks)
        return tuple(gaps)

    def _check_total(self) -> None:
        """Whether the end is there: where names or whole tags say of how many each part is one.

        Raises:
            Permanent: it is not.
        """
        if self.total and self.names.last < self.total:
            raise self._missing(_range(self.names.last + 1, self.total))
        totals = {place.total for place in self.tags or ()}
        discs = {place.disc for place in self.tags or ()}
        if self.tags and len(totals) == len(discs) == 1 and self._tags_are_whole():
            total, last = totals.pop(), max(place.track for place in self.tags)
            # Some count the tracks of the whole book: only a total that all of them can reach is this disc's.
            if self.disc == 0 and last < total:
                raise self._missing(_range(last + 1, total), "by the track numbers in the tags")

    def _missing(self, numbers: Sequence[str], by: str = "by the names") -> Permanent:
        shown_ones = ", ".join(numbers[:_SHOWN]) + (" and more" if len(numbers) > _SHOWN else "")
        which = f"Track {shown_ones} is" if len(numbers) == 1 else f"Tracks {shown_ones} are"
        return Permanent(
            f"{which} missing{self._where()} ({by})",
            self.book.key,
            "Add what is missing; or, if the book is whole without it, number the files without a gap",
        )

    def _nothing_says(self) -> Permanent:
        if self.names.doubled:
            twice = ", ".join(self.names.doubled[:_SHOWN])
            what = f"The number {twice} is there more than once{self._where()}"
            hint = "Number the files so that each number is there once, or remove what is there twice"
        else:
            names = ", ".join(shown(Path(part.name).name) for part in self.parts[:3])
            what = f"Neither names nor tags say the order of the files{self._where()} ({names}, …)"
            hint = "Number the files in the order in which they are heard: '01 …', '02 …'"
        return Permanent(what, self.book.key, hint)

    def _disagree(self, by_name: Sequence[Part]) -> Permanent:
        first = next(
            (one, other) for one, other in zip(by_name, self._tagged(), strict=True) if one is not other
        )
        one, other = (shown(Path(part.name).name) for part in first)
        return Permanent(
            f"Names and tags say different orders{self._where()}: {one} comes first by its name, {other} by "
            "the track numbers",
            self.book.key,
            "Rename the files in their true order, and take away or correct their track numbers",
        )

    def _where(self) -> str:
        return f" on disc {self.disc}" if self.disc else ""


def _check_discs(book: Book, discs: Mapping[int, Sequence[Part]], tags: Mapping[Path, _Place | None]) -> None:
    """See that the discs' folders are numbered as the tags number the discs.

    Raises:
        Permanent: each disc has one number in its tags, all different, and in another order.
    """
    told = []
    for parts in discs.values():
        numbers = {place.disc if (place := tags.get(part.path)) else 0 for part in parts}
        told.append(numbers.pop() if len(numbers) == 1 else 0)
    if len(told) > 1 and all(told) and len(set(told)) == len(told) and told != sorted(told):
        raise Permanent(
            f"The folders of the discs and the disc numbers in the tags ({', '.join(map(str, told))}) say "
            "different orders",
            book.key,
            "Rename the folders of the discs, or correct the disc numbers in the tags",
        )


def _told(places: Sequence[_Place | None]) -> list[_Place] | None:
    """The places that the tags tell; None when a part has none, or two have the same."""
    known = [place for place in places if place is not None]
    if len(known) < len(places) or len({place.number for place in known}) < len(known):
        return None
    return known


def _place(tags: Mapping[str, str]) -> _Place | None:
    track, total = _number(tags, _TRACK)
    if track is None:
        return None
    disc, _ = _number(tags, _DISC)
    written = next((tags[name] for name in _TRACKS if tags.get(name, "").isdigit()), "0")
    return _Place(disc or 0, track, total or int(written))


def _number(tags: Mapping[str, str], names: Sequence[str]) -> tuple[int | None, int]:
    """The number and the total that a tag tells: "3", "3/12", "III"."""
    written = next((tags[name] for name in names if tags.get(name)), "")
    found = _OF.fullmatch(written)
    if not found:
        return None, 0
    return value_of(found[1]), int(found[2] or 0)


def _range(first: int, last: int) -> tuple[str, ...]:
    return tuple(str(one) for one in range(first, min(last, first + 50) + 1))
