"""Jellyfin's API, as far as pictures need it. One call here is one request; nothing is tried again.

The key goes into `Authorization: MediaBrowser Token="…"` alone: newer servers do not take the older headers,
and `Device` or `Version` in it would rewrite the server's row of a device. Sources: Jellyfin's controllers
(ImageController, ItemsController, LibraryController, SystemController).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from pydantic import SecretStr

from medialift.diagnostics import traffic
from medialift.errors import MedialiftError, Permanent
from medialift.posters.answers import Away, Broken, Busy, Late, Missing, Unsure, Unusable, refused
from medialift.posters.tempo import Tempo

PAGE = 500
IDS_AT_ONCE = 100
"""Ids in one address: longer ones are refused by some proxies."""
LARGEST_ANSWER = 64_000_000
_PING_SECONDS = 10.0
# With these named, a picture comes as it lies there: what is not named is turned into another format.
_PICTURES = "image/jpeg, image/png, image/webp, image/gif"
# Nothing of the request can have been stored.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True)
class Server:
    """Who a server says that it is."""

    id: str
    name: str
    version: str


@dataclass(frozen=True)
class Library:
    """One of its libraries: `kind` is movies, tvshows, music …"""

    id: str
    name: str
    kind: str

    def to_dict(self) -> dict[str, str]:
        return {"id": self.id, "name": self.name, "kind": self.kind}


@dataclass(frozen=True)
class Entry:
    """An item of a library.

    Attributes:
        tags: {kind of picture: Jellyfin's mark of its version}; a kind that is not there has no picture.
    """

    id: str
    name: str
    kind: str = ""
    year: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.name} ({self.year})" if self.year else self.name

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "kind": self.kind,
            "year": self.year,
            "images": sorted(self.tags),
        }


@dataclass(frozen=True)
class Page:
    """Items from one place on, and how many there are in all."""

    entries: tuple[Entry, ...]
    total: int


class Jellyfin:
    """A client with its own connections.

    Args:
        session: "shared" keeps connections; "per_request" makes everything anew for each request.
        timeout: seconds that a request may take as a whole.
        largest: bytes of a picture.
        tempo: gives turns.
        transport: makes what carries the requests; httpx's own without it.
    """

    def __init__(
        self,
        url: str,
        key: SecretStr,
        *,
        session: Literal["shared", "per_request"] = "shared",
        timeout: float = 30.0,
        largest: int = 50_000_000,
        tempo: Tempo | None = None,
        transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
    ) -> None:
        self.url, self._key = url.rstrip("/"), key
        self._session, self._timeout, self._largest = session, timeout, largest
        self._tempo, self._transport = tempo, transport
        self._shared: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._shared is not None:
            await self._shared.aclose()
        self._shared = None

    async def __aenter__(self) -> Jellyfin:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # -- what it is ---------------------------------------------------------------------------------------

    async def server(self) -> Server:
        """Who it is; no key is needed."""
        told = await self._json("/System/Info/Public")
        return Server(str(told.get("Id", "")), str(told.get("ServerName", "")), str(told.get("Version", "")))

    async def check_key(self) -> None:
        """Ask for something that needs the key.

        Raises:
            KeyRefused: it is not taken.
        """
        await self._json("/System/Info")

    async def answers(self) -> bool:
        """Whether it is up, asked outside of all turns."""
        with suppress(MedialiftError), traffic.unrecorded():
            await self._send("GET", "/System/Ping", turn=False, seconds=min(self._timeout, _PING_SECONDS))
            return True
        return False

    # -- what it has --------------------------------------------------------------------------------------

    async def libraries(self) -> list[Library]:
        """Its libraries."""
        told = await self._json("/Library/MediaFolders")
        return [
            Library(str(one.get("Id", "")), str(one.get("Name", "")), str(one.get("CollectionType") or ""))
            for one in _items(told)
        ]

    async def page(
        self,
        *,
        start: int = 0,
        limit: int = PAGE,
        library: str = "",
        search: str = "",
        kinds: Sequence[str] = (),
        ids: Sequence[str] = (),
    ) -> Page:
        """Items from a place on, in the order of their names.

        Args:
            library: id; empty: all of them.
            ids: only these, at most `IDS_AT_ONCE`.
        """
        asked = {
            "Recursive": "true",
            "StartIndex": str(start),
            "Limit": str(limit),
            "SortBy": "SortName,Id",
            "EnableTotalRecordCount": "true",
            "ParentId": library,
            "SearchTerm": search,
            "IncludeItemTypes": ",".join(kinds),
            "Ids": ",".join(ids),
        }
        told = await self._json("/Items", {name: value for name, value in asked.items() if value})
        total = told.get("TotalRecordCount")
        entries = tuple(_entry(one) for one in _items(told))
        return Page(entries, total if isinstance(total, int) else start + len(entries))

    # -- pictures -----------------------------------------------------------------------------------------

    async def picture(self, id: str, image: str) -> bytes:
        """The bytes of a picture as they lie on the server.

        Raises:
            Missing: there is no such item, or it has none.
            Unusable: it is larger than may be.
        """
        headers = {"Accept": _PICTURES, "Cache-Control": "no-cache"}
        return (await self._send("GET", _picture(id, image), headers=headers, largest=self._largest)).content

    async def upload(self, id: str, image: str, body: bytes, format: str) -> None:
        """Put a picture in the place of the item's.

        Raises:
            Unsure: it may be stored or not.
        """
        await self._change(
            "POST",
            _picture(id, image),
            headers={"Content-Type": f"image/{format}"},
            content=base64.b64encode(body),
        )

    async def delete(self, id: str, image: str) -> None:
        """Take a picture from an item.

        Raises:
            Unsure: it may be gone or not.
        """
        await self._change("DELETE", _picture(id, image))

    async def _change(self, method: str, path: str, **more: Any) -> None:
        try:
            await self._send(method, path, **more)
        except (Away, Broken, Busy) as error:
            if isinstance(error, _NeverSent | Busy):
                raise
            raise Unsure(
                "It is not known whether Jellyfin stored a change", error.subject, error.what
            ) from error

    # -- requests -----------------------------------------------------------------------------------------

    async def _json(self, path: str, params: Mapping[str, str] | None = None) -> dict[str, Any]:
        told: Any = None
        # An address that is not there is not Jellyfin's.
        with suppress(Missing, ValueError, RecursionError):
            told = (
                await self._send("GET", path, params=params, headers={"Accept": "application/json"})
            ).json()
        if not isinstance(told, dict):
            raise Permanent(
                "What answers is no Jellyfin",
                f"{self.url}{path}",
                "Check posters.url: a proxy's page is none",
            )
        return told

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        largest: int = LARGEST_ANSWER,
        turn: bool = True,
        seconds: float | None = None,
    ) -> httpx.Response:
        if turn and self._tempo is not None:
            await self._tempo.turn()
        address = f"{self.url}{path}"
        limit = seconds or self._timeout
        try:
            # The limits of a client are between two bytes: one a minute would keep them for ever.
            async with asyncio.timeout(limit):
                response = await self._answer(method, address, params, headers, content, largest)
        except (TimeoutError, httpx.TimeoutException) as error:
            late: type[Away] = _NeverSent if isinstance(error, _NOT_SENT) else Late
            raise late("Jellyfin does not answer in time", address, f"It had {limit:g} s") from None
        except httpx.HTTPError as error:
            away = _NeverSent if isinstance(error, _NOT_SENT) else Away
            raise away(
                f"Jellyfin cannot be reached ({type(error).__name__})", address, "See whether it runs"
            ) from None
        except httpx.InvalidURL:
            raise Permanent("The address of Jellyfin is none", self.url, "Correct posters.url") from None
        if told := refused(response, address):
            raise told
        if turn and self._tempo is not None:
            self._tempo.went_well()
        return response

    async def _answer(
        self,
        method: str,
        address: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        content: bytes | None,
        largest: int,
    ) -> httpx.Response:
        client = self._client()
        try:
            request = client.build_request(
                method,
                address,
                params=params,
                content=content,
                headers={**self._headers(), **(headers or {})},
            )
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > largest:
                        raise Unusable(
                            f"What Jellyfin sends is larger than {largest} bytes",
                            address,
                            "See posters.max_bytes",
                        )
            finally:
                await response.aclose()
            # As it was read: what a compressed one is worth was decoded above.
            kept = {name: value for name, value in response.headers.items() if name != "content-encoding"}
            return httpx.Response(response.status_code, headers=kept, content=bytes(body), request=request)
        finally:
            if client is not self._shared:
                await client.aclose()

    def _client(self) -> httpx.AsyncClient:
        if self._session == "per_request":
            return self._new()
        if self._shared is None:
            self._shared = self._new()
        return self._shared

    def _new(self) -> httpx.AsyncClient:
        # Not through a proxy of the environment: the server is at home, and gets a key.
        return traffic.watch(
            httpx.AsyncClient(
                timeout=self._timeout,
                trust_env=False,
                transport=self._transport() if self._transport is not None else None,
            )
        )

    def _headers(self) -> dict[str, str]:
        key = self._key.get_secret_value()
        said = {"User-Agent": "medialift"}
        return {**said, "Authorization": f'MediaBrowser Token="{key}"'} if key else said


class _NeverSent(Away):
    """No connection was made, so nothing can have been stored."""


def _picture(id: str, image: str) -> str:
    return f"/Items/{id}/Images/{image}"


def _items(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = told.get("Items")
    if not isinstance(found, list):
        raise Permanent("What answers is no Jellyfin", "Items", "Check posters.url")
    return [one for one in found if isinstance(one, dict)]


def _entry(told: Mapping[str, Any]) -> Entry:
    tags = told.get("ImageTags")
    known = {str(name): str(tag) for name, tag in tags.items()} if isinstance(tags, dict) else {}
    backdrops = told.get("BackdropImageTags")
    if isinstance(backdrops, list) and backdrops:
        known["Backdrop"] = str(backdrops[0])
    year = told.get("ProductionYear")
    return Entry(
        str(told.get("Id", "")).replace("-", "").lower(),
        str(told.get("Name") or ""),
        str(told.get("Type") or ""),
        year if isinstance(year, int) else None,
        known,
    )
