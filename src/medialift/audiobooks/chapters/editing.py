"""The chapters of a finished book, changed afterwards: exported, imported, split at silences.

The sound is never coded again: only the tables around it are written anew, into a copy that takes the place
of the book when its packets are the same, to the bit, and it plays as long as before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks import essence, manifest, silence
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.chapters import cue, listing, titles
from medialift.audiobooks.chapters.encodings import text_of
from medialift.audiobooks.chapters.listing import Listing
from medialift.audiobooks.chapters.mark import Mark
from medialift.audiobooks.finish import Heard, heard, read_chapters, write_chapters
from medialift.audiobooks.manifest import ChapterRecord
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import Permanent
from medialift.foundation import atomic

_SAME_SECONDS = Fraction(1, 1000)


@dataclass(frozen=True)
class Edited:
    """The chapters that a book has now, on the grid of `heard`, and whether that is new."""

    book: Path
    chapters: tuple[Chapter, ...]
    heard: Heard
    changed: bool

    def to_dict(self) -> dict[str, Any]:
        """{changed, book, chapters: [{start, end, title}]}, in seconds."""
        rate = self.heard.rate
        return {
            "changed": self.changed,
            "book": str(self.book),
            "chapters": [
                {"start": one.start / rate, "end": one.end / rate, "title": one.title}
                for one in self.chapters
            ],
        }


def of_book(book: Path, programs: Programs) -> Edited:
    """The chapters of a book, as they are.

    Raises:
        Permanent: it is no MP4 that can be read.
        Transient: it is not there now.
    """
    length = heard(book)
    there = read_chapters(book, programs)
    starts = [min(round(one.start * length.rate), length.samples) for one in there]
    ends = [*starts, length.samples][1:]
    chapters = (Chapter(start, end, one.title) for start, end, one in zip(starts, ends, there, strict=True))
    return Edited(book, tuple(chapters), length, changed=False)


def export(book: Path, target: Path | None, programs: Programs) -> Edited:
    """Write the chapters of a book to `target`: a cue sheet when it ends in .cue, else a chapters.txt.

    Without a target nothing is written. Raises as `of_book`; Permanent also when the book has no chapters.
    """
    found = of_book(book, programs)
    if not found.chapters:
        raise Permanent("The book has no chapters", str(book), "Import some")
    if target is None:
        return found
    marks = [Mark(Fraction(one.start, found.heard.rate), one.title) for one in found.chapters]
    if target.suffix.casefold() == ".cue":
        written = cue.write(marks, book.name)
    else:
        written = listing.write(marks, total=found.heard.seconds)
    new = not target.exists() or target.read_text(encoding="utf-8", errors="replace") != written
    if new:
        atomic.write_text(target, written, mode=None)
    return replace(found, changed=new)


def imported(
    book: Path,
    source: Path,
    programs: Programs,
    *,
    check: bool = False,
    stop: Event | None = None,
    timeout: float = 3600.0,
) -> Edited:
    """Give a book the chapters of a chapters.txt or a cue sheet.

    Args:
        check: say what they would be, and write nothing.
        timeout: seconds for reading the book twice.

    Raises:
        Permanent: the list says nothing, or speaks of a longer book.
        Transient: `stop` was set, or it took too long.
        OSError: the book cannot be written.
    """
    there = of_book(book, programs)
    told = _listed(source)
    rate, total = there.heard.rate, there.heard.samples
    if told.titles:
        if len(told.titles) != len(there.chapters):
            raise Permanent(
                f"The list has {len(told.titles)} titles, and the book {len(there.chapters)} chapters",
                str(source),
                "Give each line a time in front: hh:mm:ss.mmm",
            )
        new = [replace(one, title=name) for one, name in zip(there.chapters, told.titles, strict=True)]
    else:
        starts = [round(one.seconds * rate) for one in told.marks]
        if starts[-1] >= total:
            raise Permanent(
                f"The list goes on behind the end of the book, after {float(there.heard.seconds):.3f} s",
                str(source),
                "It was made for another recording",
            )
        starts[0] = 0
        ends = [*starts[1:], total]
        new = [
            Chapter(start, end, one.title)
            for start, end, one in zip(starts, ends, told.marks, strict=True)
            if end > start
        ]
    return _written(there, new, programs, check, TimeLeft.of(timeout, stop))


def split(
    book: Path,
    programs: Programs,
    *,
    longest: float,
    wanted: float,
    check: bool = False,
    stop: Event | None = None,
    timeout: float = 3600.0,
) -> Edited:
    """Split the chapters of a book that are longer than `longest` seconds in pieces of about `wanted`.

    Raises as `imported`.
    """
    there = of_book(book, programs)
    rate = there.heard.rate
    # A book without chapters is one long one.
    chapters = there.chapters or (Chapter(0, there.heard.samples, titles.numbered(1)),)
    left = TimeLeft.of(timeout, stop)
    most = round(longest * rate)
    if all(one.end - one.start <= most for one in chapters):
        return there
    quiet = silence.find(book, programs, timeout=left.seconds(), stop=stop)
    new = silence.split(chapters, quiet, rate, longest=most, wanted=round(wanted * rate))
    return _written(there, new, programs, check, left)


def _listed(source: Path) -> Listing:
    try:
        text = text_of(source)
    except OSError as error:
        raise Permanent(
            f"The list cannot be read ({error.strerror})", str(source), "Check its path and permissions"
        ) from error
    if source.suffix.casefold() == ".cue":
        files = cue.read(text)
        if len(files) > 1:
            raise Permanent("The sheet speaks of several files", str(source), "Make one of a single file")
        told = Listing(marks=files[0].marks if files else ())
    else:
        told = listing.read(text)
    if not told.marks and not told.titles:
        raise Permanent("The list holds no chapters", str(source), "One per line: hh:mm:ss.mmm title")
    return told


def _written(
    there: Edited, chapters: Sequence[Chapter], programs: Programs, check: bool, left: TimeLeft
) -> Edited:
    named = tuple(
        replace(one, title=titles.fitting(one.title) or titles.numbered(number))
        for number, one in enumerate(chapters, start=1)
    )
    if _alike(named, there.chapters, there.heard.rate):
        return there
    if not check:
        _replace(there, named, programs, left)
    return replace(there, chapters=named, changed=True)


def _alike(some: Sequence[Chapter], others: Sequence[Chapter], rate: int) -> bool:
    return len(some) == len(others) and all(
        one.title == other.title and abs(Fraction(one.start - other.start, rate)) < _SAME_SECONDS
        for one, other in zip(some, others, strict=True)
    )


def _replace(there: Edited, chapters: Sequence[Chapter], programs: Programs, left: TimeLeft) -> None:
    copy = there.book.with_name(f".{there.book.stem[:60]}.chapters.part")
    try:
        write_chapters(there.book, chapters, there.heard.rate, copy, stop=left.stop)
        as_it_was = there.book.stat()
        copy.chmod(as_it_was.st_mode & 0o7777)
        with suppress(PermissionError):  # only root may give files away, and only root has to
            os.chown(copy, as_it_was.st_uid, as_it_was.st_gid)
        before, after = essence.of(there.book, programs, left), essence.of(copy, programs, left)
        same_length = abs(heard(copy).seconds - there.heard.seconds) < _SAME_SECONDS
        if before.sound != after.sound or not same_length or len(after.chapters) != len(chapters):
            raise Permanent(
                "The copy with other chapters is not the same book", str(there.book), "Report this"
            )
        copy.replace(there.book)
    finally:
        copy.unlink(missing_ok=True)
    atomic.sync_folder(there.book.parent)
    _told(there, chapters)


def _told(there: Edited, chapters: Sequence[Chapter]) -> None:
    """Write the new chapters into the manifest beside the book, when there is one that speaks of it."""
    with suppress(Permanent):
        found = manifest.read(there.book.parent)
        if found.conversion.file == there.book.name:
            records = tuple(ChapterRecord.of(one, there.heard.rate) for one in chapters)
            update = {"chapters": records, "titles_from": "a person"}
            conversion = found.conversion.model_copy(update=update)
            manifest.write(there.book.parent, found.changed(conversion=conversion))
