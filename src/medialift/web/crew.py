"""The workers of all hosts as the pages show them: what the ledger, the healing and persons know of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from medialift.healing import care, pipelines, requests, rounds
from medialift.healing.care import Care
from medialift.healing.detect import judge, limits_of
from medialift.healing.observed import Verdict
from medialift.healing.observing import observe
from medialift.healing.requests import Request
from medialift.healing.rounds import LastRound
from medialift.queueing import workers
from medialift.queueing.workers import FRESH_SECONDS, Worker
from medialift.settings import Settings

ENDED_SECONDS = 86_400.0
"""One that ended longer ago is not shown any more."""
HOURS, SLOTS = 24, 48
_LATE_ROUNDS = 3

KINDS: Mapping[str, str] = {
    "well": "well",
    "verifying": "busy",
    "resting": "dim",
    "ending": "dim",
    "ended": "dim",
    "paused": "warn",
    "silent": "bad",
    "stuck": "bad",
}
"""How each state is shown."""


@dataclass(frozen=True)
class Slot:
    """Half an hour of a worker's day: kind is "", well, busy (it started), warn (it was treated) or bad."""

    since: datetime
    kind: str
    words: str


@dataclass(frozen=True)
class Hand:
    """One worker.

    Attributes:
        seen: as it registered; None: it is paused for so long that it was forgotten there.
        verdict: what is thought of it; None when the healing knows nothing of its pipeline.
        asked: what a person asked of it from elsewhere and that is not done.
        slots: its last 24 hours, when they were asked for.
    """

    name: str
    host: str
    pipeline: str
    collection: str
    seen: Worker | None
    verdict: Verdict | None
    care: Care
    asked: Request | None
    slots: tuple[Slot, ...] = ()

    @property
    def state(self) -> str:
        """One of `KINDS`."""
        if self.care.paused:
            return "paused"
        if self.seen is None or self.seen.state == "gone":
            return "ended"
        if self.verdict is not None and self.verdict.stuck:
            return "stuck"
        if self.seen.silence > FRESH_SECONDS:
            return "silent"
        if self.care.state == care.VERIFYING:
            return "verifying"
        if self.seen.drain or self.seen.state == "draining":
            return "ending"
        return "resting" if self.seen.state == "paused" or self.seen.paused_why else "well"

    @property
    def kind(self) -> str:
        return KINDS[self.state]

    @property
    def why(self) -> str:
        """Why it is in this state; "" when there is nothing to say."""
        if self.care.paused:
            return self.care.paused_why
        if self.state == "stuck" and self.verdict is not None:
            return self.verdict.why
        return self.seen.paused_why if self.seen is not None and self.state == "resting" else ""

    @property
    def strip(self) -> str:
        """The day in words."""
        told = [f"{one.since:%H:%M}: {one.words}" for one in self.slots if one.kind not in ("", "well")]
        return "; ".join(told) or "nothing went wrong"


@dataclass(frozen=True)
class Host:
    """A host and its healing; `late`: its last round is too long ago, or there never was one."""

    name: str
    round: LastRound | None
    late: bool


def hands(connection: Connection, settings: Settings, *, days: bool = False) -> list[Hand]:
    """All workers, by host, pipeline and name; those that need somebody come first.

    Args:
        days: with the last 24 hours of each.
    """
    known = {one.name: one for one in workers.listed(connection)}
    cares = {one.worker: one for one in care.listed(connection)}
    asked = {one.worker: one for one in requests.listed(connection)}
    verdicts = _verdicts(connection, settings, known.values())
    slots = strips(connection, known) if days else {}
    rows = [
        _hand(name, known.get(name), verdicts.get(name), cares.get(name, Care(name)), asked.get(name), slots)
        for name in known.keys() | {name for name, one in cares.items() if one.paused}
    ]
    shown = [one for one in rows if one.care.paused or not _long_ended(one)]
    return sorted(shown, key=lambda one: (_turn(one), one.host, one.pipeline, _by_number(one.name)))


def hosts(connection: Connection, settings: Settings, crew: Sequence[Hand]) -> list[Host]:
    """The hosts of these workers, and whether a healing makes its rounds there."""
    found = {one.host: one for one in rounds.listed(connection)}
    most = settings.healing.every * _LATE_ROUNDS + FRESH_SECONDS
    return [
        Host(name, found.get(name), name not in found or found[name].age > most)
        for name in sorted({one.host for one in crew} | found.keys())
    ]


_MINUTES = text(
    """
select worker, floor(extract(epoch from minute - :began)::float8 / :length)::int as slot,
       count(*)::int as minutes, min(minute) as first, max(minute) as last
  from worker_minute where minute >= :began group by 1, 2 order by 1, 2
"""
)
_STARTS = text("select worker, at from worker_start where at >= :began")
_FINDINGS = text(
    "select worker, at, what, outcome, subject from finding where worker <> '' and at >= :began order by id"
)
_NOW = text("select now()")
# What says more about a half hour stands before what says less.
_WEIGHTS = ("", "well", "busy", "warn", "bad")
_MISSED = 2
"""So many minutes without a sign of life are none to speak of: one may fall between two minutes."""


def strips(connection: Connection, known: Mapping[str, Worker]) -> dict[str, tuple[Slot, ...]]:
    """The last 24 hours of each worker in half hours: its signs of life, its starts, what the healing did."""
    now: datetime = connection.execute(_NOW).scalar_one()
    length = timedelta(hours=HOURS) / SLOTS
    began = now - timedelta(hours=HOURS)
    given = {"began": began, "length": length.total_seconds()}
    days = {
        name: [Slot(began + number * length, "", "no sign of life") for number in range(SLOTS)]
        for name in known
    }

    def note(name: str, number: int, kind: str, words: str) -> None:
        slots = days.get(name)
        if slots is None:
            return
        before = slots[number := min(SLOTS - 1, max(0, number))]
        if _WEIGHTS.index(kind) > _WEIGHTS.index(before.kind):
            slots[number] = Slot(before.since, kind, words)

    lived = list(connection.execute(_MINUTES, given))
    first: dict[str, datetime] = {}
    for row in lived:  # each worker's rows in the order of time
        first.setdefault(row.worker, row.first)
    for row in lived:
        begins = max(began + row.slot * length, first[row.worker])
        seen = known.get(row.worker)
        ends = min(began + (row.slot + 1) * length, now if seen is None or seen.state != "gone" else row.last)
        missed = int((ends - begins) / timedelta(minutes=1)) - row.minutes
        if missed > _MISSED:
            note(row.worker, row.slot, "warn", f"silent for {missed} min")
        else:
            note(row.worker, row.slot, "well", "it was there")
    for row in connection.execute(_STARTS, given):
        note(row.worker, int((row.at - began) / length), "busy", "it started")
    for row in connection.execute(_FINDINGS, given):
        kind = "bad" if row.what in ("finding", "escalation") else "warn"
        note(row.worker, int((row.at - began) / length), kind, f"{row.what.replace('_', ' ')}: {row.subject}")
    return {name: tuple(slots) for name, slots in days.items()}


def _verdicts(connection: Connection, settings: Settings, known: Iterable[Worker]) -> dict[str, Verdict]:
    places = sorted({(one.host, one.pipeline) for one in known})
    found: dict[str, Verdict] = {}
    for host, name in places:
        pipeline = pipelines.PIPELINES.get(name)
        for seen in observe(connection, host, pipeline) if pipeline else ():
            limits = limits_of(settings.healing, pipelines.of(name), seen.phase, seen)
            found[seen.name] = judge(seen, limits, None)
    return found


def _hand(
    name: str,
    seen: Worker | None,
    verdict: Verdict | None,
    given: Care,
    asked: Request | None,
    slots: Mapping[str, tuple[Slot, ...]],
) -> Hand:
    return Hand(
        name=name,
        host=seen.host if seen else given.host,
        pipeline=seen.pipeline if seen else given.pipeline,
        collection=seen.collection if seen else given.collection,
        seen=seen,
        verdict=verdict,
        care=given,
        asked=asked,
        slots=slots.get(name, ()),
    )


def _long_ended(one: Hand) -> bool:
    return one.seen is not None and one.state == "ended" and one.seen.silence > ENDED_SECONDS


def _turn(one: Hand) -> int:
    return {"bad": 0, "warn": 1}.get(one.kind, 3 if one.state == "ended" else 2)


def _by_number(name: str) -> tuple[str, int]:
    """books@2 before books@10."""
    before, _, number = name.rpartition("@")
    return (before, int(number)) if number.isdecimal() and len(number) < 9 else (name, 0)
