"""Lists in pages: each page says where the next begins, so that none is slower than the first.

A cursor holds the sort values of the last row (keyset paging): rows that come or go meanwhile neither repeat
nor skip others. It is opaque to whoever holds it, and one that is none of this list is answered with 400.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from medialift.web.problems import Problem

CursorText = Annotated[
    str | None,
    Query(
        max_length=2000, alias="cursor", description="`next` of the page before; without it, the first page."
    ),
]
"""The cursor as a handler's argument."""


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list; `next` is null on the last one."""

    items: list[T]
    next: str | None = None


def encode(*values: str | int | float | datetime | None) -> str:
    """A cursor of these sort values."""
    told = [["t", value.isoformat()] if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(told, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The sort values of a cursor, of these types; None when there is none.

    Raises:
        Problem: 400, it is no cursor of this list.
    """
    if cursor is None:
        return None
    try:
        told = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True))
        values = tuple(_value(one) for one in told)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise _broken() from None
    if len(values) != len(kinds) or not all(map(_fits, values, kinds)):
        raise _broken()
    return values


def page(rows: Sequence[T], limit: int) -> tuple[list[T], bool]:
    """The rows of this page, when one more than `limit` was asked for, and whether there are more."""
    return list(rows[:limit]), len(rows) > limit


def _value(one: Any) -> Any:
    if isinstance(one, list):
        sign, moment = one
        if sign != "t":
            raise ValueError
        return datetime.fromisoformat(moment)
    return one


def _fits(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    if isinstance(value, str) and ("\0" in value or any("\ud800" <= sign <= "\udfff" for sign in value)):
        return False
    if isinstance(value, datetime) and value.tzinfo is None:
        return False
    if isinstance(value, int):
        return kind in (int, float) and abs(value) < 2**63
    return isinstance(value, kind)


def _broken() -> Problem:
    return Problem(400, "This is no cursor of this list", hint="Begin again without one")
