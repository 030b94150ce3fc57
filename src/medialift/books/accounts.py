"""What became of each file, in one place: status, verify and the metrics all count with this.

A file is in exactly one account:

    uploaded      we sent it, and the server has it
    there         the server had this content already
    skipped       it will not be sent, with a reason (too large, empty, missing, no such format there)
    failed        its book has no attempt left, with a reason
    cancelled     its book was cancelled by hand, or is gone from Calibre
    waiting       its book is not ended yet
    unaccounted   its book ended and nothing was written about it: never, unless something is wrong
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

UPLOADED, THERE, SKIPPED, FAILED = "uploaded", "there", "skipped", "failed"
CANCELLED, WAITING, UNACCOUNTED = "cancelled", "waiting", "unaccounted"
ACCOUNTS = (UPLOADED, THERE, SKIPPED, FAILED, CANCELLED, WAITING, UNACCOUNTED)
SETTLED = (UPLOADED, THERE, SKIPPED, FAILED, CANCELLED)

# `i` is the item in this SQL, `{file}` the state of one of its files: with "null" it is the account of those
# about which nothing is written.
_RULE = """
    case when {file} in ('uploaded', 'there', 'skipped') then {file}
         when i.state in ('ready', 'leased', 'paused') then 'waiting'
         when i.state = 'cancelled' then 'cancelled'
         when {file} = 'failed' or i.state = 'failed' then 'failed'
         when i.state = 'skipped' then 'skipped'
         else 'unaccounted' end"""
ACCOUNT_OF_FILE = _RULE.format(file="f.state")
ACCOUNT_OF_REST = _RULE.format(file="null::text")
_ITEM_KIND = "coalesce(nullif(i.error_kind, ''), nullif(i.error_text, ''), '')"
KIND_OF_FILE = f"""
    case {ACCOUNT_OF_FILE}
         when 'skipped' then coalesce(nullif(f.error_kind, ''), nullif(f.reason, ''), {_ITEM_KIND})
         when 'failed' then coalesce(nullif(f.error_kind, ''), nullif(f.reason, ''), {_ITEM_KIND})
         when 'cancelled' then {_ITEM_KIND}
         else '' end"""
KIND_OF_REST = (
    f"case when {ACCOUNT_OF_REST} in ('skipped', 'failed', 'cancelled') then {_ITEM_KIND} else '' end"
)


@dataclass(frozen=True)
class Count:
    """So many files and bytes."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.files + other.files, self.bytes + other.bytes)


@dataclass
class Accounts:
    """Files by account and, within it, by kind of reason ("" where there is none).

    Attributes:
        timed, seconds: uploads whose time is known, and how long they took together.
    """

    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    timed: int = 0
    seconds: float = 0.0

    def add(self, account: str, kind: str = "", files: int = 1, size: int = 0) -> None:
        """Count files."""
        if files or size:
            before = self.counts.get((account, kind), Count())
            self.counts[account, kind] = before + Count(files, size)

    def of(self, account: str) -> Count:
        """All of one account."""
        return sum((one for (name, _), one in self.counts.items() if name == account), Count())

    def total(self, accounts: Iterable[str] = ACCOUNTS) -> Count:
        """All of several accounts."""
        return sum((self.of(one) for one in accounts), Count())

    def reasons(self, account: str) -> dict[str, Count]:
        """{kind: count} of one account, the largest first."""
        found = {kind: one for (name, kind), one in self.counts.items() if name == account}
        return dict(sorted(found.items(), key=lambda one: (-one[1].files, one[0])))

    def to_dict(self) -> dict[str, Any]:
        """{account: {files, bytes, reasons: {kind: files}}}, every account named."""
        return {
            account: {
                "files": self.of(account).files,
                "bytes": self.of(account).bytes,
                "reasons": {kind: one.files for kind, one in self.reasons(account).items() if kind},
            }
            for account in ACCOUNTS
        }

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Accounts:
        """From rows of account, kind, files, bytes, seconds and timed."""
        accounts = cls()
        for row in rows:
            if row["account"] == UPLOADED:
                accounts.timed += int(row["timed"])
                accounts.seconds += float(row["seconds"])
            accounts.add(row["account"], row["kind"], int(row["files"]), int(row["bytes"] or 0))
        return accounts
