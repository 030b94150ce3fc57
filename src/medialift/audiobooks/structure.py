"""How the files of a folder make up a book, or several, or none: decided from names alone, nothing is read.

What is decided where people's habits differ:
- `Author/Title/…`: folders that hold nothing but one other folder are passed through, and the book is
  `Title`. It keeps that key when a second title comes beside it. Where the outer folder holds something of
  the book (a cover, a cue sheet), or the inner one's name says nothing ("mp3", "Audiobook"), the outer one is
  the book.
- `Author/` with several folders with audio, none of which is a disc or a part: each is a book of its own.
- Numbers in front of such folders ("1 - Title"), or words ("Book 2", "Vol. 3", "#4") make it a series.
- Folders named bonus, extras, interviews, samples beside the book are kept with it and not read aloud.
- Whatever could be two things is refused, with its tree and what to rename: a wrong book is worse than none.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medialift.audiobooks.book import Book, InSeries, Part, Refused, Structure
from medialift.audiobooks.listing import File, Folder, Trouble, is_utf8, shown
from medialift.audiobooks.marks import Mark, is_bonus, is_number, is_plain, mark_of, mark_within
from medialift.audiobooks.natural import natural_key
from medialift.audiobooks.numbering import numbering
from medialift.audiobooks.tree import tree

Understood = Book | Refused

_PROTECTED = frozenset({".aax", ".aaxc", ".aa", ".m4p"})
_PACKED = frozenset({".zip", ".rar", ".7z", ".tar", ".gz", ".r00", ".001"})
# Audio that is taken only when the settings name its ending: beside a book it would be lost without a word.
_OTHER_AUDIO = frozenset({
    ".mp3", ".m4a", ".m4b", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".wav", ".mpc", ".ape", ".wv",
    ".ac3", ".dts", ".aif", ".aiff", ".mka", ".amr", ".ra", ".au", ".spx", ".mp2", ".tta", ".shn", ".caf",
})  # fmt: skip
# What lies beside audio, and is no book that failed when it is all that a folder holds.
# fmt: off
_BESIDE = frozenset({
    ".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".txt", ".nfo", ".cue", ".opf", ".xml",
    ".json", ".yml", ".yaml", ".m3u", ".m3u8", ".pls", ".log", ".md5", ".sfv", ".sha256", ".url", ".lnk",
    ".html", ".htm", ".pdf", ".epub", ".mobi", ".doc", ".docx", ".rtf", ".md", ".ini", ".db", ".torrent",
    ".srt", ".lrc",
})
# fmt: on
_SERIES = re.compile(r"(?i)[\s_(\[]*\b(?:series|trilogy|saga)\b[\s)\]]*$")


@dataclass(frozen=True)
class Rules:
    """What the settings say: endings of audio files, whether discs are joined and series taken."""

    audio: frozenset[str]
    multi_disc: bool = True
    series: bool = True


def understand(entry: Folder | File, base: Path, rules: Rules) -> list[Understood]:
    """The books of one entry of an inbox (a folder, or a file), in natural order; [] when it holds none.

    Args:
        base: the folder that keys are relative to: the inbox.
    """
    reader = _Reader(base, rules)
    return reader.file(entry, ()) if isinstance(entry, File) else reader.folder(entry)


def understand_all(entries: Sequence[Folder | File], base: Path, rules: Rules) -> list[Understood]:
    """The same for everything in the inbox: loose files, and discs that lie there side by side, are seen."""
    reader = _Reader(base, rules)
    files = [one for one in entries if isinstance(one, File)]
    folders = [one for one in entries if isinstance(one, Folder)]
    return [*reader.loose(files), *reader.side_by_side(folders)]


def fingerprint(files: Iterable[tuple[str, int]]) -> str:
    """A hash of names (below the book's root) and sizes, whatever their order."""
    told = hashlib.sha256()
    for name, size in sorted(files):
        told.update(os_bytes(name) + b"\0" + str(size).encode() + b"\n")
    return told.hexdigest()[:32]


def os_bytes(name: str) -> bytes:
    """The bytes of a name, also of one that is not UTF-8."""
    return name.encode(errors="surrogateescape")


class _Reader:
    def __init__(self, base: Path, rules: Rules) -> None:
        self._base, self._rules = base, rules

    # What lies in the inbox itself

    def loose(self, files: Sequence[File]) -> list[Understood]:
        """Files that lie in the inbox: each is a book, unless several look like the parts of one."""
        heard = [file for file in files if file.ending in self._rules.audio]
        others = [file for file in files if file.ending not in self._rules.audio]
        found: list[Understood] = []
        groups = _parts_of_one(heard)
        for group in groups:
            found.append(
                self._refused(
                    group[0],
                    "These files in the inbox look like the parts of one book",
                    "Put them into a folder named after the book; or each into its own, if each is a book",
                    rest=group[1:],
                )
            )
        grouped = {file.path for group in groups for file in group}
        for file in heard:
            if file.path not in grouped:
                found += self.file(file, [one for one in others if _belongs(one.path, file.path)])
        for file in others:
            found += self.file(file, ())
        return found

    def file(self, file: File, beside: Sequence[File]) -> list[Understood]:
        """A file in the inbox."""
        if file.ending in _PROTECTED | _PACKED:
            return [self._refused(file, *_of_no_audio(file))]
        if file.ending not in self._rules.audio:
            return []
        if not is_utf8(file.path.name):
            return [self._refused(file, "This name is not UTF-8", "Rename it")]
        return [self._book(file.path, Structure.STANDALONE, [(file, 0)], [one.path for one in beside])]

    def side_by_side(self, folders: Sequence[Folder]) -> list[Understood]:
        """Folders of the inbox; discs of one book that lie there side by side are no books."""
        discs = self._discs_of_one_book(folders)
        found: list[Understood] = []
        for stem, group in discs.items():
            found.append(
                self._refused(
                    group[0],
                    "This looks like one disc of a book, and lies in the inbox itself",
                    f"Put all its discs into one folder, named after the book: {stem or 'Title'}/CD1",
                    rest=group[1:],
                )
            )
        grouped = {one.path for group in discs.values() for one in group}
        for folder in folders:
            if folder.path not in grouped:
                found += self.folder(folder)
        return found

    def _discs_of_one_book(self, folders: Sequence[Folder]) -> dict[str, list[Folder]]:
        groups: defaultdict[str, list[tuple[Folder, Mark]]] = defaultdict(list)
        for folder in folders:
            mark = mark_of(folder.path.name)
            if mark is not None and mark.kind == "disc" and self._sounds(folder):
                groups[mark.before].append((folder, mark))
        return {
            stem: [folder for folder, _ in group]
            for stem, group in groups.items()
            if len(group) > 1 or group[0][1].place > 1 or (group[0][1].total or 1) > 1
        }

    # A folder

    def folder(self, folder: Folder) -> list[Understood]:
        """What a folder holds."""
        if trouble := _own_trouble(folder):
            return [self._troubled(folder, trouble)]
        heard = self._heard(folder)
        below = [one for one in folder.folders if self._sounds(one)]
        bonus = [one for one in below if is_bonus(one.path.name)]
        rest = [one for one in below if one not in bonus]
        if not heard and not rest:
            rest, bonus = bonus, []
        found: list[Understood]
        if heard:
            found = [self._mixed(folder, heard, rest)] if rest else self._flat(folder, heard)
        elif not rest:
            return self._silent(folder)
        else:
            found = self._nested(folder, rest[0]) if len(rest) == 1 else self._several(folder, rest)
        if any(one.root == folder.path for one in found):
            return found
        # Beside several books a bonus is of none of them: it is one of its own.
        return [*found, *(book for one in bonus for book in self.folder(one))]

    def _flat(self, folder: Folder, heard: Sequence[File]) -> list[Understood]:
        if refused := self._twice(folder, heard):
            return [refused]
        whole = [file for file in heard if file.ending == ".m4b"]
        if len(whole) > 1 and len(whole) == len(heard):
            return self._whole_books(folder, whole)
        kind = Structure.SINGLE if len(heard) == 1 else Structure.FLAT
        return [self._of_folder(folder, kind, [(file, 0) for file in heard])]

    def _whole_books(self, folder: Folder, files: Sequence[File]) -> list[Understood]:
        """Several M4B in one folder: parts if their names differ in numbers only, books if they say so."""
        marks = [mark_within(file.path.stem, folder.path.name) for file in files]
        books = [mark for mark in marks if mark and mark.kind == "book" and mark.strong]
        if len(books) == len(files) == len({mark.number for mark in books}):
            if not self._rules.series:
                return [self._series_is_off(folder)]
            return [
                self._settled(
                    folder,
                    self._book(
                        file.path,
                        Structure.STANDALONE,
                        [(file, 0)],
                        [one.path for one in folder.files if _belongs(one.path, file.path)],
                        series=InSeries(_series_name(folder.path.name), mark.number),
                    ),
                )
                for mark, file in zip(books, files, strict=True)
            ]
        if len({_shape(file.path.stem) for file in files}) == 1 or all(
            mark is not None and mark.kind != "book" for mark in marks
        ):
            return [self._of_folder(folder, Structure.FLAT, [(file, 0) for file in files])]
        return [
            self._refused(
                folder,
                "Several M4B lie in one folder, and may be several books or the parts of one",
                "Give each book a folder of its own, or name the parts of one book alike: "
                "'Part 1.m4b', 'Part 2.m4b'",
            )
        ]

    def _twice(self, folder: Folder, heard: Sequence[File]) -> Refused | None:
        """A folder that holds the same twice: one M4B of all beside its parts, or two kinds of each file."""
        whole = [file for file in heard if file.ending == ".m4b"]
        others = [file for file in heard if file.ending != ".m4b"]
        shapes = {_shape(file.path.stem) for file in others}
        if len(whole) == 1 and others and _shape(whole[0].path.stem) not in shapes:
            return self._refused(
                folder,
                f"A whole book, {shown(whole[0].path.name)}, lies beside {_files(others)} with audio: "
                "the book may be here twice",
                f"Keep {shown(whole[0].path.name)} or the other files, and move the rest away",
            )
        stems: defaultdict[str, list[File]] = defaultdict(list)
        for file in heard:
            stems[file.path.stem].append(file)
        for pair in stems.values():
            if len(pair) > 1:
                names = " and ".join(shown(file.path.name) for file in pair)
                return self._refused(
                    folder, f"{names} may be the same audio twice", "Keep one of each, and move the rest away"
                )
        return None

    def _nested(self, folder: Folder, child: Folder) -> list[Understood]:
        mark = mark_within(child.path.name, folder.path.name)
        if mark is not None and mark.kind != "book":
            return [self._discs(folder, [(child, mark)])]
        inner = self.folder(child)
        if len(inner) != 1 or isinstance(inner[0], Refused):
            return inner
        book = inner[0]
        if mark is not None and mark.strong and book.series is None:
            if not self._rules.series:
                return [self._series_is_off(folder)]
            return [replace(book, series=InSeries(_series_name(folder.path.name), mark.number))]
        if book.series is not None or book.structure is Structure.STANDALONE:
            return inner
        if is_plain(child.path.name) or _holds_of_the_book(folder, child):
            kind = Structure.FLAT_NESTED if book.structure in _FLAT else book.structure
            files = {file.path: file for file in folder.all_files()}
            return [self._of_folder(folder, kind, [(files[part.path], part.disc) for part in book.parts])]
        return [replace(book, structure=Structure.FLAT_NESTED) if book.structure is Structure.FLAT else book]

    def _several(self, folder: Folder, rest: Sequence[Folder]) -> list[Understood]:
        marks = [mark_within(one.path.name, folder.path.name) for one in rest]
        found = [(one, mark) for one, mark in zip(rest, marks, strict=True) if mark is not None]
        kinds = {mark.kind for _, mark in found}
        pieces = [(one, mark) for one, mark in found if mark.kind != "book"]
        if len(pieces) == len(rest) and len(kinds) == 1:
            return [self._discs(folder, pieces)]
        if pieces:
            names = ", ".join(
                shown(one.path.name) for one in rest if one not in [piece for piece, _ in pieces]
            )
            return [
                self._refused(
                    folder,
                    "Discs or parts lie beside other folders with audio"
                    + (f" ({names})" if names else ", some as discs and some as parts"),
                    "Give each book a folder of its own, name all discs of one book alike (CD1, CD2), and a "
                    "folder that is no part of the book 'Bonus'",
                )
            ]
        if all(is_number(one.path.name) for one in rest):
            return [
                self._refused(
                    folder,
                    "Folders with nothing but numbers may be the discs of one book or the books of a series",
                    "Name them 'CD1', 'CD2' if they are one book, 'Book 1', 'Book 2' if each is one",
                )
            ]
        if all(is_plain(one.path.name) for one in rest):
            return [
                self._refused(
                    folder,
                    "The book may be here twice, in several formats",
                    "Keep one of these folders, and move the others away",
                )
            ]
        if not self._rules.series:
            return [self._series_is_off(folder)]
        # One number among many titles is part of a title ("100 Years"); two are a series, or a word says it.
        counted = len(found) > 1 or any(mark.strong for _, mark in found)
        named = counted or _SERIES.search(folder.path.name) is not None
        books: list[Understood] = []
        for one, mark in sorted(
            zip(rest, marks, strict=True), key=lambda pair: natural_key(pair[0].path.name)
        ):
            for book in self.folder(one):
                if named and isinstance(book, Book) and book.series is None:
                    number = mark.number if mark and counted else ""
                    book = replace(book, series=InSeries(_series_name(folder.path.name), number))
                books.append(book)
        return books

    def _discs(self, folder: Folder, pieces: Sequence[tuple[Folder, Mark]]) -> Understood:
        kind = pieces[0][1].kind
        word = "disc" if kind == "disc" else "part"
        if not self._rules.multi_disc:
            return self._refused(
                folder,
                "This book lies in several discs or parts, and joining them is turned off",
                "Set audiobooks.multi_disc, or put all files into one folder in their order",
            )
        if len({mark.before.casefold() for _, mark in pieces}) > 1:
            return self._refused(
                folder,
                "These discs are of several books",
                "Give each book a folder of its own, with its discs in it",
            )
        places = [mark.place for _, mark in pieces]
        if twice := sorted({place for place in places if places.count(place) > 1}):
            return self._refused(
                folder,
                f"There are two folders for {word} {twice[0]}",
                "Rename or remove one, so that each number is there once",
            )
        last = max([*places, *(mark.total or 0 for _, mark in pieces)])
        first = 0 if 0 in places else 1
        if missing := [str(place) for place in range(first, last + 1) if place not in places]:
            return self._refused(
                folder,
                f"{word.capitalize()} {', '.join(missing)} is missing",
                "Add it; or, if the book is whole without it, number the folders without a gap",
            )
        files: list[tuple[File, int]] = []
        for piece, mark in sorted(pieces, key=lambda pair: pair[1].place):
            inner = self._of_one_disc(piece)
            if isinstance(inner, Refused):
                # It is the book that is refused, whichever of its discs it is for.
                return self._refused(folder, f"{shown(piece.path.name)}: {inner.why}", inner.hint)
            files += [(file, mark.place) for file in inner]
        return self._of_folder(
            folder, Structure.MULTI_DISC if kind == "disc" else Structure.MULTI_PART, files
        )

    def _of_one_disc(self, disc: Folder) -> list[File] | Refused:
        heard = self._heard(disc)
        below = [one for one in disc.folders if self._sounds(one) and not is_bonus(one.path.name)]
        if heard and not below:
            return self._twice(disc, heard) or _ordered(heard)
        if len(below) == 1 and not heard:
            return self._of_one_disc(below[0])
        return self._refused(
            disc,
            "A disc holds further folders with audio",
            "Put all files of a disc into its folder, in their order",
        )

    def _mixed(self, folder: Folder, heard: Sequence[File], rest: Sequence[Folder]) -> Refused:
        names = ", ".join(shown(one.path.name) for one in rest)
        return self._refused(
            folder,
            f"{_files(heard)} with audio lie beside folders with audio ({names})",
            "Put the files into a folder of their own: 'CD0' if they come before the discs, 'Bonus' if they "
            "are no part of the book, or one named after their book",
        )

    def _silent(self, folder: Folder) -> list[Understood]:
        """A folder without audio: said when something in it looks like a book that cannot be taken."""
        for file in folder.all_files():
            if file.ending not in _BESIDE:
                return [self._refused(folder, *_of_no_audio(file))]
        return []

    # What comes of it

    def _of_folder(self, folder: Folder, kind: Structure, files: Sequence[tuple[File, int]]) -> Understood:
        """A book whose root is this folder; everything else in it is its extras."""
        parts = {file.path for file, _ in files}
        extras = [file.path for file in folder.all_files() if file.path not in parts]
        ordered = [
            (file, disc)
            for disc in dict.fromkeys(disc for _, disc in files)
            for file in _ordered([one for one, of in files if of == disc])
        ]
        stems = {path.stem for path in parts}
        for one in folder.below():
            if one is not folder and is_bonus(one.path.name):
                continue
            for file in one.files:
                other = file.ending in (_PROTECTED | _OTHER_AUDIO) - self._rules.audio
                if other and file.path.stem not in stems:
                    return self._refused(folder, *_of_lost_audio(file))
        return self._settled(folder, self._book(folder.path, kind, ordered, extras))

    def _settled(self, folder: Folder, book: Book) -> Understood:
        for one in folder.below():
            for trouble in one.troubles:
                return self._troubled(folder, trouble)
        return book

    def _book(
        self,
        root: Path,
        kind: Structure,
        files: Sequence[tuple[File, int]],
        extras: Iterable[Path],
        series: InSeries | None = None,
    ) -> Book:
        within = root.parent if kind is Structure.STANDALONE else root
        parts = tuple(
            Part(file.path, file.path.relative_to(within).as_posix(), file.size, disc, file.modified)
            for file, disc in files
        )
        return Book(
            key=self._key(root),
            root=root,
            structure=kind,
            parts=parts,
            extras=tuple(sorted(extras, key=lambda path: natural_key(str(path)))),
            fingerprint=fingerprint((part.name, part.size) for part in parts),
            series=series,
        )

    def _series_is_off(self, folder: Folder) -> Refused:
        return self._refused(
            folder,
            "This folder holds several books, and taking them is turned off",
            "Set audiobooks.series, or move each book into the inbox itself",
        )

    def _troubled(self, folder: Folder, trouble: Trouble) -> Refused:
        subject = "" if trouble.path == folder.path else f": {shown(trouble.path.relative_to(folder.path))}"
        return self._refused(folder, f"{trouble.why}{subject}", trouble.hint)

    def _refused(
        self, what: Folder | File, why: str, hint: str, rest: Sequence[Folder | File] = ()
    ) -> Refused:
        all_of_it = [what, *rest]
        files = [file for one in all_of_it for file in ([one] if isinstance(one, File) else one.all_files())]
        told = [(file.path.relative_to(self._base).as_posix(), file.size) for file in files]
        return Refused(
            key=self._key(what.path),
            root=what.path,
            why=why,
            tree="\n".join(tree(one) for one in all_of_it[:20]),
            hint=hint,
            # Also the reason, so that it is told again when another one takes its place.
            fingerprint=fingerprint([*told, (why, 0)]),
        )

    def _key(self, path: Path) -> str:
        key = path.relative_to(self._base).as_posix()
        return key if is_utf8(key) else shown(key)

    def _heard(self, folder: Folder) -> list[File]:
        return [file for file in folder.files if file.ending in self._rules.audio]

    def _sounds(self, folder: Folder) -> bool:
        """Whether there is audio in it or below, or it cannot be known."""
        return any(self._heard(one) or _own_trouble(one) for one in folder.below())


_FLAT = (Structure.SINGLE, Structure.FLAT, Structure.FLAT_NESTED)


def _ordered(files: Sequence[File]) -> list[File]:
    return [files[place] for place in numbering([file.path.stem for file in files]).order]


def _own_trouble(folder: Folder) -> Trouble | None:
    return next((one for one in folder.troubles if one.path == folder.path), None)


def _of_no_audio(file: File) -> tuple[str, str]:
    name = shown(file.path.name)
    if file.ending in _PROTECTED:
        return (
            f"{name} is protected against copying (DRM)",
            "Only its owner can make it a file without: put that one here",
        )
    if file.ending in _PACKED:
        return f"{name} is packed", "Unpack it here"
    return (
        f"There is no audio in it, but {name}",
        "Put the audio files here; if this is one, add its ending to audiobooks.audio_types",
    )


def _of_lost_audio(file: File) -> tuple[str, str]:
    name = shown(file.path.name)
    if file.ending in _PROTECTED:
        return (
            f"{name} lies beside the book's files, and is protected against copying (DRM)",
            "Put the file without protection in its place; or move it away, if it is no part of the book",
        )
    return (
        f"{name} lies beside the book's files, and {file.ending} is not among the endings that are taken",
        "Add its ending to audiobooks.audio_types; or move it away, if it is no part of the book",
    )


def _holds_of_the_book(folder: Folder, child: Folder) -> bool:
    """Whether something lies beside the one folder with audio that goes with the book."""
    beside = [file for one in folder.folders if one is not child for file in one.all_files()]
    return any(not re.match(r"(?i)(?:author|artist)\b", file.path.stem) for file in (*folder.files, *beside))


def _parts_of_one(files: Sequence[File]) -> list[list[File]]:
    """Loose files that are no books: alike but for a number, or each with a track's number in front."""
    alike: defaultdict[str, list[File]] = defaultdict(list)
    for file in files:
        mark = mark_of(file.path.stem)
        if (mark is not None and mark.kind != "book") or file.ending != ".m4b":
            alike[_shape(file.path.stem)].append(file)
    groups = [group for shape, group in alike.items() if len(group) > 1 and "0" in shape]
    taken = {file.path for group in groups for file in group}
    tracks = [
        file
        for file in files
        if file.ending != ".m4b" and file.path not in taken and re.match(r"\d{1,3}\b", file.path.stem)
    ]
    return [*groups, tracks] if len(tracks) > 1 else groups


def _belongs(beside: Path, file: Path) -> bool:
    """Whether a file in the inbox goes with a book there: "Title.jpg" and "Title.chapters.txt"."""
    return beside != file and (beside.stem == file.stem or beside.name.startswith(f"{file.stem}."))


def _shape(stem: str) -> str:
    """A name with every number as 0."""
    return re.sub(r"\d+", "0", stem.casefold())


def _series_name(folder: str) -> str:
    return _SERIES.sub("", folder).strip(" -–—,") or folder


def _files(files: Sequence[File]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"
