"""What all requests share: the store, the folders, the tokens, who asks, and how a refusal looks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from .store import Store
from .switches import WIRE, Steering
from .tokens import Tokens
from .vocabulary import ROLES

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_LOG = logging.getLogger("mybookshelf")
SECRET = "a stand-in has no secrets"


@dataclass(frozen=True)
class User:
    id: int
    name: str
    address: str
    roles: tuple[str, ...]


@dataclass
class Server:
    """One server, or the half of it that this process is.

    Args:
        folder: the real server's DATA: uploads, books, thumbs, converted are below it.
    """

    store: Store
    folder: Path
    steering: Steering
    tokens: Tokens
    users: dict[int, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("uploads", "books", "thumbs", "converted"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def books(self) -> Path:
        return self.folder / "books"

    async def user(self, number: int) -> User | None:
        """The user of this number; one that was found is remembered."""
        if number not in self.users:
            row = await self.store.row(
                'select u.user_name, u.email, r.role_id from "user" u join user_roles r on r.user_id = u.id '
                "where u.id = ? and u.active order by r.role_id desc",
                number,
            )
            if row is None:
                return None
            self.users[number] = User(number, row[0], row[1], ROLES[row[2]][1])
        return self.users[number]

    async def asking(self, request: web.Request) -> User:
        """Who asks.

        Raises:
            HTTPException: 401, also for a user without the role `user`.
        """
        token = request.query.get("bearer_token", "")
        said = request.headers.get("Authorization", "")
        if not token and said.lower().startswith("bearer "):
            token = said[7:].strip()
        claims = self.tokens.claims(token) if token else None
        user = await self.user(claims["id"]) if claims else None
        if user is None or "user" not in user.roles:
            raise Refusal(401)
        return user


_PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found"} | {
    **{405: "Method Not Allowed", 413: "Request Entity Too Large", 500: "Internal Server Error"},
    **{502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"},
}


class Refusal(Exception):
    """A request ends with this status and a page for people."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def page(status: int) -> web.Response:
    phrase = _PHRASES.get(status, "Error")
    text = (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n'
        f"<title>{status} {phrase}</title>\n<h1>{phrase}</h1>\n"
    )
    return web.Response(status=status, text=text, content_type="text/html")


async def body_of(request: web.Request) -> Any:
    """The JSON of a request; None without any.

    Raises:
        Refusal: 400, it is none.
    """
    if request.content_type != "application/json":
        return None
    try:
        return await request.json()
    except ValueError as error:
        raise Refusal(400) from error


def attended(server: Server, *, one_at_a_time: bool) -> Any:
    """The middleware around every request: counts it, breaks it as switched, turns errors into pages.

    Args:
        one_at_a_time: whether the switch `threaded` applies: to the app, not to the backend.
    """
    turn = asyncio.Lock()
    steering = server.steering

    async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
        if (request.content_length or 0) > steering.switches.max_content_length:
            return page(413)
        try:
            return await handler(request)
        except Refusal as refused:
            return page(refused.status)
        except web.HTTPException as error:
            return page(error.status)
        except Exception:  # what the real server's code stumbles over, ours does too
            _LOG.info("%s %s ends in 500", request.method, request.path, exc_info=True)  # no token
            return page(500)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        steering.requests[f"{request.method} {resource.canonical if resource else request.path}"] += 1
        steering.in_flight += 1
        steering.most_in_flight = max(steering.most_in_flight, steering.in_flight)
        try:
            serial = one_at_a_time and not steering.switches.threaded
            async with turn if serial else nullcontext():
                if steering.switches.latency:
                    await asyncio.sleep(steering.switches.latency)
                fault = steering.fault(f"{request.method} {request.path_qs}", WIRE)
                if fault is None:
                    return await answered(request, handler)
                if fault.kind == "slow":
                    await asyncio.sleep(fault.seconds)
                    return await answered(request, handler)
                if fault.kind == "status":
                    return page(fault.status)
                if fault.kind == "silent":
                    with suppress(TimeoutError):
                        await asyncio.wait_for(fault.lifted.wait(), fault.seconds)
                if fault.kind == "lost":
                    await answered(request, handler)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
        finally:
            steering.in_flight -= 1

    return middleware
