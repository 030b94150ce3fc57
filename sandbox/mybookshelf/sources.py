"""Sources: an upload becomes a file of a book. That its content is new is only looked at first."""

from __future__ import annotations

import asyncio
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from aiohttp import web

from .ebooks import shelved_as
from .server import Refusal, Server, User, body_of
from .store import DatabaseFault, now

_LOCKED_AT_MOST = 5.0
_SMALL = 1024 * 1024


class Sources:
    """The part of the API that files of books are kept by."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._store = server.store
        self._locks: dict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(r"/api/ebooks/{id:\d+}/add-upload", self.add),
            web.delete(r"/api/sources/{id:\d+}", self.delete),
            web.post(r"/api/sources/{id:\d+}/move", self.move),
            web.get(r"/api/download/{id:\d+}", self.download),
        ]

    async def add(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        ebook, said = int(request.match_info["id"]), await body_of(request)
        if not said.get("upload_id"):
            raise Refusal(400)
        upload_id, quality = int(said["upload_id"]), said.get("quality")
        quality = float(quality) if quality is not None else None
        if await self._store.value("select id from ebook where id = ?", ebook) is None:
            raise Refusal(404)
        upload = await self._store.row(
            "select u.file, u.cover, u.load_source, u.format_id, u.size, u.hash, f.extension from upload u "
            "join format f on f.id = u.format_id where u.id = ?",
            upload_id,
        )
        if upload is None:
            raise Refusal(404)
        file, cover, load_source, format_id, size, digest, extension = upload
        existing = await self._store.row(
            "select s.id, e.title, e.id from source s join ebook e on e.id = s.ebook_id "
            "where s.hash = ? and s.size = ? order by s.id limit 1",
            *(digest, size),
        )
        if existing:
            details = "Existing source {} in ebook {}({})".format(*existing)
            return web.json_response({"error": "File already exists", "error_details": details})
        if self._server.steering.switches.threaded:
            await asyncio.sleep(self._server.steering.switches.race_seconds)
        location = await self._copy(ebook, self._server.uploads / file, extension, size)
        if len(location) > 512:
            raise Refusal(500)
        taken = await self._take_cover(ebook, cover)
        async with self._store.transaction() as cursor:
            number = await cursor.value(
                "insert into source (created, modified, created_by_id, modified_by_id, ebook_id, location, "
                "load_source, format_id, size, hash, quality) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "returning id",
                *(now(), now(), user.id, user.id, ebook, location),
                *(load_source, format_id, size, digest, quality),
            )
            if taken:
                await cursor.rows("update ebook set cover = ? where id = ?", taken, ebook)
            gone = await cursor.rows("delete from upload where id = ? returning id", upload_id)
            if not gone:
                raise DatabaseFault(f"upload {upload_id} was deleted by another request")
        shutil.rmtree((self._server.uploads / file).parent, ignore_errors=True)
        return web.json_response({"id": number})

    async def delete(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        number = int(request.match_info["id"])
        source = await self._owned(number, user)
        await self._store.rows("delete from source where id = ?", number)
        (self._server.books / source[1]).unlink(missing_ok=True)
        return web.json_response({"id": number, "success": True})

    async def move(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        number, said = int(request.match_info["id"]), await body_of(request)
        source = await self._owned(number, user)
        other = int(said["other_ebook_id"])
        if await self._store.value("select id from ebook where id = ?", other) is None:
            raise Refusal(404)
        old = self._server.books / source[1]
        location = await self._copy(other, old, source[2], source[3])
        await self._store.rows(
            "update source set ebook_id = ?, location = ? where id = ?", other, location, number
        )
        old.unlink(missing_ok=True)
        return web.json_response({"id": number, "success": True})

    async def download(self, request: web.Request) -> web.StreamResponse:
        await self._server.asking(request)
        row = await self._store.row(
            "select s.location, f.mime_type from source s join format f on f.id = s.format_id where s.id = ?",
            int(request.match_info["id"]),
        )
        if row is None:
            raise Refusal(500)  # the real one does not look before it uses what it did not find
        path = self._server.books / row[0]
        if not path.exists():
            raise Refusal(404)
        name = path.name.encode("ascii", "ignore").decode()
        headers = {"Content-Type": row[1].strip(), "Content-Disposition": f'attachment; filename="{name}"'}
        return web.FileResponse(path, headers=headers)

    async def _owned(self, number: int, user: User) -> Any:
        row = await self._store.row(
            "select s.created_by_id, s.location, f.extension, s.size from source s "
            "join format f on f.id = s.format_id where s.id = ?",
            number,
        )
        if row is None:
            raise Refusal(404)
        if "superuser" not in user.roles and row[0] != user.id:
            raise Refusal(403)
        return row

    async def _copy(self, ebook: int, file: Path, extension: str, size: int) -> str:
        """Copy a file to where the book's files lie; its path below DATA/books.

        Raises:
            OSError: the path is too long, the disk is full, or the file is no longer there.
        """
        folder = await self._store.value("select base_dir from ebook where id = ?", ebook)
        shelved = await shelved_as(self._store, ebook)
        stem = f"{folder}/{shelved.name().rpartition('/')[2]}"
        target = self._server.books / folder
        target.mkdir(parents=True, exist_ok=True)
        lock = self._locks[target]
        await asyncio.wait_for(lock.acquire(), _LOCKED_AT_MOST)
        try:
            location = f"{stem}.{extension}"
            number = 1
            while (self._server.books / location).exists():
                # Appended to the name before it, so a third one is called "name(1)(2).ext".
                location = f"{location.removesuffix('.' + extension)}({number}).{extension}"
                number += 1
            if size < _SMALL:
                shutil.copyfile(file, self._server.books / location)
            else:
                await asyncio.to_thread(shutil.copyfile, file, self._server.books / location)
        finally:
            lock.release()
            if not lock.locked():
                self._locks.pop(target, None)
        return location

    async def _take_cover(self, ebook: int, cover: str | None) -> str | None:
        """Copy the upload's cover for a book that has none; its path below DATA/books."""
        if not cover:
            return None
        row = await self._store.row("select base_dir, cover from ebook where id = ?", ebook)
        if row is None or row[1]:
            return None
        location = f"{row[0]}/{Path(cover).name}"
        shutil.copyfile(self._server.uploads / cover, self._server.books / location)
        shutil.copyfile(self._server.uploads / cover, self._server.folder / "thumbs" / f"{ebook}.jpg")
        return location
