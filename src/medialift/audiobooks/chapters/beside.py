"""The lists of chapters that lie beside the sound: found, read, and laid over the parts they speak of.

- `chapters.txt`, `*.chapters.txt` and `*-chapters.txt` speak of the whole book; one that is called after a
  part (`disc 1.chapters.txt` beside `disc 1.mp3`) speaks of that part.
- A cue sheet speaks of the files that it names. One of a single file may lie beside a book of a single part
  under any name, since files are renamed more often than sheets are written again; so may one with as many
  files as the book has parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import TypeVar

from medialift.audiobooks.book import Book
from medialift.audiobooks.chapters import cue, listing
from medialift.audiobooks.chapters.encodings import text_of
from medialift.audiobooks.chapters.listing import Listing
from medialift.audiobooks.chapters.mark import Mark
from medialift.errors import MedialiftError

_Told = TypeVar("_Told")
_LISTING = re.compile(r"(?:(?P<of>.*?)[.\-_ ])?chapters?\.txt\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Beside:
    """What lies beside a book.

    Attributes:
        whole: a list for the whole book.
        parts: marks within single parts, by the number of the part.
        notes: what was found and could not be used, a sentence each.
    """

    whole: Listing | None = None
    whole_from: str = ""
    parts: Mapping[int, tuple[Mark, ...]] = field(default_factory=dict)
    parts_from: str = ""
    notes: tuple[str, ...] = ()


def find(book: Book) -> Beside:
    """The lists beside a book; a list of the whole goes before lists of parts."""
    notes: list[str] = []
    stems = [Path(part.name).stem.casefold() for part in book.parts]
    whole, whole_from = None, ""
    parts: dict[int, tuple[Mark, ...]] = {}
    parts_from = ""
    for path in sorted(book.extras):
        name = _LISTING.match(path.name)
        if name is None:
            continue
        found = _read(path, listing.read, notes)
        of = (name["of"] or "").casefold()
        if found is None or not (found.marks or found.titles):
            notes.append(f"{path.name} holds no chapters")
        elif len(stems) > 1 and of in stems and found.marks:
            parts[stems.index(of)], parts_from = found.marks, "chapters.txt"
        elif whole is None:
            whole, whole_from = found, "chapters.txt"
        else:
            notes.append(f"{path.name} was left out: another list speaks of the whole book")
    if whole is None and not parts:
        sheets = [path for path in sorted(book.extras) if path.suffix.casefold() == ".cue"]
        parts, parts_from = _of_sheets(sheets, book, notes), "cue sheet"
    return Beside(whole, whole_from, parts, parts_from if parts else "", tuple(notes))


def _of_sheets(sheets: Sequence[Path], book: Book, notes: list[str]) -> dict[int, tuple[Mark, ...]]:
    placed: dict[int, tuple[Mark, ...]] = {}
    for path in sheets:
        files = _read(path, cue.read, notes) or ()
        if not files:
            notes.append(f"{path.name} holds no tracks")
            continue
        # Discs repeat their names, and each has its own sheet: the parts beside a sheet are meant.
        near = [at for at, part in enumerate(book.parts) if part.path.parent == path.parent]
        for at, one in zip(_positions(files, path, book, near or range(len(book.parts))), files, strict=True):
            if at is None:
                notes.append(f"{path.name} speaks of {one.name}, which is no part of this book")
            else:
                placed.setdefault(at, one.marks)
    return placed


def _positions(
    files: Sequence[cue.CueFile], sheet: Path, book: Book, among: Sequence[int]
) -> Sequence[int | None]:
    """For each file of a sheet the number of its part; all None when some are not found."""
    names = {book.parts[at].path.name.casefold(): at for at in reversed(among)}
    stems = {Path(name).stem: at for name, at in names.items()}
    # Sheets of Windows name whole paths, and often the .wav that the .mp3 was made of.
    called = [PureWindowsPath(one.name.replace("/", "\\")).name.casefold() for one in files]
    found = [names.get(one, stems.get(Path(one).stem)) for one in called]
    if None in found and len(files) == len(among):
        return among
    if found == [None]:
        return [stems.get(sheet.stem.casefold())]
    return found


def _read(path: Path, reader: Callable[[str], _Told], notes: list[str]) -> _Told | None:
    try:
        return reader(text_of(path))
    except (OSError, MedialiftError) as error:
        notes.append(f"{path.name} cannot be read: {error}")
        return None
