"""Which picture a book gets: one that a person laid beside it, else the shop's, else the one that it has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medialift.audiobooks import tag_writing
from medialift.audiobooks import tags as atoms
from medialift.audiobooks.manifest import Cover
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import Permanent, Transient

Picture = Callable[[str], tuple[bytes | None, Sequence[str]]]
"""The cover at an address, None when there is none that can be used; and what was wrong, a sentence each."""

# As `cover.py` says where a picture is from when it came out of a source.
_EMBEDDED = "embedded"
_BY_PERSON = ("override", "metadata_yml")


@dataclass
class Covers:
    """The choice for one book.

    Attributes:
        laid: the picture of the conversion. One that lay beside the sources is a person's choice.
        before: the picture that an earlier tagging put into it.
        fetch: None: only pictures beside the book are used.
        problems: why a picture was not taken, a sentence each.
    """

    file: Path
    laid: Cover | None
    before: Cover | None
    fetch: Picture | None
    programs: Programs
    left: TimeLeft
    problems: list[str] = field(default_factory=list)

    def choose(self, known: Metadata) -> tuple[bytes | None, Cover | None]:
        """The picture that is to be put into the book, None when it keeps what it has; and what it then has,
        None when that is as before."""
        picture, origin = None, ""
        if known.cover_file is not None:
            path = self.file.parent / known.cover_file
            try:
                picture, origin = path.read_bytes(), path.name
            except OSError as error:
                self.problems.append(f"The cover {path} cannot be read: {error.strerror}")
        elif known.cover_url and self.fetch is not None and not self._keeps(known):
            try:
                picture, problems = self.fetch(known.cover_url)
                self.problems += problems
                origin = known.cover_url
            except Transient as error:
                # A book without its shop's cover is a book; it is put in by the next tagging.
                self.problems.append(f"The cover could not be fetched: {error}")
        if picture is None:
            return None, None
        try:
            tag_writing.check_picture(picture, self.programs, self.left)
        except Permanent as error:
            self.problems.append(f"{error.what}: {origin}")
            return None, None
        return None if picture == atoms.cover(self.file) else picture, _record(picture, origin)

    def _keeps(self, known: Metadata) -> bool:
        """Whether the file holds the picture of this address already, or one that goes before the shop's."""
        held = atoms.cover(self.file)
        if held is None:
            return False
        digest = hashlib.sha256(held).hexdigest()
        if self.before is not None and self.before.origin == known.cover_url:
            return digest == self.before.sha256
        by_person = known.origin.get("cover_url") in _BY_PERSON
        if self.laid is None or by_person or self.laid.origin.startswith(_EMBEDDED):
            return False
        return digest == self.laid.sha256


def _record(picture: bytes, origin: str) -> Cover:
    return Cover(
        origin=origin,
        format=atoms.picture_format(picture),
        size=len(picture),
        sha256=hashlib.sha256(picture).hexdigest(),
    )
