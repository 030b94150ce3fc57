"""One Chromium for all pages of a report; another, with a house to look at, for those of the dashboard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser import visits
from tests.browser.chromium import Page, chromium
from tests.browser.visits import Visit, log_in
from tests.dashboard_filled import House, filled
from tests.postgres_world import Postgres


@pytest.fixture(scope="session")
def browser() -> Iterator[Page]:
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Page:
    """The tab, with nothing remembered of the test before."""
    browser.requests.clear()
    browser.complaints.clear()
    return browser


@pytest.fixture(scope="package")
def house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Everything that runs. Its tests are one group, so that it is filled once."""
    with filled(postgres.fresh(), tmp_path_factory.mktemp("house")) as made:
        yield made


# Of a module and no longer: while it is there, nothing else of this thread can run an event loop.
@pytest.fixture(scope="package")
def chrome() -> Iterator[Browser]:
    with visits.chromium() as made:
        yield made


@pytest.fixture(scope="package")
def known(house: House, chrome: Browser) -> Callable[[str], Any]:
    """What a browser keeps of somebody who has logged in, by their name."""
    kept: dict[str, Any] = {}

    def of(name: str) -> Any:
        if name not in kept:
            with visits.visiting(chrome, house.address) as visit:
                log_in(visit, name)
                kept[name] = visit.page.context.storage_state()
        return json.loads(json.dumps(kept[name]))

    return of


@pytest.fixture
def visit(house: House, chrome: Browser, known: Callable[[str], Any]) -> Iterator[Callable[..., Visit]]:
    """Open a window as somebody. Whatever its pages ask of others, or complain of, is a failure."""
    with ExitStack() as stack:
        opened: list[Visit] = []

        def as_(name: str = "ada", **context: Any) -> Visit:
            window = visits.visiting(chrome, house.address, storage_state=known(name), **context)
            opened.append(stack.enter_context(window))
            return opened[-1]

        yield as_
        assert [one for each in opened for one in each.strangers()] == []
        assert [one for each in opened for one in each.complaints] == []
        assert [one for each in opened for one in each.refusals] == []
