"""Doing something to items: try again, cancel, hold, let go, prefer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from medialift.web.actions import items
from medialift.web.actions.acting import Acts
from medialift.web.actions.items import MOST_AT_ONCE
from medialift.web.given import Id, Word
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1/items", tags=["actions"], responses=PROBLEMS)

_LARGEST = 2**63 - 1
_PRIORITY = 1_000_000_000_000


class Given(BaseModel):
    """What is sent; a misspelt name, and a value of another type, is refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Refused(BaseModel):
    """One of many that was left as it is, and why."""

    id: int
    what: str
    subject: str = ""
    hint: str = ""


class Done(BaseModel):
    """What came of it."""

    changed: bool = Field(description="Whether anything is otherwise than before")
    count: int = Field(description="Items that are otherwise than before")
    refused: list[Refused] = Field(default=[], description="Of many, those that were left as they are")


class Why(Given):
    """What is to be remembered about it."""

    why: Word = ""


class Priority(Given):
    """Before others, or after them."""

    priority: int = Field(ge=-_PRIORITY, le=_PRIORITY, description="The higher, the earlier")


class Chosen(Given):
    """Several items."""

    ids: list[Annotated[int, Field(ge=1, le=_LARGEST)]] = Field(min_length=1, max_length=MOST_AT_ONCE)


def told(done: items.Done) -> Done:
    """As it is answered."""
    return Done.model_validate(
        {"changed": done.changed, "count": done.count, "refused": [vars(one) for one in done.refused]}
    )


@router.post("/retry")
def retry_items(acting: Acts, chosen: Chosen) -> Done:
    """Try several items again, each as `retry_item`. One that cannot be does not keep the others from it."""
    return told(items.retry_many(acting, chosen.ids))


@router.post("/{id}/retry")
def retry_item(acting: Acts, id: Id) -> Done:
    """Try an item again, with all its attempts.

    A book that was moved to the failed folder is moved back into the inbox. An item that waits for a later
    attempt is tried in its turn.
    """
    return told(items.retry(acting, id))


@router.post("/{id}/cancel")
def cancel_item(acting: Acts, id: Id, why: Why | None = None) -> Done:
    """Give an item up. A worker that has it in hand ends as soon as it hears of it; `retry` takes it up."""
    return told(items.cancel(acting, id, why.why if why else ""))


@router.post("/{id}/hold")
def hold_item(acting: Acts, id: Id) -> Done:
    """Have an item that is ready not be begun."""
    return told(items.hold(acting, id))


@router.post("/{id}/release")
def release_item(acting: Acts, id: Id) -> Done:
    """Let an item go on that was held."""
    return told(items.release(acting, id))


@router.post("/{id}/priority")
def prioritise_item(acting: Acts, id: Id, wanted: Priority) -> Done:
    """Have an item done before others or after them."""
    return told(items.prioritise(acting, id, wanted.priority))
