"""The WebSocket of one worker: many tasks under way at once, and their results also after it broke.

The server keeps the results of a session for a minute after its socket went away, and delivers them to the
socket that comes back with the same session id. So a socket that breaks is opened again at once, and calls
that the server has acknowledged go on waiting. Of a call that it had not, nobody knows: after a while it is
`Lost`, and the caller looks at what the server has before it asks again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, WebSocketException

from medialift.books.server.answers import Lost, Unauthorized, Unreachable
from medialift.errors import MedialiftError, Transient

_log = logging.getLogger(__name__)

SESSION_SECONDS = 55.0
"""How long a socket may be away until its results are given up: the server keeps them for 60."""
UNHEARD_SECONDS = 5.0
"""How long a call that the server did not acknowledge is waited for after the socket came back."""
_AGAIN_SECONDS = (0.05, 0.2, 0.5, 1.0, 2.0)
_OPEN_SECONDS = 10.0
_START = "Start the server's backend, or correct books.socket"


class TaskFailed(Transient):
    """The server tried and did not succeed; the message is its own."""


@dataclass
class _Call:
    result: asyncio.Future[Any]
    acknowledged: bool = False
    impatience: asyncio.TimerHandle | None = field(default=None, repr=False)


class TaskSocket:
    """One socket with one session id, shared by everything that a worker has in flight.

    Args:
        url: such as ws://127.0.0.1:8080/ws.
        token: gives the access token; a new one when the given one is not taken.
    """

    def __init__(
        self,
        url: str,
        token: Callable[..., Awaitable[str]],
        *,
        session_seconds: float = SESSION_SECONDS,
        unheard_seconds: float = UNHEARD_SECONDS,
    ) -> None:
        self.url = url
        self.session = uuid4().hex
        self._token = token
        self._session_seconds, self._unheard_seconds = session_seconds, unheard_seconds
        self._numbers = count(1)
        self._calls: dict[int, _Call] = {}
        self._connection: ClientConnection | None = None
        self._opening = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._revival: asyncio.Task[None] | None = None
        self.opened = 0

    async def call(self, task: str, *arguments: Any, timeout: float) -> Any:
        """Run a task on the server and return its result.

        Raises:
            TaskFailed: it ended with an error, or the server would not begin it.
            Unreachable, Unauthorized: it was not sent.
            Lost: it was sent, and its result did not come within `timeout` seconds.
        """
        connection = await self._open()
        number = next(self._numbers)
        call = _Call(asyncio.get_running_loop().create_future())
        self._calls[number] = call
        try:
            # If that fails it may be on its way: the reader opens the socket again and gives it some time.
            with suppress(WebSocketException):
                await connection.send(json.dumps([number, task, {"args": arguments}]))
            async with asyncio.timeout(timeout):
                return await call.result
        except TimeoutError:
            raise Lost("The book server did not tell how a task ended", task) from None
        finally:
            del self._calls[number]
            if call.impatience is not None:
                call.impatience.cancel()

    async def open(self) -> None:
        """Be connected, as far as can be seen from here.

        Raises:
            Unreachable, Unauthorized: the server's backend lets nobody in now.
        """
        await self._open()

    async def close(self) -> None:
        for task in (self._revival, self._reader):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _open(self) -> ClientConnection:
        async with self._opening:
            if self._connection is None:
                self._connection = await self._connect()
                self._reader = asyncio.create_task(self._read(self._connection))
            return self._connection

    async def _connect(self) -> ClientConnection:
        token = await self._token()
        for fresh in (False, True):
            if fresh:
                token = await self._token(instead_of=token)
            query = urlencode({"token": token, "session_id": self.session})
            try:
                opened = await connect(
                    f"{self.url}?{query}",
                    open_timeout=_OPEN_SECONDS,
                    max_size=None,
                    compression=None,
                    proxy=None,
                    ping_interval=20,
                    ping_timeout=20,
                )
            except InvalidStatus as error:
                if error.response.status_code == 401:
                    continue
                raise self._unreachable(f"it answers {error.response.status_code}") from None
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
                # The error's own text may hold the address with the token.
                raise self._unreachable(type(error).__name__) from None
            self.opened += 1
            return opened
        raise Unauthorized("The book server's socket does not take the token", self.url)

    def _unreachable(self, why: str) -> Unreachable:
        return Unreachable("The book server's socket does not answer", f"{self.url} ({why})", _START)

    async def _read(self, connection: ClientConnection) -> None:
        """Deliver what comes, until this connection ends; then see to another if somebody waits."""
        with suppress(WebSocketException, OSError):
            async for message in connection:
                self._deliver(message)
        self._connection = None
        if self._calls:
            _log.info("the socket to the book server broke with %d tasks under way", len(self._calls))
            self._revival = asyncio.create_task(self._revive(list(self._calls.values())))

    async def _revive(self, waiting: list[_Call]) -> None:
        """Open the socket again within the session's time; when that is over, what waits is lost."""
        why = "it could not be opened again"
        try:
            async with asyncio.timeout(self._session_seconds):
                for attempt in count():
                    try:
                        await self._open()
                    except Transient as error:
                        why = str(error)
                    else:
                        for call in waiting:
                            self._wait_a_while(call)
                        return
                    await asyncio.sleep(_AGAIN_SECONDS[min(attempt, len(_AGAIN_SECONDS) - 1)])
        except (TimeoutError, MedialiftError) as error:
            why = str(error) or why
        for call in waiting:
            self._lose(call, why)

    def _wait_a_while(self, call: _Call) -> None:
        if not call.acknowledged and call.impatience is None:
            loop = asyncio.get_running_loop()
            call.impatience = loop.call_later(self._unheard_seconds, self._lose, call, "it broke")

    @staticmethod
    def _lose(call: _Call, why: str) -> None:
        if not call.result.done():
            call.result.set_exception(
                Lost("The socket to the book server broke before a task was answered", why)
            )

    def _deliver(self, message: str | bytes) -> None:
        """One message: `["r", id, task]`, `["m", id, {...}]` or `["e", id, error, stack]`."""
        try:
            kind, number, *rest = json.loads(message)
            call = self._calls.get(number)
        except (ValueError, TypeError):
            _log.warning("the book server's socket said something that we do not understand")
            return
        if call is None or call.result.done():
            return
        call.acknowledged = True
        if call.impatience is not None:
            call.impatience.cancel()
            call.impatience = None
        if kind == "e":
            call.result.set_exception(
                TaskFailed("The book server refused a task", str(rest[0] if rest else ""))
            )
        elif kind == "m" and rest and isinstance(rest[0], dict):
            self._told(call, rest[0])

    @staticmethod
    def _told(call: _Call, said: dict[str, Any]) -> None:
        if said.get("status") == "success":
            call.result.set_result(said.get("result"))
        elif said.get("status") == "error":
            call.result.set_exception(
                TaskFailed("The book server could not read a file", str(said.get("error", "")))
            )
