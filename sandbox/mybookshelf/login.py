"""Logging in: a wrong password is answered with 200, and an expired token is good for a new one."""

from __future__ import annotations

import asyncio

import bcrypt
from aiohttp import web

from .server import Refusal, Server, User, body_of

_REFUSED = {"error": "Invalid Login"}


class Login:
    """The pages outside /api."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self.front),
            web.get("/login", self.front),
            web.post("/login", self.login),
        ]

    async def front(self, _request: web.Request) -> web.Response:
        return web.Response(text="<!DOCTYPE html>\n<title>MyBookshelf2</title>\n", content_type="text/html")

    async def login(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return await self._form(request)
        said = await body_of(request)
        if not isinstance(said, dict):
            raise Refusal(400)
        if said.get("refresh_token"):
            return await self._refresh(request, str(said["refresh_token"]))
        name, password = said.get("username") or said.get("email"), said.get("password")
        if not name or not password:
            raise Refusal(400)
        user = await self._known("user_name" if "username" in said else "email", name, password)
        if user is None:
            return web.json_response(_REFUSED)
        return web.json_response(
            {
                "access_token": self._access(user),
                "refresh_token": self._token({"refresh": user.id}, 90 * 86400),
            }
        )

    async def _form(self, request: web.Request) -> web.Response:
        form = await request.post()
        name, password = str(form["username"]), str(form["password"])
        user = await self._known("user_name", name, password) or await self._known("email", name, password)
        if user is None:
            return await self.front(request)
        answer = web.Response(status=302, headers={"Location": "/"})
        answer.set_cookie("session", self._access(user), httponly=True)
        return answer

    async def _refresh(self, request: web.Request, refresh: str) -> web.Response:
        old = request.headers.get("Authorization", "")
        # Only signed, not fresh: refreshing is what an expired token is still good for.
        claims = self._server.tokens.claims(old[7:].strip(), even_expired=True)
        lasting = self._server.tokens.claims(refresh, even_expired=True)
        if claims is None or lasting is None or lasting.get("refresh") != claims.get("id"):
            return web.json_response(_REFUSED)
        user = await self._server.user(claims["id"])
        return web.json_response({"access_token": self._access(user)} if user else _REFUSED)

    async def _known(self, column: str, name: str, password: str) -> User | None:
        row = await self._server.store.row(
            f'select id, password from "user" where {column} = ? and active', name
        )
        if row is None:
            return None
        right = await asyncio.to_thread(bcrypt.checkpw, password.encode(), row[1].encode())
        return await self._server.user(row[0]) if right else None

    def _access(self, user: User) -> str:
        claims = {"id": user.id, "user_name": user.name, "email": user.address, "roles": list(user.roles)}
        return self._token(claims, self._server.steering.switches.token_seconds)

    def _token(self, claims: dict[str, object], seconds: float) -> str:
        return self._server.tokens.make(claims, seconds)
