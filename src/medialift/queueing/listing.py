"""Items of the ledger as lists that people page through, of a million as quickly as of ten.

Each list walks along an index from where the page before ended (keyset paging) and looks at a bounded number
of items. So a page of a search for words may be short, or even empty, and still not be the last one.

By the lanes, what is worked on comes first, then what is to be done, then what has ended:

    running    a worker has it; the longest first
    retrying   to be tried again later; the soonest first
    waiting    to be done, in the order in which it will be claimed
    person     it waits for somebody to decide
    held       held by hand
    failed, skipped, cancelled, done    the latest change first
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, TextClause, text

from medialift.queueing import ledger

Lane = Literal["running", "retrying", "waiting", "person", "held", "failed", "skipped", "cancelled", "done"]
LANES: tuple[Lane, ...] = (
    "running",
    "retrying",
    "waiting",
    "person",
    "held",
    "failed",
    "skipped",
    "cancelled",
    "done",
)
Sort = Literal["lanes", "added", "-added", "key", "-key", "changed", "-changed"]
SORTS: tuple[Sort, ...] = ("lanes", "added", "-added", "key", "-key", "changed", "-changed")
ENDED: tuple[Lane, ...] = ("person", "held", "failed", "skipped", "cancelled", "done")
"""The lanes that can be sorted by their latest change."""

BUDGET = 20_000
"""Items that are looked at for one page of a search."""


@dataclass(frozen=True)
class Listed:
    """An item as lists show it.

    Attributes:
        lane: where it is for people; `state` is the ledger's own word.
        title: what its pipeline calls it; "" when that is its key.
        again_at: when it is tried again; only of the lane retrying.
        reason: why it failed, was skipped, cancelled or is tried again.
        files, bytes: what it weighs.
    """

    id: int
    pipeline: str
    collection: str
    key: str
    title: str
    lane: Lane
    state: str
    priority: int
    attempts: int
    worker: str
    again_at: datetime | None
    error_kind: str
    reason: str
    files: int
    bytes: int
    created: datetime
    changed: datetime


@dataclass(frozen=True)
class Place:
    """Where a page ends: the lane, the value that it is sorted by, and the item's id."""

    lane: str
    value: str
    id: int


@dataclass(frozen=True)
class Wanted:
    """What is listed.

    Attributes:
        pipeline, collection: "" for all.
        lanes: none for all.
        words: part of a key, a title or an error, in any case; "" for all.
        error_kind: "" for all.
    """

    pipeline: str = ""
    collection: str = ""
    lanes: tuple[Lane, ...] = ()
    words: str = ""
    error_kind: str = ""
    sort: Sort = "lanes"


# Each pipeline keeps it where it knows it.
TITLE = """
    coalesce(nullif(i.result->'book'->>'title', ''), i.payload->>'title', i.payload->>'name',
             i.payload->'book'->>'name', '')"""
_WAITS_FOR_PERSON = "(i.state = 'skipped' and coalesce(i.result ? 'waits_for', false))"
_LANE = f"""
    case when i.state = 'leased' then 'running'
         when i.state = 'ready' and i.not_before > now() then 'retrying'
         when i.state = 'ready' then 'waiting'
         when {_WAITS_FOR_PERSON} then 'person'
         when i.state = 'paused' then 'held'
         else i.state end"""
_COLUMNS = f"""
    i.id, i.pipeline, i.collection, i.key, {TITLE} as title, {_LANE} as lane, i.state, i.priority, i.attempts,
    case when i.state = 'leased' then coalesce(i.lease_owner, '') else '' end as worker,
    case when i.state = 'ready' and i.not_before > now() then i.not_before end as again_at,
    coalesce(i.error_kind, '') as error_kind,
    coalesce(i.error_text, i.result->>'reason', '') as reason,
    i.weight as files, i.bytes, i.created, i.changed"""
_FITS = f"""
    ((:words = '' or position(:words in lower(i.key)) > 0 or position(:words in lower({TITLE})) > 0
      or position(:words in lower(coalesce(i.error_text, i.result->>'reason', ''))) > 0)
     and (:words = '' or i.key <> :exact) and (:kind = '' or i.error_kind = :kind)
     and (:pipeline = '' or i.pipeline = :pipeline) and (:collection = '' or i.collection = :collection)
     and (:any_lane or {_LANE} = any(cast(:lanes as text[]))))"""

_MOMENT, _NUMBER, _TEXT = "timestamptz", "bigint", "text"


@dataclass(frozen=True)
class _Way:
    """A way along an index: which items, by what, in which direction.

    Attributes:
        queues: queue by queue, and their ends are merged; else over the whole table.
        falling: only the value falls, and ids rise: how items are claimed.
    """

    where: str
    by: str
    kind: str
    down: bool
    queues: bool = True
    falling: bool = False

    def sql(self, *, first: bool) -> TextClause:
        """One page: items that fit, how many were looked at, and where that ended."""
        way, id_way = " desc" if self.down else "", " desc" if self.down and not self.falling else ""
        back, id_back = "" if self.down else " desc", "" if id_way else " desc"
        of_queue = "i.pipeline = q.pipeline and i.collection = q.collection and " if self.queues else ""
        walk = " union all ".join(
            f"(select i.id, {self.by} as value, {_FITS} as fits from item i"  # noqa: S608  words of ours
            f" where {of_queue}{self.where}{behind} order by {self.by}{way}, i.id{id_way} limit :budget)"
            for behind in ([""] if first else self._behind())
        )
        queues = (
            "unnest(cast(:pipelines as text[]), cast(:collections as text[]), cast(:states as text[]))"
            " as q(pipeline, collection, state) cross join lateral"
        )
        return text(
            f"""
with walk as materialized (
  select w.id, w.value, w.fits from {queues if self.queues else ""} ({walk}) w
   order by w.value{way}, w.id{id_way} limit :budget),
hits as materialized (select id, value from walk where fits order by value{way}, id{id_way} limit :limit),
edge as (select count(*) as walked from walk),
last as (select value, id from walk order by value{back}, id{id_back} limit 1)
select {_COLUMNS}, cast(h.value as text) as place, e.walked, cast(l.value as text) as last_place,
       l.id as last_id
  from edge e left join last l on true left join hits h on true left join item i on i.id = h.id
 order by h.value{way}, h.id{id_way}"""  # noqa: S608  words of ours
        )

    def _behind(self) -> list[str]:
        value = f"cast(:value as {self.kind})"
        if self.falling:
            # No comparison of rows says this: the rest of the same value, then what is below it.
            return [f" and {self.by} = {value} and i.id > :id", f" and {self.by} < {value}"]
        return [f" and ({self.by}, i.id) {'<' if self.down else '>'} ({value}, :id)"]


_ENDED = "i.state in ('done', 'skipped', 'failed', 'cancelled', 'paused')"


def _ended(state: str, more: str = "") -> _Way:
    return _Way(f"i.state = '{state}' and {_ENDED}{more}", "i.changed", _MOMENT, down=True)


_WAYS: Mapping[str, _Way] = {
    "running": _Way("i.state = 'leased'", "i.changed", _MOMENT, down=False),
    # Of these two parts of what is ready, the index has one: nothing is put off but after it was made.
    "retrying": _Way(
        "i.state = 'ready' and i.not_before > i.created and i.not_before > now()",
        "i.not_before",
        _MOMENT,
        down=False,
    ),
    "waiting": _Way(
        "i.state = 'ready' and i.not_before <= now()", "i.priority", _NUMBER, down=True, falling=True
    ),
    "person": _Way("i.state = 'skipped' and i.result ? 'waits_for'", "i.changed", _MOMENT, down=True),
    "held": _ended("paused"),
    "failed": _ended("failed"),
    "skipped": _ended("skipped", " and not coalesce(i.result ? 'waits_for', false)"),
    "cancelled": _ended("cancelled"),
    "done": _ended("done"),
    "added": _Way("true", "i.id", _NUMBER, down=False, queues=False),
    "-added": _Way("true", "i.id", _NUMBER, down=True, queues=False),
    "key": _Way("true", "i.key", _TEXT, down=False),
    "-key": _Way("true", "i.key", _TEXT, down=True),
    "changed": _Way(f"i.state = q.state and {_ENDED}", "i.changed", _MOMENT, down=False),
    "-changed": _Way(f"i.state = q.state and {_ENDED}", "i.changed", _MOMENT, down=True),
}
_STATEMENTS = {(name, first): way.sql(first=first) for name, way in _WAYS.items() for first in (True, False)}
_ALONG = {"seqscan": "off", "bitmapscan": "off", "page_cost": "1", "jit": "off"}
_SETTINGS = {
    "seqscan": "enable_seqscan",
    "bitmapscan": "enable_bitmapscan",
    "page_cost": "random_page_cost",
    "jit": "jit",
}
_PLANNER = text(
    "select " + ", ".join(f"current_setting('{one}') as {name}" for name, one in _SETTINGS.items())
)
_PLAN = text("select " + ", ".join(f"set_config('{one}', :{name}, true)" for name, one in _SETTINGS.items()))
_ONE = text(f"select {_COLUMNS} from item i where i.id = :id")  # noqa: S608  words of ours
_EXACT = text(
    f"""
select {_COLUMNS}
  from unnest(cast(:pipelines as text[]), cast(:collections as text[])) as q(pipeline, collection)
  join item i on i.pipeline = q.pipeline and i.collection = q.collection and i.key = :exact order by i.id"""  # noqa: S608
)
_STATE_OF: Mapping[str, str] = {"held": "paused", "person": "skipped"}


def listed(
    connection: Connection, wanted: Wanted, *, after: Place | None = None, limit: int = 50
) -> tuple[list[Listed], Place | None]:
    """A page of items, and where it ends; None: nothing comes after it.

    Args:
        after: where the page before ended.

    Raises:
        ValueError: `after` is no place of this list, or these lanes cannot be sorted so.
    """
    ways = _ways(wanted)
    if after is not None:
        ways = ways[ways.index(after.lane) :]
        _check(after)
    queues = [
        (pipeline, collection)
        for pipeline, collection in ledger.queues(connection)
        if wanted.pipeline in ("", pipeline) and wanted.collection in ("", collection)
    ]
    if not queues:
        return [], None
    with _along_indexes(connection):
        return _pages(connection, wanted, queues, ways, after, limit)


def one(connection: Connection, number: int) -> Listed | None:
    """The item of a number, as lists show it; None when there is none."""
    row = connection.execute(_ONE, {"id": number}).one_or_none()
    return None if row is None else Listed(**row._asdict())


def check(wanted: Wanted) -> None:
    """Raises ValueError: these lanes cannot be sorted so."""
    _ways(wanted)


def _pages(
    connection: Connection,
    wanted: Wanted,
    queues: Sequence[tuple[str, str]],
    ways: Sequence[str],
    after: Place | None,
    limit: int,
) -> tuple[list[Listed], Place | None]:
    found = _exact(connection, wanted, queues) if wanted.words and after is None else []
    budget = max(limit + 1, BUDGET // len(queues)) if _choosy(wanted) else limit + 1
    for way in ways:
        given = _given(wanted, queues, way) | {"limit": limit + 1 - len(found), "budget": budget}
        page, walked, last = _walk(connection, way, after, given)
        after = None
        found += [one for one, _ in page]
        if len(found) > limit:
            # One more than is shown was asked for; with nothing else of this way it begins the next page.
            return found[:limit], page[-2][1] if len(page) > 1 else Place(way, "", 0)
        if walked >= budget:
            return found, last
        if _choosy(wanted):
            budget -= walked
    return found, None


@contextmanager
def _along_indexes(connection: Connection) -> Iterator[None]:
    """Have PostgreSQL go along the index that is meant: each way has one, which visits the fewest rows.

    Of a table that it has not looked at for long it may think otherwise.
    """
    before = connection.execute(_PLANNER).one()._asdict()
    connection.execute(_PLAN, _ALONG)
    yield
    connection.execute(_PLAN, before)


def _ways(wanted: Wanted) -> list[str]:
    if wanted.sort == "lanes":
        return [lane for lane in LANES if not wanted.lanes or lane in wanted.lanes]
    if wanted.sort in ("changed", "-changed") and not (wanted.lanes and set(wanted.lanes) <= set(ENDED)):
        raise ValueError(f"Only these are sorted by their latest change: {', '.join(ENDED)}")
    return [wanted.sort]


def _choosy(wanted: Wanted) -> bool:
    """Whether items are looked at that are not shown."""
    if wanted.words or wanted.error_kind:
        return True
    return wanted.sort != "lanes" and bool(wanted.lanes or wanted.pipeline or wanted.collection)


def _check(after: Place) -> None:
    kind = _WAYS[after.lane].kind
    if after.id == 0:
        return
    if kind == _MOMENT:
        datetime.fromisoformat(after.value)
    elif kind == _NUMBER and not -(2**63) <= int(after.value) < 2**63:
        raise ValueError(after.value)


def _given(wanted: Wanted, queues: Sequence[tuple[str, str]], way: str) -> dict[str, Any]:
    states = [""]
    if way in ("changed", "-changed"):
        states = sorted({_STATE_OF.get(lane, lane) for lane in wanted.lanes})
    each = [(*queue, state) for queue in queues for state in states]
    return {
        "pipelines": [one[0] for one in each],
        "collections": [one[1] for one in each],
        "states": [one[2] for one in each],
        "pipeline": wanted.pipeline,
        "collection": wanted.collection,
        "words": wanted.words.lower(),
        "exact": wanted.words,
        "kind": wanted.error_kind,
        "any_lane": wanted.sort == "lanes" or not wanted.lanes,
        "lanes": list(wanted.lanes),
    }


def _exact(connection: Connection, wanted: Wanted, queues: Sequence[tuple[str, str]]) -> list[Listed]:
    """What has the words as its key comes first, wherever it is."""
    rows = connection.execute(_EXACT, _given(wanted, queues, "key"))
    found = [Listed(**row._asdict()) for row in rows]
    return [
        one
        for one in found
        if (not wanted.lanes or one.lane in wanted.lanes) and wanted.error_kind in ("", one.error_kind)
    ]


def _walk(
    connection: Connection, way: str, after: Place | None, given: dict[str, Any]
) -> tuple[list[tuple[Listed, Place]], int, Place | None]:
    """(the items that fit, each with its place; how many were looked at; the place of the last of those)."""
    first = after is None or after.id == 0
    values = given if first or after is None else {**given, "value": after.value, "id": after.id}
    rows = connection.execute(_STATEMENTS[way, first], values).all()
    last = rows[0]
    page = []
    for row in rows:
        if row.id is not None:
            told = row._asdict()
            place = Place(way, told["place"], row.id)
            for name in ("place", "walked", "last_place", "last_id"):
                del told[name]
            page.append((Listed(**told), place))
    return page, last.walked, None if last.last_id is None else Place(way, last.last_place, last.last_id)
