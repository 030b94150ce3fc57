"""/control, on a port of its own, so that it answers whatever the faults do to the others.

GET    /control                  switches, faults, requests counted by method and route
PATCH  /control                  change switches
POST   /control/faults           add a fault (see switches.py)
DELETE /control/faults           lift all
POST   /control/expire-tokens    no token made so far counts any more
POST   /control/cut-sockets      cut all open WebSockets
GET    /control/facts            what is in the server, and what should not be
GET    /control/books            all books with their sources
POST   /control/seed             {"books": n}: so many books and sources more, see seeding.py
POST   /control/empty            as fresh: no books, no uploads, usual switches, nothing counted
"""

from __future__ import annotations

import shutil

from aiohttp import web

from .facts import contents, facts
from .seeding import seed
from .server import Server
from .sockets import Sockets
from .switches import Switches


class Control:
    def __init__(self, server: Server, sockets: Sockets | None, usual: dict[str, object]) -> None:
        self._server = server
        self._sockets = sockets
        self._usual = usual

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control", self.state),
            web.patch("/control", self.change),
            web.post("/control/faults", self.add),
            web.delete("/control/faults", self.lift),
            web.post("/control/expire-tokens", self.expire),
            web.post("/control/cut-sockets", self.cut),
            web.get("/control/facts", self.facts),
            web.get("/control/books", self.books),
            web.post("/control/seed", self.seed),
            web.post("/control/empty", self.empty),
        ]

    async def state(self, _request: web.Request) -> web.Response:
        return web.json_response(self._server.steering.to_dict())

    async def change(self, request: web.Request) -> web.Response:
        try:
            self._server.steering.switches.change(await request.json())
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self.state(request)

    async def add(self, request: web.Request) -> web.Response:
        try:
            fault = self._server.steering.add(await request.json())
        except (ValueError, TypeError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response(fault.to_dict())

    async def lift(self, request: web.Request) -> web.Response:
        self._server.steering.lift()
        return await self.state(request)

    async def expire(self, request: web.Request) -> web.Response:
        self._server.tokens.expire_all(self._server.steering.switches.token_seconds)
        return await self.state(request)

    async def cut(self, _request: web.Request) -> web.Response:
        return web.json_response({"cut": self._sockets.cut_all() if self._sockets else 0})

    async def facts(self, _request: web.Request) -> web.Response:
        return web.json_response(await facts(self._server))

    async def books(self, _request: web.Request) -> web.Response:
        return web.json_response(await contents(self._server))

    async def seed(self, request: web.Request) -> web.Response:
        await seed(self._server.store, int((await request.json())["books"]))
        return await self.facts(request)

    async def empty(self, request: web.Request) -> web.Response:
        steering = self._server.steering
        steering.lift()
        steering.switches = Switches()
        steering.switches.change(self._usual)
        steering.requests.clear()
        steering.most_in_flight = 0
        self._server.tokens.expire_none()
        if self._sockets:
            self._sockets.cut_all()
        await self._server.store.empty()
        for name in ("uploads", "books", "thumbs", "converted"):
            for entry in (self._server.folder / name).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        return await self.state(request)
