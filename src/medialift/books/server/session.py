"""The HTTP side of one worker: one login, one pool of connections, and a sure word on every failure.

What counts after a failure is whether the server may have done what was asked. `Unreachable` and
`Unauthorized` say that it has not; `Lost` and `Broken` say that nobody knows. Only requests that change
nothing are sent again here; all others are for the caller, who looks before he repeats.

The client is aiohttp's: bringing a book is half a dozen small requests, and with httpx's they would take
most of a worker's time. aiohttp repeats by itself only what changes nothing, and deletions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from pydantic import SecretStr
from yarl import URL

from medialift.books.server import answers
from medialift.books.server.answers import Answer, Broken, Lost, Refused, Tokens, Unauthorized, Unreachable
from medialift.diagnostics import traffic
from medialift.diagnostics.traffic import aiohttp_client as recorded
from medialift.diagnostics.traffic.exchange import Client
from medialift.errors import MedialiftError

_RETRIES_OF_READING = 2
_CONNECT_SECONDS = 10.0
_NOT_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_START = "Start the book server, or correct books.server"


class Session:
    """A user of the server, logged in as soon as it is needed and again whenever a token has ended.

    Args:
        url: of the server, such as http://127.0.0.1:6006.
        connections: how many requests may be under way at once; 0: as many as the caller makes.
        timeout: seconds without a byte after which an answer counts as lost.
    """

    def __init__(
        self,
        url: str,
        user: str,
        password: SecretStr,
        *,
        connections: int = 0,
        timeout: float = 120.0,
    ) -> None:
        self.url = url.rstrip("/")
        self._user, self._password = user, password
        self._connections, self._timeout = connections, timeout
        self._opened: aiohttp.ClientSession | None = None
        # The same connections, told of step by step: that costs, so it is used while there is a record only.
        self._told: aiohttp.ClientSession | None = None
        self._recorded = Client("aiohttp")
        self._tokens: Tokens | None = None
        self._login = asyncio.Lock()
        self.logins = 0

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    async def close(self) -> None:
        if self._told is not None:
            await self._told.close()
        if self._opened is not None:
            await self._opened.close()

    async def token(self, *, instead_of: str = "") -> str:
        """The access token; a new one when it is `instead_of` that the server no longer takes.

        Raises:
            Refused: the name or the password is wrong.
            Unreachable, Lost, Broken: the server does not let anybody in now.
        """
        async with self._login:
            if self._tokens is None or self._tokens.access == instead_of:
                self._tokens = await self._refreshed() or await self._logged_in()
            return self._tokens.access

    async def get(self, path: str, **parameters: str | int) -> Answer:
        """Read something; sent again when the answer got lost."""
        return await self.repeatable("GET", path, params=parameters or None)

    async def repeatable(self, method: str, path: str, **more: Any) -> Answer:
        """A request that changes nothing, so that it may be sent again at once when its answer got lost."""
        for left in range(_RETRIES_OF_READING, -1, -1):
            try:
                return await self.ask(method, path, **more)
            except Lost:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request once; with a new token once more if the server does not take ours.

        Raises:
            Unreachable, Lost: see the module.
            Refused: we are not let in.
        """
        token = await self.token()
        what = f"{method} {path}"
        for fresh in (False, True):
            if fresh:
                token = await self.token(instead_of=token)
            answer = await self._send(
                what, method, path, token, json=json, params=params, content=content, headers=headers
            )
            if answer.status != 401:
                return answer
        raise Unauthorized("The book server does not take a token that it has just given", what, _RIGHTS)

    async def peek(self, path: str) -> int | None:
        """The length of what would be sent, without reading it; None when the server gives nothing."""
        headers = {"Authorization": f"bearer {await self.token()}"}
        try:
            async with self._request("GET", path, headers) as reply:
                length = reply.headers.get("Content-Length")
                return int(length) if reply.status == 200 and length else None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Lost("The answer of the book server got lost", f"GET {path}") from error

    async def send_stream(
        self, path: str, body: AsyncIterator[bytes], headers: Mapping[str, str], token: str
    ) -> Answer:
        """POST a stream with this token; it can be sent only once, so a 401 is the caller's."""
        return await self._send(f"POST {path}", "POST", path, token, content=body, headers=headers)

    async def _logged_in(self) -> Tokens:
        self.logins += 1
        given = {"username": self._user, "password": self._password.get_secret_value()}
        return answers.login(await self._send("login", "POST", "/login", None, json=given))

    async def _refreshed(self) -> Tokens | None:
        """New tokens for old ones; None when that does not work, so that the password has to."""
        if self._tokens is None or not self._tokens.refresh:
            return None
        given = {"refresh_token": self._tokens.refresh}
        try:
            answer = await self._send("login", "POST", "/login", self._tokens.access, json=given)
            fresh = answers.login(answer)
        except (Refused, Broken):
            return None
        return Tokens(fresh.access, fresh.refresh or self._tokens.refresh)

    async def _send(self, what: str, method: str, path: str, token: str | None, **more: Any) -> Answer:
        headers = dict(more.pop("headers", None) or {})
        if token is not None:
            headers["Authorization"] = f"bearer {token}"
        try:
            async with self._request(method, path, headers, **more) as reply:
                return Answer(what, reply.status, await reply.text("utf-8", "replace"))
        except _NOT_SENT as error:
            raise Unreachable("The book server does not answer", f"{self.url} ({error})", _START) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            if isinstance(ours := error.__cause__, MedialiftError):
                raise ours from error  # not the server: what was to be sent could not be read
            reason = str(error) or type(error).__name__
            raise Lost("The answer of the book server got lost", f"{what} ({reason})") from error

    def _request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        json: Any = None,
        params: Mapping[str, str | int] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> Any:
        query = "?" + urlencode(params, quote_via=quote) if params else ""
        # Quoted already, as the server's routes want it.
        address = URL(self.url + path + query, encoded=True)
        more = {"headers": headers, "json": json, "data": content, "allow_redirects": False}
        record = traffic.current_record()
        if record is None:
            return self._client.request(method, address, **more)
        return recorded.Asked(record, self._recorded, self._telling, method, address, **more)

    @property
    def _client(self) -> aiohttp.ClientSession:
        if self._opened is None:  # it belongs to the event loop, which runs only now
            self._opened = self._made(aiohttp.TCPConnector(limit=self._connections))
        return self._opened

    @property
    def _telling(self) -> aiohttp.ClientSession:
        if self._told is None:
            self._told = self._made(
                self._client.connector, connector_owner=False, trace_configs=recorded.traces()
            )
        return self._told

    def _made(self, connector: aiohttp.BaseConnector | None, **more: Any) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(
                total=None,
                sock_connect=min(self._timeout, _CONNECT_SECONDS),
                sock_read=self._timeout,
            ),
            headers={"User-Agent": "medialift", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            # Not `trust_env`: that looks the environment through at each request, in a thread.
            proxy=_proxy_to(self.url),
            **more,
        )


def _proxy_to(url: str) -> str | None:
    """The proxy that the environment names for an address."""
    address, proxies = urlsplit(url), getproxies()
    return None if proxy_bypass(address.hostname or "") else proxies.get(address.scheme)


_RIGHTS = "Look whether the user may upload, and whether the clocks of server and backend agree"
