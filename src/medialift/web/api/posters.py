"""Posters: what Jellyfin has to choose from, batches begun, cancelled and tried again, and what failed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from medialift.errors import Permanent
from medialift.posters import batches as changing
from medialift.posters import preparing
from medialift.posters import status as standing
from medialift.posters.batches import NOT_THERE
from medialift.posters.preparing import Plan
from medialift.posters.selection import Selection
from medialift.posters.status import Batch, Status
from medialift.web import paging
from medialift.web.access.gate import Actor, Reader
from medialift.web.api.item_actions import Given
from medialift.web.auditing import who
from medialift.web.context import Connected, Context, Within
from medialift.web.given import Id, Limit, Name, Word
from medialift.web.paging import CursorText, Page
from medialift.web.problems import PROBLEMS, Missing

router = APIRouter(prefix="/api/v1/posters", tags=["posters"], responses=PROBLEMS)

MOST_IDS = 5000
_LARGEST = 2**63 - 1
_FARTHEST = 10_000_000

Action = Literal["download", "upload", "restore"]
Image = Literal["Primary", "Backdrop", "Logo", "Thumb", "Banner"]
State = Literal["ready", "leased", "done", "skipped", "failed", "paused", "cancelled"]


class PosterBatch(BaseModel):
    """A batch, and how it stands."""

    id: int
    action: Action
    image: str
    state: Literal["open", "done", "failed", "cancelled"] = Field(
        description="`failed`: it is over, and some items have failed"
    )
    who: str
    selection: dict[str, Any] = Field(description="What was asked for")
    options: dict[str, Any] = Field(description="What it has otherwise than the settings")
    created: datetime
    changed: datetime = Field(description="When the last of its items moved")
    cancelled: datetime | None
    total: int
    left: int
    states: dict[str, int] = Field(description="Items by their state")
    waiting: int = Field(description="Of those that are ready: for a later attempt")
    bytes: int = Field(description="Of the pictures that were brought or sent")
    rate: float | None = Field(description="Items a second in the last minutes")
    seconds_left: float | None


class PosterItem(BaseModel):
    """One picture of a batch, and what became of it."""

    item: int = Field(description="Its number in the ledger")
    batch: int
    action: Action
    image: str
    id: str = Field(description="Its id in Jellyfin")
    name: str
    kind: str
    state: State
    attempts: int
    error_kind: str
    why: str = Field(description="Why it failed or was skipped")
    result: dict[str, Any]
    changed: datetime
    next_try: datetime | None


class PosterStatus(BaseModel):
    """How all batches stand."""

    collection: str
    state: Literal["empty", "finished", "paused", "closed", "running", "waiting"]
    paused: bool
    paused_why: str
    items: dict[str, int]
    batches: list[PosterBatch] = Field(description="The newest ten")


class PosterLibrary(BaseModel):
    """A library of Jellyfin."""

    id: str
    name: str
    kind: str


class PosterLibraries(BaseModel):
    """Jellyfin's libraries."""

    items: list[PosterLibrary]


class PosterChoice(BaseModel):
    """Something of Jellyfin that may have posters."""

    id: str
    name: str
    kind: str
    year: int | None
    images: list[str] = Field(description="Kinds of pictures that it has")


class PosterChoices(BaseModel):
    """What can be chosen, from `start` on."""

    items: list[PosterChoice]
    start: int
    total: int


class PosterOptions(Given):
    """What a batch has otherwise than the settings."""

    session: Literal["shared", "per_request"] | None = None
    interval: float | None = Field(
        default=None, ge=0, le=3600, strict=False, description="Seconds between the starts of two requests"
    )
    concurrency: int | None = Field(default=None, ge=1, le=64)


class PosterOrder(Given):
    """A batch that is to be begun.

    A download is of `ids`, or of `libraries` and `search`; without any, of everything. An upload is of the
    pictures in the folder `upload` of posters, of all or of `ids`. A restore is of what `batch` replaced, or
    of `ids`.
    """

    action: Action = "download"
    ids: list[Word] = Field(default=[], max_length=MOST_IDS)
    libraries: list[Name] = Field(default=[], max_length=100)
    search: Annotated[str, Field(max_length=200)] = ""
    kinds: list[Name] = Field(default=[], max_length=50)
    image: Image | None = Field(default=None, description="The settings' without it")
    replace: bool = Field(default=False, description="A download: files that were changed here, too")
    batch: int | None = Field(default=None, ge=1, le=_LARGEST, description="A restore: what it replaced")
    which: Literal["first", "last"] = Field(
        default="first", description="A restore of ids: the picture that was replaced first, or last"
    )
    options: PosterOptions = PosterOptions()


class PosterRetry(Given):
    """Which of a batch."""

    items: list[Annotated[int, Field(ge=1, le=_LARGEST)]] = Field(
        default=[], max_length=MOST_IDS, description="Numbers of items; empty: all that failed"
    )


class PosterChanged(BaseModel):
    """What came of it."""

    changed: bool
    count: int
    batch: PosterBatch


@router.get("")
def read_posters(_: Reader, within: Within, connection: Connected) -> PosterStatus:
    """How it stands, with the newest batches."""
    told = status_of(connection, within, 10).to_dict()
    counts = {name: int(value) for name, value in told["items"].items()}
    return PosterStatus.model_validate({**told, "items": counts})


@router.get("/libraries")
def list_poster_libraries(_: Reader, within: Within) -> PosterLibraries:
    """Jellyfin's libraries, asked now."""
    found = preparing.libraries(within.settings.posters)
    return PosterLibraries(items=[PosterLibrary.model_validate(one) for one in found])


@router.get("/choices")
def list_poster_choices(
    _: Reader,
    within: Within,
    library: Annotated[Word, Query(description="A name or an id; empty: all")] = "",
    search: Annotated[Word, Query(description="Only titles that have this")] = "",
    start: Annotated[int, Query(ge=0, le=_FARTHEST)] = 0,
    limit: Limit = 50,
) -> PosterChoices:
    """Items of Jellyfin, asked now, in the order of their names."""
    return PosterChoices.model_validate(
        preparing.choices(within.settings.posters, library=library, search=search, start=start, limit=limit)
    )


@router.get("/batches")
def list_poster_batches(
    _: Reader, within: Within, connection: Connected, cursor: CursorText = None, limit: Limit = 50
) -> Page[PosterBatch]:
    """Batches, the newest first."""
    after = paging.decode(cursor, int)
    collection = within.settings.posters.collection
    if after is None:
        found = within.kept.of(
            connection,
            ("poster batches", collection, limit),
            lambda counting: standing.batches(counting, collection, limit=limit + 1),
        ).value
    else:
        found = standing.batches(connection, collection, before=after[0], limit=limit + 1)
    shown, more = paging.page(found, limit)
    return Page[PosterBatch](items=list(map(told, shown)), next=paging.encode(shown[-1].id) if more else None)


@router.get("/batches/{id}")
def read_poster_batch(_: Reader, within: Within, connection: Connected, id: Id) -> PosterBatch:
    """One batch."""
    return told(batch_of(connection, within, id))


@router.get("/batches/{id}/items")
def list_poster_items(
    _: Reader,
    within: Within,
    connection: Connected,
    id: Id,
    state: Annotated[list[State] | None, Query(max_length=7, description="Any without it")] = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Page[PosterItem]:
    """The pictures of a batch, such as those that failed."""
    after = paging.decode(cursor, int)
    batch_of(connection, within, id)
    found = standing.listed(
        connection,
        within.settings.posters.collection,
        batch=id,
        states=state or standing.STATES,
        after=after[0] if after else 0,
        limit=limit + 1,
    )
    shown, more = paging.page(found, limit)
    return Page[PosterItem](
        items=[PosterItem.model_validate(one) for one in shown],
        next=paging.encode(shown[-1]["item"]) if more else None,
    )


@router.post("/batches", status_code=201)
def begin_poster_batch(asking: Actor, within: Within, wanted: PosterOrder) -> PosterBatch:
    """Begin a batch. Each picture of Jellyfin that it replaces is kept before; a restore puts it back."""
    return told(begin(within, wanted, who(asking)))


@router.post("/batches/{id}/cancel")
def cancel_poster_batch(asking: Actor, within: Within, connection: Connected, id: Id) -> PosterChanged:
    """Begin nothing more of it. What was done stays done; it can be taken up again."""
    batch_of(connection, within, id)
    count = changing.cancel(connection, within.settings.posters.collection, id, who=who(asking))
    return _changed(connection, within, id, count)


@router.post("/batches/{id}/retry")
def retry_poster_batch(
    asking: Actor, within: Within, connection: Connected, id: Id, which: PosterRetry | None = None
) -> PosterChanged:
    """Take up again what failed or was cancelled: all of it, or some."""
    batch_of(connection, within, id)
    only = which.items if which and which.items else None
    count = changing.retry(connection, within.settings.posters.collection, id, only, who=who(asking))
    return _changed(connection, within, id, count)


def begin(within: Context, wanted: PosterOrder, by: str) -> Batch:
    """Ask Jellyfin, and write the batch down."""
    posters = within.settings.posters
    image, options = wanted.image or "", wanted.options.model_dump(exclude_none=True)
    plan: Plan | None = None
    if wanted.action == "download":
        selection = Selection.of(
            libraries=wanted.libraries, search=wanted.search, ids=wanted.ids, kinds=wanted.kinds
        )
        plan = preparing.download(posters, selection, image=image, replace=wanted.replace, options=options)
    elif wanted.action == "upload":
        plan = preparing.upload(posters, ids=wanted.ids, image=image, options=options)
    server = plan.server if plan else preparing.server(posters)
    with within.database.engine.begin() as connection:
        plan = plan or preparing.restore(
            connection,
            posters,
            server,
            batch=wanted.batch,
            ids=wanted.ids,
            which=wanted.which,
            image=image,
            options=options,
        )
        return preparing.begin(connection, posters.collection, plan, who=by)


def batch_of(connection: Connected, within: Context, id: int, *, fresh: bool = False) -> Batch:
    """A batch; unless it must be fresh, of a large ledger as it stood some seconds ago.

    Raises:
        Missing: there is none.
    """
    collection = within.settings.posters.collection
    try:
        if not fresh:
            return within.kept.of(
                connection,
                ("poster batch", collection, id),
                lambda counting: standing.batch(counting, collection, id),
            ).value
        return standing.batch(connection, collection, id)
    except Permanent as error:
        if error.what != NOT_THERE:
            raise
        raise Missing(error.what, error.subject) from None


def status_of(connection: Connected, within: Context, batches: int) -> Status:
    """How it stands with the newest batches; of a large ledger, as it stood some seconds ago."""
    collection = within.settings.posters.collection
    return within.kept.of(
        connection,
        ("posters", collection, batches),
        lambda counting: standing.status(counting, collection, batches_shown=batches),
    ).value


def told(batch: Batch) -> PosterBatch:
    """As the API tells of it."""
    return PosterBatch.model_validate(batch.to_dict())


def _changed(connection: Connected, within: Context, id: int, count: int) -> PosterChanged:
    return PosterChanged(
        changed=bool(count), count=count, batch=told(batch_of(connection, within, id, fresh=True))
    )
