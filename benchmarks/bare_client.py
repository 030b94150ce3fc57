"""A client of the book server that does nothing but the requests that a book needs.

It speaks by the same library as a worker: held against one by a slower library, care would look free.

`python -m benchmarks.bare_client '[url, socket, title, last, first, sha1]'` brings the file on its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote

import aiohttp
from websockets.asyncio.client import ClientConnection, connect

_TYPE = "application/epub+zip"


@dataclass(frozen=True)
class Book:
    title: str
    last: str
    first: str
    content: bytes
    sha1: str


class _Tasks:
    """Metadata tasks over one socket, their answers by number."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._numbers = socket, count(1)
        self._waiting: dict[int, asyncio.Future[int]] = {}

    async def read(self) -> None:
        async for message in self._socket:
            kind, number, *rest = json.loads(message)
            if kind == "m" and rest[0]["status"] == "success":
                self._waiting.pop(number).set_result(rest[0]["result"])

    async def metadata(self, file: str, meta: dict[str, Any]) -> int:
        number = next(self._numbers)
        result = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps([number, "metadata", {"args": [file, meta]}]))
        return await result


async def bring_all(url: str, ws_url: str, books: list[Book], parallel: int) -> None:
    """Log in, open the socket, and bring the books; so many are sent at once, as many more under way."""
    lanes = 4 * parallel
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=lanes)) as http:
        login = await _ok(http.post("/login", json={"username": "admin", "password": "admin"}))
        token = login["access_token"]
        http.headers["Authorization"] = f"bearer {token}"
        for what in ("languages", "genres"):
            await _ok(http.get(f"/api/{what}"))
        async with connect(f"{ws_url}?token={token}", compression=None, max_size=None, proxy=None) as socket:
            tasks = _Tasks(socket)
            reading = asyncio.create_task(tasks.read())
            left, sending = iter(books), asyncio.Semaphore(parallel)

            async def lane() -> None:
                for book in left:
                    await _bring(http, tasks, book, sending)

            await asyncio.gather(*(lane() for _ in range(lanes)))
            reading.cancel()


async def _bring(http: aiohttp.ClientSession, tasks: _Tasks, book: Book, sending: asyncio.Semaphore) -> None:
    about = {"size": len(book.content), "hash": book.sha1, "mime_type": _TYPE, "extension": "epub"}
    await _ok(http.post("/api/upload/check", json=about))
    form = aiohttp.FormData()
    form.add_field("file", book.content, filename=f"book-{book.sha1[:16]}.epub", content_type=_TYPE)
    async with sending:
        sent = await _ok(http.post("/api/upload", data=form))
    author = {"last_name": book.last, "first_name": book.first}
    upload = await tasks.metadata(sent["file"], {"title": book.title, "authors": [author]})
    await _ok(http.get(f"/api/ebooks/index/{quote(book.title)}"))
    meta = {"title": book.title, "authors": [author], "language": {"id": 2}}
    ebook = await _ok(http.post("/api/ebooks", json=meta))
    await _ok(http.post(f"/api/ebooks/{ebook['id']}/add-upload", json={"upload_id": upload}))


async def _ok(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Any:
    async with request as answer:
        answer.raise_for_status()
        told = await answer.json()
    if "error" in told:
        raise ValueError(told)
    return told


if __name__ == "__main__":
    url, ws_url, title, last, first, sha1 = json.loads(sys.argv[1])
    asyncio.run(bring_all(url, ws_url, [Book(title, last, first, sys.stdin.buffer.read(), sha1)], 1))
