"""The page of posters: choose items of Jellyfin, begin a batch, see it go on; and what failed of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field

from medialift.errors import MedialiftError
from medialift.posters import batches as changing
from medialift.posters import preparing
from medialift.posters import status as standing
from medialift.posters.names import IMAGES
from medialift.posters.names import PIPELINE as NAME
from medialift.queueing import control
from medialift.web import paging
from medialift.web.access.gate import Actor, Reader
from medialift.web.api.posters import (
    MOST_IDS,
    PosterItem,
    PosterOptions,
    PosterOrder,
    batch_of,
    begin,
    status_of,
    told,
)
from medialift.web.auditing import who
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Id, Word
from medialift.web.pages import back, page
from medialift.web.paging import CursorText
from medialift.web.problems import Problem

router = APIRouter(prefix="/posters", include_in_schema=False)

KINDS = {"open": "busy", "done": "well", "failed": "bad", "cancelled": "dim"}
WORDS = {"open": "goes on", "done": "done", "failed": "over, some failed", "cancelled": "cancelled"}
ACTIONS = {"download": "Download", "upload": "Replace in Jellyfin", "restore": "Put back"}
ITEM_KINDS = {"done": "well", "failed": "bad", "leased": "busy", "skipped": "dim", "cancelled": "dim"}
_ROWS, _CHOICES = 20, 60

Lane = Literal["", "ready", "leased", "done", "skipped", "failed", "paused", "cancelled"]


@dataclass(frozen=True)
class Offered:
    """What Jellyfin offers to choose from; `problem`: why it offers nothing now."""

    libraries: tuple[dict[str, Any], ...] = ()
    items: tuple[dict[str, Any], ...] = ()
    total: int = 0
    problem: MedialiftError | None = None


class Order(BaseModel):
    """The form that begins a batch."""

    model_config = ConfigDict(extra="ignore")

    action: Literal["download", "upload", "restore"] = "download"
    ids: Annotated[list[Word], Field(max_length=MOST_IDS)] = []
    everything: bool = False
    library: Word = ""
    search: Annotated[str, Field(max_length=200)] = ""
    image: Literal["Primary", "Backdrop", "Logo", "Thumb", "Banner"] | None = None
    replace: bool = False
    batch: Annotated[int | None, Field(ge=1, le=2**63 - 1)] = None
    session: Literal["", "shared", "per_request"] = ""


@router.get("")
def posters_page(
    request: Request,
    _: Reader,
    within: Within,
    connection: Connected,
    library: Annotated[Word, Query()] = "",
    search: Annotated[Word, Query()] = "",
    choose: Annotated[bool, Query()] = False,
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> HTMLResponse:
    """Batches and how they go on. With `choose`, what Jellyfin has; it is asked only then."""
    settings = within.settings.posters
    # What is fetched anew every few seconds does not ask Jellyfin.
    asked = choose and "part" not in request.query_params
    now = status_of(connection, within, _ROWS)
    return page(
        request,
        "posters.html",
        now=now,
        batches=[told(one) for one in now.batches],
        kinds=KINDS,
        words=WORDS,
        actions=ACTIONS,
        images=IMAGES,
        image=settings.image,
        url=settings.url,
        folder=settings.folder,
        choose=choose,
        offered=_offered(within, library, search, start) if asked else Offered(),
        asked={"library": library, "search": search},
        start=start,
        step=_CHOICES,
        topics="posters",
    )


@router.post("/batches")
def begin_from_page(
    request: Request, asking: Actor, within: Within, order: Annotated[Order, Form()]
) -> RedirectResponse:
    """Begin a batch: of the items that were chosen, or of all that the search found."""
    if order.action == "download" and not (order.everything or order.ids):
        raise Problem(400, "No item is chosen", "", "Tick some, or take all that were found")
    of_all = order.action == "download" and order.everything
    made = begin(
        within,
        PosterOrder(
            action=order.action,
            ids=[] if of_all else order.ids,
            libraries=[order.library] if of_all and order.library else [],
            search=order.search if of_all else "",
            image=order.image,
            replace=order.replace,
            batch=order.batch,
            options=PosterOptions(session=order.session or None),
        ),
        who(asking),
    )
    return back(request, f"/posters/batches/{made.id}", f"Batch {made.id} has begun: {made.total} items")


@router.get("/batches/{id}")
def poster_batch_page(
    request: Request,
    _: Reader,
    within: Within,
    connection: Connected,
    id: Id,
    state: Annotated[Lane, Query()] = "",
    cursor: CursorText = None,
) -> HTMLResponse:
    """One batch, with its items: those that failed first of all."""
    found = batch_of(connection, within, id)
    after = paging.decode(cursor, int)
    lane = state or ("failed" if found.states.get("failed") else "")
    rows = standing.listed(
        connection,
        within.settings.posters.collection,
        batch=id,
        states=[lane] if lane else standing.STATES,
        after=after[0] if after else 0,
        limit=_CHOICES + 1,
    )
    shown, more = paging.page(rows, _CHOICES)
    return page(
        request,
        "poster_batch.html",
        batch=told(found),
        items=[PosterItem.model_validate(one) for one in shown],
        next=paging.encode(shown[-1]["item"]) if more else None,
        lane=lane,
        states=standing.STATES,
        kinds=KINDS,
        words=WORDS,
        actions=ACTIONS,
        item_kinds=ITEM_KINDS,
        topics="" if found.finished else "posters",
    )


@router.post("/batches/{id}/cancel")
def cancel_from_page(
    request: Request, asking: Actor, within: Within, connection: Connected, id: Id
) -> RedirectResponse:
    """Begin nothing more of it."""
    batch_of(connection, within, id)
    count = changing.cancel(connection, within.settings.posters.collection, id, who=who(asking))
    return back(request, f"/posters/batches/{id}", f"{count} items are off the list")


@router.post("/batches/{id}/retry")
def retry_from_page(
    request: Request,
    asking: Actor,
    within: Within,
    connection: Connected,
    id: Id,
    item: Annotated[int | None, Form(ge=1, le=2**63 - 1)] = None,
) -> RedirectResponse:
    """Take up again what failed: all, or one."""
    batch_of(connection, within, id)
    only = None if item is None else [item]
    count = changing.retry(connection, within.settings.posters.collection, id, only, who=who(asking))
    return back(request, f"/posters/batches/{id}", f"{count} items are tried again")


@router.post("/resume")
def resume_from_page(
    request: Request, asking: Actor, within: Within, connection: Connected
) -> RedirectResponse:
    """Let the workers go on, as after the key was corrected."""
    collection = within.settings.posters.collection
    changed = control.resume(connection, NAME, collection, who=who(asking))
    changing.ring(connection, collection)
    return back(request, "/posters", "It goes on" if changed else "It was not paused")


def _offered(within: Context, library: str, search: str, start: int) -> Offered:
    settings = within.settings.posters
    try:
        libraries = preparing.libraries(settings)
        found = preparing.choices(settings, library=library, search=search, start=start, limit=_CHOICES)
    except MedialiftError as error:
        return Offered(problem=error)
    return Offered(tuple(libraries), tuple(found["items"]), found["total"])
