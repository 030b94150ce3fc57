"""Requests, replies and routes of the stand-in: as little of a web framework as it needs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .problems import invalid_request, unknown_service

Payload = Mapping[str, Any] | bytes | None


@dataclass(frozen=True)
class Request:
    """One request. `query` has a list for every name, as repeated names are allowed."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.body or b"{}")
        except ValueError as error:
            raise invalid_request(f"the body is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise invalid_request("the body is not an object")
        return value

    def first(self, name: str) -> str | None:
        values = self.query.get(name)
        return values[0] if values else None

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.first(name) or default)
        except ValueError as error:
            raise invalid_request(f"{name} is not a number") from error


@dataclass(frozen=True)
class Reply:
    status: int = 200
    payload: Payload = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[..., Reply]


class Router:
    """Handlers by method and path. `{name}` in a path stands for one part of it, given to the handler."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, path: str, handler: Handler) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
        self._routes.append((method, re.compile(pattern), handler))

    def find(self, request: Request) -> tuple[Handler, dict[str, str]]:
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return handler, found.groupdict()
        raise unknown_service()


def page(request: Request, key: str, rows: list[dict[str, Any]], *, size_name: str, header: bool) -> Reply:
    """One page of a list. The Instance API counts in a header, the others in the body."""
    size = max(1, min(100, request.number(size_name, 50)))
    start = (max(1, request.number("page", 1)) - 1) * size
    part = rows[start : start + size]
    if header:
        return Reply(200, {key: part}, {"X-Total-Count": str(len(rows))})
    return Reply(200, {key: part, "total_count": len(rows)})
