"""Lists in pages: at most a hundred to a page, and a page beyond the last is a 404."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .server import Refusal
from .store import Store

_MOST = 100


@dataclass(frozen=True)
class Page:
    number: int
    size: int
    order: str | None

    @classmethod
    def asked(cls, request: web.Request, sortings: Mapping[str, str] | None = None) -> Page:
        """What the query asks for; `sortings` are the sort keys with their SQL.

        Raises:
            Refusal: 400, for a page that is too big, a number that is none, an unknown sort key.
        """
        size = _positive(request.query.get("page_size")) or 10
        if size > _MOST:
            raise Refusal(400)
        wanted = request.query.get("sort")
        order = (sortings or {}).get(wanted) if wanted else None
        if wanted and order is None:
            raise Refusal(400)
        return cls(_positive(request.query.get("page")) or 1, size, order)

    async def answer(
        self,
        store: Store,
        wanted: str,
        values: Sequence[Any],
        show: Callable[[list[Any]], Awaitable[list[Any]]],
    ) -> web.Response:
        """The page of `wanted` (from ... where ..., whose table is `t`); `show` turns ids into items."""
        total = await store.value(f"select count(*) {wanted}", *values)
        order = self.order or "t.id"
        ids = await store.rows(
            f"select t.id {wanted} order by {order} limit {self.size} offset {(self.number - 1) * self.size}",
            *values,
        )
        if not ids and self.number > 1:
            raise Refusal(404)
        return self.shown(total, await show([row[0] for row in ids]))

    def shown(self, total: int, items: list[Any]) -> web.Response:
        return web.json_response(
            {"page": self.number, "page_size": self.size, "total": total, "items": items}
        )


def _positive(text: str | None) -> int | None:
    if text is None or text == " ":
        return None
    try:
        number = int(text)
    except ValueError as error:
        raise Refusal(400) from error
    if number <= 0:
        raise Refusal(400)
    return number
