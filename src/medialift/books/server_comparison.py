"""The ledger and the server side by side, content by content in the order of sha1 and size.

What the ledger says the server has must be there; what is there twice was sent twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

EXAMPLES = 100
Content = tuple[str, int]


@dataclass(frozen=True)
class Claimed:
    """A file that the ledger says the server has.

    Attributes:
        account: "uploaded" or "there".
        source_id, ebook_id: what the server called it, where that is known.
    """

    sha1: str
    size: int
    book: int
    format: str
    account: str
    source_id: int | None = None
    ebook_id: int | None = None

    @property
    def content(self) -> Content:
        return (self.sha1, self.size)


@dataclass(frozen=True)
class Source:
    """A file as the server has it; it does not always tell under which number."""

    sha1: str
    size: int
    source_id: int | None
    ebook_id: int | None = None

    @property
    def content(self) -> Content:
        return (self.sha1, self.size)


@dataclass
class ServerComparison:
    """What the server says of the files that the ledger counts as its.

    Attributes:
        how: "database" or "API".
        checked: files of the ledger that were looked for.
        present: those that the server has.
        missing: those that it does not have.
        moved: those that it has under another source or ebook than the ledger says.
        duplicates: sources whose content the server has more than once, the first not counted.
        sources: sources that were seen; None: the way does not tell.
        others: sources that this library did not bring; None: the way does not tell.
        orphans: ebooks without a source.
        examples: {what is wrong: some of the files}.
    """

    how: str
    checked: int = 0
    present: int = 0
    missing: int = 0
    moved: int = 0
    duplicates: int = 0
    sources: int | None = None
    others: int | None = None
    orphans: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Every file is there, once, and no ebook is empty."""
        return not (self.missing or self.duplicates or self.orphans)

    def example(self, what: str, subject: str) -> None:
        """Remember one of a few."""
        known = self.examples.setdefault(what, [])
        if len(known) < EXAMPLES:
            known.append(subject)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "how": self.how,
            "checked": self.checked,
            "present": self.present,
            "missing": self.missing,
            "moved": self.moved,
            "duplicates": self.duplicates,
            "sources": self.sources,
            "others": self.others,
            "orphans": self.orphans,
            "agrees": self.agrees,
        }

    def count(self, claimed: list[Claimed], sources: list[Source]) -> None:
        """Count one content: the files that claim it and the sources that have it."""
        self.checked += len(claimed)
        ids = sorted({one.source_id for one in sources if one.source_id is not None})
        for one in claimed:
            if not sources:
                self.missing += 1
                self.example("missing", f"{one.book} {one.format} ({one.account})")
                continue
            self.present += 1
            if one.source_id is not None and ids and one.source_id not in ids:
                self.moved += 1
                self.example("moved", f"{one.book} {one.format}: source {one.source_id}")
        # What the server had twice before any of this is its own matter.
        if len(ids) > 1 and any(one.account == "uploaded" for one in claimed):
            self.duplicates += len(ids) - 1
            self.example(
                "duplicates", f"sources {', '.join(map(str, sorted(ids, key=lambda one: one or 0)))}"
            )


class Server(Protocol):
    """A way to ask the server: its database or its API."""

    def compare(self, claimed: Iterator[Claimed], alone: Iterator[int]) -> ServerComparison:
        """Look for every file.

        Args:
            claimed: in the order that `order` says.
            alone: ebooks that we made and on which no file of the ledger hangs.
        """
        ...

    @property
    def order(self) -> str:
        """content: by sha1 and size; ebook: by the ebooks' ids, files without one last."""
        ...


def merge(claimed: Iterable[Claimed], sources: Iterable[Source], found: ServerComparison) -> None:
    """Walk through both, in the order of sha1 and size, once; neither is held in memory."""
    left = groupby(_rising(claimed, "the ledger"), key=lambda one: one.content)
    right = groupby(_rising(sources, "the server"), key=lambda one: one.content)
    ours, theirs = _next(left), _next(right)
    found.sources = found.others = 0
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[0] < theirs[0]):
            assert ours is not None  # noqa: S101  one of the two is always there
            found.count(ours[1], [])
            ours = _next(left)
        elif ours is None or theirs[0] < ours[0]:
            found.sources += len(theirs[1])
            found.others += len(theirs[1])
            theirs = _next(right)
        else:
            found.sources += len(theirs[1])
            found.count(ours[1], theirs[1])
            ours, theirs = _next(left), _next(right)


def _next(groups: Iterator[tuple[Content, Iterator[Any]]]) -> tuple[Content, list[Any]] | None:
    group = next(groups, None)
    return None if group is None else (group[0], list(group[1]))


def _rising(rows: Iterable[Any], whose: str) -> Iterator[Any]:
    before: Content | None = None
    for row in rows:
        if before is not None and row.content < before:
            raise AssertionError(f"The files of {whose} come in no order: {row.content} after {before}")
        before = row.content
        yield row
