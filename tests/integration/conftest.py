"""The Plex stand-in as a server of each test's own, and its claimed form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.plextv import ACCOUNT_TOKEN
from tests.integration.plex_standin import PlexTv, Standin


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[Standin]:
    server = Standin(tmp_path)
    yield server
    server.close()


@pytest.fixture
def plex_tv(tmp_path: Path) -> Iterator[PlexTv]:
    service = PlexTv(tmp_path)
    yield service
    service.close()


@pytest.fixture
def claimed(tmp_path: Path, plex_tv: PlexTv) -> Iterator[Standin]:
    server = Standin(tmp_path, plex_tv=plex_tv.url)
    assert server.request("POST", "/myplex/claim", params={"token": plex_tv.token(ACCOUNT_TOKEN)}).ok
    yield server
    server.close()
