"""The diagnostics page: is what the house runs on in order, and if not, where is it not."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field

from medialift.diagnostics import reach
from medialift.errors import MedialiftError
from medialift.posters import checking, sampling
from medialift.posters.names import IMAGES
from medialift.queueing import debug_switch, listing
from medialift.queueing.debug_switch import LONGEST_MINUTES, PIPELINES
from medialift.queueing.listing import Wanted
from medialift.web import infrastructure
from medialift.web.access.gate import Actor, Reader
from medialift.web.api import batch_debug
from medialift.web.api.batch_debug import JobId
from medialift.web.auditing import audited, who
from medialift.web.confirming import confirmed
from medialift.web.context import Connected, Within
from medialift.web.given import Word
from medialift.web.pages import back, page

router = APIRouter(prefix="/diagnostics", include_in_schema=False)

TABS = (
    ("connection", "Connection"),
    ("item", "Custom ID test"),
    ("batch-debug", "Batch debug"),
    ("media", "Media tests"),
    ("infrastructure", "Infrastructure"),
    ("failed", "Failed jobs"),
)
Tab = Literal["connection", "item", "batch-debug", "media", "infrastructure", "failed"]
_PATH = "/diagnostics"
_JOBS, _FAILED, _REQUESTS = 30, 30, 200
_DAY = 86_400.0
DURATIONS = ((15, "15 minutes"), (30, "30 minutes"), (60, "1 hour"), (240, "4 hours"), (1440, "1 day"))
STATES = {"finished": "well", "running": "busy", "broken off": "bad"}
OUTCOMES = {"ok": "well", "expected": "dim", "failed": "bad", "cancelled": "warn", "unfinished": "warn"}


@router.get("")
def diagnostics_page(
    request: Request,
    within: Within,
    connection: Connected,
    _: Reader,
    tab: Annotated[Tab, Query()] = "connection",
) -> HTMLResponse:
    """One tab of it. Tests of servers are sent only when somebody asks for them."""
    settings = within.settings
    values: dict[str, Any] = {}
    if tab == "batch-debug":
        values = {"debug": batch_debug.status_of(within, connection, _JOBS), "topics": "diagnostics"}
    elif tab == "infrastructure":
        values = {"house": infrastructure.look(connection, settings), "topics": "workers,mounts"}
    elif tab == "failed":
        found, _place = listing.listed(connection, Wanted(lanes=("failed",)), limit=_FAILED)
        jobs = batch_debug.shelf(within, connection).latest(_JOBS)
        values = {"items": found, "jobs": [one for one in jobs if one.failed], "topics": "queue"}
    return _shown(request, within, tab, **values)


@router.post("/connection")
def test_connection(request: Request, within: Within, _: Actor) -> HTMLResponse:
    """Ask Jellyfin step by step, and the other servers whether they are there."""
    jellyfin = checking.connection(within.settings.posters)
    others = reach.reached(reach.targets(within.settings))
    return _shown(request, within, "connection", jellyfin=jellyfin, others=others)


@router.post("/item")
def test_item(
    request: Request,
    within: Within,
    _: Actor,
    id: Annotated[Word, Form()],
    image: Annotated[Word, Form()] = "",
) -> HTMLResponse:
    """Whether Jellyfin knows an item, and whether its picture is whole."""
    try:
        found, problem = checking.item(within.settings.posters, id, image), None
    except MedialiftError as error:
        found, problem = None, error
    return _shown(
        request,
        within,
        "item",
        status=200 if problem is None else 422,
        found=found,
        problem=problem,
        id=id,
        image=image,
    )


@router.post("/media")
def test_media(
    request: Request,
    within: Within,
    _: Actor,
    library: Annotated[Word, Form()] = "",
    count: Annotated[int, Form(ge=1, le=sampling.MOST)] = 5,
) -> HTMLResponse:
    """Fetch the pictures of some items, chosen by chance."""
    sampled: dict[str, Any] | None = None
    problem = None
    try:
        sampled = sampling.sample(within.settings.posters, library=library.strip(), count=count)
    except MedialiftError as error:
        problem = error
    return _shown(request, within, "media", sampled=sampled, problem=problem, library=library, count=count)


@router.post("/batch-debug/enable")
def enable(
    request: Request,
    connection: Connected,
    caller: Actor,
    minutes: Annotated[int, Form(ge=1, le=LONGEST_MINUTES)] = 30,
    pipeline: Annotated[Literal["", "books", "audiobooks", "posters"], Form()] = "",
) -> RedirectResponse:
    """Switch the batch debug log on for a while."""
    debug_switch.enable(connection, minutes, pipeline=pipeline, who=who(caller))
    return back(request, f"{_PATH}?tab=batch-debug", "It is on; workers hear of it within seconds")


@router.post("/batch-debug/disable")
def disable(request: Request, connection: Connected, caller: Actor) -> RedirectResponse:
    """Switch it off everywhere."""
    was_on = debug_switch.disable(connection, who=who(caller))
    return back(request, f"{_PATH}?tab=batch-debug", "It is off" if was_on else "It was off already")


@router.post("/batch-debug/cleanup")
def cleanup(
    request: Request,
    within: Within,
    connection: Connected,
    caller: Actor,
    days: Annotated[float, Form(ge=0, le=3650), Field(allow_inf_nan=False)] = 7.0,
    confirm: Annotated[Word, Form()] = "",
) -> RedirectResponse:
    """Delete old records."""
    confirmed(confirm, "delete", f"Records of jobs that ended more than {days:g} days ago are deleted")
    done = batch_debug.cleaned(within, connection, days * _DAY)
    audited(connection, caller, "batch debug clean-up", f"{days:g} days", after={"deleted": done})
    return back(request, f"{_PATH}?tab=batch-debug", f"{done} records were deleted")


@router.get("/jobs/{job_id}")
def job_page(
    request: Request,
    within: Within,
    connection: Connected,
    _: Reader,
    job_id: JobId,
    failed: Annotated[bool, Query(description="Only requests that failed.")] = False,
) -> HTMLResponse:
    """What was recorded of a job, what it means, and its requests."""
    log = batch_debug.found(within, connection, job_id, "full_log")
    requests = [one for record in log["records"] for one in record.get("requests", ())]
    wanted = [one for one in requests if not failed or one["outcome"] == "failed"]
    return page(
        request,
        "diagnostics_job.html",
        job=batch_debug.JobSummary.model_validate(log["summary"]),
        requests=wanted[:_REQUESTS],
        more=max(0, len(wanted) - _REQUESTS),
        failed=failed,
        states=STATES,
        outcomes=OUTCOMES,
    )


def _shown(request: Request, within: Within, tab: Tab, *, status: int = 200, **values: Any) -> HTMLResponse:
    """The page with one of its tabs; what a tab is not given was not looked at."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("jellyfin", "found", "problem", "sampled", "debug", "house"), None
    )
    lists: dict[str, list[Any]] = {"others": [], "items": [], "jobs": []}
    settings = within.settings
    given = {
        **nothing,
        **lists,
        "id": "",
        "image": settings.posters.image,
        "library": "",
        "count": 5,
        "topics": "",
        **values,
    }
    return page(
        request,
        "diagnostics.html",
        status=status,
        tab=tab,
        tabs=TABS,
        states=STATES,
        durations=DURATIONS,
        pipelines=[("", "all pipelines"), *((one, one) for one in PIPELINES)],
        images=IMAGES,
        targets=reach.targets(settings),
        jellyfin_url=settings.posters.url,
        **given,
    )
