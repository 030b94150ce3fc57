"""The application: its settings, its ledger, and all that answers."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

import medialift
from medialift.foundation.waiting import Clock, SystemClock
from medialift.queueing.database import Database
from medialift.settings import Settings
from medialift.web import description, live, problems, rendering
from medialift.web.context import Context
from medialift.web.hardening import Hardened
from medialift.web.health import Health
from medialift.web.kept import Kept
from medialift.web.measuring import Figures, Measured
from medialift.web.routes import ROUTERS

_FOR_EVER = "public, max-age=31536000, immutable"


class _Assets(StaticFiles):
    """Files whose address changes with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if answer.status_code == 200:
            answer.headers["Cache-Control"] = _FOR_EVER
        return answer


class _Beneath:
    """Has addresses told as they are beneath the path under which a proxy serves the dashboard.

    The proxy may take that path away, or leave it: Starlette looks for it and knows both.
    """

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self._app, self._base_path = app, base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": self._base_path}, receive, send)


def create(settings: Settings, database: Database, *, clock: Clock | None = None) -> FastAPI:
    """The dashboard of a ledger. Nothing is sent to it yet."""
    app = FastAPI(
        title="medialift",
        version=medialift.__version__,
        description=description.TEXT,
        openapi_url="/api/v1/openapi.json",
        # Their pages come from another host; ours are made from the same description.
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name,
    )
    figures = Figures()
    app.state.context = Context(
        settings,
        database,
        rendering.environment(settings.dashboard.base_path),
        clock or SystemClock(),
        Kept(database),
        Health(database),
        figures,
    )
    problems.install(app)
    live.install(app)
    for router in ROUTERS:
        app.include_router(router)
    description.describe(app)
    app.mount("/static", _Assets(directory=rendering.STATIC), "static")
    app.add_middleware(Hardened)
    app.add_middleware(Measured, figures=figures)
    app.add_middleware(_Beneath, base_path=settings.dashboard.base_path)
    return app


def _name(route: APIRoute) -> str:
    return route.name
