"""Names and titles made comparable: two spellings of one thing become one, two different things never do."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

_ARTICLES = frozenset(
    ("the", "a", "an", "der", "die", "das", "ein", "eine", "le", "la", "les", "un", "une", "el", "los", "las")
)
_EDITION = re.compile(r"[\(\[{]?\b(?:un)?abridged\b(?: edition)?[\)\]}]?|[\(\[](?:audiobook|hörbuch)[\)\]]")
_COUNTED = r"(?:part|book|volume|vol|teil|band|tome|livre|episode|number|no)"
_BOOK = ("bk", "vol", "volume", "number", "no")
_SMALL_WORDS = _ARTICLES | {"and", "of", "in", "to", "on", "at", "und", "et", "y"}
# From so many equal letters on, a word is misspelt and not another one.
_MISSPELT = 0.9
_WORDS_FOR_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), 1
    )
}
_ROMAN = {
    numeral: str(number)
    for number, numeral in enumerate(
        ("ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv", "xvi"), 2
    )
}
# One letter is a numeral only behind a word that counts: "Malcolm X" is no tenth.
_SHORT_ROMAN = {"i": "1", "v": "5", "x": "10"}
OTHER_NUMBER = 0.4
"""The most that titles are alike whose numbers differ."""
_INITIALS = re.compile(r"\b([^\W\d_])\.(?=\s*\w|\s*$)")


def plain_words(text: str) -> list[str]:
    """The words in small letters without accents and signs; "&" is "and"."""
    text = unicodedata.normalize("NFKD", text.casefold().replace("&", " and ").replace("ß", "ss"))
    text = "".join(one for one in text if not unicodedata.combining(one))
    text = re.sub(r"['’`]", "", text)
    # A point within a number stays: part 1.5 is not part 15.
    return re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+", text)


def title_words(title: str) -> list[str]:
    """The words of a title, numbers written in figures, without a leading article and "(Unabridged)"."""
    text = re.sub(r"#(?=\s*\d)", " book ", _EDITION.sub(" ", title.casefold()))
    words = plain_words(text)
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    figures: list[str] = []
    for at, word in enumerate(words):
        counted = at > 0 and re.fullmatch(_COUNTED, words[at - 1]) is not None
        if counted and word in _WORDS_FOR_NUMBERS:
            word = _WORDS_FOR_NUMBERS[word]
        elif word in _SHORT_ROMAN:
            word = _SHORT_ROMAN[word] if counted else word
        elif word in _ROMAN and at > 0:
            word = _ROMAN[word]
        if word[0].isdigit():
            word = _number(word)
            if figures and figures[-1] in _BOOK:
                figures[-1] = "book"
        figures.append(word)
    return figures


def title_likeness(one: str, other: str) -> float:
    """How much two titles are alike, 0 to 1: at most `OTHER_NUMBER` when they are of two volumes."""
    left, right = title_words(one), title_words(other)
    if not left or not right:
        return 0.0
    if left == right:
        return 1.0
    ratio = _ratio(" ".join(left), " ".join(right))
    if _numbers(left) != _numbers(right):
        return min(ratio, OTHER_NUMBER)
    # Letters that are alike do not make two words one: "The Lost Boys" and "The Lost Toys" are two books.
    shared = min(_shared(left, right), _shared(right, left))
    return min(ratio, 0.55 + 0.45 * shared) if shared < 1 else ratio


def _shared(words: list[str], others: list[str]) -> float:
    """How many of the words that carry a title stand in the other one too, 0 to 1."""
    carrying = [word for word in words if word not in _SMALL_WORDS] or words
    found = [word for word in carrying if any(_ratio(word, other) >= _MISSPELT for other in others)]
    return len(found) / len(carrying)


def name_likeness(one: str, other: str) -> float:
    """How much two names of people are alike, 0 to 1: "Tolkien, J.R.R." is "J. R. R. Tolkien"."""
    left, right = _name_words(one), _name_words(other)
    if not left or not right:
        return 0.0
    if left == right or sorted(left) == sorted(right):
        return 1.0
    if left[-1] == right[-1] and _initials_agree(left[:-1], right[:-1]):
        return 0.95
    return min(_ratio(" ".join(left), " ".join(right)), 0.9)


def part_number(part: str) -> str:
    """A place in a series as it is compared: "02" is "2", "1.0" is "1", "Book 3" is "3", "1-3" stays."""
    found = re.search(r"\d+(?:\.\d+)?(?:\s*[-–]\s*\d+(?:\.\d+)?)?", part)
    if found is None:
        return ""
    return "-".join(_number(one.strip()) for one in re.split(r"[-–]", found[0]))


def _name_words(name: str) -> list[str]:
    if name.count(",") == 1:
        last, first = name.split(",")
        # "Martin Luther King, Jr." keeps its order.
        if plain_words(first) and plain_words(first)[0] not in ("jr", "sr", "ii", "iii", "phd", "md"):
            name = f"{first} {last}"
    words = plain_words(_INITIALS.sub(r"\1 ", name))
    return [word for word in words if word not in ("jr", "sr", "dr", "phd", "md")] or words


def _initials_agree(left: list[str], right: list[str]) -> bool:
    """Whether first names can be the same ones: each is the other, or its first letter."""
    if not left or not right:
        return False
    return all(
        one == other or (1 in (len(one), len(other)) and one[0] == other[0])
        for one, other in zip(left, right, strict=False)
    )


def _numbers(words: list[str]) -> set[str]:
    # The first of a series is often not numbered: "Dune" and "Dune, Book 1" are told apart by other signs.
    return {word for word in words if word[0].isdigit()} - {"1"}


def _number(figures: str) -> str:
    whole, _, fraction = figures.partition(".")
    fraction = fraction.rstrip("0")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{fraction}" if fraction else whole


def _ratio(one: str, other: str) -> float:
    # The ratio of difflib depends on the order of its two texts; ours must not.
    first, second = sorted((one, other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio()
