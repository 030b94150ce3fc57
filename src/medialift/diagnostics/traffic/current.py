"""Which record the work that runs here belongs to. Tasks have the record of the task that began them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medialift.diagnostics.traffic.record import Record

_record: ContextVar[Record | None] = ContextVar("traffic_record", default=None)
_item: ContextVar[str] = ContextVar("traffic_item", default="")


def current_record() -> Record | None:
    """The record of this task or thread; None when nothing is recorded."""
    found = _record.get()
    return found if found is not None and found.open else None


def item() -> str:
    """Which item of the job this task works on; "" when nobody said."""
    return _item.get()


@contextmanager
def within(one: Record) -> Iterator[None]:
    """All requests of the block, and of what it begins, belong to this record."""
    before = _record.set(one)
    try:
        yield
    finally:
        _record.reset(before)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Requests of the block belong to no job, such as those that ask whether a server is up at all."""
    before = _record.set(None)
    try:
        yield
    finally:
        _record.reset(before)


@contextmanager
def about(key: str) -> Iterator[None]:
    """All requests of the block are about this item of the job."""
    before = _item.set(key)
    try:
        yield
    finally:
        _item.reset(before)
