"""Finding things: full-text search, indexes by beginning, and the read-only lists."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from .names import folded
from .paging import Page
from .server import Refusal, Server
from .shown import in_lists

_INDEXED = 100
# The real one passes a flag where the number of replacements goes: it replaces so many characters, no more.
_REPLACED = 32


class Catalogue:
    """The part of the API that things are found by."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._store = server.store

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/search/{wanted}", self.search),
            web.get("/api/ebooks/index/{start}", self.ebooks),
            web.get("/api/authors", self.authors),
            web.get("/api/authors/index/{start}", self.authors_index),
            web.get("/api/series", self.series),
            web.get("/api/series/index/{start}", self.series_index),
            web.get("/api/genres", self.genres),
            web.get("/api/languages", self.languages),
        ]

    async def search(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        page, text = Page.asked(request), _segment(request, "wanted")
        if len(re.findall(r"\W", text)) > _REPLACED:
            raise Refusal(500)
        words = re.sub(r"\W", " ", folded(text)).split()
        found = await self._store.words_match(words) if words else []
        some = found[(page.number - 1) * page.size :][: page.size]
        if not some and page.number > 1:
            raise Refusal(404)
        return page.shown(len(found), await in_lists(self._store, some))

    async def ebooks(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        start = folded(_segment(request, "start"))
        if "%" in start or "_" in start:  # to the real server's LIKE they are what they are to any LIKE
            condition, values = "title like ?", [start + "%"]
        else:
            condition, values = "title >= ? and title < ?", [start, start + "\U0010ffff"]
        total = await self._store.value(f"select count(*) from standin_title where {condition}", *values)
        ids = await self._store.rows(
            f"select ebook_id from standin_title where {condition} order by title limit {_INDEXED}", *values
        )
        items = await in_lists(self._store, [row[0] for row in ids])
        return web.json_response({"total": total, "items": items})

    async def authors(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        sortings = {"name": "t.last_name, t.first_name", "-name": "t.last_name desc, t.first_name desc"}
        sortings |= {"created": "t.created", "-created": "t.created desc"}
        return await Page.asked(request, sortings).answer(
            *(self._store, "from author t", []), lambda ids: self._shown("author", ids)
        )

    async def authors_index(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        return await self._index("author", _segment(request, "start"))

    async def series(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        sortings = {"title": "t.title", "-title": "t.title desc"}
        sortings |= {"created": "t.created", "-created": "t.created desc"}
        return await Page.asked(request, sortings).answer(
            *(self._store, "from series t", []), lambda ids: self._shown("series", ids)
        )

    async def series_index(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        return await self._index("series", _segment(request, "start"))

    async def genres(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        rows = await self._store.rows("select id, name from genre order by name")
        return web.json_response([{"id": number, "name": name} for number, name in rows])

    async def languages(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        rows = await self._store.rows("select id, code, name from language order by name")
        return web.json_response([{"id": number, "code": code, "name": name} for number, code, name in rows])

    async def _index(self, table: str, start: str) -> web.Response:
        name = "last_name || ', ' || first_name" if table == "author" else "title"
        order = "last_name, first_name" if table == "author" else "title"
        rows = await self._store.rows(f"select id, {name} from {table} order by {order}")
        # An author without a first name has no name here at all: text and NULL make NULL.
        ids = [number for number, text in rows if text is not None and folded(text).startswith(folded(start))]
        return web.json_response({"total": len(ids), "items": await self._shown(table, ids[:_INDEXED])})

    async def _shown(self, table: str, ids: list[int]) -> list[dict[str, Any]]:
        columns = ("id", "last_name", "first_name") if table == "author" else ("id", "title")
        shown = []
        for number in ids:
            row = await self._store.row(f"select {', '.join(columns)} from {table} where id = ?", number)
            if row is not None:
                pairs = zip(columns, row, strict=True)
                shown.append({column: value for column, value in pairs if value is not None})
        return shown


def _segment(request: web.Request, name: str) -> str:
    """A part of the path; one with a slash in it, encoded or not, is no address of the real server."""
    if "%2f" in request.raw_path.split("?")[0].lower():
        raise Refusal(404)
    return request.match_info[name]
