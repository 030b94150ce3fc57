"""What the name of a folder or a file says of a book: "Author - Series 2 - Title (2008) [B0ABCDEFGH]"."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from medialift.audiobooks.metadata.plain import without_controls
from medialift.audiobooks.metadata.wording import part_number

_ASIN = re.compile(r"(?<![A-Z0-9])B0[A-Z0-9]{8}(?![A-Z0-9])")
_BRACKETED_ASIN = re.compile(
    r"[\[({]\s*(?:ASIN[ :.=_-]*)?((?:B0[A-Z0-9]{8}|\d{9}[\dX]))\s*[\])}]", re.IGNORECASE
)
_YEAR = re.compile(r"[\[(]\s*((?:1[89]|20)\d\d)\s*[\])]|^((?:1[89]|20)\d\d)\s+-\s+")
_READ_BY = re.compile(
    r"[\[({,]?\s*\b(?:read|narrated|performed|gelesen|lu|letto|le[ií]do)\s+(?:by|von|par|da|por)\s+"
    r"(?P<names>[^\])}(\[{]+?)\s*(?:[\])}]|$)",
    re.IGNORECASE,
)
_ABRIDGED = re.compile(
    r"[\[({]?\s*\b(?P<un>un)?(?:abridged|gekürzt)\b(?:\s+edition)?\s*[\])}]?", re.IGNORECASE
)
_UNGEKUERZT = re.compile(r"[\[({]?\s*\bungekürzt\w*\b\s*[\])}]?", re.IGNORECASE)
_NOISE = re.compile(
    r"[\[({]\s*(?:audio\s?book|hörbuch|m4b|mp3|m4a|flac|aac|\d{2,3}\s?k(?:b(?:ps|it/s)?)?|v\d|cbr|vbr|retail"
    r"|complete|[a-z]{0,3}\d{2,3}\s?kbps)(?:\s*[,-]?\s*\d{2,3}\s?k(?:bps)?)?\s*[\])}]",
    re.IGNORECASE,
)
_COUNTER = r"(?:book|bk|buch|vol(?:ume)?|band|part|teil|tome|livre|no|nr|#)"
_NUMBER = r"\d{1,3}(?:\.\d{1,2})?"
# "Harbour Tales 2", "Harbour Tales, Book 2", "Harbour Tales #2", "Book 2 of Harbour Tales", "02".
_SERIES_NUMBER = re.compile(
    rf"^(?P<name>.*?\D)[\s,:_-]*(?:{_COUNTER}[\s.]*)?(?P<number>{_NUMBER})$", re.IGNORECASE
)
_NUMBER_OF_SERIES = re.compile(
    rf"^{_COUNTER}[\s.]*(?P<number>{_NUMBER})\s+(?:of|in|von)\s+(?P<name>.+)$", re.IGNORECASE
)
_NUMBER_ALONE = re.compile(rf"^(?:{_COUNTER}[\s.]*)?(?P<number>{_NUMBER})$", re.IGNORECASE)
_NUMBER_FIRST = re.compile(rf"^(?P<number>{_NUMBER})(?:\s*[.)_]\s+|\s+-\s+|\s*_+)(?P<rest>\D.*)$")
_SERIES_BRACKETS = re.compile(
    rf"[\[(](?P<name>[^\])(\[]+?)[\s,:_-]+(?:{_COUNTER}[\s.]*)?(?P<number>{_NUMBER})\s*[\])]", re.IGNORECASE
)
_TITLE_BOOK = re.compile(
    rf"^(?P<title>.+?)[,:]?\s+(?P<counter>book|bk|buch|vol(?:ume)?|band|tome|livre|#)[\s.]*(?P<number>{_NUMBER})$",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s+[-–—]\s+")
_BY = re.compile(r"^(?P<title>.+?)\s+by\s+(?P<author>\S+(?:\s+\S+){1,4})$", re.IGNORECASE)
_NAME_LIKE = re.compile(r"^[^\d]+$")


@dataclass(frozen=True)
class Said:
    """What one name says. `unsure` is set when the split into author and title is a guess."""

    title: str = ""
    authors: tuple[str, ...] = ()
    narrators: tuple[str, ...] = ()
    series: str = ""
    number: str = ""
    year: int | None = None
    asin: str = ""
    abridged: bool | None = None
    unsure: bool = False


def read_name(name: str) -> Said:
    """What a folder's or a file's name says; files without their ending.

    A name of one piece is a title. In "A - B" A is the author, unless it is a number or a series with one.
    """
    text = without_controls(name).replace("_", " ")
    said = Said()
    text, said = _asin(text, said)
    text, said = _edition(text, said)
    text, said = _readers(text, said)
    text, said = _bracketed_series(text, said)
    text, said = _year(text, said)
    text = _tidy(_NOISE.sub(" ", text))
    return _pieces(text, said)


def people(text: str) -> tuple[str, ...]:
    """Names of people out of one text: "A and B", "A & B", "A; B", "A, B", but "King, Stephen" is one."""
    # A point may be the end of "Jr.".
    text = " ".join(text.split()).strip(" -–—_,;:")
    if not text:
        return ()
    strong = re.split(r"\s*[;/|]\s*|\s+(?:&|and|und|et|y|with)\s+", text)
    found: list[str] = []
    for one in strong:
        commas = [piece.strip() for piece in one.split(",") if piece.strip()]
        if len(commas) == 2 and (
            " " not in commas[0] or commas[1].rstrip(".").lower() in ("jr", "sr", "phd", "md")
        ):
            # "King, Stephen" and "Martin Luther King, Jr."
            found.append(", ".join(commas) if " " in commas[0] else f"{commas[1]} {commas[0]}")
        else:
            found += commas
    return tuple(dict.fromkeys(filter(None, found)))


def _asin(text: str, said: Said) -> tuple[str, Said]:
    found = _BRACKETED_ASIN.search(text)
    if found:
        return _without(text, found), replace(said, asin=found[1].upper())
    bare = _ASIN.search(text)
    # Ten capital letters may be a word; an ASIN of ours has a figure behind its B0.
    if bare and any(one.isdigit() for one in bare[0][2:]):
        return _without(text, bare), replace(said, asin=bare[0])
    return text, said


def _edition(text: str, said: Said) -> tuple[str, Said]:
    if found := _UNGEKUERZT.search(text):
        return _without(text, found), replace(said, abridged=False)
    if found := _ABRIDGED.search(text):
        return _without(text, found), replace(said, abridged=not found["un"])
    return text, said


def _readers(text: str, said: Said) -> tuple[str, Said]:
    found = _READ_BY.search(text)
    if not found:
        return text, said
    return _without(text, found), replace(said, narrators=people(found["names"]))


def _bracketed_series(text: str, said: Said) -> tuple[str, Said]:
    found = _SERIES_BRACKETS.search(text)
    if not found or not re.search(r"[^\W\d_]{2}", found["name"]):
        return text, said
    name = _tidy(found["name"])
    return _without(text, found), replace(said, series=name, number=part_number(found["number"]))


def _year(text: str, said: Said) -> tuple[str, Said]:
    found = _YEAR.search(text)
    # "1984" alone, or as a whole piece, is a title.
    if not found or not _tidy(_without(text, found)):
        return text, said
    return _without(text, found), replace(said, year=int(found[1] or found[2]))


def _pieces(text: str, said: Said) -> Said:
    pieces = [piece for one in _SPLIT.split(text) if (piece := _tidy(one))]
    if not pieces:
        return said
    if len(pieces) == 1:
        return _one_piece(pieces[0], said)
    # A piece that is a series with a number, or a number alone, stands before the title.
    rest: list[str] = []
    for at, piece in enumerate(pieces):
        last = at == len(pieces) - 1
        if alone := _NUMBER_ALONE.match(piece):
            if not last:
                series = said.series or (rest.pop() if rest and (at > 1 or len(pieces) > 3) else "")
                said = replace(said, series=series, number=said.number or part_number(alone["number"]))
                continue
        elif not last and not said.number and (found := _SERIES_NUMBER.match(piece)):
            said = replace(said, series=_series_name(found["name"]), number=part_number(found["number"]))
            continue
        rest.append(piece)
    return _authors_and_title(rest, said)


def _authors_and_title(pieces: list[str], said: Said) -> Said:
    if len(pieces) == 1:
        return _one_piece(pieces[0], said)
    author, *middle, title = pieces
    if not _NAME_LIKE.match(author):
        return _one_piece(" - ".join(pieces), replace(said, unsure=True))
    if middle and not said.series and not said.number:
        # "Author - Title - Subtitle" and "Author - Series - Title" look alike: both readings are kept.
        return replace(_one_piece(" - ".join([*middle, title]), said), authors=people(author), unsure=True)
    title = " - ".join([*middle, title]) if middle and said.series else title
    return replace(_one_piece(title, said), authors=people(author))


def _one_piece(text: str, said: Said) -> Said:
    """A title, perhaps with a number in front or a book's number behind it."""
    if said.title:
        return said
    if found := _BY.match(text):
        author = found["author"]
        if all(
            word[:1].isupper() for word in author.split() if word.lower() not in ("de", "von", "van", "la")
        ):
            return replace(_one_piece(found["title"], said), authors=people(author), unsure=True)
    if not said.number and (found := _NUMBER_FIRST.match(text)):
        return replace(said, title=_tidy(found["rest"]), number=part_number(found["number"]))
    if not said.number and (found := _NUMBER_OF_SERIES.match(text)):
        series, number = _tidy(found["name"]), part_number(found["number"])
        return replace(said, title=f"{series}, Book {number}", series=series, number=number)
    if not said.number and (found := _TITLE_BOOK.match(text)):
        return replace(said, title=text, number=part_number(found["number"]))
    return replace(said, title=text)


def _series_name(text: str) -> str:
    return _tidy(re.sub(rf"[\s,:_-]*{_COUNTER}[\s.]*$", "", text, flags=re.IGNORECASE))


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" -–—_,;:.")
