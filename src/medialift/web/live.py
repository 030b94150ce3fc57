"""Pages learn that something changed: server-sent events, one per topic and change.

The ledger is asked once for all listeners, whatever their number, and only while there are any. An event says
that a topic changed, and not what: a page fetches the part of itself that shows it, with its own access.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, cast

from fastapi import APIRouter, FastAPI, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from medialift.queueing.database import Database
from medialift.web import changes
from medialift.web.access.gate import Reader
from medialift.web.changes import TOPICS, Topic
from medialift.web.context import Context
from medialift.web.problems import PROBLEMS, Problem

router = APIRouter(prefix="/api/v1", tags=["events"], responses=PROBLEMS)

_log = logging.getLogger(__name__)
_EVERY, _HEARTBEAT = 2.0, 15.0
_LONGEST = 600.0
"""Who listens longer asks again: somebody who may not look any more hears nothing after that."""
_CAUGHT_UP = 6.0
"""A page was made a moment before it listens; what changed since is told at once."""
_RETRY_MILLISECONDS = 3000


class Live:
    """What the listeners of one dashboard share. It belongs to the loop that answers."""

    def __init__(self, database: Database, records: Path, most: int) -> None:
        self._database, self._records, self._most = database, records, most
        # Tells the events of this dashboard from those of an earlier life of it.
        self._life = secrets.token_hex(4)
        self._stands: dict[Topic, str] = {}
        self._changed: dict[Topic, tuple[int, float]] = {}
        self._number = 0
        self._wanted: dict[object, frozenset[Topic]] = {}
        self._asking: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._closed = self._away = False

    @property
    def full(self) -> bool:
        return len(self._wanted) >= self._most

    async def close(self) -> None:
        """End all streams: the dashboard ends."""
        self._closed = True
        async with self._news:
            self._news.notify_all()

    async def stream(
        self, topics: frozenset[Topic], last: str = "", longest: float = _LONGEST
    ) -> AsyncIterator[str]:
        """Events of these topics, from now on or after the one with the id `last`."""
        me, ends = object(), time.monotonic() + longest
        self._wanted[me] = topics
        try:
            if self._asking is None or self._asking.done():
                self._away = False
                self._asking = asyncio.create_task(self._ask())
            if not topics <= self._stands.keys():
                await self._look(topics)  # from here on a change is one
            seen, news = self._number, self._missed(topics, last)
            yield f"retry: {_RETRY_MILLISECONDS}\n\n"
            while not (self._closed or self._away):
                for topic in sorted(news):
                    yield _event(topic, f"{self._life}-{seen}")
                left = ends - time.monotonic()
                if left <= 0:
                    return
                if not await self._wait(seen, min(_HEARTBEAT, left)):
                    yield ": still here\n\n"
                news = [topic for topic in topics if self._changed.get(topic, (0, 0.0))[0] > seen]
                seen = self._number
        finally:
            del self._wanted[me]

    def _missed(self, topics: frozenset[Topic], last: str) -> list[Topic]:
        """What a new listener has not heard of."""
        life, _, number = last.partition("-")
        if life == self._life and number.isdecimal():
            return [one for one in topics if self._changed.get(one, (0, 0.0))[0] > int(number)]
        if last:  # it listened to an earlier life of this dashboard, and may have missed anything
            return list(topics)
        recent = time.monotonic() - _CAUGHT_UP
        return [one for one in topics if self._changed.get(one, (0, 0.0))[1] > recent]

    async def _wait(self, seen: int, seconds: float) -> bool:
        """Wait for news; whether there was any."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: self._number > seen or self._closed or self._away)
                return True
        return False

    async def _ask(self) -> None:
        """Ask the ledger as long as anybody listens. When it is away, all are sent away: they come again."""
        while self._wanted and not self._closed:
            topics = frozenset[Topic]().union(*self._wanted.values())
            await self._look(topics)
            async with self._news:
                self._news.notify_all()
            if self._away:
                return
            await asyncio.sleep(_EVERY)

    async def _look(self, topics: frozenset[Topic]) -> None:
        try:
            now = await asyncio.to_thread(self._read, topics)
        except SQLAlchemyError as error:
            _log.warning("Listeners are sent away: the ledger does not answer (%s)", type(error).__name__)
            self._away = True
            return
        for topic, stands in now.items():
            if self._stands.get(topic, stands) != stands:
                self._note(topic)
        self._stands |= now

    def _read(self, topics: frozenset[Topic]) -> dict[Topic, str]:
        with self._database.engine.begin() as connection:
            connection.execute(text("set local statement_timeout = '5s'"))
            return changes.look(connection, topics, self._records)

    def _note(self, topic: Topic) -> None:
        self._number += 1
        self._changed[topic] = (self._number, time.monotonic())


def install(app: FastAPI) -> Live:
    """Have an app tell its listeners what changed."""
    context = cast(Context, app.state.context)
    app.state.live = Live(
        context.database, context.settings.diagnostics.folder, context.settings.dashboard.listeners
    )
    return cast(Live, app.state.live)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events that never end by themselves, named after their topics.",
            "content": {
                "text/event-stream": {"example": 'event: queue\nid: 5e1f-12\ndata: {"topic":"queue"}\n\n'}
            },
        }
    },
)
async def listen(
    request: Request,
    _: Reader,
    topics: Annotated[
        str,
        Query(
            max_length=200,
            description=f"Separated by commas: {', '.join(TOPICS)}.",
            examples=["queue,workers"],
        ),
    ] = "overview",
    last_event_id: Annotated[str, Header(max_length=100)] = "",
) -> StreamingResponse:
    """Be told when a topic changed; then ask for it again.

    A line that is a comment comes every 15 seconds. A stream ends after ten minutes, and when the ledger is
    away: ask again, with `Last-Event-ID`, as browsers do by themselves.
    """
    wanted = [word for word in topics.split(",") if word]
    unknown = [word for word in wanted if word not in TOPICS]
    if unknown or not wanted:
        raise Problem(
            422, "There is no such topic", ", ".join(unknown)[:100], f"There are: {', '.join(TOPICS)}"
        )
    live = cast(Live, request.app.state.live)
    if live.full:
        raise Problem(503, "Too many listen already", hint="Ask again later", headers={"Retry-After": "30"})
    return StreamingResponse(
        live.stream(frozenset(cast(list[Topic], wanted)), last_event_id),
        media_type="text/event-stream",
        # A proxy that waits until its buffer is full would hold events back.
        headers={"X-Accel-Buffering": "no"},
    )


def _event(topic: Topic, number: str) -> str:
    return f"event: {topic}\nid: {number}\ndata: {json.dumps({'topic': topic})}\n\n"
