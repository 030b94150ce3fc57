"""What the ledger knows of the files: counted for status and metrics, streamed in order for verify."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Row, text

from medialift.books.accounts import (
    ACCOUNT_OF_FILE,
    ACCOUNT_OF_REST,
    KIND_OF_FILE,
    KIND_OF_REST,
    Accounts,
)
from medialift.books.comparison import Booked, BookedFile
from medialift.books.plan_writing import PIPELINE
from medialift.books.server_comparison import Claimed

_STREAMING = {"stream_results": True, "max_row_buffer": 2000}

# What reads whole tables is never to do so row by row, which PostgreSQL takes for quick as long as it has not
# looked at tables that were just filled; and it joins a million rows in memory, not on disk.
_WHOLE_TABLES = text(
    "select set_config('enable_nestloop', 'off', true), set_config('work_mem', '64MB', true)"
)

# Files about which something is written, and the rest of each book, which its item only counts.
_COUNTED = text(f"""
    select account, kind, sum(files)::bigint as files, sum(bytes)::bigint as bytes,
           sum(seconds)::float8 as seconds, sum(timed)::bigint as timed from (
      select {ACCOUNT_OF_FILE} as account, {KIND_OF_FILE} as kind,
             count(*) as files, coalesce(sum(f.size), 0) as bytes,
             coalesce(sum(f.seconds), 0) as seconds, count(f.seconds) as timed
        from item i join book_file f on f.item_id = i.id
       where i.pipeline = :pipeline and i.collection = :collection
       group by 1, 2
      union all
      select {ACCOUNT_OF_REST}, {KIND_OF_REST},
             sum(greatest(i.weight - coalesce(w.files, 0), 0)),
             sum(greatest(i.bytes - coalesce(w.bytes, 0), 0) * (i.weight > coalesce(w.files, 0))::int), 0, 0
        from item i
        left join (select item_id, count(*) as files, sum(size) as bytes from book_file group by item_id) w
          on w.item_id = i.id
       where i.pipeline = :pipeline and i.collection = :collection
       group by 1, 2
    ) counted group by account, kind""")  # noqa: S608  its parts are constants of ours

_STREAMED = text(f"""
    select i.key::bigint as book, i.weight, i.bytes, coalesce(i.fingerprint, '') as fingerprint, i.payload,
           {ACCOUNT_OF_REST} as rest, {KIND_OF_REST} as rest_kind,
           f.format, coalesce(f.size, 0) as size, {ACCOUNT_OF_FILE} as account, {KIND_OF_FILE} as kind
      from item i left join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection
     order by i.key::bigint, f.format collate "C" """)  # noqa: S608

_CLAIMED = """
    select lower(f.sha1), f.size, i.key::bigint, f.format, f.state, f.source_id, f.ebook_id
      from item i join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection and f.state in ('uploaded', 'there')
     order by """
_CLAIMED_BY = {
    "content": text(_CLAIMED + 'lower(f.sha1) collate "C", f.size, f.source_id'),
    "ebook": text(_CLAIMED + "f.ebook_id nulls last, f.source_id"),
}
_OF_SERVER = "(select server from book_server where collection = :collection)"
_ALONE = text(f"""
    select distinct ebook_id from ebook e
     where e.made and e.ebook_id is not null and e.server = {_OF_SERVER}
       and not exists (select from book_file f where f.ebook_id = e.ebook_id)
     order by ebook_id""")  # noqa: S608  its parts are constants of ours
_SENT_TWICE = text("""
    select lower(f.sha1) as sha1, count(distinct f.source_id) as sources
      from item i join book_file f on f.item_id = i.id
     where i.pipeline = :pipeline and i.collection = :collection and f.state = 'uploaded'
     group by lower(f.sha1), f.size having count(distinct f.source_id) > 1 order by 1 limit :limit""")
_LISTED = text(f"""
    select * from (
      select i.key::bigint as book, f.format, {ACCOUNT_OF_FILE} as account, {KIND_OF_FILE} as kind,
             coalesce(nullif(f.reason, ''), i.error_text, '') as reason, coalesce(f.size, 0) as size, f.path
        from item i join book_file f on f.item_id = i.id
       where i.pipeline = :pipeline and i.collection = :collection
      union all
      select i.key::bigint, '', {ACCOUNT_OF_REST}, {KIND_OF_REST}, coalesce(i.error_text, ''), i.bytes, ''
        from item i
       where i.pipeline = :pipeline and i.collection = :collection
         and i.weight > (select count(*) from book_file f where f.item_id = i.id)
    ) listed
     where account = any(:accounts) and (:kind = '' or kind = :kind)
     order by book, format limit :limit""")  # noqa: S608


def counted(connection: Connection, collection: str) -> Accounts:
    """Every file of the collection by account and kind of reason."""
    connection.execute(_WHOLE_TABLES)
    rows = connection.execute(_COUNTED, {"pipeline": PIPELINE, "collection": collection})
    return Accounts.of_rows(row._asdict() for row in rows)


def streamed(connection: Connection, collection: str) -> Iterator[Booked]:
    """Every book of the collection in the order of Calibre's ids; a few thousand rows are held at a time."""
    connection.execute(_WHOLE_TABLES)
    of = {"pipeline": PIPELINE, "collection": collection}
    rows = connection.execute(_STREAMED, of, execution_options=_STREAMING)
    for _, group in groupby(rows, key=attrgetter("book")):
        yield _booked(list(group))


def claimed(connection: Connection, collection: str, order: str) -> Iterator[Claimed]:
    """Every file that the ledger says the server has, streamed.

    Args:
        order: "content": by sha1 and size; "ebook": by the ebooks' ids, files without one last.
    """
    connection.execute(_WHOLE_TABLES)
    of = {"pipeline": PIPELINE, "collection": collection}
    rows = connection.execute(_CLAIMED_BY[order], of, execution_options=_STREAMING)
    for sha1, size, book, name, account, source_id, ebook_id in rows:
        yield Claimed(sha1 or "", size, book, name, account, source_id, ebook_id)


def ebooks_alone(connection: Connection, collection: str) -> Iterator[int]:
    """Ebooks that we made on the server and on which no file of the ledger hangs."""
    of = {"collection": collection}
    yield from connection.execute(_ALONE, of, execution_options=_STREAMING).scalars()


def sent_twice(connection: Connection, collection: str, *, limit: int = 100) -> list[str]:
    """Content that became more than one source by uploads of ours, as its sha1: there must be none."""
    of = {"pipeline": PIPELINE, "collection": collection, "limit": limit}
    return [row.sha1 for row in connection.execute(_SENT_TWICE, of)]


def listed(
    connection: Connection, collection: str, accounts: list[str], *, kind: str = "", limit: int = 100
) -> list[dict[str, Any]]:
    """Files of some accounts with their reasons: [{book, format, account, kind, reason, size, path}].

    A book that failed before anything was written about its files is one line without a format.
    """
    wanted = {
        "pipeline": PIPELINE,
        "collection": collection,
        "accounts": accounts,
        "kind": kind,
        "limit": limit,
    }
    return [dict(row._mapping) for row in connection.execute(_LISTED, wanted)]


def _booked(rows: list[Row[Any]]) -> Booked:
    first = rows[0]
    return Booked(
        first.book,
        first.rest,
        first.rest_kind,
        first.weight,
        first.bytes,
        first.fingerprint,
        tuple(BookedFile(row.format, row.size, row.account, row.kind) for row in rows if row.format),
        first.payload,
    )
