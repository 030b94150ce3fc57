"""Taking up again what failed or was skipped: by book, by kind of reason, or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from medialift.books.accounts import ACCOUNT_OF_FILE, ACCOUNT_OF_REST, KIND_OF_FILE, KIND_OF_REST
from medialift.books.plan_writing import PIPELINE
from medialift.errors import Permanent
from medialift.queueing import events, items
from medialift.queueing.items import Which

TOO_LARGE = "too large"
_AT_ONCE = 5000

# What a reason is called is compared by its letters: "too large", "too_large" and "TooLarge" are one.
_LETTERS = "regexp_replace(lower({0}), '[^a-z0-9]', '', 'g')"
# A file of a book that is being worked on is its worker's to write down: changed beneath it, it would stay so
# when the book has ended.
_LOCK = text("select id from item where id = any(:items) and state <> 'leased' order by id for update")
_AFRESH = text(
    "update book_file set state = 'pending', reason = null, error_kind = null, changed = now()"
    " where item_id = any(:items) and state in ('skipped', 'failed')"
)
# A worker takes a file as brought while its size and time are as they were, and a content as present for some
# minutes after it was. Who names a book wants the server to be asked.
_NOT_SURE = (
    text(
        "update book_file set mtime_ns = null where item_id = any(:items) and state in ('uploaded', 'there')"
    ),
    text(
        "update content c set changed = 'epoch' from book_file f"
        " where f.item_id = any(:items) and f.state in ('uploaded', 'there') and c.state = 'present'"
        " and c.server = (select server from book_server where collection = :collection)"
        " and c.sha1 = f.sha1 and c.size = f.size"
    ),
)
_DROP = text("drop table if exists chosen_books")
_FOUND = text(f"""
    create temporary table chosen_books on commit drop as
    select item, key, bool_or(too_large and size > :largest) as still_too_large,
           bool_or(not (too_large and size > :largest)) as retried
      from (
        select i.id as item, i.key, {ACCOUNT_OF_FILE} as account, {KIND_OF_FILE} as kind,
               {_LETTERS.format(KIND_OF_FILE)} = 'toolarge' as too_large, f.size
          from item i join book_file f on f.item_id = i.id
         where i.pipeline = :pipeline and i.collection = :collection
        union all
        select i.id, i.key, {ACCOUNT_OF_REST}, {KIND_OF_REST}, false, 0
          from item i
         where i.pipeline = :pipeline and i.collection = :collection and i.state in ('failed', 'skipped')
           and i.weight > (select count(*) from book_file f where f.item_id = i.id)
      ) files
     where account in ('failed', 'skipped')
       and (cardinality(cast(:kinds as text[])) = 0 or {_LETTERS.format("kind")} = any(:kinds))
     group by item, key""")  # noqa: S608  its parts are constants of ours
_NAMED = text("""
    create temporary table chosen_books on commit drop as
    select id as item, key, false as still_too_large, true as retried from item
     where pipeline = :pipeline and collection = :collection and key = any(:keys)
       and state in ('failed', 'skipped', 'cancelled', 'done')""")
_SUMS = text(
    "select count(*) filter (where retried) as books, count(*) filter (where not retried) as left_out"
    " from chosen_books"
)
_NEXT = text("select item, key from chosen_books where retried and item > :after order by item limit :limit")


@dataclass(frozen=True)
class Retried:
    """What a retry took up again.

    Attributes:
        books: how many.
        still_too_large: books that were left, since each of their files is larger than the limit still.
    """

    books: int = 0
    still_too_large: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {"books": self.books, "still_too_large": self.still_too_large}


def retry(
    connection: Connection,
    collection: str,
    *,
    ids: Sequence[int] = (),
    kinds: Sequence[str] = (),
    every: bool = False,
    largest: int,
    check: bool = False,
    noted: bool = True,
) -> Retried:
    """Make books ready again, with all their attempts; what they uploaded already stays uploaded.

    Args:
        ids: these books, whatever became of them; also what they uploaded is looked for on the server, and
            sent again if it is not there any more.
        kinds: all with a file that failed or was skipped for one of these reasons.
        every: all with a file that failed or was skipped.
        largest: bytes of the largest file that the server takes; what is larger and was skipped for that is
            left as it is.
        check: count only. Books that are being worked on are left alone, so it may be fewer.
        noted: it is written down that this user did it; else the caller writes down who did.

    Raises:
        Permanent: neither books nor reasons are named, or a book is not in the ledger.
    """
    if not (ids or kinds or every):
        raise Permanent(
            "Nothing is named that is to be tried again", "", "Name books or a reason, or say all"
        )
    connection.execute(_DROP)
    of = {"pipeline": PIPELINE, "collection": collection}
    if ids:
        connection.execute(_NAMED, {**of, "keys": [str(one) for one in ids]})
        _none_missing(connection, ids)
    else:
        connection.execute(_FOUND, {**of, "kinds": [_letters(one) for one in kinds], "largest": largest})
    sums = connection.execute(_SUMS).one()
    books = sums.books if check else _make_ready(connection, collection, named=bool(ids))
    if books and noted and not check:
        asked = {"ids": list(ids), "kinds": list(kinds), "all": every}
        events.record(
            connection, what="retry", subject=f"{PIPELINE}:{collection}", after={**asked, "books": books}
        )
    return Retried(books, sums.left_out)


def _make_ready(connection: Connection, collection: str, *, named: bool) -> int:
    books, after = 0, 0
    while chosen := connection.execute(_NEXT, {"after": after, "limit": _AT_ONCE}).all():
        after = chosen[-1].item
        ours = set(connection.execute(_LOCK, {"items": [row.item for row in chosen]}).scalars())
        chosen = [row for row in chosen if row.item in ours]
        of = {"items": list(ours)}
        connection.execute(_AFRESH, of)
        for statement in _NOT_SURE if named else ():
            connection.execute(statement, {**of, "collection": collection})
        books += items.retry(connection, PIPELINE, collection, Which.named(row.key for row in chosen))
    return books


def _none_missing(connection: Connection, ids: Iterable[int]) -> None:
    known = set(connection.execute(text("select key from chosen_books")).scalars())
    missing = [str(one) for one in ids if str(one) not in known]
    if missing:
        raise Permanent(
            "These books cannot be tried again",
            ", ".join(missing[:20]),
            "They are not in the ledger, or their turn has not come yet: see `medialift books status`",
        )


def _letters(kind: str) -> str:
    return "".join(one for one in kind.lower() if one.isascii() and one.isalnum())
