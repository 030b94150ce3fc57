"""Somebody who is told: a service that takes every notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from sandbox.bookservers import BookServer, served, text

TOKEN = "tk-3f81c0e2d94b"
"""What no page may show."""


@contextmanager
def listener() -> Iterator[tuple[BookServer, dict[str, Any]]]:
    """The service, whose `calls` are what it was told, and the section [notify] that leads to it."""
    told = BookServer(lambda _request: text("taken"))
    with served(told) as address:
        yield told, {"urls": [f"json://house:{TOKEN}@{urlsplit(address).netloc}/{TOKEN}"]}
