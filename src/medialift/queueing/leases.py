"""Leases: what a worker holds of the ledger, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Lease:
    """The right to work on one item until its end in time, told from all others by its token.

    Attributes:
        item_id: the item in the ledger.
        key: what the pipeline calls it, such as the id of a book.
        token: the fencing token: a later holder of the same item has a higher one.
        attempts: which attempt this is, from 1.
        payload: what the plan left for the worker.
        fingerprint: what the item looked like when it was planned.
        weight: how many files it has.
        bytes: how large they are together.
        cancel: somebody asked for it not to be done, after it was leased.
        priority: higher ones are claimed first.
    """

    item_id: int
    key: str
    token: int
    attempts: int = 1
    payload: Mapping[str, Any] = field(default_factory=dict)
    fingerprint: str | None = None
    weight: int = 1
    bytes: int = 0
    cancel: bool = False
    priority: int = 0


@dataclass(frozen=True)
class Renewed:
    """Which of the leases are still held, and which of those are to be given up since they were cancelled.

    A lease that is not in `held` is lost: another may work on its item already.
    """

    held: frozenset[int]
    cancelled: frozenset[int]
