"""Books: made, shown, changed, rated, merged and deleted. Making one twice makes two."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from .entry import Entry, Invalid, cleared
from .names import Shelved, folded, words_of
from .paging import Page
from .server import Refusal, Server, User, body_of
from .shown import alone, in_lists
from .store import Cursor, DatabaseFault, now

_SORTINGS = {
    **{"title": "t.title, t.id", "-title": "t.title desc, t.id desc"},
    **{"created": "t.created, t.id", "-created": "t.created desc, t.id desc"},
    **{"rating": "t.rating, t.id", "-rating": "t.rating desc, t.id desc"},
}


class Ebooks:
    """The part of the API that books are kept by."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._store = server.store

    def routes(self) -> list[web.RouteDef]:
        one = r"/api/ebooks/{id:\d+}"
        return [
            web.get("/api/ebooks", self.listed),
            web.post("/api/ebooks", self.make),
            web.get(one, self.show),
            web.patch(one, self.change),
            web.delete(one, self.delete),
            web.post(one + "/rate", self.rate),
            web.post(one + "/merge", self.merge),
            web.get(r"/api/ebooks/author/{id:\d+}", self.of_author),
            web.get(r"/api/ebooks/series/{id:\d+}", self.of_series),
        ]

    async def listed(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        page = Page.asked(request, _SORTINGS)
        wanted, values = "from ebook t", []
        if request.query.get("genres"):
            values = [int(number) for number in request.query["genres"].split(",")]
            marks = ", ".join("?" * len(values))
            wanted += (
                f" where t.id in (select ebook_id from ebook_genres where genre_id in ({marks}) "
                f"group by ebook_id having count(*) = {len(values)})"
            )
        return await page.answer(self._store, wanted, values, lambda ids: in_lists(self._store, ids))

    async def of_author(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        wanted = "from ebook t where t.id in (select ebook_id from ebook_authors where author_id = ?)"
        return await Page.asked(request, _SORTINGS).answer(
            *(self._store, wanted, [int(request.match_info["id"])]), lambda ids: in_lists(self._store, ids)
        )

    async def of_series(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        return await Page.asked(request, _SORTINGS | {"index": "t.series_index, t.id"}).answer(
            *(self._store, "from ebook t where t.series_id = ?", [int(request.match_info["id"])]),
            lambda ids: in_lists(self._store, ids),
        )

    async def show(self, request: web.Request) -> web.Response:
        await self._server.asking(request)
        shown = await alone(self._store, int(request.match_info["id"]))
        if shown is None:
            raise Refusal(404)
        return web.json_response(shown)

    async def make(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        said = await body_of(request)
        if not said:
            raise Refusal(400)
        try:
            if not isinstance(said, dict):
                raise Invalid("Invalid data type")
            entry = cleared(said)
        except Invalid as error:
            return web.json_response({"error": "Invalid data", "error_details": error.details})
        try:
            authors, series = await self._authors(entry), await self._series(entry)
            if self._server.steering.switches.threaded:
                await asyncio.sleep(self._server.steering.switches.race_seconds)
            async with self._store.transaction() as cursor:
                number = await self._write(cursor, entry, user, authors, series)
        except DatabaseFault as error:
            return web.json_response({"error": "Database error", "error_details": str(error)})
        return web.json_response({"id": number, "success": True})

    async def change(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        said = await body_of(request)
        if not said:
            raise Refusal(400)
        number = int(request.match_info["id"])
        try:
            entry = cleared(said, partial=True)
        except Invalid as error:
            return web.json_response({"error": "Invalid data", "error_details": error.details})
        if not str(said.get("version_id", "")).isdigit():
            return web.json_response({"error": "Version_id missing", "error_details": ""})
        version = await self._store.value("select version_id from ebook where id = ?", number)
        if version is None:
            raise Refusal(500)  # the real one asks for exactly one row
        await self._may_change(user, number)
        if int(said["version_id"]) != version:
            details = f"Your version {said['version_id']}, db version {version}"
            return web.json_response({"error": "Stalled record", "error_details": details})
        try:
            authors, series = await self._authors(entry), await self._series(entry)
            async with self._store.transaction() as cursor:
                await self._rewrite(cursor, number, entry, user, authors, series)
        except DatabaseFault as error:
            return web.json_response({"error": "Database error", "error_details": str(error)})
        return web.json_response({"id": number, "success": True})

    async def delete(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        number = int(request.match_info["id"])
        if await self._store.value("select id from ebook where id = ?", number) is None:
            raise Refusal(404)
        await self._may_change(user, number)
        await self._remove(number)  # DatabaseFault, so 500, when somebody has rated it
        return web.json_response({"id": number, "success": True})

    async def rate(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        number, said = int(request.match_info["id"]), await body_of(request)
        rating = float(said["rating"])
        if not 0 <= rating <= 100:
            raise Refusal(400)
        if await self._store.value("select id from ebook where id = ?", number) is None:
            raise Refusal(404)
        async with self._store.transaction() as cursor:
            await cursor.rows(
                "insert into ebook_rating (created, modified, created_by_id, modified_by_id, ebook_id, "
                "rating) values (?, ?, ?, ?, ?, ?)",
                *(now(), now(), user.id, user.id, number, rating),
            )
            await cursor.rows(
                "update ebook set rating = (select avg(rating) from ebook_rating where ebook_id = ?), "
                "rating_count = (select count(*) from ebook_rating where ebook_id = ?) where id = ?",
                *(number, number, number),
            )
        return web.json_response({"id": number, "success": True})

    async def merge(self, request: web.Request) -> web.Response:
        user = await self._server.asking(request)
        number, said = int(request.match_info["id"]), await body_of(request)
        other = int(said["other_id"])
        for each in (number, other):
            if await self._store.value("select id from ebook where id = ?", each) is None:
                raise Refusal(404)
            await self._may_change(user, each)
        await self._store.rows("update source set ebook_id = ? where ebook_id = ?", number, other)
        await self._remove(other)
        return web.json_response({"id": number, "success": True})

    async def _may_change(self, user: User, number: int) -> None:
        owner = await self._store.value("select created_by_id from ebook where id = ?", number)
        if "superuser" not in user.roles and owner != user.id:
            raise Refusal(403)

    async def _remove(self, number: int) -> None:
        files = await self._store.rows("select location from source where ebook_id = ?", number)
        cover = await self._store.value("select cover from ebook where id = ?", number)
        async with self._store.transaction() as cursor:
            await cursor.rows("delete from standin_title where ebook_id = ?", number)
            await cursor.rows("delete from ebook where id = ?", number)
            await self._store.index_words(cursor, number, [])
        for location in (*(row[0] for row in files), *([cover] if cover else [])):
            (self._server.books / location).unlink(missing_ok=True)

    async def _authors(self, entry: Entry) -> list[int | dict[str, Any]]:
        """Each author's id where there is one of exactly this name, else the author as sent."""
        found: list[int | dict[str, Any]] = []
        for author in entry.authors or ():
            if "id" in author:
                found.append(int(author["id"]))
                continue
            last, first = author.get("last_name"), author.get("first_name")
            known = await self._store.value(
                "select id from author where last_name = ? and "
                + ("first_name = ?" if first is not None else "first_name is null")
                + " order by id limit 1",
                *([last, first] if first is not None else [last]),
            )
            found.append(known if known is not None else {"last_name": last, "first_name": first})
        return [each for number, each in enumerate(found) if each not in found[:number]]

    async def _series(self, entry: Entry) -> int | str | None:
        if entry.series is None:
            return None
        if "id" in entry.series:
            return int(entry.series["id"])
        title = entry.series.get("title")
        known = await self._store.value("select id from series where title = ? order by id limit 1", title)
        return int(known) if known is not None else title

    async def _write(
        self,
        cursor: Cursor,
        entry: Entry,
        user: User,
        authors: list[int | dict[str, Any]],
        series: int | str | None,
    ) -> int:
        series_id = await _made_series(cursor, series, user)
        author_ids = [await _made_author(cursor, author, user) for author in authors]
        number = await cursor.value(
            "insert into ebook (created, modified, created_by_id, modified_by_id, title, language_id, "
            "series_id, series_index, base_dir) values (?, ?, ?, ?, ?, ?, ?, ?, '') returning id",
            *(now(), now(), user.id, user.id),
            *(entry.title, entry.language, series_id, entry.series_index),
        )
        await _link(cursor, number, "author", author_ids)
        await _link(cursor, number, "genre", list(entry.genres or ()))
        await self._settle(cursor, number)
        return int(number)

    async def _rewrite(
        self,
        cursor: Cursor,
        number: int,
        entry: Entry,
        user: User,
        authors: list[int | dict[str, Any]],
        series: int | str | None,
    ) -> None:
        changed: dict[str, Any] = {"modified": now(), "modified_by_id": user.id}
        if "title" in entry.sent:
            changed["title"] = entry.title
        if "language" in entry.sent:
            changed["language_id"] = entry.language
        if "series" in entry.sent:
            changed["series_id"] = await _made_series(cursor, series, user)
        if "series_index" in entry.sent:
            changed["series_index"] = entry.series_index
        assignments = ", ".join(f"{column} = ?" for column in changed)
        await cursor.rows(
            f"update ebook set {assignments}, version_id = version_id + 1 where id = ?",
            *changed.values(),
            number,
        )
        if entry.authors is not None:
            await cursor.rows("delete from ebook_authors where ebook_id = ?", number)
            made = [await _made_author(cursor, author, user) for author in authors]
            await _link(cursor, number, "author", made)
        if entry.genres is not None:
            await cursor.rows("delete from ebook_genres where ebook_id = ?", number)
            await _link(cursor, number, "genre", list(entry.genres))
        await self._settle(cursor, number, keep_folder=True)

    async def _settle(self, cursor: Cursor, number: int, *, keep_folder: bool = False) -> None:
        """Set the book's folder, which it keeps for good, and what it is found by."""
        shelved = await shelved_as(cursor, number)
        if not keep_folder:
            folder = shelved.name().rpartition("/")[0]
            if len(folder) > 512:
                raise DatabaseFault("value too long for type character varying(512)")
            await cursor.rows("update ebook set base_dir = ? where id = ?", folder, number)
        await cursor.rows("delete from standin_title where ebook_id = ?", number)
        title = folded(shelved.title)
        await cursor.rows("insert into standin_title (ebook_id, title) values (?, ?)", number, title)
        people = " ".join(f"{first or ''} {last}" for last, first in shelved.authors)
        words = words_of(f"{people} {shelved.title} {shelved.series or ''}")
        await self._store.index_words(cursor, number, words)


async def shelved_as(cursor: Cursor, number: int) -> Shelved:
    """What decides where this book's files lie."""
    row = await cursor.row(
        "select e.title, l.code, s.title, e.series_index from ebook e "
        "join language l on l.id = e.language_id left join series s on s.id = e.series_id where e.id = ?",
        number,
    )
    if row is None:
        raise DatabaseFault(f"there is no language for ebook {number}")
    authors = await cursor.rows(
        "select a.last_name, a.first_name from ebook_authors l join author a on a.id = l.author_id "
        "where l.ebook_id = ? order by a.id",
        number,
    )
    return Shelved(row[0], row[1], [(last, first) for last, first in authors], row[2], row[3])


async def _made_author(cursor: Cursor, author: int | dict[str, Any], user: User) -> int:
    if isinstance(author, int):
        return author
    made = await cursor.value(
        "insert into author (created, modified, created_by_id, modified_by_id, last_name, first_name) "
        "values (?, ?, ?, ?, ?, ?) returning id",
        *(now(), now(), user.id, user.id, author["last_name"], author["first_name"]),
    )
    return int(made)


async def _made_series(cursor: Cursor, series: int | str | None, user: User) -> int | None:
    if not isinstance(series, str):
        return series
    made = await cursor.value(
        "insert into series (created, modified, created_by_id, modified_by_id, title) "
        "values (?, ?, ?, ?, ?) returning id",
        *(now(), now(), user.id, user.id, series),
    )
    return int(made)


async def _link(cursor: Cursor, ebook: int, what: str, ids: list[int]) -> None:
    for number in dict.fromkeys(ids):
        await cursor.rows(f"insert into ebook_{what}s (ebook_id, {what}_id) values (?, ?)", ebook, number)
