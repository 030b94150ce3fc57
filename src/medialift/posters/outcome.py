"""What became of one picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection


def _nothing(_connection: Connection) -> None:
    return None


@dataclass(frozen=True)
class Outcome:
    """How it ended.

    Attributes:
        skipped: why nothing was to be done; "" when something was.
        result: for the ledger: `how`, `path`, `size`, `sha256`, `replaced` …
        bytes: that were read or sent.
        also: further writes, in the transaction that ends the item.
    """

    skipped: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    bytes: int = 0
    also: Callable[[Connection], object] = _nothing
