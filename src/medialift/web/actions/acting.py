"""Who acts, and on which item: what every action begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection, text

from medialift.queueing import ledger
from medialift.web import auditing
from medialift.web.access.gate import Actor, Caller
from medialift.web.context import Connected, Context, Within
from medialift.web.problems import Missing, Problem

_ITEM = text(
    "select id, pipeline, collection, key, state, priority, attempts, not_before > now() as later,"
    " coalesce(error_kind, '') as error_kind, coalesce(error_text, '') as error_text, payload, result"
    " from item where id = :id"
)
_LOCKED = text(f"{_ITEM.text} for update")


@dataclass(frozen=True)
class Item:
    """An item as it stands when somebody does something to it.

    Attributes:
        later: it is ready, and its turn comes only at a later moment.
        payload: what its pipeline wrote down to do it. result: what came of it; None: nothing yet.
    """

    id: int
    pipeline: str
    collection: str
    key: str
    state: str
    priority: int
    attempts: int
    later: bool
    error_kind: str
    error_text: str
    payload: Mapping[str, Any]
    result: Mapping[str, Any] | None

    @property
    def subject(self) -> str:
        """What the audit calls it."""
        return f"{self.pipeline}:{self.collection}/{self.key}"

    def to_dict(self) -> dict[str, Any]:
        """What the audit keeps of how it was."""
        told = vars(self)
        return {name: told[name] for name in ("state", "priority", "attempts", "error_text") if told[name]}


@dataclass(frozen=True)
class Acting:
    """One action of one person, in one transaction."""

    within: Context
    connection: Connection
    caller: Caller

    def item(self, number: int, *, lock: bool = False) -> Item:
        """The item of this number.

        Args:
            lock: nobody else changes it before this transaction has ended.

        Raises:
            Missing: there is none.
        """
        row = self.connection.execute(_LOCKED if lock else _ITEM, {"id": number}).one_or_none()
        if row is None:
            raise Missing("There is no such item", number, "It may have been cleaned away; look at the queue")
        return Item(**row._asdict())

    def queue(self, pipeline: str, collection: str) -> str:
        """The name of a queue that is known, by its items or by the settings.

        Raises:
            Missing: there is no such queue.
        """
        settings = self.within.settings
        known = {("books", settings.books.collection), ("audiobooks", settings.audiobooks.collection)}
        if (pipeline, collection) not in known | set(ledger.queues(self.connection)):
            raise Missing("There is no such queue", f"{pipeline}:{collection}", "See /api/v1/status")
        return f"{pipeline}:{collection}"

    def audit(
        self,
        what: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Write down what was done."""
        auditing.audited(self.connection, self.caller, what, subject, before=before, after=after)

    @property
    def who(self) -> str:
        """The person as the audit names them."""
        return auditing.who(self.caller)


def _acting(within: Within, connection: Connected, caller: Actor) -> Acting:
    return Acting(within, connection, caller)


Acts = Annotated[Acting, Depends(_acting)]
"""Somebody with the scope act, as a handler's argument."""


def refuse_worked_on(item: Item) -> None:
    """Raises:
    Problem: 409, a worker has it in hand.
    """
    if item.state == "leased":
        raise Problem(
            409, "Somebody works on this item", item.subject, "Wait until it has ended, or cancel it"
        )
