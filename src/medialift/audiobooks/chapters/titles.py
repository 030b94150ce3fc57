"""What the chapters of a book are called when each part is one: by the tags or by the names of the files.

Titles that are all alike (every track is called as the book) or only count ("Track 01") are no titles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise, takewhile

_ONLY_COUNTS = re.compile(
    r"[\W_]*(?:track|titel|title|piste|pista|spur|file|audio|disc|disk|cd)?[\W_]*\d*[\W_]*"
    r"(?:(?:of|von|de|/|-)?[\W_]*\d+)?[\W_]*\Z",
    re.IGNORECASE,
)
# "01 - ", "CD2 - 01. ", "1-07 ", "Track 3 of 12: "
_NUMBER_IN_FRONT = re.compile(
    r"\s*(?:(?:cd|dis[ck])[\s._-]*\d{1,3}[\s._\-–—]+)?(?:track|titel|piste)?[\s._-]*\d{1,4}"
    r"(?:[-./]\d{1,4}|\s*of\s*\d{1,4})?(?=[\s._\-–—:)\]]|\Z)[\s._\-–—:)\]]*",
    re.IGNORECASE,
)
_SEPARATORS = "-–—_.:"
_BRACKETS = "(["
_LONGEST = 255
"""Bytes of a title: the chapter list of Nero (`chpl`) has one byte for its length."""


def numbered(number: int) -> str:
    """The title of a chapter that has none, counted from 1."""
    return f"Chapter {number}"


def fitting(title: str) -> str:
    """A title as a file can hold it: on one line, without control characters, cut between characters."""
    line = " ".join("".join(one if one.isprintable() else " " for one in title).split())
    while len(line.encode()) > _LONGEST:
        line = line[:-1]
    return line.rstrip()


def telling(titles: Sequence[str]) -> bool:
    """Whether titles tell chapters apart: most are there, do not only count, and seldom repeat."""
    there = [one.strip() for one in titles if one.strip()]
    if not there or 2 * len(there) < len(titles):
        return False
    if all(_ONLY_COUNTS.match(one) for one in there):
        return False
    again = sum(one.casefold() == other.casefold() for one, other in pairwise(there))
    return 2 * again < len(there)


def from_names(stems: Sequence[str]) -> list[str]:
    """What is left of file names (without endings) when their numbers and what they all share are gone.

    What is shared goes only up to a separator or a number: "The Sea" and "The Land" keep their "The".
    Empty titles where nothing is left; all empty when what is left tells nothing.
    """
    rest = _without_numbers([stem.replace("_", " ") for stem in stems])
    if len(rest) > 1:
        shared = _shared(rest)
        front = rest[0][:shared].rstrip()
        if front and (front[-1] in _SEPARATORS or all(one[shared : shared + 1].isdigit() for one in rest)):
            rest = _without_numbers([one[shared:] for one in rest])
        shared = _shared([one[::-1] for one in rest])
        back = rest[0][len(rest[0]) - shared :].lstrip()
        if back and back[0] in _SEPARATORS + _BRACKETS:
            rest = [one[: len(one) - shared] for one in rest]
    rest = [one.strip(" \t,;" + _SEPARATORS) for one in rest]
    return rest if telling(rest) else [""] * len(stems)


def _without_numbers(names: Sequence[str]) -> list[str]:
    if len(names) > 1 and all(_NUMBER_IN_FRONT.match(one) for one in names):
        return [_NUMBER_IN_FRONT.sub("", one, count=1) for one in names]
    return list(names)


def _shared(words: Sequence[str]) -> int:
    """How many characters all begin with, cut back to the edge of a word, so that none breaks."""
    alike = (len(set(letters)) == 1 for letters in zip(*words, strict=False))
    length = sum(takewhile(bool, alike))
    while length and any(_joined(word, length) for word in words):
        length -= 1
    return length


def _joined(word: str, at: int) -> bool:
    return at < len(word) and word[at - 1].isalnum() and word[at].isalnum()
