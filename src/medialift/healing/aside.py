"""Putting an item aside that stops one worker after the other: it waits for a person, the others go on."""

from __future__ import annotations

from sqlalchemy import Connection

from medialift.queueing import events, items
from medialift.queueing.items import Which

WHO = "healing"


def put_aside(connection: Connection, pipeline: str, collection: str, key: str, *, why: str) -> bool:
    """Hold an item that is ready, until somebody resumes it; whether it was put aside now.

    To be called when its worker is stopped and what it held was given back, before it starts again. One that
    another worker has taken meanwhile is left to it.
    """
    held = items.pause(connection, pipeline, collection, Which.named([key])) > 0
    if held:
        events.record(
            connection,
            who=WHO,
            what="put aside",
            subject=f"{pipeline}:{collection}:{key}",
            after={"why": why},
        )
    return held
