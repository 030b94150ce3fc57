"""The HTTP session of a worker against a real server of this machine: what each failure is taken for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from medialift.books.contents import Changed
from medialift.books.server.answers import Lost, NotLetIn, Unauthorized, Unreachable
from medialift.books.server.session import Session
from sandbox.ports import free_port

PASSWORD = "a-password-that-nobody-may-see"
Handling = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Shelf:
    """Logs everybody in, with a new token each time, and does with all else what a test says."""

    def __init__(self, handle: Handling) -> None:
        self.handle = handle
        self.logins: list[dict[str, Any]] = []
        self.asked: list[str] = []

    async def login(self, request: web.Request) -> web.Response:
        given = await request.json()
        self.logins.append(given)
        if given.get("password", PASSWORD) != PASSWORD:
            return web.json_response({"error": "Invalid login credentials"}, status=401)
        number = len(self.logins)
        return web.json_response({"access_token": f"token-{number}", "refresh_token": f"again-{number}"})

    async def other(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        return await self.handle(request)


@asynccontextmanager
async def serving(handle: Handling, password: str = PASSWORD) -> AsyncIterator[tuple[Shelf, Session]]:
    shelf = Shelf(handle)
    app = web.Application()
    app.router.add_post("/login", shelf.login)
    app.router.add_route("*", "/{rest:.*}", shelf.other)
    runner = web.AppRunner(app, lingering_time=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        session = Session(f"http://127.0.0.1:{port}", "user", SecretStr(password), timeout=0.5)
        try:
            yield shelf, session
        finally:
            await session.close()
    finally:
        await runner.cleanup()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())


async def well(request: web.Request) -> web.Response:
    return web.json_response({"path": request.raw_path})


async def silent(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


def test_one_login_serves_all_requests_and_paths_go_out_as_they_are() -> None:
    async def test() -> None:
        async with serving(well) as (shelf, session):
            await asyncio.gather(*(session.get("/api/x", name=f"Ä {n}&/") for n in range(5)))
            assert len(shelf.logins) == 1
            assert sorted(shelf.asked) == [f"/api/x?name=%C3%84%20{n}%26%2F" for n in range(5)]

    run(test)


def test_a_token_that_ended_is_renewed_once_and_the_request_sent_again() -> None:
    async def only_the_second(request: web.Request) -> web.Response:
        fresh = request.headers["Authorization"] == "bearer token-2"
        return web.json_response({}, status=200 if fresh else 401)

    async def test() -> None:
        async with serving(only_the_second) as (shelf, session):
            answer = await session.ask("POST", "/api/x", json={})
            assert answer.status == 200
            # The second login was by the refresh token: the password went out once.
            assert [set(given) for given in shelf.logins] == [{"username", "password"}, {"refresh_token"}]

    run(test)


def test_a_server_that_takes_no_token_is_an_error_and_not_a_loop() -> None:
    async def never(request: web.Request) -> web.Response:
        return web.json_response({}, status=401)

    async def test() -> None:
        async with serving(never) as (shelf, session):
            with pytest.raises(Unauthorized, match="just given"):
                await session.ask("POST", "/api/x", json={})
            assert len(shelf.asked) == 2

    run(test)


def test_a_wrong_password_is_told_without_the_password() -> None:
    async def test() -> None:
        async with serving(well, password="wrong-" + PASSWORD) as (_, session):
            with pytest.raises(NotLetIn) as caught:
                await session.get("/api/x")
            assert PASSWORD not in str(caught.value)

    run(test)


@pytest.mark.parametrize(("method", "times"), [("GET", 3), ("POST", 1)])
def test_only_what_changes_nothing_is_sent_again(method: str, times: int) -> None:
    async def test() -> None:
        async with serving(silent) as (shelf, session):
            with pytest.raises(Lost):
                await (session.get("/api/x") if method == "GET" else session.ask("POST", "/api/x", json={}))
            # aiohttp repeats a reading by itself when a kept connection turns out to be closed.
            assert len(shelf.asked) == 1 if times == 1 else len(shelf.asked) >= times

    run(test)


def test_an_answer_that_does_not_come_is_lost_after_the_time_limit() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(1)
        return web.Response()

    async def test() -> None:
        async with serving(slow) as (_, session):
            with pytest.raises(Lost):
                await session.ask("POST", "/api/x", json={})

    run(test)


def test_where_nobody_listens_nothing_was_sent() -> None:
    port = free_port()

    async def test() -> None:
        session = Session(f"http://127.0.0.1:{port}", "user", SecretStr(PASSWORD), timeout=1)
        try:
            with pytest.raises(Unreachable):
                await session.get("/api/x")
        finally:
            await session.close()

    run(test)


def test_a_file_that_changes_while_it_is_sent_is_said_to_have_changed() -> None:
    async def reads(request: web.Request) -> web.Response:
        await request.read()
        return web.json_response({})

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 70_000
        raise Changed("The file changed while it was read", "A book.epub")

    async def test() -> None:
        async with serving(reads) as (_, session):
            token = await session.token()
            with pytest.raises(Changed):
                await session.send_stream("/api/upload", body(), {"Content-Length": "140000"}, token)

    run(test)


def test_an_answer_before_the_end_of_the_upload_is_heard() -> None:
    async def too_large(request: web.Request) -> web.Response:
        await request.content.read(1000)
        return web.json_response({"error": "too large"}, status=413)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b"x" * 100_000

    async def test() -> None:
        async with serving(too_large) as (_, session):
            token = await session.token()
            answer = await session.send_stream("/api/upload", body(), {"Content-Length": "20000000"}, token)
            assert answer.status == 413

    run(test)


def test_a_redirection_is_an_answer_and_is_not_followed() -> None:
    async def elsewhere(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    async def test() -> None:
        async with serving(elsewhere) as (shelf, session):
            assert (await session.get("/api/x")).status == 302
            assert shelf.asked == ["/api/x"]

    run(test)
