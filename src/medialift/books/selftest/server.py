"""The book server of the self-test: as much of MyBookshelf2 as a migration asks, in this process.

It is as strict as the real one where that matters: tokens, known types, hashes, columns, the length of paths.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from medialift.books.naming import Named
from medialift.books.selftest.words import GENRES, LANGUAGES, path_of

USER, PASSWORD = "selftest", "of nobody else"
LARGEST = 8 * 1024 * 1024
_TOKEN = "token-of-the-selftest"  # noqa: S105
_TYPES = {
    "application/epub+zip": "epub",
    "application/x-mobipocket-ebook": "mobi",
    "application/pdf": "pdf",
    "text/plain": "txt",
}


@dataclass
class Upload:
    """A file that was sent, and the metadata that were proposed with it."""

    name: str
    format: str
    content: bytes
    proposed: dict[str, Any] | None = None

    @property
    def sha1(self) -> str:
        return hashlib.sha1(self.content, usedforsecurity=False).hexdigest()


@dataclass
class Ebook:
    """An ebook: what it was made of, and its sources by their numbers."""

    meta: dict[str, Any]
    sources: dict[int, Upload] = field(default_factory=dict)


class BookServer:
    """What is on the server.

    Attributes:
        ebooks: by their numbers.
        failing: so many of the next uploads are answered with a failure of the server.
        requests: how many there were of each kind.
    """

    def __init__(self) -> None:
        self.ebooks: dict[int, Ebook] = {}
        self.failing = 0
        self.requests: dict[str, int] = {}
        self._files: dict[str, Upload] = {}
        self._rows: dict[int, Upload] = {}
        self._number = 0
        self.url = self.socket = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BookServer]:
        """It answers on this machine alone, for the length of the block."""
        app = web.Application(client_max_size=LARGEST, middlewares=[self._let_in])
        app.add_routes(
            [
                web.post("/login", self._login),
                web.get("/api/languages", self._languages),
                web.get("/api/genres", self._genres),
                web.post("/api/upload/check", self._check),
                web.post("/api/upload", self._upload),
                web.get("/api/uploads-meta/{number}", self._row),
                web.get("/api/ebooks/index/{beginning}", self._index),
                web.get("/api/search/{words}", self._index),
                web.get("/api/ebooks", self._listed),
                web.post("/api/ebooks", self._make),
                web.get("/api/ebooks/{number}", self._ebook),
                web.delete("/api/ebooks/{number}", self._remove),
                web.post("/api/ebooks/{number}/add-upload", self._attach),
                web.get("/ws", self._tasks),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url, self.socket = f"http://{host}:{port}", f"ws://{host}:{port}/ws"
            yield self
        finally:
            await runner.cleanup()

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        token = request.query.get("token") or request.headers.get("Authorization", "").removeprefix("bearer ")
        if request.path != "/login" and token != _TOKEN:
            return web.json_response({"error": "no token"}, status=401)
        kind = f"{request.method} {request.match_info.route.resource.canonical}"  # type: ignore[union-attr]
        self.requests[kind] = self.requests.get(kind, 0) + 1
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _login(self, request: web.Request) -> web.Response:
        said = await request.json()
        if (said.get("username"), said.get("password")) != (USER, PASSWORD):
            return web.json_response({"error": "Invalid credentials"})
        return web.json_response({"access_token": _TOKEN})

    async def _languages(self, _: web.Request) -> web.Response:
        return web.json_response([{"id": number, "code": code} for code, number in LANGUAGES.items()])

    async def _genres(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [{"id": one, "name": name} for name, one in GENRES.items()]})

    async def _check(self, request: web.Request) -> web.Response:
        said = await request.json()
        if set(said) != {"size", "hash", "mime_type", "extension"}:
            return web.json_response({"error": "unknown key"}, status=500)
        if said["size"] > LARGEST:
            return web.json_response({"error": "File is too big"})
        if _format(said["mime_type"], said["extension"]) is None:
            return web.json_response({"error": "Unsupported file type"})
        if self._source(said["hash"], said["size"]):
            return web.json_response({"error": "File already exists"})
        return web.json_response({"result": "ok"})

    async def _upload(self, request: web.Request) -> web.Response:
        if self.failing:
            self.failing -= 1
            return web.Response(status=503)
        part = await (await request.multipart()).next()
        name = str(getattr(part, "filename", ""))
        content = bytes(await part.read())  # type: ignore[union-attr]
        format = _format(part.headers.get("Content-Type", ""), name.rpartition(".")[2])  # type: ignore[union-attr]
        if format is None:
            return web.json_response({"error": "Unsupported file type"})
        upload = Upload(name, format, content)
        if self._source(upload.sha1, len(content)):
            return web.json_response({"error": "File already exists"})
        self._files[file := f"tmp{self._next()}/{name}"] = upload
        return web.json_response({"result": "ok", "file": file})

    async def _row(self, request: web.Request) -> web.Response:
        found = self._rows.get(int(request.match_info["number"]))
        if found is None:
            return web.Response(status=404)
        number, size = int(request.match_info["number"]), len(found.content)
        return web.json_response({"id": number, "file": found.name, "hash": found.sha1, "size": size})

    async def _index(self, request: web.Request) -> web.Response:
        beginning = request.match_info.get("beginning", "").replace("\\\\", "\\")
        return self._list(
            [one for one, book in self.ebooks.items() if book.meta["title"].startswith(beginning)]
        )

    async def _listed(self, _: web.Request) -> web.Response:
        return self._list(sorted(self.ebooks, reverse=True))

    def _list(self, numbers: list[int]) -> web.Response:
        items = [{"id": one, **self.ebooks[one].meta} for one in numbers]
        return web.json_response({"items": items, "total": len(items)})

    async def _make(self, request: web.Request) -> web.Response:
        meta = await request.json()
        languages = {number: code for code, number in LANGUAGES.items()}
        code = languages.get(meta["language"]["id"])
        genres = [one["id"] for one in meta["genres"]]
        if (
            code is None
            or not set(genres) <= set(GENRES.values())
            or not meta["title"]
            or not meta["authors"]
        ):
            return web.json_response({"error": "Validation error"})
        authors = tuple((one["last_name"], one.get("first_name", "")) for one in meta["authors"])
        series = meta.get("series", {}).get("title", "")
        named = Named(meta["title"], authors, series, meta.get("series_index", 0), code)
        parts = path_of(named)
        too_long = any(len(part) > 255 for part in parts) or len("/".join(parts)) > 512
        columns = [(meta["title"], 256), (series, 256), *((one, 128) for author in authors for one in author)]
        if too_long or any(len(text) > size for text, size in columns):
            return web.json_response({"error": "it does not fit"}, status=500)
        self.ebooks[number := self._next()] = Ebook(meta)
        return web.json_response({"id": number})

    async def _ebook(self, request: web.Request) -> web.Response:
        found = self.ebooks.get(int(request.match_info["number"]))
        if found is None:
            return web.Response(status=404)
        sources = [
            {
                "id": number,
                "format": one.format,
                "size": len(one.content),
                "hash": one.sha1,
                "location": one.name,
            }
            for number, one in found.sources.items()
        ]
        return web.json_response({"id": int(request.match_info["number"]), "sources": sources})

    async def _remove(self, request: web.Request) -> web.Response:
        found = self.ebooks.pop(int(request.match_info["number"]), None)
        return web.json_response({"success": True}, status=200 if found else 404)

    async def _attach(self, request: web.Request) -> web.Response:
        ebook = self.ebooks.get(int(request.match_info["number"]))
        upload = self._rows.pop((await request.json())["upload_id"], None)
        if ebook is None or upload is None:
            return web.Response(status=404)
        there = self._source(upload.sha1, len(upload.content))
        if there:
            told = f"Existing source {there[1]} in ebook X ({there[0]})"
            return web.json_response({"error": "File already exists", "error_details": told})
        ebook.sources[number := self._next()] = upload
        return web.json_response({"id": number})

    async def _tasks(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            call, task, given = json.loads(message.data)
            file, proposed = given["args"]
            await socket.send_json(["r", call, f"task-{call}"])
            upload = self._files.pop(file, None)
            if task != "metadata" or upload is None:
                said: dict[str, Any] = {"status": "error", "error": f"{file} does not exist"}
            else:
                upload.proposed = proposed
                self._rows[number := self._next()] = upload
                said = {"status": "success", "result": number}
            await socket.send_json(["m", call, said])
        return socket

    def _source(self, sha1: str, size: int) -> tuple[int, int] | None:
        """(ebook, source) of a content."""
        for ebook, found in self.ebooks.items():
            for source, one in found.sources.items():
                if (one.sha1, len(one.content)) == (sha1, size):
                    return ebook, source
        return None

    def _next(self) -> int:
        self._number += 1
        return self._number


def _format(mime_type: str, extension: str) -> str | None:
    """By its type first, by its extension only when the type is unknown."""
    return _TYPES.get(mime_type) or (extension if extension in _TYPES.values() else None)
