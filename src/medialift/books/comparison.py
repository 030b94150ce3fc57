"""Calibre and the ledger side by side, book by book in the order of their ids: neither is held in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from medialift.books.accounts import UNACCOUNTED, Accounts, Count
from medialift.books.calibre_rows import fingerprint
from medialift.books.selection import wanted_by

EXAMPLES = 100
_Row = TypeVar("_Row", "Shelved", "Booked")


@dataclass(frozen=True)
class Shelved:
    """A book as Calibre has it now.

    Attributes:
        files: {format: bytes}, in the order of the formats.
        modified, path: when it was changed and where it is, as Calibre writes them.
        wanted: formats that a plan would take now; () when the book is outside of the subset.
    """

    id: int
    files: Mapping[str, int]
    modified: str = ""
    path: str = ""
    wanted: Collection[str] = ()

    def fingerprint(self, formats: Iterable[str]) -> str:
        """What a plan of these formats writes about it."""
        return fingerprint(self.modified, self.path, [f"{one}:{self.files[one]}" for one in formats])


@dataclass(frozen=True)
class BookedFile:
    """A file as the ledger has it: bytes, its account and, where that has one, the kind of its reason."""

    format: str
    size: int
    account: str
    kind: str = ""


@dataclass(frozen=True)
class Booked:
    """A book as the ledger has it.

    Attributes:
        rest, rest_kind: account of the files about which nothing is written.
        weight, bytes: how many files it had when it was planned.
        payload: which of its formats were planned, as `selection.wanted_by` takes it.
    """

    id: int
    rest: str
    rest_kind: str = ""
    weight: int = 0
    bytes: int = 0
    fingerprint: str = ""
    files: tuple[BookedFile, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Comparison:
    """What both say together.

    Attributes:
        books, files: all that Calibre has.
        accounts: Calibre's files that the ledger knows.
        gone: files that only the ledger has: they were removed from Calibre since.
        unplanned: files that Calibre has and no plan knows: new, or changed since.
        unselected: files that are in no plan because they are outside the subset.
        changed: books that changed since they were planned.
        examples: {what is wrong: some of the files}, as "book FORMAT".
    """

    books: int = 0
    files: Count = field(default_factory=Count)
    accounts: Accounts = field(default_factory=Accounts)
    gone: Accounts = field(default_factory=Accounts)
    unplanned: Count = field(default_factory=Count)
    unselected: Count = field(default_factory=Count)
    changed: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        """Every file of Calibre is in one account, or in no plan."""
        counted = self.accounts.total() + self.unplanned + self.unselected
        return self.files.files == counted.files

    def example(self, what: str, subject: str) -> None:
        """Remember one of a few."""
        known = self.examples.setdefault(what, [])
        if len(known) < EXAMPLES:
            known.append(subject)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "books": self.books,
            "files": self.files.files,
            "bytes": self.files.bytes,
            "accounts": self.accounts.to_dict(),
            "unplanned": self.unplanned.files,
            "unselected": self.unselected.files,
            "changed_books": self.changed,
            "gone": self.gone.total().files,
        }


def compare(calibre: Iterable[Shelved], ledger: Iterable[Booked]) -> Comparison:
    """Walk through both, which come in the order of their ids, once."""
    found = Comparison()
    for shelved, booked in _beside(calibre, ledger):
        if shelved is not None:
            found.books += 1
            found.files += _count(shelved.files)
        if shelved is None:
            assert booked is not None  # noqa: S101  one of the two is always there
            _gone(found, booked, frozenset())
        elif booked is None:
            for name in shelved.files:
                _no_plan(found, shelved, name)
        else:
            _both(found, shelved, booked)
    return found


def _both(found: Comparison, shelved: Shelved, booked: Booked) -> None:
    planned = [name for name in shelved.files if wanted_by(booked.payload, name)]
    changed = shelved.fingerprint(planned) != booked.fingerprint
    found.changed += changed
    written = {one.format: one for one in booked.files}
    for name, size in shelved.files.items():
        if name in written:
            one = written[name]
            # As large as it was when it was worked on, as status counts it.
            found.accounts.add(one.account, one.kind, 1, one.size)
            if one.account == UNACCOUNTED:
                found.example(UNACCOUNTED, f"{shelved.id} {name}")
        elif name not in planned:
            _no_plan(found, shelved, name)
        elif booked.rest == UNACCOUNTED and changed:
            found.unplanned += Count(1, size)
            found.example("unplanned", f"{shelved.id} {name}")
        else:
            found.accounts.add(booked.rest, booked.rest_kind, 1, size)
            if booked.rest == UNACCOUNTED:
                found.example(UNACCOUNTED, f"{shelved.id} {name}")
    _gone(found, booked, shelved.files.keys())


def _gone(found: Comparison, booked: Booked, here: Iterable[str]) -> None:
    still = set(here)
    for one in booked.files:
        if one.format not in still:
            found.gone.add(one.account, one.kind, 1, one.size)
    if not still and booked.weight > len(booked.files):
        size = max(booked.bytes - sum(one.size for one in booked.files), 0)
        found.gone.add(booked.rest, booked.rest_kind, booked.weight - len(booked.files), size)


def _no_plan(found: Comparison, shelved: Shelved, name: str) -> None:
    count = Count(1, shelved.files[name])
    if name in shelved.wanted:
        found.unplanned += count
        found.example("unplanned", f"{shelved.id} {name}")
    else:
        found.unselected += count


def _count(files: Mapping[str, int]) -> Count:
    return Count(len(files), sum(files.values()))


def _beside(
    calibre: Iterable[Shelved], ledger: Iterable[Booked]
) -> Iterator[tuple[Shelved | None, Booked | None]]:
    left, right = _rising(calibre, "Calibre"), _rising(ledger, "the ledger")
    shelved, booked = next(left, None), next(right, None)
    while shelved is not None or booked is not None:
        if booked is None or (shelved is not None and shelved.id < booked.id):
            yield shelved, None
            shelved = next(left, None)
        elif shelved is None or booked.id < shelved.id:
            yield None, booked
            booked = next(right, None)
        else:
            yield shelved, booked
            shelved, booked = next(left, None), next(right, None)


def _rising(rows: Iterable[_Row], whose: str) -> Iterator[_Row]:
    """The rows; an order that does not rise would make a merge tell nonsense."""
    before: int | None = None
    for row in rows:
        if before is not None and row.id <= before:
            raise AssertionError(f"The books of {whose} come in no order: {row.id} after {before}")
        before = row.id
        yield row
