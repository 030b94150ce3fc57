"""How the attempt at a stage ended, in the words of the ledger: what a stage gives to the handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection


@dataclass(frozen=True)
class Outcome:
    """An attempt that did not fail.

    Attributes:
        result: what is kept with the item, for JSON.
        name: of the book's folder in converted. how: encode, splice, pass_through, or the libraries.
        played: how long the book plays, in seconds. bytes: of its sources.
        waits_for: what a person has to decide; "" when none has to.
        also: what is written in the same transaction as the end of the attempt.
        problems: what plug-ins and others had to complain of, and did no harm.
    """

    result: Mapping[str, Any]
    name: str
    how: str = ""
    played: float = 0.0
    bytes: int = 0
    waits_for: str = ""
    also: Callable[[Connection], object] = lambda _connection: None
    problems: tuple[str, ...] = field(default=())
