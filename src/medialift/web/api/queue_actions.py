"""Doing something to whole queues: pause, resume, when and how fast, all that failed again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, field_validator

from medialift.errors import MedialiftError
from medialift.foundation.hours import Hours
from medialift.web.actions import queues
from medialift.web.actions.acting import Acts
from medialift.web.api.item_actions import Done, Given, Why, told
from medialift.web.given import Word
from medialift.web.problems import PROBLEMS, problems

router = APIRouter(prefix="/api/v1/queues/{pipeline}/{collection}", tags=["actions"], responses=PROBLEMS)

_MOST_BYTES = 10**15
_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Pipeline = Annotated[str, Path(pattern=_NAME, examples=["books"])]
Collection = Annotated[str, Path(pattern=_NAME, examples=["calibre"])]
Confirm = Annotated[str | None, Query(max_length=100, description="What the refusal without it names.")]


class Kind(Given):
    """Which of those that failed."""

    kind: Word = Field(default="", description="By this kind of error only; empty: all of them")


class Steering(Given):
    """When a queue runs, and how fast. What is not named stays; null: as the workers' settings say."""

    hours: Word = Field(default="", description="Hours of the day, such as 22:00-06:30; empty: always")
    bandwidth: int | None = Field(
        default=None, ge=0, le=_MOST_BYTES, description="Bytes a second of all workers; 0: no limit"
    )
    batch: int | None = Field(default=None, ge=1, le=10_000, description="Items claimed at once")
    parallel: int | None = Field(default=None, ge=1, le=256, description="Files in flight per worker")

    @field_validator("hours")
    @classmethod
    def _of_the_day(cls, value: str) -> str:
        try:
            Hours.parse(value)
        except MedialiftError as error:
            raise ValueError(f"{error.what}. {error.hint}") from None
        return value

    def named(self) -> dict[str, Any]:
        """What is to be changed."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Steered(BaseModel):
    """How a queue is to run."""

    paused: bool
    paused_why: str
    hours: str
    closed: bool = Field(description="It is outside of its hours now")
    bandwidth: int | None
    batch: int | None
    parallel: int | None


@router.post("/pause")
def pause_queue(acting: Acts, pipeline: Pipeline, collection: Collection, why: Why | None = None) -> Done:
    """Have nothing more begun, on any host. What is in hand is finished."""
    return told(queues.pause(acting, pipeline, collection, why.why if why else ""))


@router.post("/resume")
def resume_queue(acting: Acts, pipeline: Pipeline, collection: Collection) -> Done:
    """Let it go on."""
    return told(queues.resume(acting, pipeline, collection))


@router.patch("/control")
def steer_queue(acting: Acts, pipeline: Pipeline, collection: Collection, wanted: Steering) -> Steered:
    """Say when it runs and how fast; its workers hear of it within a minute."""
    return Steered.model_validate(queues.steer(acting, pipeline, collection, **wanted.named()).to_dict())


@router.post("/retry")
def retry_queue(acting: Acts, pipeline: Pipeline, collection: Collection, kind: Kind | None = None) -> Done:
    """Try everything again that failed, or all that failed by one kind of error."""
    return told(queues.retry(acting, pipeline, collection, kind.kind if kind else ""))


@router.post("/cancel", responses=problems(428))
def cancel_queue(
    acting: Acts,
    pipeline: Pipeline,
    collection: Collection,
    confirm: Confirm = None,
    why: Why | None = None,
) -> Done:
    """Give up everything that is not done. It asks to be confirmed."""
    return told(queues.cancel(acting, pipeline, collection, confirm=confirm, why=why.why if why else ""))
