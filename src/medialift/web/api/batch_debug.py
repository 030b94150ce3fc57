"""The batch debug log: its switch, what was recorded of jobs, and what that means."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from medialift.diagnostics.traffic import finishing
from medialift.diagnostics.traffic.recorder import by_environment
from medialift.diagnostics.traffic.shelf import Listed, NoRecord, Shelf
from medialift.queueing import debug_switch
from medialift.queueing.debug_switch import LONGEST_MINUTES
from medialift.web.access.gate import Actor, Reader
from medialift.web.auditing import audited, who
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Limit
from medialift.web.problems import PROBLEMS, Missing

router = APIRouter(prefix="/api/v1/batch-debug", tags=["batch debug"], responses=PROBLEMS)

_DAY = 86_400.0

JobId = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="As `status` lists it.",
        examples=["posters-12"],
    ),
]
Pipeline = Literal["", "books", "audiobooks", "posters"]


class Enabling(BaseModel):
    """For how long, and for which pipeline."""

    model_config = ConfigDict(extra="forbid")

    duration_minutes: int = Field(
        default=30, ge=1, le=LONGEST_MINUTES, description="It goes off by itself then."
    )
    pipeline: Pipeline = Field(default="", description="Of this one only; empty: of all.")


class Disabling(BaseModel):
    """Of which pipeline."""

    model_config = ConfigDict(extra="forbid")

    pipeline: Pipeline | None = Field(default=None, description="Of this scope only; null: everywhere.")


class SwitchedOn(BaseModel):
    """One scope in which the log is on."""

    pipeline: str = Field(description="Empty: all pipelines")
    until: datetime
    seconds_left: float
    who: str = Field(description="Who switched it on")


class RecordedJob(BaseModel):
    """A record of a job's traffic."""

    job: str
    name: str = Field(description="Of its file, on the host of its worker")
    host: str
    pipeline: str
    worker: str
    label: str
    state: str = Field(description="running, finished, or broken off: its process died")
    started: datetime
    ended: datetime
    requests: int
    failed: int
    size: int = Field(description="Bytes")


class BatchDebugStatus(BaseModel):
    """Whether it is on, and what was recorded lately."""

    enabled: bool
    always: bool = Field(description="On by the settings or the environment of the dashboard's own host")
    switches: list[SwitchedOn]
    keep_seconds: float = Field(description="How long records are kept")
    jobs: list[RecordedJob]


class Attempts(BaseModel):
    """Requests that were repeated."""

    retried: int = Field(description="Sent again after a failure")
    recovered: int = Field(description="Of those, answered as they should be")
    resent_by_client: int = Field(description="Sent more than once by the HTTP client itself")


class Timing(BaseModel):
    """How long requests took; null without a request."""

    mean_seconds: float | None
    median_seconds: float | None
    p95_seconds: float | None
    slowest_seconds: float | None


class SessionEvents(BaseModel):
    """HTTP sessions and connections: made, and used again."""

    created: int
    reused: int
    connections_new: int
    connections_reused: int


class FailingItem(BaseModel):
    """An item of the job with a failure."""

    item: str
    failures: int
    last: str = Field(description="What became of its last request")


class FailurePattern(BaseModel):
    """Failures that have something in common."""

    kind: str
    what: str
    count: int
    of: int
    percent: float
    recovered: int
    detail: dict[str, int] = Field(description="By status, or by kind of error")
    examples: list[dict[str, Any]]
    items: list[str]


class Advice(BaseModel):
    """Something to do, and what it follows from."""

    action: str
    text: str
    setting: str
    evidence: dict[str, Any]


class JobSummary(BaseModel):
    """What a job's traffic means."""

    job_id: str
    pipeline: str
    label: str
    state: str
    started: datetime
    ended: datetime
    workers: list[str]
    records: int
    left_out: int = Field(description="Requests that are counted, and not kept one by one")
    duration_seconds: float
    total_requests: int
    successful_requests: int
    failed_requests: int
    expected_absences: int = Field(description="404 where that is an answer; successful")
    cancelled_requests: int
    unfinished_requests: int
    success_rate_percent: float | None
    status_code_breakdown: dict[str, int]
    error_breakdown: dict[str, int]
    attempts: Attempts
    timing: Timing
    session_events: SessionEvents
    failing_items: list[FailingItem]
    failure_patterns: list[FailurePattern]
    recommendations: list[Advice]
    environment: dict[str, Any]
    client: dict[str, Any]


class JobLog(BaseModel):
    """All that is kept of a job."""

    job_id: str
    summary: JobSummary
    records: list[dict[str, Any]]


class HttpArchive(BaseModel):
    """An HTTP archive, HAR 1.2."""

    log: dict[str, Any]


class CleanedUp(BaseModel):
    """What a clean-up came to."""

    deleted: int


@router.get("/status")
def batch_debug_status(
    within: Within, connection: Connected, _: Reader, limit: Limit = 50
) -> BatchDebugStatus:
    """Whether the log is on, until when, and the jobs that were recorded lately."""
    return status_of(within, connection, limit)


@router.post("/enable")
def enable_batch_debug(
    connection: Connected, caller: Actor, given: Annotated[Enabling | None, Body()] = None
) -> SwitchedOn:
    """Switch it on for a while. Workers on all hosts hear of it at their next sign of life."""
    asked = given or Enabling()
    switched = debug_switch.enable(
        connection, asked.duration_minutes, pipeline=asked.pipeline, who=who(caller)
    )
    return SwitchedOn(**vars(switched))


@router.post("/disable")
def disable_batch_debug(
    within: Within, connection: Connected, caller: Actor, given: Annotated[Disabling | None, Body()] = None
) -> BatchDebugStatus:
    """Switch it off. Jobs that are being recorded are recorded to their end."""
    pipeline = given.pipeline if given is not None else None
    debug_switch.disable(connection, pipeline=pipeline, who=who(caller))
    return status_of(within, connection, 1)


@router.get("/job/{job_id}/summary")
def batch_debug_summary(job_id: JobId, within: Within, connection: Connected, _: Reader) -> JobSummary:
    """What a job's requests came to, what their failures have in common, and what to do about them."""
    return JobSummary.model_validate(found(within, connection, job_id, "summary"))


@router.get("/job/{job_id}/full-log", response_model=JobLog)
def batch_debug_full_log(job_id: JobId, within: Within, connection: Connected, _: Reader) -> JSONResponse:
    """All that is kept of a job: each request with its attempt, times, status, headers, and error."""
    return _file(found(within, connection, job_id, "full_log"), f"job_{job_id}.json")


@router.get("/job/{job_id}/har", response_model=HttpArchive)
def batch_debug_har(job_id: JobId, within: Within, connection: Connected, _: Reader) -> JSONResponse:
    """A job's requests as an HTTP archive (HAR 1.2), which browsers open."""
    return _file(found(within, connection, job_id, "har"), f"job_{job_id}.har")


@router.delete("/cleanup")
def cleanup_batch_debug(
    within: Within,
    connection: Connected,
    caller: Actor,
    days: Annotated[float, Query(ge=0, le=3650, allow_inf_nan=False, description="Older than so many.")] = 7,
) -> CleanedUp:
    """Delete records of jobs that ended longer ago."""
    deleted = cleaned(within, connection, days * _DAY)
    audited(connection, caller, "batch debug clean-up", f"{days:g} days", after={"deleted": deleted})
    return CleanedUp(deleted=deleted)


def status_of(within: Context, connection: Connected, limit: int) -> BatchDebugStatus:
    """The status, for the API and for the page."""
    settings = within.settings.diagnostics
    switches = debug_switch.on(connection)
    always = settings.batch_debug or by_environment()
    return BatchDebugStatus(
        enabled=always or bool(switches),
        always=always,
        switches=[SwitchedOn(**vars(one)) for one in switches],
        keep_seconds=settings.keep,
        jobs=[recorded(one) for one in Shelf(settings, connection).latest(limit)],
    )


def cleaned(within: Context, connection: Connected, seconds: float) -> int:
    """Delete records of jobs that ended so many seconds ago; how many."""
    return finishing.forget(within.settings.diagnostics, connection, older_than=seconds)


def recorded(one: Listed) -> RecordedJob:
    """A record as the API lists it."""
    return RecordedJob(**vars(one))


def shelf(within: Context, connection: Connected) -> Shelf:
    """The records that this dashboard sees."""
    return Shelf(within.settings.diagnostics, connection)


def found(within: Context, connection: Connected, job: str, what: str) -> dict[str, Any]:
    """One of summary, full_log, har of a job.

    Raises:
        Missing: there is no record of it.
    """
    try:
        told: dict[str, Any] = getattr(shelf(within, connection), what)(job)
    except NoRecord as error:
        raise Missing(error.what, error.subject, error.hint) from None
    return told


def _file(content: dict[str, Any], name: str) -> JSONResponse:
    return JSONResponse(content, headers={"Content-Disposition": f'attachment; filename="{name}"'})
