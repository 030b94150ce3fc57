"""What is known of a book as MP4 atoms: which field goes where, and what a file holds and would hold.

The fields are those of mp3tag's `Audible API.inc` v0.6; the atoms are those that mp3tag, iTunes and the
library servers read (Audiobookshelf: series / mvnm, series-part / mvin, asin, isbn; composer as narrator).
Here a file's tags are text by atom, whatever the atom's type: `"stik": "2"`, `"pgap": "1"`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import mutagen
from mutagen.mp4 import MP4, AtomDataType, MP4Cover, MP4FreeForm

from medialift.audiobooks.manifest import TagChange
from medialift.audiobooks.metadata.model import Metadata
from medialift.errors import Permanent

Scheme = Literal["itunes", "freeform", "both"]
Tags = Mapping[str, str]
"""Text by atom; an atom without text is not there."""

FREEFORM = "----:com.apple.iTunes:"
COVER = "covr"
_INTEGERS = ("stik", "shwm", "rtng", "\xa9mvi")
_BOOLEANS = ("pgap",)
# What a signed 16-bit atom holds.
_MOST = 32_767
# Windows Media's numbers for one to five stars.
_WMP = {1: "1", 2: "64", 3: "128", 4: "196", 5: "255"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
# Library servers split genres and names at it.
_BETWEEN = "; "


@dataclass(frozen=True)
class Line:
    """One row of the table.

    Attributes:
        field: mp3tag's name. atom: where it is written.
        attribute: the field of Metadata that it is made of; "" when it is always the same.
        twin: the other row of those that have both an atom of iTunes' own and a freeform one; "" for none.
    """

    field: str
    atom: str
    attribute: str
    twin: str = ""

    @property
    def freeform(self) -> bool:
        return self.atom.startswith(FREEFORM)


TABLE: tuple[Line, ...] = (
    Line("TITLE", "\xa9nam", "title"),
    Line("ALBUM", "\xa9alb", "title"),
    Line("SUBTITLE", "\xa9st3", "subtitle", twin="SUBTITLE"),
    Line("SUBTITLE", FREEFORM + "SUBTITLE", "subtitle", twin="SUBTITLE"),
    Line("ARTIST", "\xa9ART", "authors"),
    Line("ALBUMARTIST", "aART", "authors"),
    Line("ALBUMARTISTS", FREEFORM + "ALBUMARTISTS", "authors"),
    Line("COMPOSER", "\xa9wrt", "narrators"),
    Line("COMPOSER", "\xa9nrt", "narrators"),
    Line("ALBUMSORT", "soal", "series"),
    Line("CONTENTGROUP", "\xa9grp", "series"),
    Line("GENRE", "\xa9gen", "genres"),
    Line("YEAR", "\xa9day", "year"),
    Line("RELEASETIME", FREEFORM + "RELEASETIME", "release_date"),
    Line("MOVEMENTNAME", "\xa9mvn", "series", twin="SERIES"),
    Line("MOVEMENT", "\xa9mvi", "series", twin="SERIES-PART"),
    Line("SHOWMOVEMENT", "shwm", "series"),
    Line("SERIES", FREEFORM + "SERIES", "series", twin="SERIES"),
    Line("SERIES-PART", FREEFORM + "SERIES-PART", "series", twin="SERIES-PART"),
    Line("ASIN", FREEFORM + "ASIN", "asin"),
    Line("ISBN", FREEFORM + "ISBN", "isbn"),
    Line("LANGUAGE", FREEFORM + "LANGUAGE", "language"),
    Line("WWWAUDIOFILE", FREEFORM + "WWWAUDIOFILE", "product_url"),
    Line("COMMENT", "\xa9cmt", "description"),
    Line("DESCRIPTION", "desc", "description"),
    Line("DESCRIPTION", "ldes", "description"),
    Line("PUBLISHER", "\xa9pub", "publisher", twin="PUBLISHER"),
    Line("PUBLISHER", FREEFORM + "PUBLISHER", "publisher", twin="PUBLISHER"),
    Line("COPYRIGHT", "cprt", "copyright"),
    Line("FORMAT", FREEFORM + "FORMAT", "format"),
    Line("RATING", FREEFORM + "RATING", "rating"),
    Line("RATING WMP", FREEFORM + "RATING WMP", "rating"),
    Line("ITUNESADVISORY", "rtng", "explicit", twin="EXPLICIT"),
    Line("EXPLICIT", FREEFORM + "EXPLICIT", "explicit", twin="EXPLICIT"),
    Line("ITUNESMEDIATYPE", "stik", ""),
    Line("ITUNESGAPLESS", "pgap", ""),
)
_LINES = {line.atom: line for line in TABLE}
_FREEFORM_NAMES = {line.atom.upper(): line.atom for line in TABLE if line.freeform}
# What says which book it is: of an older answer nothing of it may stay beside a newer one.
_IDENTITY = frozenset({"title", "subtitle", "authors", "narrators", "series", "asin", "isbn", "product_url"})


def wanted(metadata: Metadata, scheme: Scheme) -> dict[str, str]:
    """The atoms that say what is known of a book; fields that say nothing have none.

    Args:
        scheme: where a field has an atom of iTunes' own and a freeform one: which of them, or both. A part
            of a series that is no whole number has a freeform one only, and it is written whatever is asked.
    """
    values = _values(replace(metadata, title=_clean(metadata.title), subtitle=_clean(metadata.subtitle)))
    told = {line: _clean(values.get(line.field, "")) for line in TABLE}
    native = {line.twin for line, text in told.items() if line.twin and text and not line.freeform}
    return {
        line.atom: text
        for line, text in told.items()
        if text
        and not (scheme == "freeform" and line.twin and not line.freeform)
        and not (scheme == "itunes" and line.twin in native and line.freeform)
    }


def attribute(atom: str) -> str:
    """The field of Metadata that an atom of the table is made of; "" when it is always the same."""
    return _LINES[atom].attribute


def after(
    old: Tags, new: Tags, *, previous: Tags | None = None, emptied: Collection[str] = ()
) -> dict[str, str]:
    """What a file that holds `old` holds when `new` was written.

    What says which book it is comes from `new` alone. Of the rest the file keeps what nobody now says
    anything of, unless an earlier tagging of ours put it there (`previous`) or a person said that it is
    empty (`emptied`: fields of Metadata).
    """

    def stays(atom: str, text: str) -> bool:
        attribute = _LINES[atom].attribute
        if attribute in _IDENTITY or attribute in emptied or not attribute:
            return False
        if any(_LINES[other].attribute == attribute for other in new):
            return False
        return (previous or {}).get(atom) != text

    return {**{atom: text for atom, text in old.items() if stays(atom, text)}, **new}


def changes(old: Tags, new: Tags) -> tuple[TagChange, ...]:
    """The fields that differ, in the order of the table; one that has two atoms is told once."""
    told = (
        TagChange(field=line.field, old=old.get(line.atom, ""), new=new.get(line.atom, ""))
        for line in TABLE
        if old.get(line.atom, "") != new.get(line.atom, "")
    )
    return tuple({(one.field, one.old, one.new): one for one in told}.values())


def read(path: Path) -> dict[str, str]:
    """The atoms of the table that a file holds, several values of one joined by "; ".

    Raises:
        Permanent: it is no MP4 file, or a damaged one.
        OSError: it cannot be read.
    """
    found = (opened(path).tags or {}).items()
    texts = {_known(atom): _text(value) for atom, value in found if _known(atom) is not None}
    return {line.atom: texts[line.atom] for line in TABLE if texts.get(line.atom)}


def cover(path: Path) -> bytes | None:
    """The first picture in a file; None when it has none.

    Raises:
        Permanent, OSError: as `read`.
    """
    pictures = (opened(path).tags or {}).get(COVER) or []
    return bytes(pictures[0]) if pictures and len(pictures[0]) else None


def opened(path: Path) -> Any:
    """The file as mutagen knows it.

    Raises:
        Permanent: it is no MP4 file, or a damaged one.
        OSError: it cannot be read.
    """
    try:
        return MP4(path)
    except mutagen.MutagenError as error:
        if isinstance(error.__context__, OSError):  # mutagen wraps what the disk says
            raise error.__context__ from None
        raise Permanent("A file is no M4B, or a damaged one", str(path), "Convert the book again") from error


def put(file: Any, tags: Tags, picture: bytes | None) -> None:
    """Let an opened file hold these atoms of the table, and no empty ones; those of others stay.

    Args:
        picture: JPEG or PNG that takes the place of its pictures; None leaves them.

    Raises:
        Permanent: the picture is neither JPEG nor PNG.
    """
    if file.tags is None:
        file.add_tags()
    for atom in list(file.tags):
        empty = atom != COVER and not isinstance(file.tags[atom], bool) and not _text(file.tags[atom])
        if empty or (_known(atom) is not None and tags.get(atom) is None):
            del file.tags[atom]
    for atom, text in tags.items():
        file.tags[atom] = _typed(atom, text)
    if picture is not None:
        kinds = {"jpeg": MP4Cover.FORMAT_JPEG, "png": MP4Cover.FORMAT_PNG}
        file.tags[COVER] = [MP4Cover(picture, imageformat=kinds[picture_format(picture)])]


def picture_format(picture: bytes) -> Literal["jpeg", "png"]:
    """By its first bytes.

    Raises:
        Permanent: it is neither.
    """
    if picture.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    raise Permanent("A cover is neither JPEG nor PNG", "", "Put a cover.jpg beside the book")


def _values(known: Metadata) -> dict[str, str]:
    """The text of each field of the table."""
    series, part = (known.series.name, known.series.part) if known.series else ("", "")
    stars = None if known.rating is None else known.rating
    authors, narrators = ", ".join(known.authors), ", ".join(known.narrators)
    whole = part if part.isascii() and part.isdigit() and int(part) <= _MOST else ""
    year = str(known.year) if known.year else known.release_date[:4]
    return {
        "TITLE": known.title,
        "ALBUM": known.title,
        "SUBTITLE": known.subtitle,
        "ARTIST": ", ".join(dict.fromkeys((*known.authors, *known.narrators))),
        "ALBUMARTIST": authors,
        "ALBUMARTISTS": _BETWEEN.join(known.authors),
        "COMPOSER": narrators,
        "ALBUMSORT": _sort_name(known),
        "CONTENTGROUP": f"{series}, Book #{part}" if series and part else series,
        "GENRE": _BETWEEN.join(known.genres),
        "YEAR": year,
        "RELEASETIME": known.release_date,
        "MOVEMENTNAME": series,
        "MOVEMENT": str(int(whole)) if series and whole else "",
        "SHOWMOVEMENT": "1" if series else "",
        "SERIES": series,
        "SERIES-PART": part if series else "",
        "ASIN": known.asin,
        "ISBN": known.isbn,
        "LANGUAGE": known.language.capitalize(),
        "WWWAUDIOFILE": known.product_url,
        "COMMENT": known.description,
        "DESCRIPTION": known.description,
        "PUBLISHER": known.publisher,
        "COPYRIGHT": known.copyright,
        "FORMAT": known.format.capitalize(),
        "RATING": "" if stars is None else f"{stars:g}",
        "RATING WMP": "" if stars is None else _WMP.get(round(stars), ""),
        "ITUNESADVISORY": {True: "1", False: "2", None: ""}[known.explicit],
        "EXPLICIT": {True: "1", False: "0", None: ""}[known.explicit],
        "ITUNESMEDIATYPE": "2",
        "ITUNESGAPLESS": "1",
    }


def _sort_name(known: Metadata) -> str:
    if known.series:
        return f"{known.series.name} {known.series.part}".strip() + (
            f" - {known.title}" if known.title else ""
        )
    return f"{known.title} - {known.subtitle}" if known.title and known.subtitle else known.title


def _clean(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n")).strip()


def _known(atom: str) -> str | None:
    """The table's name of an atom; freeform ones are written in any case by others."""
    return atom if atom in _LINES else _FREEFORM_NAMES.get(atom.upper())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    values = value if isinstance(value, list) else [value]
    told = (bytes(one).decode(errors="replace") if isinstance(one, bytes) else str(one) for one in values)
    return _BETWEEN.join(text for text in told if text.strip("\0 "))


def _typed(atom: str, text: str) -> Any:
    if atom in _BOOLEANS:
        return text == "1"
    if atom in _INTEGERS:
        return [int(text)]
    if atom.startswith(FREEFORM):
        return [MP4FreeForm(text.encode(), dataformat=AtomDataType.UTF8)]
    return [text]
