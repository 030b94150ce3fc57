"""A pipeline named books with items that weigh nothing, for tests of the queue itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Row, text

from medialift.errors import MedialiftError
from medialift.queueing import claims, items, ledger, sweeping
from medialift.queueing.database import Database
from medialift.queueing.items import Which
from medialift.queueing.leases import Lease, Renewed

QUEUE = ("books", "calibre")


class Books:
    """The items of one collection, and what workers do with them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(
        self,
        *keys: str,
        payload: Mapping[str, Any] | None = None,
        fingerprint: str | None = None,
        weight: int = 1,
        size: int = 0,
    ) -> None:
        self.execute(
            "insert into item (pipeline, collection, key, payload, fingerprint, weight, bytes)"
            " select 'books', 'calibre', key, cast(:payload as jsonb), :fingerprint, :weight, :size"
            " from unnest(cast(:keys as text[])) with ordinality as one(key, number) order by number",
            keys=list(keys),
            payload=json.dumps(payload or {}),
            fingerprint=fingerprint,
            weight=weight,
            size=size,
        )

    def add_many(self, count: int) -> None:
        self.add(*map(str, range(1, count + 1)))

    def claim(self, limit: int, *, owner: str = "worker", ttl: float = 60) -> list[Lease]:
        with self.database.engine.begin() as connection:
            return claims.claim(
                connection, pipeline="books", collection="calibre", owner=owner, limit=limit, ttl=ttl
            )

    def finish(self, lease: Lease, result: Mapping[str, Any] | None = None) -> bool:
        with self.database.engine.begin() as connection:
            return claims.finish(connection, lease, "done", result)

    def fail(self, lease: Lease, error: MedialiftError, *, delay_seconds: float = 0, limit: int = 3) -> str:
        with self.database.engine.begin() as connection:
            return claims.retry_later(connection, lease, error, delay_seconds=delay_seconds, limit=limit)

    def give_back(self, leases: Iterable[Lease]) -> int:
        with self.database.engine.begin() as connection:
            return claims.give_back(connection, leases)

    def renew(self, leases: Iterable[Lease], *, ttl: float = 60) -> Renewed:
        with self.database.engine.begin() as connection:
            return claims.renew(connection, leases, ttl=ttl)

    def change(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call a function of the queue on this collection, in a transaction of its own."""
        with self.database.engine.begin() as connection:
            return function(connection, *QUEUE, *args, **named)

    def read(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """Call a function of the queue that is not about one collection."""
        with self.database.engine.begin() as connection:
            return function(connection, *args, **named)

    def prioritise(self, key: str, priority: int) -> None:
        self.change(items.prioritise, Which.named([key]), priority=priority)

    def sweep(self) -> sweeping.Swept:
        with self.database.engine.begin() as connection:
            return sweeping.sweep(connection)

    def steal(self, key: str) -> None:
        """Another worker has it now, as after a lease that ended."""
        self.execute("update item set lease_token = nextval('claim_token') where key = :key", key=key)

    def counts(self) -> ledger.Counts:
        return self.change(ledger.counts)

    def row(self, key: str) -> Row[Any]:
        with self.database.engine.connect() as connection:
            return connection.execute(text("select * from item where key = :key"), {"key": key}).one()

    def state(self, key: str) -> str:
        return self.row(key).state

    def attempts(self, key: str) -> list[tuple[int, str]]:
        with self.database.engine.connect() as connection:
            rows = connection.execute(
                text("select number, outcome from attempt where item_id = :id order by id"),
                {"id": self.row(key).id},
            )
            return [(row.number, row.outcome) for row in rows]

    def scalar(self, statement: str, **values: Any) -> Any:
        with self.database.engine.connect() as connection:
            return connection.execute(text(statement), values).scalar_one()

    def execute(self, statement: str, **values: Any) -> None:
        with self.database.engine.begin() as connection:
            connection.execute(text(statement), values)
