"""One Chromium for all pages."""

import pytest

from tests.browser.chromium import chromium


@pytest.fixture(scope="session")
def browser():
    with chromium() as page:
        yield page


@pytest.fixture
def page(browser):
    """The tab, with nothing remembered of the test before."""
    browser.requests.clear()
    browser.complaints.clear()
    return browser
