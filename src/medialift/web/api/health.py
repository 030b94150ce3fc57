"""For machines: /health, /health/live and /health/ready, which anybody may ask, and /metrics for readers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

import medialift
from medialift.queueing import mount_states
from medialift.web import crew
from medialift.web.access.gate import Reader
from medialift.web.context import Connected, Within
from medialift.web.exposition import exposition
from medialift.web.problems import PROBLEMS, problems

router = APIRouter(tags=["health"])

_CONTENT = "text/plain; version=0.0.4; charset=utf-8"


class Live(BaseModel):
    """The dashboard is there."""

    live: bool = Field(description="It answers")


class Alive(Live):
    """Whether the dashboard can be used. Strangers are told no more."""

    ready: bool = Field(description="It answers, and has its ledger")


class HealthCheck(BaseModel):
    """One thing that was looked at; `needed`: without it nothing can be shown."""

    name: str
    ok: bool
    detail: str
    needed: bool


class HealthDetails(BaseModel):
    """What was looked at."""

    ok: bool
    release: str
    checks: list[HealthCheck]


_NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Alive, "description": "It has no ledger now."}}


@router.get("/health", responses=_NOT_READY)
async def read_health(within: Within, response: Response) -> Alive:
    """200 when it is ready, else 503."""
    return await _ready(within, response)


@router.get("/health/ready", responses=_NOT_READY)
async def read_ready(within: Within, response: Response) -> Alive:
    """200 when it has its ledger, else 503: to be asked before traffic is sent to it."""
    return await _ready(within, response)


@router.get("/health/live")
async def read_live() -> Live:
    """200 as long as it goes on at all, whatever its ledger does."""
    return Live(live=True)


@router.get("/api/v1/health", responses=PROBLEMS)
def read_health_details(connection: Connected, _: Reader, within: Within) -> HealthDetails:
    """What was looked at: the ledger, the healing of each host, the mounts. /health says the same shortly."""
    checks = [HealthCheck(name="ledger", ok=True, detail="", needed=True)]
    for host in crew.hosts(connection, within.settings, crew.hands(connection, within.settings)):
        detail = (host.round.why if host.round else "It never made a round") or ""
        checks.append(
            HealthCheck(name=f"healing of {host.name}", ok=not host.late, detail=detail, needed=False)
        )
    for one in mount_states.listed(connection):
        checks.append(
            HealthCheck(
                name=f"mount {one.name} of {one.host}",
                ok=one.state == "healthy",
                detail=str(one.detail.get("reason", "")),
                needed=False,
            )
        )
    return HealthDetails(ok=all(one.ok for one in checks), release=medialift.__version__, checks=checks)


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={
        **problems(401, 403, 503),
        200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."},
    },
)
def read_metrics(connection: Connected, _: Reader, within: Within) -> PlainTextResponse:
    """All figures: queues, workers, books, audiobooks, healing, mounts, bursts, and of the dashboard."""
    return PlainTextResponse(exposition(within, connection), media_type=_CONTENT)


async def _ready(within: Within, response: Response) -> Alive:
    ready = not await within.health.trouble()
    response.status_code = 200 if ready else 503
    return Alive(live=True, ready=ready)
