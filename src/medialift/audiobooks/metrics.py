"""The figures of the intake: of all time and of this run, of conversions and of tagging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import Connection, text

from medialift.audiobooks import runs, todo
from medialift.audiobooks.stages import CONVERT, PIPELINE, STAGES
from medialift.queueing import metrics as queue_metrics
from medialift.queueing.schema import ITEM_STATES


@dataclass(frozen=True)
class Totals:
    """Conversions together; times in seconds, of conversions that succeeded.

    Attributes:
        retries: attempts that ended in an error and were tried again.
        passed_through, spliced, encoded: how the converted ones were made.
        seconds: work on them. played: how long they play.
        fastest, slowest: None when there was none.
    """

    converted: int = 0
    failed: int = 0
    retries: int = 0
    passed_through: int = 0
    spliced: int = 0
    encoded: int = 0
    seconds: float = 0.0
    played: float = 0.0
    bytes: int = 0
    fastest: float | None = None
    slowest: float | None = None

    @property
    def success_rate(self) -> float | None:
        """Converted, of those that ended; 0 to 1, None when none did."""
        ended = self.converted + self.failed
        return self.converted / ended if ended else None

    @property
    def average(self) -> float | None:
        """Seconds of a conversion."""
        return self.seconds / self.converted if self.converted else None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "success_rate": self.success_rate, "average": self.average}


@dataclass(frozen=True)
class Tagged:
    """What became of tagging.

    Attributes:
        tagged: books that were recognised and tagged without a person.
        person: books that waited for one.
        first_try: of `tagged`, those that needed no second attempt.
        seconds: work on the tagged ones.
    """

    tagged: int = 0
    person: int = 0
    failed: int = 0
    retries: int = 0
    first_try: int = 0
    seconds: float = 0.0

    @property
    def accuracy(self) -> float | None:
        """Tagged without a person, of those that ended; 0 to 1."""
        ended = self.tagged + self.person + self.failed
        return self.tagged / ended if ended else None

    @property
    def share_of_person(self) -> float | None:
        """Those that waited for a person, of those that ended; 0 to 1."""
        ended = self.tagged + self.person + self.failed
        return self.person / ended if ended else None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "accuracy": self.accuracy, "share_of_person": self.share_of_person}


@dataclass(frozen=True)
class Figures:
    """All figures of one collection.

    Attributes:
        lifetime, this_run: conversions; `began`: since when this run goes.
        delivered: copies that libraries got.
        queue: items by stage and state.
        backlog: items that are to be done still, by stage. backlog_bytes: of those to be converted.
        todo: things that remain to be done after attempts: sources to be put away, people to be told.
    """

    lifetime: Totals
    this_run: Totals
    tagging: Tagged
    tagging_this_run: Tagged
    delivered: int
    began: datetime | None
    queue: dict[str, dict[str, int]]
    backlog: dict[str, int]
    backlog_bytes: int
    todo: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "lifetime": self.lifetime.to_dict(),
            "this_run": {**self.this_run.to_dict(), "began": self.began.isoformat() if self.began else ""},
            "tagging": {**self.tagging.to_dict(), "this_run": self.tagging_this_run.to_dict()},
            "delivered": self.delivered,
            "queue": self.queue,
            "backlog": {**self.backlog, "bytes": self.backlog_bytes},
            "todo": self.todo,
        }


_SINCE = "and (cast(:since as timestamptz) is null or at >= cast(:since as timestamptz))"
_CONVERTED = text(
    f"""
select count(*) filter (where outcome = 'done') as converted,
       count(*) filter (where outcome = 'failed') as failed,
       count(*) filter (where outcome = 'again') as retries,
       count(*) filter (where outcome = 'done' and how = 'pass_through') as passed_through,
       count(*) filter (where outcome = 'done' and how = 'splice') as spliced,
       count(*) filter (where outcome = 'done' and how = 'encode') as encoded,
       coalesce(sum(seconds) filter (where outcome = 'done'), 0)::float8 as seconds,
       coalesce(sum(played) filter (where outcome = 'done'), 0)::float8 as played,
       coalesce(sum(bytes) filter (where outcome = 'done'), 0)::bigint as bytes,
       min(seconds) filter (where outcome = 'done') as fastest,
       max(seconds) filter (where outcome = 'done') as slowest
  from audiobook_run where collection = :collection and stage = 'convert' {_SINCE}
"""  # noqa: S608  words of ours
)
_TAGGED = text(
    f"""
select count(*) filter (where outcome = 'done') as tagged,
       count(*) filter (where outcome = 'person') as person,
       count(*) filter (where outcome = 'failed') as failed,
       count(*) filter (where outcome = 'again') as retries,
       count(*) filter (where outcome = 'done' and attempt = 1) as first_try,
       coalesce(sum(seconds) filter (where outcome = 'done'), 0)::float8 as seconds
  from audiobook_run where collection = :collection and stage = 'tag' {_SINCE}
"""  # noqa: S608
)
_DELIVERED = text(
    "select count(*) from audiobook_run where collection = :collection and stage = 'deliver'"
    " and outcome = 'done'"
)
_IMPORTED = text("select totals from audiobook_import where collection = :collection")
_QUEUE = text(
    """
select split_part(key, '/', 1) as stage, state, count(*) as items, sum(bytes)::bigint as bytes
  from item where pipeline = :pipeline and collection = :collection group by 1, 2
"""
)


def read(connection: Connection, collection: str) -> Figures:
    """All figures as they are now."""
    since = runs.began(connection, collection)
    queue, size = _queue(connection, collection)
    open_states = ("ready", "leased", "paused")
    return Figures(
        lifetime=_with_imported(connection, collection, _totals(connection, collection, None)),
        this_run=_totals(connection, collection, since) if since else Totals(),
        tagging=_tagged(connection, collection, None),
        tagging_this_run=_tagged(connection, collection, since) if since else Tagged(),
        delivered=int(connection.execute(_DELIVERED, {"collection": collection}).scalar_one()),
        began=since,
        queue=queue,
        backlog={stage: sum(queue[stage][state] for state in open_states) for stage in STAGES},
        backlog_bytes=size,
        todo=todo.count(connection, collection),
    )


def collected(connection: Connection, collection: str) -> Iterator[Metric]:
    """The figures for Prometheus, those of the queue among them."""
    yield from of_figures(read(connection, collection), collection)
    yield from queue_metrics.collected(connection)


def exposition(connection: Connection, collection: str) -> bytes:
    """The same in Prometheus' text format."""
    return queue_metrics.told(collected(connection, collection))


def of_figures(figures: Figures, collection: str) -> Iterator[Metric]:
    """The intake's own figures."""
    yield from _of_conversions(figures, collection)
    yield from _of_tagging(figures, collection)
    items = GaugeMetricFamily(
        "medialift_audiobooks_items", "Items by stage and state", labels=["collection", "stage", "state"]
    )
    backlog = GaugeMetricFamily(
        "medialift_audiobooks_backlog", "Items that are to be done still", labels=["collection", "stage"]
    )
    for stage, states in figures.queue.items():
        for state, count in states.items():
            items.add_metric([collection, stage, state], count)
        backlog.add_metric([collection, stage], figures.backlog[stage])
    yield from (items, backlog)
    for name, words, value in (
        ("backlog_bytes", "Bytes of the books that are to be converted still", figures.backlog_bytes),
        ("todo", "Things that remain to be done after attempts", figures.todo),
    ):
        yield _gauge(name, words, collection, value)


def _of_conversions(figures: Figures, collection: str) -> Iterator[Metric]:
    one = figures.lifetime
    for name, words, value in (
        ("converted", "Books that were converted", one.converted),
        ("failed", "Books whose conversion failed for good", one.failed),
        ("retries", "Attempts at a conversion that were tried again", one.retries),
        ("delivered", "Books that were delivered", figures.delivered),
        ("converted_bytes", "Bytes of the sources of converted books", one.bytes),
        ("conversion_seconds", "Time that conversions took", one.seconds),
        ("played_seconds", "How long the converted books play", one.played),
    ):
        counter = CounterMetricFamily(f"medialift_audiobooks_{name}", words, labels=["collection"])
        counter.add_metric([collection], value)
        yield counter
    how = CounterMetricFamily(
        "medialift_audiobooks_made", "Converted books by how they were made", labels=["collection", "how"]
    )
    for kind in ("passed_through", "spliced", "encoded"):
        how.add_metric([collection, kind], getattr(one, kind))
    yield how
    for name, words, seconds in (
        ("fastest_seconds", "The fastest conversion", one.fastest),
        ("slowest_seconds", "The slowest conversion", one.slowest),
        ("average_seconds", "Average time of a conversion", one.average),
        ("success_ratio", "Converted books, of those that ended", one.success_rate),
    ):
        if seconds is not None:
            yield _gauge(name, words, collection, seconds)


def _of_tagging(figures: Figures, collection: str) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "medialift_audiobooks_tagging", "Books by what became of tagging", labels=["collection", "outcome"]
    )
    for outcome in ("tagged", "person", "failed", "retries"):
        ended.add_metric([collection, outcome], getattr(figures.tagging, outcome))
    yield ended
    for name, words, share in (
        ("tagging_accuracy_ratio", "Books tagged without a person", figures.tagging.accuracy),
        ("tagging_person_ratio", "Books that waited for a person", figures.tagging.share_of_person),
    ):
        if share is not None:
            yield _gauge(name, f"{words}, of those that ended", collection, share)


def _gauge(name: str, words: str, collection: str, value: float) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"medialift_audiobooks_{name}", words, labels=["collection"])
    gauge.add_metric([collection], value)
    return gauge


def _totals(connection: Connection, collection: str, since: datetime | None) -> Totals:
    row = connection.execute(_CONVERTED, {"collection": collection, "since": since}).one()
    return Totals(**row._asdict())


def _tagged(connection: Connection, collection: str, since: datetime | None) -> Tagged:
    row = connection.execute(_TAGGED, {"collection": collection, "since": since}).one()
    return Tagged(**row._asdict())


def _with_imported(connection: Connection, collection: str, ours: Totals) -> Totals:
    """Add what was taken over; its single conversions are among ours already."""
    for told in connection.execute(_IMPORTED, {"collection": collection}).scalars():
        fastest = [one for one in (ours.fastest, told.get("fastest")) if one is not None]
        slowest = [one for one in (ours.slowest, told.get("slowest")) if one is not None]
        ours = Totals(
            **{
                **asdict(ours),
                "converted": ours.converted + told["converted"],
                "failed": ours.failed + told["failed"],
                "seconds": ours.seconds + told["seconds"],
                "bytes": ours.bytes + told["bytes"],
                "fastest": min(fastest, default=None),
                "slowest": max(slowest, default=None),
            }
        )
    return ours


def _queue(connection: Connection, collection: str) -> tuple[dict[str, dict[str, int]], int]:
    """Items by stage and state, and the bytes of those that are to be converted."""
    counted: dict[str, dict[str, int]] = {stage: dict.fromkeys(ITEM_STATES, 0) for stage in STAGES}
    size = 0
    for row in connection.execute(_QUEUE, {"pipeline": PIPELINE, "collection": collection}):
        if row.stage not in counted:
            continue
        counted[row.stage][row.state] = int(row.items)
        if row.stage == CONVERT and row.state in ("ready", "leased", "paused"):
            size += int(row.bytes)
    return counted, size
