"""Notifications: who is told of what, and whether it arrives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from medialift import notify
from medialift.web import notifying
from medialift.web.access.gate import Actor, Reader
from medialift.web.context import Within
from medialift.web.problems import PROBLEMS

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"], responses=PROBLEMS)

Number = Annotated[int, Field(ge=1, le=10_000)]


class NotificationDestination(BaseModel):
    """Where people are told."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="Its place in the settings, from 1")
    address: str = Field(description="Without secrets")
    service: str
    events: list[str] = Field(description="What it is told")
    problem: str = Field(description="Why it can never be told anything; empty when it can")


class NotificationEvent(BaseModel):
    """Something that people may be told of."""

    event: str
    category: str
    destinations: list[int] = Field(description="Numbers of those that are told")


class Notifications(BaseModel):
    """Who is told of what by the settings of the dashboard."""

    destinations: list[NotificationDestination]
    events: list[NotificationEvent]


class NotificationTest(BaseModel):
    """What is to be tried."""

    model_config = ConfigDict(extra="forbid")

    destination: Number | None = Field(default=None, description="Its number; all of them without one")


class NotificationDelivery(BaseModel):
    """How a destination took a test."""

    model_config = ConfigDict(from_attributes=True)

    destination: str
    ok: bool
    error: str


class NotificationDeliveries(BaseModel):
    """How each destination took a test."""

    items: list[NotificationDelivery]


@router.get("")
def read_notifications(_: Reader, within: Within) -> Notifications:
    """Who is told of what. Addresses are shown without their secrets."""
    known = notify.destinations(within.settings.notify)
    return Notifications(
        destinations=[NotificationDestination.model_validate(one) for one in known],
        events=[
            NotificationEvent(event=event.value, category=category, destinations=numbers)
            for category, events in notifying.wanted_by(known).items()
            for event, numbers in events
        ],
    )


@router.post("/test")
def test_notifications(asking: Actor, within: Within, wanted: NotificationTest) -> NotificationDeliveries:
    """Tell one destination, or all of them, that this is a test. At most five a minute."""
    delivered = notifying.send(within.database, within.settings.notify, asking, wanted.destination)
    return NotificationDeliveries(items=[NotificationDelivery.model_validate(one) for one in delivered])
