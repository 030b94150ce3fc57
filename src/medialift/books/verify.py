"""After a migration: Calibre, the ledger and the server are compared, and every file must be accounted for.

All three are walked through in order, so a million books need no more memory than a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from medialift.books import ledger_files
from medialift.books.accounts import ACCOUNTS, THERE, UNACCOUNTED, UPLOADED, WAITING, Accounts
from medialift.books.comparison import Comparison, Shelved, compare
from medialift.books.server_comparison import Server, ServerComparison


@dataclass(frozen=True)
class Verdict:
    """What a comparison found.

    Attributes:
        counted: the ledger's files by account, as status counts them.
        calibre: Calibre beside the ledger.
        server: the ledger beside the server; None: the server was not asked.
        wrong: what does not add up, a sentence each: never, unless something is broken or was changed by
            hand.
        open: what is simply not done yet or failed, a sentence each.
    """

    counted: Accounts
    calibre: Comparison
    server: ServerComparison | None
    wrong: tuple[str, ...]
    open: tuple[str, ...]

    @property
    def adds_up(self) -> bool:
        """The three agree in every number."""
        return not self.wrong

    @property
    def complete(self) -> bool:
        """They agree, and every file of the subset is uploaded, there, skipped or failed with a reason."""
        return self.adds_up and not self.open

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        examples = {**self.calibre.examples, **(self.server.examples if self.server else {})}
        return {
            "adds_up": self.adds_up,
            "complete": self.complete,
            "wrong": list(self.wrong),
            "open": list(self.open),
            "ledger": self.counted.to_dict(),
            "calibre": self.calibre.to_dict(),
            "server": self.server.to_dict() if self.server else None,
            "examples": examples,
            "rows": [list(row) for row in self.rows()],
        }

    def rows(self) -> list[tuple[str, int, str]]:
        """(what became of them, files, why) as a table for people; the last line is the sum."""
        lines = []
        for account in ACCOUNTS:
            count = self.calibre.accounts.of(account)
            reasons = self.calibre.accounts.reasons(account)
            why = ", ".join(f"{kind}: {one.files}" for kind, one in reasons.items() if kind)
            if count.files or account in ACCOUNTS[:4]:
                lines.append((account, count.files, why))
        if self.calibre.unplanned.files:
            lines.append(("in no plan yet", self.calibre.unplanned.files, "new or changed: plan again"))
        if self.calibre.unselected.files:
            lines.append(("not selected", self.calibre.unselected.files, "outside of the subset"))
        return [*lines, ("in Calibre", self.calibre.files.files, f"{self.calibre.books} books")]


@dataclass(frozen=True)
class _Sentences:
    """Sentences about numbers, where there is something to say."""

    said: list[str] = field(default_factory=list)

    def add(self, count: int, sentence: str) -> None:
        if count:
            self.said.append(sentence.format(f"{count} file is" if count == 1 else f"{count} files are"))


def verify(
    engine: Engine,
    collection: str,
    shelves: Iterable[Shelved],
    server: Server | None,
    *,
    tell: Callable[[str], object] = lambda _text: None,
) -> Verdict:
    """Compare them.

    Args:
        shelves: Calibre's books in the order of their ids.
        server: how to ask it; None: only Calibre and the ledger are compared.
        tell: is told what is being compared.

    Raises:
        Transient: the database or the server does not answer.
    """
    # One moment for all that is read of the ledger: workers may go on meanwhile.
    with engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True
    ) as one:
        counted = ledger_files.counted(one, collection)
        tell("Comparing Calibre with the ledger")
        calibre = compare(shelves, ledger_files.streamed(one, collection))
        asked = None
        if server is not None:
            tell("Comparing the ledger with the server")
            asked = _ask(one, collection, server)
        twice = ledger_files.sent_twice(one, collection)
    return Verdict(
        counted, calibre, asked, tuple(_wrong(counted, calibre, asked, twice)), tuple(_open(calibre))
    )


def _ask(connection: Connection, collection: str, server: Server) -> ServerComparison:
    return server.compare(
        ledger_files.claimed(connection, collection, server.order),
        ledger_files.ebooks_alone(connection, collection),
    )


def _wrong(
    counted: Accounts, calibre: Comparison, server: ServerComparison | None, twice: list[str]
) -> list[str]:
    wrong = _Sentences()
    if not calibre.adds_up:
        said = calibre.accounts.total() + calibre.unplanned + calibre.unselected
        wrong.said.append(f"Calibre has {calibre.files.files} files, and {said.files} are accounted for")
    wrong.add(calibre.accounts.of(UNACCOUNTED).files, "{} in no account though their books have ended")
    for account in ACCOUNTS:
        walked = calibre.accounts.of(account).files + calibre.gone.of(account).files
        # A book that changed since it was planned has another number of files now than its item says.
        stale = calibre.changed and account not in (UPLOADED, THERE)
        if walked != counted.of(account).files and not stale:
            wrong.said.append(
                f"The ledger counts {counted.of(account).files} files as {account}, and has {walked} of them"
            )
    if twice:
        wrong.said.append(f"Content that we sent twice: {', '.join(twice)}")
    if server is not None:
        wrong.add(server.missing, "{} not on the server though the ledger says so")
        if server.duplicates:
            wrong.said.append(f"The server has {server.duplicates} sources more than it should: sent twice")
        if server.orphans:
            wrong.said.append(f"The server has {server.orphans} ebooks of ours without a file")
    return wrong.said


def _open(calibre: Comparison) -> list[str]:
    still = _Sentences()
    still.add(calibre.accounts.of(WAITING).files, "{} waiting for a worker")
    still.add(calibre.unplanned.files, "{} in no plan yet: plan again")
    if calibre.changed:
        books = "1 book was" if calibre.changed == 1 else f"{calibre.changed} books were"
        still.said.append(f"{books} changed in Calibre since the plan: plan again")
    return still.said
