"""A dashboard for tests: over real HTTP, or in this thread without a port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi.testclient import TestClient

from medialift.queueing.database import Database
from medialift.settings import Settings
from medialift.web import app
from medialift.web.server import serving


def settings_of(**sections: Any) -> Settings:
    """Settings for tests: {section: {name: value}} over the defaults; the dashboard takes any free port."""
    dashboard = {"port": 0, **sections.pop("dashboard", {})}
    return Settings(dashboard=dashboard, **sections)


def within(database: Database, **sections: Any) -> TestClient:
    """A dashboard in this thread, asked as from this machine. Errors of ours are answered, not raised."""
    made = app.create(settings_of(**sections), database)
    return TestClient(
        made, base_url="http://localhost", raise_server_exceptions=False, client=("127.0.0.1", 50000)
    )


@contextmanager
def over_http(database: Database, **sections: Any) -> Iterator[httpx.Client]:
    """A real dashboard on a port of its own; a client whose addresses begin there."""
    with serving(settings_of(**sections), database) as address, httpx.Client(base_url=address) as client:
        yield client
