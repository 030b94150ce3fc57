"""How the names of files number them: which comes first, what is missing, what is there twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from medialift.audiobooks.natural import WORD, natural_key, value_of

_MARKS = (
    r"ch|chap|chapter|kapitel|pt|part|teil|dis[ck]|cd|track|section|side|tape|book|vol|act|scene|letter|canto"
)
# 12, 12a (but not 12th), "Chapter IV", "Part Two", and a roman number that begins the name: "IV. A".
_NUMBERS = re.compile(
    rf"(?<![a-z])(?:{_MARKS})[\s._-]+(?P<marked>[ivxlc]+|{WORD})(?![a-z0-9])"
    r"|^(?P<leading>[ivxlc]+)(?=[\s]*[-–—.):]|$)"
    r"|(?P<digits>\d+)(?P<letter>[a-f](?![a-z]))?",
    re.IGNORECASE,
)
_FIRST = re.compile(
    r"(?i)\W*(?:opening|intro(?:duction)?|prologu?e?|preface|foreword|dedication|title|vorwort|prolog)\b"
)
_LAST = re.compile(
    r"(?i)\W*(?:epilogu?e?|afterword|outro|(?:end|closing)[\s_-]?credits|credits|acknowledge?ments?|appendix"
    r"|about the author|author'?s note|nachwort|the end)\b"
)
_SPAN = re.compile(r"(?<![\d-])(\d{1,3})\s?-\s?(\d{1,3})(?![\d-])")
_TOTAL = re.compile(r"(?i)(\d+)\s*(?:of|von)\s*(\d+)")

Number = tuple[int, str]
"""A number and the small letter behind it: 2 is (2, ""), 2b is (2, "b")."""


@dataclass(frozen=True)
class Numbering:
    """What the names of the files of one folder tell.

    Attributes:
        order: the places of the names, the first one first.
        certain: numbers, or words such as "Prologue", tell the order; else it is only the alphabet's.
        numbers: of each name the number that tells it from the others; None where there is none.
        doubled: numbers that stand in more than one name.
        spanned: further numbers that names tell: "01-02" beside "03" is both.
    """

    order: tuple[int, ...]
    certain: bool
    numbers: tuple[tuple[Number, ...] | None, ...]
    doubled: tuple[str, ...] = ()
    spanned: frozenset[int] = frozenset()

    def missing(self, *, follows: int = 0) -> tuple[str, ...]:
        """The numbers that are not there between the first and the last one.

        Args:
            follows: the last number of the disc before: one that is counted on from there is whole too.
        """
        told = [number for number in self.numbers if number is not None]
        if not told or len(told[0]) > 2 or any(len(number) != len(told[0]) for number in told):
            return ()
        groups: dict[int, set[int]] = {}
        for number in told:
            groups.setdefault(number[0][0] if len(number) == 2 else 0, set()).add(number[-1][0])
        if len(groups) == 1 and len(told[0]) == 1:
            groups = _hundreds(groups[0] | self.spanned)
        gaps = []
        for disc, present in sorted(groups.items()):
            label = f"{disc}-" if len(groups) > 1 else ""
            gaps += [f"{label}{one}" for one in _gaps(present, follows)]
            follows = max(present)
        return tuple(gaps)

    @property
    def last(self) -> int:
        """The highest number, 0 when there is none."""
        return max((number[-1][0] for number in self.numbers if number), default=0)


def numbering(stems: Sequence[str]) -> Numbering:
    """What these names, without their endings, tell of the order of their files."""
    found = [_numbers(stem) for stem in stems]
    inner = [place for place, numbers in enumerate(found) if numbers]
    chosen = _columns([found[place] for place in inner])
    numbers: list[tuple[Number, ...] | None] = [None] * len(stems)
    for place, number in zip(inner, chosen, strict=True):
        numbers[place] = number
    edges = [-1 if _FIRST.match(stem) else 1 if _LAST.match(stem) else 0 for stem in stems]
    without = [place for place in range(len(stems)) if numbers[place] is None]

    def key(place: int) -> tuple[int, tuple[Number, ...], object]:
        number = numbers[place]
        return (edges[place] if number is None else 0), number or (), natural_key(stems[place])

    counts = Counter(number for number in numbers if number is not None)
    doubled = tuple(_shown(number) for number, count in sorted(counts.items()) if count > 1)
    return Numbering(
        order=tuple(sorted(range(len(stems)), key=key)),
        certain=len(stems) == 1
        or (
            not doubled
            and all(edges[place] for place in without)
            and len({edges[place] for place in without}) == len(without)
        )
        or (not inner and _lettered(stems)),
        numbers=tuple(numbers),
        doubled=doubled,
        spanned=_spanned(stems),
    )


def total_of(stems: Sequence[str]) -> int:
    """How many there are to be, where every name says so ("3 of 12"); else 0."""
    found = [one for stem in stems if (one := _TOTAL.search(stem))]
    totals = {int(one[2]) for one in found}
    # "Part 1 of 3" in every name is the part's: what counts the files is another number in each.
    counts = len(found) == len(stems) == len({one[1] for one in found})
    return totals.pop() if counts and len(totals) == 1 else 0


def _numbers(stem: str) -> list[Number]:
    found = []
    for one in _NUMBERS.finditer(stem):
        written = one["digits"] or one["marked"] or one["leading"]
        value = value_of(written)
        if value is not None:
            found.append((value, (one["letter"] or "").lower()))
    return found


def _columns(rows: Sequence[Sequence[Number]]) -> list[tuple[Number, ...]]:
    """Of every row the numbers by which it differs from the others: one when one does, else two, else all."""
    width = min((len(row) for row in rows), default=0)
    varying = [at for at in range(width) if len({row[at] for row in rows}) > 1]
    telling = [at for at in varying if len({row[at] for row in rows}) == len(rows)]
    if telling:
        # Of a date and a number behind it the one that counts without a gap is the number.
        at = next((at for at in telling if _counts([row[at][0] for row in rows])), telling[0])
        return [(row[at],) for row in rows]
    for first in varying:
        for second in varying:
            if first < second and len({(row[first], row[second]) for row in rows}) == len(rows):
                return [(row[first], row[second]) for row in rows]
    # A name with more numbers than the others ("Chapter 2", "Chapter 2 - 1"): told apart by all of them.
    if len({tuple(row) for row in rows}) == len(rows):
        return [tuple(row) for row in rows]
    return [tuple(row[at] for at in varying or range(min(width, 1))) for row in rows]


def _counts(values: Sequence[int]) -> bool:
    return max(values) - min(values) == len(values) - 1


def _gaps(present: set[int], follows: int) -> list[int]:
    inside = sorted(present)
    steps = {after - before for before, after in pairwise(inside)}
    if len(steps) == 1 and steps != {1} and len(inside) > 2:
        return []  # counted in tens, as some do to leave room
    begin = inside[0] if inside[0] in (0, 1, follows + 1) else 1
    # Far fewer numbers than there are places: years or times, nothing that counts files.
    if inside[-1] - begin + 1 > 20 * len(inside):
        return []
    return [one for one in range(begin, inside[-1]) if one not in present]


def _hundreds(present: set[int]) -> dict[int, set[int]]:
    """101, 102, 201, 202 are tracks of two discs; anything else is one run."""
    groups: dict[int, set[int]] = {}
    for one in present:
        groups.setdefault(one // 100, set()).add(one % 100)
    whole = all(min(tracks) == 1 for tracks in groups.values())
    if 0 in groups or not whole or (len(groups) == 1 and max(groups) > 9):
        return {0: present}
    return groups


def _lettered(stems: Sequence[str]) -> bool:
    """Whether the names differ in one last letter only: Side A, Side B."""
    return len(stems) > 1 and len({stem[:-1] for stem in stems}) == 1 and len(
        {stem[-1:].lower() for stem in stems if stem[-1:].isalpha()}
    ) == len(stems)  # fmt: skip


def _spanned(stems: Sequence[str]) -> frozenset[int]:
    """The last numbers of spans. Where all names look like one, they are discs and tracks."""
    found = [one for stem in stems if (one := _SPAN.search(stem))]
    if len(found) == len(stems):
        return frozenset()
    pairs = [(int(one[1]), int(one[2])) for one in found if len(one[1]) == len(one[2])]
    return frozenset(
        number for first, last in pairs if first < last <= first + 9 for number in range(first, last + 1)
    )


def _shown(number: tuple[Number, ...]) -> str:
    return "-".join(f"{value}{letter}" for value, letter in number)
