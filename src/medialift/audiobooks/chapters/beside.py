"""The lists of chapters that lie beside the sound: found, read, and laid over the parts they speak of.

- `chapters.txt`, `*.chapters.txt` and `*-chapters.txt` speak of the whole book; one that lies in the folder
  of a disc speaks of that disc, one called after a part (`2.chapters.txt` beside `2.mp3`) of that part.
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

CHAPTERS_TXT, CUE_SHEET = "chapters.txt", "cue sheet"
_Told = TypeVar("_Told")
_LISTING = re.compile(r"(?:(?P<of>.*?)[.\-_ ])?chapters?\.txt\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Stretch:
    """Some parts of a book, and where chapters begin in them: seconds from the beginning of the first one.

    They are those from number `first` up to but without `after`; `by` says what kind of list it was.
    """

    first: int
    after: int
    marks: tuple[Mark, ...]
    by: str


@dataclass(frozen=True)
class Beside:
    """What lies beside a book.

    Attributes:
        whole: a list for the whole book.
        stretches: lists of single parts or discs, by the number of their first part.
        notes: what was found and could not be used, a sentence each.
    """

    whole: Listing | None = None
    stretches: Mapping[int, Stretch] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find(book: Book) -> Beside:
    """The lists beside a book; a list of the whole goes before lists of parts, these before cue sheets."""
    notes: list[str] = []
    whole: Listing | None = None
    stretches: dict[int, Stretch] = {}
    for path in sorted(book.extras):
        name = _LISTING.match(path.name)
        found = _read(path, listing.read, notes) if name else None
        if name is None or found is None:
            continue
        near = _near(path, book)
        stems = {book.parts[at].path.stem.casefold(): at for at in near}
        part = stems.get((name["of"] or "").casefold()) if len(book.parts) > 1 else None
        if not found.marks and not found.titles:
            notes.append(f"{path.name} holds no chapters")
        elif part is not None and found.marks:
            stretches[part] = Stretch(part, part + 1, found.marks, CHAPTERS_TXT)
        elif len(near) < len(book.parts) and found.marks and near == range(near[0], near[-1] + 1):
            stretches[near[0]] = Stretch(near[0], near[-1] + 1, found.marks, CHAPTERS_TXT)
        elif whole is None and len(near) == len(book.parts):
            whole = found
        else:
            notes.append(f"{path.name} was left out: it does not say which parts it speaks of")
    if whole is None and not stretches:
        sheets = [path for path in sorted(book.extras) if path.suffix.casefold() == ".cue"]
        stretches = {
            at: Stretch(at, at + 1, marks, CUE_SHEET) for at, marks in _of_sheets(sheets, book, notes).items()
        }
    return Beside(whole, stretches, tuple(notes))


def _near(path: Path, book: Book) -> Sequence[int]:
    """The parts that lie in the folder of a list; all of them when none does."""
    near = [at for at, part in enumerate(book.parts) if part.path.parent == path.parent]
    if near and near == list(range(near[0], near[-1] + 1)):
        return range(near[0], near[-1] + 1)
    return near or range(len(book.parts))


def _of_sheets(sheets: Sequence[Path], book: Book, notes: list[str]) -> dict[int, tuple[Mark, ...]]:
    placed: dict[int, tuple[Mark, ...]] = {}
    for path in sheets:
        files = _read(path, cue.read, notes) or ()
        if not files:
            notes.append(f"{path.name} holds no tracks")
            continue
        # Discs repeat their names, and each has its own sheet: the parts beside a sheet are meant.
        for at, one in zip(_positions(files, path, book, _near(path, book)), files, strict=True):
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
