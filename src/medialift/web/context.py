"""What handlers work with: the settings, the ledger, and a connection to it for one request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from jinja2 import Environment
from sqlalchemy import Connection, text

from medialift.foundation.waiting import Clock
from medialift.queueing.database import Database
from medialift.settings import Settings
from medialift.web.health import Health
from medialift.web.kept import Kept
from medialift.web.measuring import Figures

_READ_SECONDS, _WRITE_SECONDS = 5, 30
_SAFE = ("GET", "HEAD")
# Whatever the server's own time zone is, moments are told in UTC.
_BOUNDS = text("select set_config('statement_timeout', :timeout, true), set_config('timezone', 'UTC', true)")


@dataclass(frozen=True)
class Context:
    """One dashboard: what was settled when it started, and what it counted."""

    settings: Settings
    database: Database
    templates: Environment
    clock: Clock
    kept: Kept
    health: Health
    figures: Figures


def context_of(request: Request) -> Context:
    """The context of the dashboard that a request came to."""
    return cast(Context, request.app.state.context)


def _connected(request: Request) -> Iterator[Connection]:
    seconds = _READ_SECONDS if request.method in _SAFE else _WRITE_SECONDS
    with context_of(request).database.engine.begin() as connection:
        connection.execute(_BOUNDS, {"timeout": f"{seconds}s"})
        yield connection


Within = Annotated[Context, Depends(context_of)]
"""The context, as a handler's argument."""

# "function": it is committed before the answer is sent. Who hears that it is done can rely on it.
Connected = Annotated[Connection, Depends(_connected, scope="function")]
"""A connection in a transaction of this request, as a handler's argument.

A statement may take 5 s where only is read, else 30 s; then the answer is 503.
"""
