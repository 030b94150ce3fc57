"""The order in which people number things: 2 before 10, II before V, "Two" after "One"."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath

_DIGITS = re.compile(r"(\d+)")
_SEPARATORS = re.compile(r"[\s_.\-–—]+")
_ROMAN = re.compile(r"(?=[ivxlc])(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})|c{1,3}(xc|xl|l?x{0,3})(ix|iv|v?i{0,3})")
_ROMAN_VALUES = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
# fmt: off
_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# fmt: on
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)
}
WORD = rf"(?:(?:{'|'.join(_TENS)})[ -]?(?:{'|'.join(_UNITS[1:10])})|{'|'.join([*_UNITS[::-1], *_TENS])})"
"""A pattern for a number that is written as an English word, in small letters."""

NaturalKey = tuple[tuple[str | int, ...], str]


def natural_key(text: str) -> NaturalKey:
    """What to sort names by: letters without regard to case and accents, runs of digits as numbers.

    Separators (blank, dot, dash, underscore) are all the same. Of names that are equal so far the code
    points decide, so that the order is always total.
    """
    folded = "".join(
        one for one in unicodedata.normalize("NFKD", text).casefold() if not unicodedata.combining(one)
    )
    pieces = _DIGITS.split(_SEPARATORS.sub(" ", folded).strip())
    # split() gives text and digits in turn, beginning with text: like is compared with like.
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces)), text


def path_key(name: str) -> tuple[NaturalKey, ...]:
    """The same for a path with /: folder by folder, its last name without the ending."""
    path = PurePosixPath(name)
    return tuple(natural_key(part) for part in (*path.parts[:-1], path.stem))


def value_of(written: str) -> int | None:
    """The number that is written: 12, XII, twelve; None when it is none."""
    small = written.strip().casefold()
    if small.isdecimal():
        return int(small)
    if _ROMAN.fullmatch(small):
        return _roman(small)
    if small in _WORDS:
        return _WORDS[small]
    tens, _, unit = re.sub(r"[ -]+", " ", small).partition(" ")
    if not unit:
        tens = next((word for word in _TENS if small.startswith(word)), "")
        unit = small.removeprefix(tens)
    if tens in _TENS and unit in _UNITS[1:10]:
        return _WORDS[tens] + _WORDS[unit]
    return None


def _roman(small: str) -> int:
    values = [_ROMAN_VALUES[one] for one in small]
    return sum(
        -value if following > value else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )
