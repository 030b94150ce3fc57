"""How the stand-in answers when all is not well: each entry is a habit of the real services, or worse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

HTML = "<html><head><title>503 Service Temporarily Unavailable</title></head><body>nginx</body></html>"
RATE_LIMIT = json.dumps(
    {
        "error": {
            "code": "RATE_LIMIT_EXCEEDED",
            "message": "Rate limit exceeded",
            "details": {"retryAfterSeconds": 60},
        }
    }
)


@dataclass(frozen=True)
class Habit:
    """One way of answering.

    Attributes:
        status: None: as the service would.
        body: sent instead of the service's; `change` makes it from what the service would say.
        seconds: how long it thinks before it answers.
        drip: seconds between two bytes of its body; `drip_head`: of its whole answer.
        cut: the connection is closed "before" an answer, or "midway" in it.
        endless: the answer never ends.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    change: Callable[[Any], Any] | None = None
    seconds: float = 0.0
    drip: float = 0.0
    drip_head: float = 0.0
    cut: str = ""
    endless: bool = False

    @classmethod
    def of(cls, told: str | Mapping[str, Any]) -> Habit:
        """By its name, or in its own words: {"status": …, …}, or {"name": …, …} for one with changes.

        Raises:
            ValueError: there is none of this name, or nothing of this kind can be said of one.
        """
        if isinstance(told, str):
            told = {"name": told}
        changes = dict(told)
        name = changes.pop("name", None)
        if name is not None and name not in HABITS:
            raise ValueError(f"no such habit: {name}")
        try:
            return replace(HABITS[name] if name else cls(), **changes)
        except TypeError as error:
            raise ValueError(str(error)) from error


def _each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """A change of each book, however the service wraps it."""

    def changed(told: Any) -> Any:
        if isinstance(told, dict) and isinstance(told.get("products"), list):
            return {**told, "products": [change(one) for one in told["products"]]}
        if isinstance(told, dict) and isinstance(told.get("product"), dict):
            return {**told, "product": change(told["product"])}
        return change(told) if isinstance(told, dict) else told

    return changed


def _names_are_texts(book: dict[str, Any]) -> dict[str, Any]:
    return {**book, "authors": ", ".join(one["name"] for one in book.get("authors") or [])}


def _runtime_is_text(book: dict[str, Any]) -> dict[str, Any]:
    return {
        name: f"{value} min" if name in ("runtime_length_min", "runtimeLengthMin") else value
        for name, value in book.items()
    }


def _only_what_must_be(book: dict[str, Any]) -> dict[str, Any]:
    kept = ("asin", "title", "authors", "narrators", "runtime_length_min", "runtimeLengthMin")
    return {name: value for name, value in book.items() if name in kept}


def _nulls(book: dict[str, Any]) -> dict[str, Any]:
    kept = ("asin", "title", "authors")
    return {name: value if name in kept else None for name, value in book.items()}


def _of_another(book: dict[str, Any]) -> dict[str, Any]:
    return {**book, "asin": "B0ANOTHER1"}


def _one_broken(told: Any) -> Any:
    products = list(told["products"])
    return {**told, "products": [{**products[0], "asin": 7}, *products[1:]]}


HABITS: Mapping[str, Habit] = {
    "well": Habit(),
    # No time, or too many requests.
    "rate_limited": Habit(status=429, body=RATE_LIMIT, headers={"Retry-After": "0"}),
    "rate_limited_long": Habit(status=429, body=RATE_LIMIT, headers={"Retry-After": "3600"}),
    "rate_limited_bare": Habit(status=429, body=RATE_LIMIT),
    "error": Habit(status=500, body='{"statusCode":500,"error":"Internal Server Error"}'),
    "bad_gateway": Habit(status=502, body=HTML),
    "unavailable": Habit(status=503, body=HTML, headers={"Retry-After": "0"}),
    "late": Habit(seconds=600),
    "drip": Habit(drip=0.05),
    "drip_head": Habit(drip_head=0.05),
    "cut": Habit(cut="before"),
    "cut_midway": Habit(cut="midway"),
    "endless": Habit(endless=True),
    # Refused, gone or moved.
    "absent": Habit(status=404, body='{"statusCode":404,"error":"Not Found"}'),
    "unauthorized": Habit(status=401, body='{"message":"Unauthorized"}'),
    "forbidden": Habit(status=403, body=HTML),
    "bad_request": Habit(status=400, body='{"statusCode":400,"error":"Bad Request"}'),
    "moved": Habit(status=302, body="", headers={"Location": "/elsewhere"}),
    "moved_in_circles": Habit(status=302, body="", headers={"Location": ""}),
    # Changed, or no answer at all.
    "html": Habit(body=HTML),
    "not_json": Habit(body='{"products": ['),
    "other_json": Habit(body='{"ok": true}'),
    "list": Habit(body="[1, 2]"),
    "deep": Habit(body="[" * 100_000),
    "names_are_texts": Habit(change=_each(_names_are_texts)),
    "runtime_is_text": Habit(change=_each(_runtime_is_text)),
    "of_another": Habit(change=_each(_of_another)),
    "one_broken": Habit(change=_one_broken),
    # Less than usual, and still enough.
    "only_what_must_be": Habit(change=_each(_only_what_must_be)),
    "nulls": Habit(change=_each(_nulls)),
}
