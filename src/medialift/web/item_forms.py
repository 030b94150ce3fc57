"""The buttons and forms of items, queues and books: plain forms, which work without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from medialift.errors import MedialiftError
from medialift.foundation.hours import Hours
from medialift.foundation.units import parse_size
from medialift.web import audiobook_of_item
from medialift.web.actions import audiobooks, items, queues
from medialift.web.actions.acting import Acts
from medialift.web.actions.items import MOST_AT_ONCE, Done
from medialift.web.api.queue_actions import Collection, Pipeline
from medialift.web.given import Id, Word
from medialift.web.pages import back
from medialift.web.problems import Problem

router = APIRouter(include_in_schema=False)

_PRIORITY = 1_000_000_000_000

Place = Annotated[Literal["item", "book", "queue", "failed", "books", "audiobooks"], Form()]
"""The page that a form stands on, to which one comes back."""
Confirm = Annotated[Word, Form()]


class Lists(BaseModel):
    """Items that are ticked in a list, or all of a kind; and how the list was chosen."""

    ids: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field(default=[], max_length=MOST_AT_ONCE)
    pipeline: Word = ""
    collection: Word = ""
    kind: Word = ""
    lane: Word = ""


class Said(BaseModel):
    """The form of a book: what a person says of it. `none` names fields that the book has not got."""

    asin: Word = ""
    region: Word = ""
    title: Word = ""
    subtitle: Word = ""
    authors: Word = ""
    narrators: Word = ""
    series: Word = ""
    series_part: Word = ""
    publisher: Word = ""
    release_date: Word = ""
    language: Word = ""
    genres: Word = ""
    isbn: Word = ""
    cover_url: Word = ""
    none: list[Literal["asin", "subtitle", "narrators", "series"]] = Field(default=[], max_length=10)
    only: bool = Field(default=False, description="What is left empty stays as it is")

    def told(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """What is otherwise than what was said before: values, "" for what it has not got, None to take back.

        Args:
            before: what was said of the book so far.
        """
        fields = {name: getattr(self, name).strip() for name in Said.model_fields if name not in _NO_FIELDS}
        wanted: dict[str, Any] = {name: value for name, value in fields.items() if value}
        wanted |= dict.fromkeys(self.none, "")
        if not self.only:
            wanted |= {name: None for name in fields if name not in wanted and name in before}
        return {
            name: value
            for name, value in wanted.items()
            if value is None or name not in before or value != _as_text(before[name])
        }


_NO_FIELDS = ("none", "only")


@router.post("/items/{id}/retry")
def retry(request: Request, acting: Acts, id: Id, place: Place = "item") -> RedirectResponse:
    return _done(request, items.retry(acting, id), place, id, "It is tried again", "It is to be done anyhow")


@router.post("/items/{id}/cancel")
def cancel(request: Request, acting: Acts, id: Id, place: Place = "item") -> RedirectResponse:
    done = items.cancel(acting, id, "by hand")
    return _done(request, done, place, id, "It is given up", "It has ended already")


@router.post("/items/{id}/hold")
def hold(request: Request, acting: Acts, id: Id, place: Place = "item") -> RedirectResponse:
    return _done(request, items.hold(acting, id), place, id, "It is held", "It does not wait for its turn")


@router.post("/items/{id}/release")
def release(request: Request, acting: Acts, id: Id, place: Place = "item") -> RedirectResponse:
    return _done(request, items.release(acting, id), place, id, "It goes on", "It was not held")


@router.post("/items/{id}/priority")
def prioritise(
    request: Request,
    acting: Acts,
    id: Id,
    priority: Annotated[int, Form(ge=-_PRIORITY, le=_PRIORITY)],
    place: Place = "item",
) -> RedirectResponse:
    done = items.prioritise(acting, id, priority)
    return _done(request, done, place, id, f"Its priority is {priority}", "Nothing is otherwise than before")


@router.post("/items/{id}/skip-conversion")
def skip_conversion(request: Request, acting: Acts, id: Id, place: Place = "book") -> RedirectResponse:
    done = audiobooks.skip_conversion(acting, id)
    return _done(request, done, place, id, "It is taken as it is", "It is not to be converted any more")


@router.post("/items/{id}/reprocess")
def reprocess(
    request: Request, acting: Acts, id: Id, confirm: Confirm = "", place: Place = "book"
) -> RedirectResponse:
    done = audiobooks.reprocess(acting, id, confirm=confirm)
    return _done(request, done, place, id, "It is made again from its sources", "Nothing could be done")


@router.post("/items/{id}/tag")
def tag(request: Request, acting: Acts, id: Id, place: Place = "book") -> RedirectResponse:
    return _done(request, audiobooks.tag(acting, id), place, id, "It is tagged again")


@router.post("/items/{id}/approve")
def approve(
    request: Request,
    acting: Acts,
    id: Id,
    destinations: Annotated[list[Word], Form(max_length=100)] = [],  # noqa: B006  FastAPI copies it
    place: Place = "book",
) -> RedirectResponse:
    done = audiobooks.approve(acting, id, destinations)
    return _done(request, done, place, id, "It goes to its libraries", "It is in its libraries already")


@router.post("/items/{id}/override")
def override(
    request: Request, acting: Acts, id: Id, said: Annotated[Said, Form()], place: Place = "book"
) -> RedirectResponse:
    audiobooks.of_book(acting, id)
    before = audiobook_of_item.find(acting.within, acting.connection, id).said
    told = said.told(before)
    if not told:
        return back(request, _path(place, id), "Nothing is said that was not said before")
    done = audiobooks.override(acting, id, told, before=before)
    return _done(request, done, place, id, "What you say is written into the book")


@router.post("/failed/retry")
def retry_chosen(request: Request, acting: Acts, chosen: Annotated[Lists, Form()]) -> RedirectResponse:
    """Those that are ticked; or, without any, all of a queue that failed by one kind of error."""
    if chosen.ids:
        done = items.retry_many(acting, chosen.ids)
    elif chosen.pipeline and chosen.collection:
        done = queues.retry(acting, chosen.pipeline, chosen.collection, chosen.kind)
    else:
        raise Problem(422, "Nothing is chosen", "", "Tick what is to be tried again")
    asked = {"pipeline": chosen.pipeline, "collection": chosen.collection, "lane": chosen.lane}
    query = urlencode({name: value for name, value in asked.items() if value})
    return back(request, f"/failed?{query}" if query else "/failed", _many(done))


@router.post("/queues/{pipeline}/{collection}/pause")
def pause_queue(
    request: Request,
    acting: Acts,
    pipeline: Pipeline,
    collection: Collection,
    why: Annotated[Word, Form()] = "",
    place: Place = "queue",
) -> RedirectResponse:
    done = queues.pause(acting, pipeline, collection, why)
    words = "It is paused; what is in hand is finished" if done.changed else "It was paused already"
    return back(request, _path(place), words)


@router.post("/queues/{pipeline}/{collection}/resume")
def resume_queue(
    request: Request, acting: Acts, pipeline: Pipeline, collection: Collection, place: Place = "queue"
) -> RedirectResponse:
    done = queues.resume(acting, pipeline, collection)
    return back(request, _path(place), "It goes on" if done.changed else "It was not paused")


@router.post("/queues/{pipeline}/{collection}/control")
def steer_queue(
    request: Request,
    acting: Acts,
    pipeline: Pipeline,
    collection: Collection,
    hours: Annotated[Word, Form()] = "",
    bandwidth: Annotated[Word, Form()] = "",
    place: Place = "queue",
) -> RedirectResponse:
    try:
        Hours.parse(hours)
        speed = None if not bandwidth.strip() else int(parse_size(bandwidth))
    except (MedialiftError, ValueError) as error:
        told = error if isinstance(error, MedialiftError) else None
        raise Problem(
            422,
            told.what if told else "This is no size",
            told.subject if told else bandwidth,
            told.hint if told else "Write it as 10MB, a second; 0 means no limit",
        ) from None
    queues.steer(acting, pipeline, collection, hours=hours, bandwidth=speed)
    return back(request, _path(place), "Its workers hear of it within a minute")


@router.post("/queues/{pipeline}/{collection}/cancel")
def cancel_queue(
    request: Request,
    acting: Acts,
    pipeline: Pipeline,
    collection: Collection,
    confirm: Confirm = "",
    place: Place = "queue",
) -> RedirectResponse:
    done = queues.cancel(acting, pipeline, collection, confirm=confirm)
    return back(request, _path(place), f"{done.count:,} are given up")


def _done(
    request: Request, done: Done, place: str, number: int, words: str, otherwise: str = ""
) -> RedirectResponse:
    return back(request, _path(place, number), words if done.changed else otherwise)


def _many(done: Done) -> str:
    told = f"{done.count:,} {'is' if done.count == 1 else 'are'} tried again"
    if not done.refused:
        return told
    first = done.refused[0]
    return f"{told}. {len(done.refused):,} cannot be: {first.what} ({first.subject}). {first.hint}"


def _path(place: str, number: int = 0) -> str:
    return {"item": f"/items/{number}", "book": f"/audiobooks/{number}"}.get(place, f"/{place}")


def _as_text(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
