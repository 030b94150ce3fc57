"""Uploads: asking whether a file would be taken, sending it, and what became known of it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import mimetypes
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, web

from .names import secure_filename
from .server import Refusal, Server, body_of

_CHUNK = 256 * 1024


class Uploads:
    """The part of the API that files come in by."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/upload/check", self.check),
            web.post("/api/upload", self.upload),
            web.post("/api/upload-cover", self.cover),
            web.get(r"/api/uploads-meta/{id:\d+}", self.described),
        ]

    async def check(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        said = await body_of(request)
        if not isinstance(said, dict) or not _as_asked(said):
            raise Refusal(400)
        if "hash" not in said or set(said) - {"size", "hash", "mime_type", "extension"}:
            raise Refusal(500)  # the real one hands them to a function as they are
        objection = await self._objection(
            int(said["size"]), said["hash"], said["mime_type"], said.get("extension")
        )
        return web.json_response(objection or {"result": "ok"})

    async def upload(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        part = await _field(request)
        if not part.filename:
            await part.read()
            return web.json_response({"error": "no file"})
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._server.uploads))
        folder.chmod(0o755)  # app and backend are two users in two containers
        name = secure_filename(part.filename)
        path = folder / name
        size, digest = await self._receive(part, path)
        if not size:
            raise Refusal(500)  # after the folder was made: it stays, with the empty file in it
        objection = await self._objection(size, digest, _type_of(part), path.suffix[1:])
        if objection:
            path.unlink()  # the folder stays, as on the real server
            return web.json_response(objection)
        return web.json_response({"result": "ok", "file": f"{folder.name}/{name}"})

    async def cover(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        part = await _field(request)
        mime_type = _type_of(part)
        if not mime_type.startswith("image/"):
            return web.json_response({"error": f"Invalid file type {mime_type}"})
        folder = Path(tempfile.mkdtemp(dir=self._server.uploads))
        name = "cover_in" + (mimetypes.guess_extension(mime_type) or "")
        await self._receive(part, folder / name)
        return web.json_response({"result": "ok", "file": f"{folder.name}/{name}"})

    async def described(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        row = await self._server.store.row(
            "select id, file, size, hash, format_id, load_source, cover, meta, created from upload "
            "where id = ?",
            int(request.match_info["id"]),
        )
        if row is None:
            raise Refusal(404)
        names = ("id", "file", "size", "hash", "format", "load_source")
        answer = dict(zip(names, row, strict=False))
        meta = json.loads(row[7]) if isinstance(row[7], str) else row[7]
        answer |= {"cover": bool(row[6]), "meta": meta, "created": str(row[8])}
        return web.json_response(answer)

    async def _receive(self, part: BodyPartReader, path: Path) -> tuple[int, str]:
        """Write the file; its size in bytes and its sha1."""
        limit, size, digest = self._server.steering.switches.max_content_length, 0, hashlib.sha1()
        with path.open("wb") as file:
            while chunk := await part.read_chunk(_CHUNK):
                size += len(chunk)
                if size > limit:  # sent without a length
                    raise Refusal(413)
                if len(chunk) < _CHUNK:
                    file.write(chunk)
                    digest.update(chunk)
                else:
                    await asyncio.to_thread(file.write, chunk)
                    await asyncio.to_thread(digest.update, chunk)
        return size, digest.hexdigest()

    async def _objection(
        self, size: int, digest: str, mime_type: str, extension: str | None
    ) -> dict[str, str] | None:
        """Why a file of this kind is not wanted: too big, then unknown, then already there."""
        store = self._server.store
        if size > self._server.steering.switches.max_content_length:
            return {"error": "file too big"}
        if not mime_type and extension:
            mime_type = mimetypes.guess_type(f"x.{extension}", strict=False)[0] or ""
        known = await store.value("select id from format where mime_type = ?", mime_type.lower())
        if not known and extension:
            known = await store.value("select id from format where extension = ?", extension)
        if not known:
            return {"error": f"unsupported file type {mime_type}, extension {extension}"}
        # As it is written: a hash in upper case is never found.
        if await store.value("select id from source where size = ? and hash = ?", size, digest):
            return {"error": "file already exists"}
        return None


def _as_asked(said: dict[str, Any]) -> bool:
    size, mime_type = said.get("size"), said.get("mime_type")
    if isinstance(size, str) and size.lstrip("-").isdigit():
        size = int(size)
    sized = isinstance(size, int | float) and not isinstance(size, bool) and int(size) >= 1
    return sized and isinstance(mime_type, str) and len(mime_type) <= 255


def _type_of(part: BodyPartReader) -> str:
    return part.headers.get("Content-Type", "").split(";")[0].strip()


async def _field(request: web.Request) -> BodyPartReader:
    """The field `file` of a form.

    Raises:
        Refusal: 400, there is none.
    """
    if request.content_type != "multipart/form-data":
        raise Refusal(400)
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        if isinstance(part, BodyPartReader) and part.name == "file":
            return part
    raise Refusal(400)
