"""The description of the API is true: what it allows or forbids is answered as it says, and nothing breaks.

Schemathesis makes requests out of the description, such that fit it and such that do not, and compares each
answer with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks
from sqlalchemy import text

from medialift.healing.history import Entry, What, record
from medialift.queueing import bursts, events, workers
from medialift.queueing.database import Database
from medialift.queueing.workers import Me, Totals
from medialift.web.access import tokens
from medialift.web.server import serving
from tests.books_ledger import BooksLedger
from tests.dashboard_world import settings_of

EXAMPLES = 5
"""Requests of each kind and route: all together they take about a minute."""

load_all_checks()


def nothing_breaks(_context: Any, response: Any, case: Case) -> None:
    """Only routes that ask Jellyfin, which is away here, may say that something does not answer."""
    away = response.status_code == 503 and case.operation.path.startswith("/api/v1/posters")
    if response.status_code >= 500 and not away:
        raise AssertionError(f"{response.status_code}: {response.text}")


CHECKED = [
    nothing_breaks,
    *CHECKS.get_by_names([
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "ignored_auth",
    ]),
]  # fmt: skip


@dataclass(frozen=True)
class House:
    """A dashboard over a ledger with something of everything, and a token that may do all."""

    address: str
    token: str


@pytest.fixture(scope="module")
def house(postgres, tmp_path_factory) -> Iterator[House]:
    url = postgres.fresh()
    folder = tmp_path_factory.mktemp("house")
    with Database(url) as database:
        _fill(database)
        with database.engine.begin() as connection:
            token = tokens.create(connection, "schemathesis", "admin")[0]
        given = settings_of(
            audiobooks={name: folder / name for name in ("inbox", "converted", "failed", "archive")},
            diagnostics={"folder": folder / "diagnostics"},
            posters={"url": "http://127.0.0.1:9", "timeout": 1, "max_retries": 0},
        )
        with serving(given, database) as address:
            yield House(address, token)
    postgres.drop(url)


def _fill(database: Database) -> None:
    books = BooksLedger(database)
    books.book(1, "done", files={"EPUB": {"state": "uploaded", "seconds": 130.0}})
    books.book(2, "failed", files={"PDF": {"state": "failed"}}, error=("refused", "No"))
    for number, state in enumerate(("ready", "leased", "paused", "cancelled", "skipped"), 3):
        books.book(number, state, weight=1)
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "insert into item (pipeline, collection, key, state, result) values"
                " ('audiobooks', 'audiobooks', 'tag/A', 'skipped', '{\"waits_for\": \"match\"}')"
            )
        )
        me = Me("books@1", "books", "calibre")
        workers.register(connection, me)
        workers.report(connection, me, Totals(items=1, files=2))
        workers.beat(connection, me)
        record(connection, Entry(What.REMEDY, "home", "books", "books@1", "applied", "Started again"))
        events.record(connection, what="retry", subject="books:calibre/2", after={"state": "ready"})
        at = connection.execute(text("select now()")).scalar_one()
        bursts.tell(connection, "films-1", "controller", [bursts.Line(1, at, "scan", "start")])


@pytest.fixture(scope="module")
def description(house: House) -> Any:
    made = schemathesis.openapi.from_url(f"{house.address}/api/v1/openapi.json")
    # A stream has no end; it has tests of its own.
    return made.exclude(path="/api/v1/events")


described = schemathesis.pytest.from_fixture("description")


@described.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_each_route_answers_as_it_is_described_whatever_it_is_sent(case: Case, house: House) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {house.token}"}, checks=CHECKED, timeout=30)
