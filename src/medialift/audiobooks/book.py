"""A book in the inbox, as found: its parts in order, and what lies beside them. Nothing is decoded yet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Structure(StrEnum):
    """How the files of a book lie."""

    STANDALONE = "standalone"
    """One file, lying in the inbox itself."""
    SINGLE = "single"
    """A folder with one file."""
    FLAT = "flat"
    FLAT_NESTED = "flat_nested"
    """A flat folder within folders that hold nothing else."""
    MULTI_DISC = "multi_disc"
    MULTI_PART = "multi_part"


@dataclass(frozen=True)
class Part:
    """One audio file: its path, and its path below the book's root (the name itself when that is a file).

    `disc` is the number of its disc or part folder; 0 when it lies in none. `modified` is its time (ns) when
    it was found; 0 when nobody looked.
    """

    path: Path
    name: str
    size: int
    disc: int = 0
    modified: int = 0


@dataclass(frozen=True)
class InSeries:
    """What a folder says of a series: its name, and the number of this book as written ("2", "1.5")."""

    name: str
    number: str = ""


@dataclass(frozen=True)
class Book:
    """A book that is understood.

    Attributes:
        key: its path in the inbox, with / and without a dot in front: what the ledger knows it by.
        root: its folder, or its file when it is standalone.
        structure: how it lies.
        parts: its audio files in the order in which they are heard.
        extras: what else lies there, ignored names left out: covers, cue sheets, chapters.txt, OPF.
        fingerprint: hash of the names and sizes of its audio files; a change makes it a new book.
        series: what its folders say of a series.
    """

    key: str
    root: Path
    structure: Structure
    parts: tuple[Part, ...]
    extras: tuple[Path, ...]
    fingerprint: str
    series: InSeries | None = None

    @property
    def bytes(self) -> int:
        """Size of all parts together."""
        return sum(part.size for part in self.parts)

    @property
    def name(self) -> str:
        """Its name without folders, and without an ending when it is a file."""
        return self.root.stem if self.structure is Structure.STANDALONE else self.root.name


@dataclass(frozen=True)
class Refused:
    """What lies in the inbox and is not taken: why, the tree as it is, and what to rename."""

    key: str
    root: Path
    why: str
    tree: str
    hint: str
    fingerprint: str
