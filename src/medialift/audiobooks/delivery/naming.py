"""Where a book lies in a library: a template of its fields, such as `{author}/{series}/{number} - {title}`.

A part without a value is left out with its separator, so that one template serves books with a series and
without. The last part names the book's folder and its file; a template that ends in `.m4b` names the file
itself by its last part.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from medialift.audiobooks.delivery.components import LONGEST, component
from medialift.audiobooks.manifest import Manifest
from medialift.audiobooks.metadata.model import Metadata
from medialift.errors import Permanent

ENDING = ".m4b"
FIELDS = (
    "author",
    "authors",
    "narrator",
    "narrators",
    "title",
    "subtitle",
    "series",
    "number",
    "year",
    "language",
    "publisher",
    "asin",
    "isbn",
    "region",
    "format",
    "name",
)
"""What a template may name. `author` and `narrator` are the first of several; `name` is the book's folder."""

_IDENTIFYING = frozenset({"title", "asin", "isbn", "name"})
_FIELD = re.compile(r"\{([^{}]*)\}")
_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_SERIES_TAIL = re.compile(
    r"\s*(?:,\s*|\s)(?:#|book|bk\.?|vol\.?|volume|band|tome)\s*\d+(?:[.,]\d+)?\s*$", re.IGNORECASE
)
_MOST_NAMES = 3


@dataclass(frozen=True)
class Place:
    """Where a book lies below the root of a library: its folder, and the name of its file in it.

    `own`: whether the folder is this book's alone; not so when the template names the file itself.
    """

    folder: PurePosixPath
    file: str
    own: bool = True

    @property
    def path(self) -> PurePosixPath:
        """The file, below the root."""
        return self.folder / self.file


def faults(template: str) -> list[str]:
    """What is wrong with a template, a sentence each; none when it can be used."""
    found = []
    unknown = [name for name in _FIELD.findall(template) if name not in FIELDS]
    if unknown:
        named = ", ".join("{" + name + "}" for name in unknown)
        found.append(f"there is no {named}: there are {', '.join(FIELDS)}")
    if re.search(r"[{}]", _FIELD.sub("", template)):
        found.append("a brace is not closed, or not opened")
    parts = template.split("/")
    if template.startswith("/") or ".." in parts or "." in parts:
        found.append("it lies below the library: it may not begin with / or hold the parts . or ..")
    last = parts[-1]
    if not _IDENTIFYING & set(_FIELD.findall(last)):
        found.append("its last part must hold {title}, {asin}, {isbn} or {name}, or all books had one name")
    if not last.removesuffix(ENDING):
        found.append("its last part is empty")
    return found


def place(template: str, manifest: Manifest, *, padding: int = 2, language: str = "") -> Place:
    """Where the book of a manifest lies.

    Args:
        template: see the top of this file.
        padding: digits of a number within a series.
        language: of a book that does not say its own.

    Raises:
        Permanent: the template is wrong, or nothing is left of a name.
    """
    return placed(template, values(manifest, padding=padding, language=language))


def placed(template: str, fields: Mapping[str, str]) -> Place:
    """The same, from the fields themselves.

    Raises:
        Permanent: as `place`.
    """
    if wrong := faults(template):
        raise Permanent("A naming template cannot be used", template, f"Correct it: {'; '.join(wrong)}")
    *folders, last = template.split("/")
    file_is_named = last.endswith(ENDING)
    room = LONGEST - len(ENDING)
    # A title of nothing but question marks leaves nothing: the folder's name is as good as any.
    name = component(_filled(last.removesuffix(ENDING), fields), room=room) or component(
        fields["name"], room=room
    )
    if not name:
        raise Permanent(
            "Nothing is left of a book's name", template, "Give it a title with `medialift audiobooks tag`"
        )
    parts = [component(_filled(part, fields)) for part in folders]
    if not file_is_named:
        parts.append(name)
    return Place(PurePosixPath(*filter(None, parts)), f"{name}{ENDING}", own=not file_is_named)


def values(manifest: Manifest, *, padding: int = 2, language: str = "") -> dict[str, str]:
    """The fields of a book as text: of what was tagged, or else of what its sources said of it."""
    known, detected = manifest.tagging.metadata or Metadata(), manifest.sources.detected
    authors = known.authors or ((detected.author,) if detected.author else ())
    narrators = known.narrators or ((detected.narrator,) if detected.narrator else ())
    series, number = detected.series, detected.series_part
    if known.series is not None:
        series, number = known.series.name, known.series.part
    elif not series and manifest.sources.series is not None:
        series, number = manifest.sources.series.name, manifest.sources.series.number
    year = str(known.year or "") or known.release_date[:4] or detected.year[:4]
    return {
        "author": authors[0] if authors else "",
        "authors": _listed(authors),
        "narrator": narrators[0] if narrators else "",
        "narrators": _listed(narrators),
        "title": known.title or detected.title or manifest.name,
        "subtitle": known.subtitle,
        "series": series_name(series),
        "number": padded(number, padding) if series else "",
        "year": year,
        "language": known.language or manifest.localisation.language or detected.language or language,
        "publisher": known.publisher,
        "asin": known.asin or detected.asin,
        "isbn": known.isbn or detected.isbn,
        "region": known.region or manifest.localisation.region,
        "format": known.format,
        "name": manifest.name,
    }


def padded(number: str, digits: int) -> str:
    """A number within a series so that names sort as numbers do: "2" is "02", "1.5" "01.5", "1-3" "01-03".

    Words around it are left out ("Book 2"); what holds no number stays as it is.
    """
    found = [one.replace(",", ".") for one in _NUMBER.findall(number)]
    if not found:
        return number.strip()
    whole = []
    for one in found[:2] if re.search(r"\d\s*[-\u2013]\s*\d", number) else found[:1]:
        before, dot, after = one.partition(".")
        after = after.rstrip("0")
        whole.append(f"{int(before):0{digits}d}{dot if after else ''}{after}")
    return "-".join(whole)


def series_name(name: str) -> str:
    """One spelling of a series: spaces made one, a number at its end left out ("Harbour Tales, Book 2")."""
    name = re.sub(r"\s+", " ", name).strip()
    return _SERIES_TAIL.sub("", name) or name


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and others" if len(names) > _MOST_NAMES else shown


def _filled(part: str, fields: Mapping[str, str]) -> str:
    """One part of a template with its fields. What stands before one goes with it when it has no value."""
    # Braces in a value would look like a field: they are as good as brackets in a name.
    known = {name: value.replace("{", "(").replace("}", ")") for name, value in fields.items()}

    def bracket(found: re.Match[str]) -> str:
        """A pair of brackets with fields counts as one field, with a value if one of them has one."""
        if not _FIELD.search(found[0]):
            return found[0]
        inside = _joined(found[0][1:-1], known)
        name = f"\0{len(known)}"
        known[name] = f"{found[0][0]}{inside}{found[0][-1]}" if inside else ""
        return "{" + name + "}"

    return _joined(_BRACKETED.sub(bracket, part), known)


def _joined(part: str, known: Mapping[str, str]) -> str:
    pieces = _FIELD.split(part)  # text, field, text, …, field, text
    made, written = "", False
    for at in range(1, len(pieces), 2):
        before, value = pieces[at - 1], known.get(pieces[at], "")
        if value:
            # Text before the very first field introduces it; between two fields it parts them.
            made += (before if written or at == 1 else "") + value
            written = True
    ends_with_value = len(pieces) == 1 or bool(known.get(pieces[-2], ""))
    return made + (pieces[-1] if ends_with_value else "")
