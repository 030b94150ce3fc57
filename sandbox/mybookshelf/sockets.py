"""The backend's WebSocket: calls in, updates out, and sessions that outlive a connection for a minute."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from .server import Refusal, Server, User
from .tasks import TaskError, Tasks


@dataclass
class Session:
    """What a user and session id have open, and what could not be sent while nothing was."""

    socket: web.WebSocketResponse | None = None
    request: web.Request | None = None
    waiting: deque[list[Any]] = field(default_factory=deque)
    left: float = 0.0

    async def send(self, message: list[Any]) -> None:
        """Send, or keep for the connection that comes next."""
        if self.socket is not None and not self.socket.closed:
            try:
                await self.socket.send_str(json.dumps(message))
                return
            except (ConnectionError, RuntimeError):
                pass
        self.waiting.append(message)

    def cut(self) -> None:
        """Cut the connection without a word."""
        if self.request is not None and self.request.transport is not None:
            self.request.transport.abort()
        self.socket, self.left = None, time.monotonic()


class Sockets:
    """GET /ws."""

    def __init__(self, server: Server, tasks: Tasks) -> None:
        self._server = server
        self._tasks = tasks
        self._sessions: dict[tuple[str, str], Session] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/ws", self.connect)]

    def cut_all(self) -> int:
        """Cut every open connection; how many there were."""
        open_ones = [session for session in self._sessions.values() if session.socket is not None]
        for session in open_ones:
            session.cut()
        return len(open_ones)

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        claims = self._server.tokens.claims(request.query.get("token", ""))
        user = await self._server.user(claims["id"]) if claims and "id" in claims else None
        if user is None or "user" not in user.roles:
            raise Refusal(401)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        session_id = request.query.get("session_id") or str(id(socket))
        session = await self._taken(user, session_id, socket, request)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    await self._called(message.data, user, session)
        finally:
            if session.socket is socket:  # a later connection of this session has not taken its place
                session.socket, session.left = None, time.monotonic()
        return socket

    async def _taken(
        self, user: User, session_id: str, socket: web.WebSocketResponse, request: web.Request
    ) -> Session:
        """The session, now this connection's: an earlier connection is closed, what waited is sent."""
        self._forget()
        session = self._sessions.setdefault((user.address, session_id), Session())
        earlier, session.socket, session.request = session.socket, socket, request
        if earlier is not None:
            text = f"Closing as new connection for session {session_id} is accepted"
            closing = asyncio.create_task(earlier.close(code=1000, message=text.encode()))
            closing.add_done_callback(lambda task: task.exception())
        waiting, session.waiting = session.waiting, deque()
        for message in waiting:
            await session.send(message)
        return session

    def _forget(self) -> None:
        limit = time.monotonic() - self._server.steering.switches.session_seconds
        for key, session in list(self._sessions.items()):
            if session.socket is None and session.left < limit:
                del self._sessions[key]

    async def _called(self, text: str, user: User, session: Session) -> None:
        call_id: Any = None
        try:
            call_id, name, payload = json.loads(text)
            arguments = list(payload.get("args") or ())
        except (ValueError, TypeError, AttributeError) as error:
            if call_id is not None:
                await session.send(["e", call_id, str(error) or "Invalid message", None])
            return

        async def tell(update: dict[str, Any]) -> None:
            await session.send(["m", call_id, update])

        cut: Callable[[], None] = session.cut
        try:
            task_id = self._tasks.accept(str(name), arguments, user, tell, cut)
        except TaskError as error:
            await session.send(["e", call_id, str(error), None])
            return
        await session.send(["r", call_id, task_id])
