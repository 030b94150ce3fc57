"""Doing something to single audiobooks: take as it is, make again, tag, say what it is, let pass."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from medialift.web.actions import audiobooks
from medialift.web.actions.acting import Acts
from medialift.web.api.item_actions import Done, Given, told
from medialift.web.api.queue_actions import Confirm
from medialift.web.given import Id, Name, Prose
from medialift.web.problems import PROBLEMS, problems

router = APIRouter(prefix="/api/v1/items/{id}", tags=["actions"], responses=PROBLEMS)

Names = Annotated[list[Name], Field(max_length=100)]


class Override(Given):
    """What a person says of a book. What is left out stays as it is; null takes back what was said before."""

    title: Prose | None = None
    subtitle: Prose | None = None
    authors: Names | Prose | None = Field(default=None, description="A list, or a text with ; between")
    narrators: Names | Prose | None = None
    series: Prose | None = None
    series_part: Prose | None = None
    publisher: Prose | None = None
    release_date: Prose | None = Field(default=None, description="YYYY-MM-DD, or the year")
    year: int | Prose | None = Field(default=None, description="Four digits")
    language: Prose | None = None
    genres: Names | Prose | None = None
    description: Prose | None = None
    copyright: Prose | None = None
    asin: Prose | None = Field(default=None, description="Ten letters and digits")
    isbn: Prose | None = None
    rating: float | Prose | None = Field(default=None, description="0 to 5")
    explicit: bool | Prose | None = None
    format: Prose | None = None
    runtime_minutes: int | Prose | None = None
    cover_url: Prose | None = None
    product_url: Prose | None = None
    region: Prose | None = Field(default=None, description="Audible's shop that knows the ASIN, such as uk")

    def told(self) -> dict[str, Any]:
        """The fields that were named."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Approval(Given):
    """Into which libraries a book may go."""

    destinations: Names = Field(default=[], description="Empty: into all of them")


@router.post("/skip-conversion")
def skip_conversion(acting: Acts, id: Id) -> Done:
    """Have a book that is still to be converted taken as it is.

    A single M4B passes through, AAC parts are joined; what would have to be encoded fails and says so.
    """
    return told(audiobooks.skip_conversion(acting, id))


@router.post("/reprocess", responses=problems(428))
def reprocess_book(acting: Acts, id: Id, confirm: Confirm = None) -> Done:
    """Make a book again from its sources. It asks to be confirmed.

    They come back from the archive or the failed folder. What was made of them before is replaced when the
    new book is proven, its copies in libraries too.
    """
    return told(audiobooks.reprocess(acting, id, confirm=confirm))


@router.post("/tag")
def tag_book(acting: Acts, id: Id) -> Done:
    """Send a converted book to tagging, anew when it was tagged."""
    return told(audiobooks.tag(acting, id))


@router.post("/override")
def override_book(acting: Acts, id: Id, said: Override) -> Done:
    """Say what a book is: its ASIN, or any field. It is tagged again, and what is said wins."""
    return told(audiobooks.override(acting, id, said.told()))


@router.post("/approve")
def approve_book(acting: Acts, id: Id, wanted: Approval | None = None) -> Done:
    """Let a book that waits for a person go to its libraries, or to some of them."""
    return told(audiobooks.approve(acting, id, wanted.destinations if wanted else ()))
