"""What a worker writes into the ledger about a book: each class is one write, fenced by its item's lease.

A write may come again: the connection broke and nobody knows whether it went through. So each one, done
twice, leaves what it left the first time.

Several writes share one transaction, and rows are locked in one order everywhere: content by hash, ebooks by
identity, then items and their files by number. So workers wait for each other and never for a circle. What
several writes do in one part is sent at once; only then is each told what came of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from psycopg.types.json import Jsonb

from medialift.books.batch import Batch
from medialift.books.plan_writing import REMOVED, REMOVED_WHY
from medialift.errors import MedialiftError
from medialift.queueing import claims
from medialift.queueing.leases import Lease

_LIVE = """item.id = %(item)s and item.lease_token = %(token)s
           and item.state = 'leased' and item.lease_until > now()"""


Then = Callable[[], None] | None
"""What is to be done when the answers are there, before the next part: it locks no rows but its own."""


class Fenced(Exception):
    """The lease is lost: another worker may be at this item. Nothing more may be done to it."""


@dataclass(frozen=True)
class Ours:
    """The claim is ours.

    Attributes:
        mark: of an ebook: what was made under the claim has a higher number.
        adopted: of a content: what its earlier holder had sent of it and left, as columns of `book_file`.
    """

    mark: int = 0
    adopted: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Busy:
    """Another item, in the hands of a live worker, has the claim."""


@dataclass(frozen=True)
class Present:
    """It is on the server. `age`: seconds since that was known."""

    ebook_id: int | None
    source_id: int | None = None
    age: float = 0.0


@dataclass(frozen=True)
class FileFacts:
    """A file as it is written down."""

    format: str
    path: str
    size: int = 0
    mtime_ns: int | None = None
    sha1: str | None = None


@dataclass
class Write:
    """One write, here one that does nothing. `outcome` is what it came to, when its transaction is over."""

    server: str
    lease: Lease
    outcome: Any = field(default=None, init=False)
    single: ClassVar[bool] = False
    """Whether it is one statement that writes, and so needs no transaction around it."""

    @property
    def content_key(self) -> tuple[str, int] | None:
        """The row of `content` that it touches."""
        return None

    @property
    def ebook_key(self) -> tuple[str, ...]:
        """The rows of `ebook` that it touches, in order."""
        return ()

    def to_content(self, batch: Batch) -> Then:
        """Its part on `content`."""

    def to_ebook(self, batch: Batch) -> Then:
        """Its part on `ebook`."""

    def to_item(self, batch: Batch) -> Then:
        """Its part on the item and its files."""

    def _given(self, **more: Any) -> dict[str, Any]:
        return {"server": self.server, "item": self.lease.item_id, "token": self.lease.token, **more}

    def _lost(self) -> None:
        """Nothing was written, so the lease is lost."""
        self.outcome = Fenced()


# What was sent of the same content before stays as it is: that is where the next step begins.
_KEPT = "book_file.sha1 = excluded.sha1 and book_file.step in ('sent', 'described')"
_CLAIM_CONTENT = f"""
with mine as (select id, lease_token from item where {_LIVE}),
earlier as (
  select item_id from content
   where server = %(server)s and sha1 = %(sha1)s and size = %(size)s and state = 'claimed'),
taken as (
  insert into content as c (server, sha1, size, state, item_id, token, origin, changed)
  select %(server)s, %(sha1)s, %(size)s, 'claimed', id, lease_token, 'ours', now() from mine
  on conflict (server, sha1, size) do update
     set item_id = excluded.item_id, token = excluded.token, state = 'claimed', origin = 'ours',
         changed = now()
   where (c.state = 'present' and %(anew)s)
      or (c.state = 'claimed' and (c.item_id = excluded.item_id or not exists (
            select from item holder where holder.id = c.item_id and holder.lease_token = c.token
               and holder.state = 'leased' and holder.lease_until > now())))
  returning true),
noted as (
  insert into book_file (item_id, format, path, size, mtime_ns, sha1, state, step, upload_name)
  select %(item)s, %(format)s, %(path)s, %(size)s, %(mtime_ns)s, %(sha1)s, 'pending', 'claimed', %(name)s
      from taken
  on conflict (item_id, format) do update
     set path = excluded.path, size = excluded.size, mtime_ns = excluded.mtime_ns, state = 'pending',
         step = case when {_KEPT} then book_file.step else 'claimed' end,
         server_file = case when {_KEPT} then book_file.server_file end,
         upload_mark = case when {_KEPT} then book_file.upload_mark end,
         upload_id = case when {_KEPT} then book_file.upload_id end,
         ebook_id = case when {_KEPT} then book_file.ebook_id end,
         sha1 = excluded.sha1, upload_name = excluded.upload_name, source_id = null, reason = null,
         error_kind = null, changed = now())
select exists (select from mine), exists (select from taken), (select item_id from earlier)
"""  # noqa: S608  the parts are constants
_SEE_CONTENT = """
select state, ebook_id, source_id, extract(epoch from now() - changed)::float from content
 where server = %(server)s and sha1 = %(sha1)s and size = %(size)s
"""
# An upload that the earlier holder of a claim left goes over to the new one: else nobody would use it.
_ADOPT = """
with theirs as materialized (
  select item_id, format, step, server_file, upload_mark, upload_id,
         extract(epoch from now() - changed)::float as age
    from book_file
   where item_id = %(earlier)s and sha1 = %(sha1)s and size = %(size)s and state = 'pending'
     and step in ('sent', 'described')
   limit 1 for update),
freed as (
  update book_file f
     set step = 'claimed', server_file = null, upload_mark = null, upload_id = null, ebook_id = null
    from theirs where f.item_id = theirs.item_id and f.format = theirs.format)
update book_file f
   set step = theirs.step, server_file = theirs.server_file, upload_mark = theirs.upload_mark,
       upload_id = theirs.upload_id
  from theirs
 where f.item_id = %(item)s and f.format = %(format)s and f.step = 'claimed'
returning f.step, f.server_file, f.upload_mark, f.upload_id, theirs.age
"""
_ADOPTED = ("step", "server_file", "upload_mark", "upload_id", "age")


@dataclass
class ClaimContent(Write):
    """Claim a content before anything of it is sent. Outcome: Ours, Busy, Present or Fenced.

    Args:
        anew: the server was asked and has it not, whatever is written here.
    """

    single = True

    file: FileFacts
    upload_name: str
    anew: bool = False
    _earlier: int | None = field(default=None, init=False)

    @property
    def content_key(self) -> tuple[str, int] | None:
        return (self.file.sha1 or "", self.file.size)

    def to_content(self, batch: Batch) -> Then:
        given = self._all()
        answer = batch.send(_CLAIM_CONTENT, given)

        def then() -> None:
            held, taken, earlier = answer.fetchone() or (False, False, None)
            self._earlier = earlier if earlier != self.lease.item_id else None
            if not held:
                self.outcome = Fenced()
            elif taken:
                self.outcome = Ours()
            else:
                found = batch.send(_SEE_CONTENT, given).fetchone()
                there = found is not None and found[0] == "present"
                self.outcome = Present(*found[1:]) if found is not None and there else Busy()

        return then

    def to_item(self, batch: Batch) -> Then:
        if not isinstance(self.outcome, Ours) or self._earlier is None:
            return None
        answer = batch.send(_ADOPT, {**self._all(), "earlier": self._earlier})

        def then() -> None:
            left = answer.fetchone()
            self.outcome = Ours(adopted=dict(zip(_ADOPTED, left, strict=True)) if left else None)

        return then

    def _all(self) -> dict[str, Any]:
        facts = self.file
        given = self._given(format=facts.format, path=facts.path, size=facts.size, name=self.upload_name)
        return {**given, "mtime_ns": facts.mtime_ns, "sha1": facts.sha1, "anew": self.anew}


_NOTE_STEP = f"""
update book_file set {{change}}, changed = now()
 where item_id = %(item)s and format = %(format)s and exists (select from item where {_LIVE})
"""  # noqa: S608


@dataclass
class NoteSent(Write):
    """The upload is on the server, as `server_file`; before its metadata task is called.

    Outcome: None or Fenced.

    Args:
        upload_mark: the highest number of an upload row known: that of ours will be higher.
    """

    single = True

    format: str
    server_file: str
    upload_mark: int

    def to_item(self, batch: Batch) -> Then:
        change = (
            "step = 'sent', server_file = %(file)s, upload_mark = %(mark)s, upload_id = null, ebook_id = null"
        )
        given = self._given(format=self.format, file=self.server_file, mark=self.upload_mark)
        batch.send_counted(_NOTE_STEP.format(change=change), given, none=self._lost)
        return None


_CLAIM_EBOOK = f"""
with mine as (select id, lease_token from item where {_LIVE}),
taken as (
  insert into ebook as e (server, identity, state, item_id, token, ebook_id, made, changed)
  select %(server)s, identity, 'claimed', id, lease_token, %(mark)s, false, now()
    from mine, unnest(%(identities)s::text[]) as identity order by identity
  on conflict (server, identity) do update
     set item_id = excluded.item_id, token = excluded.token, made = false, changed = now(),
         ebook_id = least(e.ebook_id - e.made::int, excluded.ebook_id)
   where e.state = 'claimed' and (e.item_id = excluded.item_id or not exists (
            select from item holder where holder.id = e.item_id and holder.lease_token = e.token
               and holder.state = 'leased' and holder.lease_until > now()))
  returning ebook_id),
noted as (
  update book_file set step = 'described', upload_id = %(upload)s, ebook_id = null, changed = now()
   where item_id = %(item)s and format = %(format)s and exists (select from mine))
select (select count(*) from mine), (select count(*) from taken), (select min(ebook_id) from taken)
"""  # noqa: S608
_OF_EBOOK = "server = %(server)s and identity = any(%(identities)s)"
_MY_CLAIM = f"{_OF_EBOOK} and state = 'claimed' and item_id = %(item)s and token = %(token)s"
_SEE_EBOOK = f"select min(ebook_id) from ebook where {_OF_EBOOK} and state = 'present'"  # noqa: S608
_JOIN_EBOOK = f"update ebook set state = 'present', ebook_id = %(ebook)s, changed = now() where {_MY_CLAIM}"  # noqa: S608
_LEAVE_EBOOK = f"delete from ebook where {_MY_CLAIM}"  # noqa: S608


@dataclass
class ClaimEbook(Write):
    """The upload is described; find out which ebook it goes into. Outcome: Ours, Busy, Present or Fenced.

    Present: an ebook with one of the identities is known, and the file is written down as going there. Ours:
    it is for us to look for one on the server, or to make it. Busy: another worker is at just that.

    Args:
        mark: the highest number of an ebook known: one that is made under the claim has a higher one. A claim
            that is taken over keeps its own.
        known: the ebook that other files of the same book went into.
    """

    format: str
    upload_id: int
    identities: tuple[str, ...]
    mark: int
    known: int | None = None

    @property
    def ebook_key(self) -> tuple[str, ...]:
        return () if self.known is not None else self.identities

    def to_ebook(self, batch: Batch) -> Then:
        if self.known is not None:
            self.outcome = Present(self.known)
            return None
        given = self._given(identities=list(self.identities), mark=self.mark)
        given |= {"format": self.format, "upload": self.upload_id}
        answer = batch.send(_CLAIM_EBOOK, given)

        def then() -> None:
            held, taken, mark = answer.fetchone() or (0, 0, None)
            if not held:
                self.outcome = Fenced()
            elif taken == len(self.identities):
                self.outcome = Ours(mark or 0)
            else:
                self._join_or_leave(batch, given)

        return then

    def _join_or_leave(self, batch: Batch, given: Mapping[str, Any]) -> None:
        known = (batch.send(_SEE_EBOOK, given).fetchone() or (None,))[0]
        if known is not None:
            # From now on this ebook goes by all of these names.
            batch.send(_JOIN_EBOOK, {**given, "ebook": known})
            self.outcome = Present(known)
        else:
            # Who waits holds nothing: else two could wait for each other.
            batch.send(_LEAVE_EBOOK, given)
            self.outcome = Busy()

    def to_item(self, batch: Batch) -> Then:
        if isinstance(self.outcome, Present):
            change = "step = 'described', upload_id = %(upload)s, ebook_id = %(ebook)s"
            given = self._given(format=self.format, upload=self.upload_id, ebook=self.outcome.ebook_id)
            batch.send_counted(_NOTE_STEP.format(change=change), given, none=self._lost)
        return None


_EBOOK_PRESENT = f"""
with noted as (
  update ebook set state = 'present', ebook_id = %(ebook)s, made = %(made)s, changed = now()
   where {_MY_CLAIM} returning true)
update book_file set ebook_id = %(ebook)s, changed = now()
 where item_id = %(item)s and format = %(format)s and exists (select from noted)
   and exists (select from item where {_LIVE})
"""  # noqa: S608


@dataclass
class NoteEbook(Write):
    """The ebook was found or made; before the upload becomes a source of it. Outcome: None or Fenced."""

    single = True

    format: str
    identities: tuple[str, ...]
    ebook_id: int
    made: bool

    @property
    def ebook_key(self) -> tuple[str, ...]:
        return self.identities

    def to_ebook(self, batch: Batch) -> Then:
        given = self._given(identities=list(self.identities), ebook=self.ebook_id, made=self.made)
        batch.send_counted(_EBOOK_PRESENT, {**given, "format": self.format}, none=self._lost)
        return None


@dataclass
class ForgetEbook(Write):
    """The server has this ebook no more: whoever comes next looks for it, or makes it."""

    ebook_id: int

    def to_ebook(self, batch: Batch) -> Then:
        batch.send(
            "delete from ebook where server = %(server)s and ebook_id = %(ebook)s and state = 'present'",
            self._given(ebook=self.ebook_id),
        )
        return None


# An ebook is ours to delete when this item made it and no other file, of whichever item, went into it.
_TAKE_EMPTY = f"""
update ebook set state = 'claimed', token = %(token)s, changed = now()
 where server = %(server)s and made and item_id = %(item)s and ebook_id is not null
   and exists (select from item where {_LIVE})
   and not exists (select from book_file f where f.ebook_id = ebook.ebook_id
                      and (f.state = 'uploaded' or (f.item_id <> %(item)s and f.step = 'described')))
returning ebook_id
"""  # noqa: S608


# A claim under which an ebook may have been made by a worker that did not live to write it down.
_TAKE_CLAIMS = f"""
update ebook set token = %(token)s, changed = now()
 where server = %(server)s and item_id = %(item)s and state = 'claimed'
   and exists (select from item where {_LIVE})
returning ebook_id - made::int
"""  # noqa: S608
_LOCK_EBOOKS = """
select from ebook where server = %(server)s and item_id = %(item)s order by identity for update
"""


@dataclass(frozen=True)
class Empty:
    """Ebooks that may have stayed empty.

    Attributes:
        ebooks: made by this item, by their numbers on the server.
        above: one may have been made that is not written down, with a higher number; None: none was.
    """

    ebooks: tuple[int, ...]
    above: int | None


@dataclass
class TakeEmptyEbooks(Write):
    """Claim the ebooks that this item made, or may have made, and nothing went into. Outcome: Empty."""

    def to_ebook(self, batch: Batch) -> Then:
        batch.send(_LOCK_EBOOKS, self._given())
        claims = batch.send(_TAKE_CLAIMS, self._given())
        made = batch.send(_TAKE_EMPTY, self._given())

        def then() -> None:
            ebooks = {row[0] for row in made.fetchall()}
            above = min((row[0] or 0 for row in claims.fetchall()), default=None)
            self.outcome = Empty(tuple(sorted(ebooks)), above)

        return then


_DROP_CLAIMS = """
delete from ebook where server = %(server)s and item_id = %(item)s and token = %(token)s and state = 'claimed'
"""


@dataclass
class DropClaims(Write):
    """Let go of all claims on ebooks that this item has left."""

    def to_ebook(self, batch: Batch) -> Then:
        batch.send(_DROP_CLAIMS, self._given())
        return None


_AS_EMPTY = """server = %(server)s and ebook_id = %(ebook)s and state = 'claimed'
           and item_id = %(item)s and token = %(token)s"""
_KEEP_EBOOK = f"update ebook set state = 'present', made = false where {_AS_EMPTY}"  # noqa: S608
_DROP_EBOOK = f"delete from ebook where {_AS_EMPTY}"  # noqa: S608


@dataclass
class DropEbook(Write):
    """An ebook of ours, claimed as empty: `kept` if it turned out to have sources, else it is gone."""

    ebook_id: int
    kept: bool

    def to_ebook(self, batch: Batch) -> Then:
        batch.send(_KEEP_EBOOK if self.kept else _DROP_EBOOK, self._given(ebook=self.ebook_id))
        return None


_CONTENT_PRESENT = """
insert into content as c (server, sha1, size, state, item_id, token, source_id, ebook_id, origin, changed)
values (%(server)s, %(sha1)s, %(size)s, 'present', %(item)s, %(token)s, %(source)s, %(ebook)s, %(origin)s,
        now())
on conflict (server, sha1, size) do update
   set state = 'present', source_id = coalesce(excluded.source_id, c.source_id),
       ebook_id = coalesce(excluded.ebook_id, c.ebook_id), changed = now(),
       origin = case when c.state = 'present' then c.origin else excluded.origin end
 where c.state = 'present' or c.item_id = excluded.item_id
"""
_CONTENT_FREE = """
delete from content where server = %(server)s and sha1 = %(sha1)s and size = %(size)s
   and state = 'claimed' and item_id = %(item)s and token = %(token)s
"""
_NOTE_END = f"""
insert into book_file (item_id, format, path, size, mtime_ns, sha1, state, step, source_id, ebook_id, reason,
                       error_kind, seconds, changed)
select %(item)s, %(format)s, %(path)s, %(size)s, %(mtime_ns)s, %(sha1)s, %(state)s, %(step)s, %(source)s,
       %(ebook)s, %(reason)s, %(kind)s, %(seconds)s, now()
  from item where {_LIVE}
on conflict (item_id, format) do update
   set path = excluded.path, size = excluded.size, mtime_ns = excluded.mtime_ns, state = excluded.state,
       sha1 = coalesce(excluded.sha1, book_file.sha1),
       step = case when excluded.step = 'attached' then excluded.step else book_file.step end,
       source_id = excluded.source_id, ebook_id = coalesce(excluded.ebook_id, book_file.ebook_id),
       reason = excluded.reason, error_kind = excluded.error_kind, seconds = excluded.seconds, changed = now()
"""  # noqa: S608


@dataclass
class EndFile(Write):
    """What became of a file. Outcome: None or Fenced.

    The content is present from then on, in the same transaction; or it is free again, if it came to nothing.
    """

    file: FileFacts
    state: Literal["uploaded", "there", "skipped", "failed", "pending"]
    source_id: int | None = None
    ebook_id: int | None = None
    reason: str | None = None
    kind: str | None = None
    seconds: float | None = None

    @property
    def content_key(self) -> tuple[str, int] | None:
        return (self.file.sha1, self.file.size) if self.file.sha1 else None

    def to_content(self, batch: Batch) -> Then:
        given = self._given(sha1=self.file.sha1, size=self.file.size)
        if self.state in ("uploaded", "there"):
            # True whether the lease holds or not: it is on the server.
            origin = "ours" if self.state == "uploaded" else "server"
            more = {"source": self.source_id, "ebook": self.ebook_id, "origin": origin}
            batch.send(_CONTENT_PRESENT, {**given, **more})
        else:
            batch.send(_CONTENT_FREE, given)
        return None

    def to_item(self, batch: Batch) -> Then:
        facts, landed = self.file, self.state in ("uploaded", "there")
        given = self._given(format=facts.format, path=facts.path, size=facts.size, mtime_ns=facts.mtime_ns)
        given |= {"sha1": facts.sha1, "state": self.state, "step": "attached" if landed else ""}
        given |= {"source": self.source_id, "ebook": self.ebook_id, "seconds": self.seconds}
        reason = None if self.reason is None else claims.clean(self.reason)
        batch.send_counted(_NOTE_END, {**given, "reason": reason, "kind": self.kind}, none=self._lost)
        return None


def _of_driver(statement: str) -> str:
    """A statement for SQLAlchemy as psycopg takes it: only the driver sends many at once."""
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)


_FINISH, _RETRY = _of_driver(claims.FINISH), _of_driver(claims.RETRY)


@dataclass
class EndItem(Write):
    """The whole book is done, or there was nothing to do. Outcome: None or Fenced."""

    state: Literal["done", "skipped"]
    result: Mapping[str, Any]

    def to_item(self, batch: Batch) -> Then:
        given = {"id": self.lease.item_id, "token": self.lease.token, "state": self.state}
        answer = batch.send(_FINISH, {**given, "result": Jsonb(dict(self.result))})

        def then() -> None:
            if answer.fetchone() is None:
                self.outcome = Fenced()

        return then


@dataclass
class FailItem(Write):
    """The book is tried again later, or has failed. Outcome: 'ready', 'failed', 'cancelled', or Fenced."""

    error: MedialiftError
    delay_seconds: float
    limit: int

    def to_item(self, batch: Batch) -> Then:
        given = claims.retry_values(
            self.lease, self.error, delay_seconds=self.delay_seconds, limit=self.limit
        )
        answer = batch.send(_RETRY, given)

        def then() -> None:
            found = answer.fetchone()
            self.outcome = Fenced() if found is None else found[0]

        return then


_CANCEL = """
update item set state = 'cancelled', lease_until = null, error_kind = %(kind)s, error_text = %(why)s,
       changed = now()
 where id = %(item)s and lease_token = %(token)s and state = 'leased'
"""


@dataclass
class CancelItem(Write):
    """The book is gone from Calibre, as a plan would find it. Outcome: None or Fenced."""

    def to_item(self, batch: Batch) -> Then:
        batch.send_counted(_CANCEL, self._given(kind=REMOVED, why=REMOVED_WHY), none=self._lost)
        return None


_PUT_OFF = """
update item set state = case when cancel then 'cancelled' else 'ready' end, attempts = attempts - 1,
       not_before = now() + make_interval(secs => %(delay)s), lease_until = null, changed = now()
 where id = %(item)s and lease_token = %(token)s and state = 'leased'
"""


@dataclass
class PutOff(Write):
    """The book waits for another that is in somebody's hands; this attempt does not count."""

    delay_seconds: float

    def to_item(self, batch: Batch) -> Then:
        batch.send(_PUT_OFF, self._given(delay=self.delay_seconds))
        return None


def in_order(writes: list[Write], batch: Batch) -> None:
    """Do the parts of several writes in the one order in which rows are locked everywhere."""
    for write in writes:
        write.outcome = None  # of an attempt that was rolled back
    touching = [one for one in writes if one.content_key]
    by_content = sorted(touching, key=lambda one: one.content_key or ("", 0))
    _answered([write.to_content(batch) for write in by_content])
    _answered([write.to_ebook(batch) for write in sorted(writes, key=lambda one: one.ebook_key)])
    _answered([write.to_item(batch) for write in sorted(writes, key=lambda one: one.lease.item_id)])


def _answered(parts: list[Then]) -> None:
    for then in parts:
        if then is not None:
            then()
