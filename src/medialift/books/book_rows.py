"""What the ledger has of the files of books that a worker is about to work on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text

_ROWS = text(
    """
select item_id, format, path, size, mtime_ns, sha1, state, step, upload_name, server_file,
       upload_mark, upload_id, source_id, ebook_id, extract(epoch from now() - changed)::float as age
  from book_file where item_id = any(:items)
"""
)
_NAME = text(
    """
with noted as (
  insert into book_server (collection, server) values (:collection, :server)
  on conflict (collection) do nothing returning server)
select server from noted union all select server from book_server where collection = :collection limit 1
"""
)
_WORKERS = text(
    """
select count(*) from worker
 where pipeline = 'books' and collection = :collection and state in ('running', 'draining')
   and heartbeat > now() - interval '1 minute'
"""
)


def rows_of(connection: Connection, items: Iterable[int]) -> Mapping[int, dict[str, Mapping[str, Any]]]:
    """{item: {format: row}}."""
    found: dict[int, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in connection.execute(_ROWS, {"items": list(items)}).mappings():
        found[row["item_id"]][row["format"]] = dict(row)
    return found


def server_name(connection: Connection, collection: str, url: str) -> str:
    """The name of a collection's server in the ledger: the address that its first worker had for it.

    Another worker may reach the same server by another address, and has to share its claims.
    """
    given = {"collection": collection, "server": url}
    # Of two that begin at once, the second sees what the first wrote only in its next statement.
    for _ in range(2):
        found = connection.execute(_NAME, given).scalar_one_or_none()
        if found is not None:
            return str(found)
    raise AssertionError("a collection's server was neither noted nor there")


def workers_of(connection: Connection, collection: str) -> int:
    """How many workers there are at a collection now."""
    return int(connection.execute(_WORKERS, {"collection": collection}).scalar_one())
