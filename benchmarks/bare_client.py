"""A client of the book server that does nothing but the requests that a book needs.

It speaks over the same transport as a worker: httpx's own takes several times the time, and who is held
against that says little about what the care costs.

`python -m benchmarks.bare_client '[url, socket, title, last, first, sha1]'` brings the file on its stdin.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
from websockets.asyncio.client import ClientConnection, connect

from medialift.books.server.wire import Wire

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
    """Log in, open the socket, and bring the books; so many are sent at once, half as many more under way."""
    lanes = parallel + parallel // 2
    async with httpx.AsyncClient(base_url=url, timeout=60, transport=Wire(connections=lanes)) as http:
        login = await http.post("/login", json={"username": "admin", "password": "admin"})
        token = login.json()["access_token"]
        http.headers["Authorization"] = f"bearer {token}"
        for what in ("languages", "genres"):
            (await http.get(f"/api/{what}")).json()
        async with connect(f"{ws_url}?token={token}", compression=None, max_size=None, proxy=None) as socket:
            tasks = _Tasks(socket)
            reading = asyncio.create_task(tasks.read())
            left, sending = iter(books), asyncio.Semaphore(parallel)

            async def lane() -> None:
                for book in left:
                    await _bring(http, tasks, book, sending)

            await asyncio.gather(*(lane() for _ in range(lanes)))
            reading.cancel()


async def _bring(http: httpx.AsyncClient, tasks: _Tasks, book: Book, sending: asyncio.Semaphore) -> None:
    about = {"size": len(book.content), "hash": book.sha1, "mime_type": _TYPE, "extension": "epub"}
    await _ok(http.post("/api/upload/check", json=about))
    name = f"book-{book.sha1[:16]}.epub"
    async with sending:
        sent = await _ok(http.post("/api/upload", files={"file": (name, book.content, _TYPE)}))
    author = {"last_name": book.last, "first_name": book.first}
    upload = await tasks.metadata(sent["file"], {"title": book.title, "authors": [author]})
    await _ok(http.get(f"/api/ebooks/index/{quote(book.title)}"))
    meta = {"title": book.title, "authors": [author], "language": {"id": 2}}
    ebook = await _ok(http.post("/api/ebooks", json=meta))
    await _ok(http.post(f"/api/ebooks/{ebook['id']}/add-upload", json={"upload_id": upload}))


async def _ok(request: Any) -> Any:
    answer = (await request).raise_for_status().json()
    if "error" in answer:
        raise ValueError(answer)
    return answer


if __name__ == "__main__":
    url, ws_url, title, last, first, sha1 = json.loads(sys.argv[1])
    asyncio.run(bring_all(url, ws_url, [Book(title, last, first, sys.stdin.buffer.read(), sha1)], 1))
