"""The first page: what runs, how fast, and what needs a person, of everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from medialift.queueing import bursts, ledger, listing, mount_states, rates
from medialift.queueing.listing import Listed, Wanted
from medialift.queueing.rates import Step
from medialift.web import bursts as burst_pages
from medialift.web import crew, mounts, queue
from medialift.web.access.gate import Reader
from medialift.web.api.bursts import BurstSummary, summary
from medialift.web.context import Connected, Within
from medialift.web.pages import page
from medialift.web.queue import Queue

router = APIRouter(include_in_schema=False)

_RUNNING, _FOR_PERSON = 8, 5
_LATELY, _DAY_STEPS, _DAY_MINUTES = 60, 96, 15


@dataclass(frozen=True)
class Line:
    """One queue with its last hour, minute by minute, and its last day."""

    queue: Queue
    hour: Sequence[Step]
    day: Sequence[Step]

    @property
    def name(self) -> str:
        return f"{self.queue.pipeline}:{self.queue.collection}"

    @property
    def minutes_left(self) -> float | None:
        """Until everything is done at the speed of the last minutes; None when nothing moves or is left."""
        left = self.queue.counts.value.open
        return left / self.queue.speed.items if left and self.queue.speed.items else None


@router.get("/")
def overview_page(request: Request, _: Reader, connection: Connected, context: Within) -> HTMLResponse:
    """All of it. What is of now is fetched anew whenever something changed, and the last day now and then."""
    whole = request.query_params.get("part") != "now"
    lines = [
        Line(
            queue.queue_of(context, connection, *one),
            rates.series(connection, *one, steps=_LATELY),
            rates.series(connection, *one, steps=_DAY_STEPS, minutes=_DAY_MINUTES) if whole else [],
        )
        for one in ledger.queues(connection)
    ]
    hands = crew.hands(connection, context.settings)
    watched = mounts.shown(mount_states.listed(connection), datetime.now(UTC))
    return page(
        request,
        "overview.html",
        lines=lines,
        running=_items(connection, "running", _RUNNING),
        waits=_items(connection, "person", _FOR_PERSON),
        failed=_items(connection, "failed", _FOR_PERSON),
        counts={
            name: sum(getattr(line.queue.counts.value, name) for line in lines)
            for name in ("open", "leased", "failed", "done", "total")
        },
        counted=min((line.queue.counts.at for line in lines), default=None),
        speed=sum(line.queue.speed.items for line in lines),
        hour=[
            sum(column) for column in zip(*([step.items for step in one.hour] for one in lines), strict=True)
        ],
        crew=[one for one in hands if one.state != "ended"],
        ill=[one for one in hands if one.kind in ("bad", "warn")],
        mounts=watched,
        burst=_last_burst(connection),
        burst_kinds=burst_pages.KINDS,
        burst_words=burst_pages.WORDS,
        words=queue.WORDS,
        chart=_chart(lines),
        topics="overview",
    )


def _items(connection: Connection, lane: listing.Lane, limit: int) -> list[Listed]:
    found, _ = listing.listed(connection, Wanted(lanes=(lane,)), limit=limit)
    return found


def _last_burst(connection: Connection) -> BurstSummary | None:
    found = bursts.listed(connection, limit=1)
    return BurstSummary.model_validate(summary(found[0])) if found else None


def _chart(lines: Sequence[Line]) -> dict[str, object]:
    """{times, series} of the last day: items of each queue in steps of a quarter of an hour."""
    moving = [line for line in lines if any(step.items for step in line.day)]
    return {
        "times": [step.at.timestamp() for step in moving[0].day] if moving else [],
        "series": [
            {"name": line.name, "values": [step.items for step in line.day], "unit": ""} for line in moving
        ],
    }
