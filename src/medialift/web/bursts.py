"""The pages of the bursts: the list, and one with its timeline, sections, mount latency and cost.

A burst that goes on has no report yet: its timeline is made of its journals.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from medialift.plex.report import charts
from medialift.plex.report.model import Outcome, PhaseLine, Report
from medialift.queueing import bursts
from medialift.web.access.gate import Reader
from medialift.web.api.bursts import (
    BurstDetails,
    BurstId,
    BurstSummary,
    list_bursts,
    read_burst,
    report_of,
)
from medialift.web.context import Connected
from medialift.web.given import Word
from medialift.web.pages import page
from medialift.web.paging import CursorText
from medialift.web.problems import Missing

router = APIRouter(prefix="/bursts", include_in_schema=False)

KINDS = {"running": "busy", "ok": "well", "failed": "bad", "skipped": "dim"}
WORDS = {"running": "running", "ok": "ended well", "failed": "failed"}
_ROWS, _LINES = 30, 100


@router.get("")
def bursts_page(
    request: Request,
    caller: Reader,
    connection: Connected,
    library: Annotated[Word | None, Query()] = None,
    cursor: CursorText = None,
) -> HTMLResponse:
    """The newest first; the latest one with how far it is."""
    found = list_bursts(connection, caller, library, cursor, _ROWS)
    first = found.items[0] if found.items and not cursor and not library else None
    return page(
        request,
        "bursts.html",
        bursts=found.items,
        next=found.next,
        latest=first,
        library=library or "",
        kinds=KINDS,
        words=WORDS,
        topics="bursts",
    )


@router.get("/{burst_id}")
def burst_page(request: Request, caller: Reader, connection: Connected, burst_id: BurstId) -> HTMLResponse:
    """One burst."""
    told = read_burst(connection, caller, burst_id)
    report, why = _report(connection, burst_id, told)
    lines = bursts.lines(connection, burst_id)
    phases = report.phases if report and report.phases else _phases(told)
    return page(
        request,
        "burst.html",
        burst=told,
        report=report,
        no_report=why,
        items=_items(told),
        timeline=charts.timeline(phases),
        latency=charts.latency(report.reads) if report else None,
        money=charts.money(report) if report else None,
        lines=lines[-_LINES:],
        more=max(0, len(lines) - _LINES),
        kinds=KINDS,
        words=WORDS,
        topics="" if told.ended else "bursts",
    )


def _report(connection: Connected, burst_id: str, told: BurstSummary) -> tuple[Report | None, str]:
    """The report, or why there is none."""
    if not told.has_report:
        return None, "It comes when the burst is over" if told.state == "running" else "None was told"
    found = bursts.read(connection, burst_id)
    try:
        return (report_of(found) if found else None), ""
    except Missing as missing:
        return None, missing.what


def _phases(told: BurstDetails) -> Sequence[PhaseLine]:
    known = ("ok", "failed", "skipped", "running")
    return [
        PhaseLine(
            name=one.name,
            seconds=one.seconds,
            outcome=cast(Outcome, one.outcome if one.outcome in known else "ok"),
            started=one.started.timestamp(),
        )
        for one in told.phases
    ]


def _items(told: BurstDetails) -> dict[str, int]:
    """{before, after, deleted} over all sections."""
    names = {"before": "items_before", "after": "items_after", "deleted": "newly_deleted"}
    return {
        short: sum(int(section.get(name) or 0) for section in told.sections) for short, name in names.items()
    }
