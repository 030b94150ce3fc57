"""Who knows something of books: a file beside the book, or a catalogue that is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from medialift.audiobooks.metadata.model import Clues, Metadata


@dataclass(frozen=True)
class Told:
    """What a provider says, and what it could not make sense of, a sentence each."""

    metadata: Metadata | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Listed:
    """What a search found, the most relevant first, and what went wrong meanwhile, a sentence each."""

    books: Sequence[Metadata]
    problems: tuple[str, ...] = ()


class Local(Protocol):
    """Reads what lies beside a book. It belongs to the book, so it is not matched."""

    @property
    def name(self) -> str:
        """As in `tagging.providers`."""
        ...

    def read(self, clues: Clues) -> Told:
        """What it says of the book in `clues.folder`; nothing when it has nothing there.

        Raises:
            Permanent: a file that a person wrote is wrong, and where.
            Transient: it cannot be read now.
        """
        ...


class Catalogue(Protocol):
    """A catalogue of a shop with several regions. What it finds is weighed before it is taken."""

    @property
    def name(self) -> str:
        """As in `tagging.providers`."""
        ...

    def by_asin(self, asin: str, region: str) -> Told:
        """The book of an ASIN, in full; nothing when this region does not have it.

        Raises:
            Transient: it does not answer now.
            Misfit: what it answers is not understood.
            Permanent: it lets us not in.
        """
        ...

    def search(self, words: Mapping[str, str], region: str) -> Listed:
        """Books for `title` and `author`, or for `keywords`.

        Raises:
            As `by_asin`.
        """
        ...
