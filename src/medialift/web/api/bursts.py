"""Bursts of Plex: the list, one with its phases, its journal, its report; and where journals are told to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from medialift.foundation.journal import Entry, phases_of
from medialift.plex.report import page as report_page
from medialift.plex.report.model import Report
from medialift.queueing import bursts
from medialift.queueing.bursts import Burst, Known, Line
from medialift.web import paging
from medialift.web.access.gate import Actor, Reader
from medialift.web.context import Connected
from medialift.web.given import Limit, Name, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS, Missing

router = APIRouter(prefix="/api/v1/bursts", tags=["bursts"], responses=PROBLEMS)

MOST_LINES_AT_ONCE = 1000
_DEEPEST, _LONGEST_DATA = 12, 20_000
_LAST_MOMENT = 4_102_444_800.0  # the year 2100
# A report is a page of its own: it has its styles in it, and nothing else may run or load there.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
)

BurstId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="As its controller named it.",
        examples=["films-20261129T120000Z"],
    ),
]


class BurstSummary(BaseModel):
    """A burst as the list shows it."""

    id: str
    library: str
    mode: str = Field(description="delta or scratch")
    zone: str
    state: Literal["running", "ok", "failed"]
    phase: str
    progress: str = Field(description="What the phase said last")
    started: datetime
    ended: datetime | None
    changed: datetime = Field(description="When it was last told of")
    seconds: float = Field(description="Until its end, or until it was last told of")
    cost_eur: float | None
    budget_eur: float | None
    has_report: bool


class BurstPhase(BaseModel):
    """A phase of a journal."""

    journal: str
    name: str
    started: datetime
    seconds: float
    outcome: str = Field(description="ok, failed, skipped or running")
    text: str = Field(description="What it said last")


class BurstDetails(BurstSummary):
    """A burst with what is known of its phases, its machine and its sections."""

    phases: list[BurstPhase]
    instance: dict[str, Any] | None
    sections: list[dict[str, Any]] = Field(description="Items before and after, by section")


class JournalLine(BaseModel):
    """One line of a journal."""

    journal: str
    number: int
    at: datetime
    phase: str
    event: str
    outcome: str | None
    seconds: float | None
    data: dict[str, Any]


def _small(data: dict[str, Any]) -> dict[str, Any]:
    room = _LONGEST_DATA

    def measured(value: Any, depth: int) -> None:
        nonlocal room
        room -= len(value) if isinstance(value, str) else 4
        if room < 0 or depth > _DEEPEST:
            raise ValueError(f"At most {_LONGEST_DATA} letters, nested {_DEEPEST} times")
        if isinstance(value, dict):
            for name, one in value.items():
                measured(name, depth)
                measured(one, depth + 1)
        elif isinstance(value, list):
            for one in value:
                measured(one, depth + 1)

    measured(data, 0)
    return data


Small = Annotated[dict[str, Any], AfterValidator(_small)]
Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class _Told(BaseModel):
    # A misspelt name would silently tell nothing.
    model_config = ConfigDict(extra="forbid")


class ToldLine(_Told):
    """A line as the journal's file has it, with its number there."""

    number: int = Field(ge=1, le=2**31 - 1, description="Its place in its journal, from 1")
    at: float = Field(ge=0, le=_LAST_MOMENT, allow_inf_nan=False, description="Seconds since the epoch")
    phase: Name
    event: Name
    outcome: Word | None = None
    seconds: Amount | None = None
    data: Small = Field(default_factory=dict)


class ToldJournal(_Told):
    """What a controller or a home tells of a burst: lines, and whatever else it knows by now."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "journal": "controller",
                    "library": "films",
                    "mode": "delta",
                    "zone": "fr-par-1",
                    "budget_eur": 2.0,
                    "lines": [
                        {"number": 1, "at": 1796040000.0, "phase": "provision", "event": "start"},
                        {
                            "number": 2,
                            "at": 1796040060.5,
                            "phase": "provision",
                            "event": "end",
                            "outcome": "ok",
                            "seconds": 60.5,
                        },
                    ],
                }
            ]
        },
    )

    journal: Literal["controller", "home"] = Field(default="controller", description="Whose lines these are")
    library: Word | None = None
    mode: Literal["delta", "scratch"] | None = None
    zone: Word | None = None
    outcome: Literal["ok", "failed", ""] | None = Field(
        default=None, description="When it is over; empty when it goes on again"
    )
    cost_eur: Amount | None = None
    budget_eur: Amount | None = None
    instance: Small | None = None
    lines: list[ToldLine] = Field(default_factory=list, max_length=MOST_LINES_AT_ONCE)
    report: Report | None = Field(default=None, description="When there is one; it replaces the one before")

    @model_validator(mode="after")
    def _once(self) -> ToldJournal:
        if len({one.number for one in self.lines}) < len(self.lines):
            raise ValueError("A number is there twice")
        if self.report is not None:
            try:
                report_page.render(self.report)
            except (ArithmeticError, ValueError, OSError):  # times and sizes that no page can draw
                raise ValueError("No page can be made of the report") from None
        return self

    def known(self) -> Known:
        """What it tells beside its lines; what is not told by itself may be in the report."""
        report = self.report
        machine = report.instance if report else None
        return Known(
            library=self.library or (report.library if report else None) or None,
            mode=self.mode or (report.mode if report else None) or None,
            zone=self.zone or (machine.zone if machine else None) or None,
            outcome=self.outcome,
            cost_eur=machine.cost_eur if machine and self.cost_eur is None else self.cost_eur,
            budget_eur=machine.budget_eur if machine and self.budget_eur is None else self.budget_eur,
            instance=machine.model_dump(mode="json") if machine and not self.instance else self.instance,
            sections=[one.model_dump(mode="json") for one in report.sections] if report else None,
            report=report.model_dump(mode="json") if report else None,
        )


class Taken(BaseModel):
    """What became of a journal that was told."""

    added: int = Field(description="Lines that were not known")
    known: int = Field(description="Lines that were")
    burst: BurstSummary


@router.get("")
def list_bursts(
    connection: Connected,
    _: Reader,
    library: Annotated[Word | None, Query(description="Only of this library.")] = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[BurstSummary]:
    """Bursts, the newest first."""
    after = paging.decode(cursor, datetime, str)
    found = bursts.listed(connection, library=library or None, before=after, limit=limit + 1)
    rows, more = paging.page(found, limit)
    return Page(
        items=[BurstSummary.model_validate(summary(one)) for one in rows],
        next=paging.encode(rows[-1].started, rows[-1].id) if more else None,
    )


@router.get("/{burst_id}")
def read_burst(connection: Connected, _: Reader, burst_id: BurstId) -> BurstDetails:
    """One burst: how it stands, its phases, its machine and its sections."""
    return details(_found(bursts.read(connection, burst_id), burst_id), bursts.lines(connection, burst_id))


@router.get("/{burst_id}/journal")
def read_burst_journal(
    connection: Connected, _: Reader, burst_id: BurstId, cursor: CursorText = None, limit: Limit = 200
) -> Page[JournalLine]:
    """The lines of its journals, in the order of time."""
    _found(bursts.read(connection, burst_id), burst_id)
    after = paging.decode(cursor, datetime, str, int)
    found = bursts.lines(connection, burst_id, after=after, limit=limit + 1)
    rows, more = paging.page(found, limit)
    return Page(
        items=[JournalLine(**vars(one)) for one in rows],
        next=paging.encode(rows[-1].at, rows[-1].journal, rows[-1].number) if more else None,
    )


@router.post("/{burst_id}/journal")
def tell_burst(connection: Connected, _: Actor, burst_id: BurstId, told: ToldJournal) -> Taken:
    """Tell of a burst: new lines of its journal, and what else is known by now.

    May be repeated: a line that is known is not written again. A line that is known with other words is
    refused with 400, and nothing of the post is kept. At most 1,000 lines at once.
    """
    lines = [
        Line(
            one.number,
            datetime.fromtimestamp(one.at, UTC),
            one.phase,
            one.event,
            one.outcome,
            one.seconds,
            one.data,
        )
        for one in told.lines
    ]
    added = bursts.tell(connection, burst_id, told.journal, lines, told.known())
    now = _found(bursts.read(connection, burst_id), burst_id)
    return Taken(added=added, known=len(lines) - added, burst=BurstSummary.model_validate(summary(now)))


@router.get("/{burst_id}/report")
def read_burst_report(connection: Connected, _: Reader, burst_id: BurstId) -> Report:
    """Its report as data."""
    return report_of(_found(bursts.read(connection, burst_id), burst_id))


@router.get(
    "/{burst_id}/report.html",
    response_class=HTMLResponse,
    responses={200: {"content": {"text/html": {}}, "description": "One page that needs nothing else."}},
)
def show_burst_report(connection: Connected, _: Reader, burst_id: BurstId) -> HTMLResponse:
    """Its report as a page."""
    report = report_of(_found(bursts.read(connection, burst_id), burst_id))
    return HTMLResponse(report_page.render(report), headers={"Content-Security-Policy": _REPORT_POLICY})


def summary(one: Burst) -> dict[str, Any]:
    """A burst for the list; the pages show the same."""
    return {
        **{name: value for name, value in vars(one).items() if name in BurstSummary.model_fields},
        "state": one.outcome or "running",
        "seconds": max(0.0, ((one.ended or one.changed) - one.started).total_seconds()),
    }


def details(one: Burst, lines: list[Line]) -> BurstDetails:
    """A burst with its phases."""
    return BurstDetails(
        **summary(one),
        phases=sorted(_phases(lines), key=lambda phase: phase.started),
        instance=dict(one.instance) if one.instance else None,
        sections=[dict(section) for section in one.sections or ()],
    )


def report_of(one: Burst) -> Report:
    """The report of a burst.

    Raises:
        Missing: there is none, or it is of another release.
    """
    if one.report is None:
        raise Missing("This burst has no report yet", one.id, "It comes when the burst is over")
    try:
        return Report.model_validate(one.report)
    except ValidationError:
        raise Missing("This report was made by another release", one.id) from None


def _phases(lines: list[Line]) -> Iterator[BurstPhase]:
    by_journal = sorted(lines, key=lambda one: (one.journal, one.number))
    for journal, group in groupby(by_journal, key=lambda one: one.journal):
        told = [
            Entry(one.at.timestamp(), one.phase, one.event, one.outcome, one.data, one.seconds)
            for one in group
        ]
        for phase in phases_of(told):
            yield BurstPhase(
                journal=journal,
                name=phase.name,
                started=datetime.fromtimestamp(phase.started, UTC),
                seconds=phase.seconds,
                outcome=phase.outcome,
                text=str(phase.data.get("text", "")),
            )


def _found(one: Burst | None, burst_id: str) -> Burst:
    if one is None:
        raise Missing("Nobody has told of this burst", burst_id, "Look into the list of bursts")
    return one
