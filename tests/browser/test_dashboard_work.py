"""The house run from the browser: what a person presses is done, and the page says so by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from medialift.audiobooks import manifest
from sandbox.house import audiobooks
from tests.browser.visits import Visit
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard work")

Window = Callable[..., Visit]


def test_an_asin_is_said_by_a_person_and_the_book_goes_to_the_library(visit: Window, house: House) -> None:
    book = house.item(f"tag/{audiobooks.UNSURE}")
    page = visit("ben").open(f"/audiobooks/{book}")
    page.get_by_role("textbox", name="ASIN").fill(audiobooks.RIGHT_ASIN.lower())
    page.get_by_role("button", name="Write it into the book").click()
    expect(page.get_by_role("status").filter(has_text="written into the book")).to_be_visible()
    house.command("audiobooks", "once")
    # It was not loaded again: the page heard of it.
    expect(page.get_by_text("waits for a person")).to_have_count(0)
    tagging = manifest.read(house.folder / "audiobooks/converted" / audiobooks.UNSURE).tagging
    assert tagging.metadata is not None
    assert tagging.metadata.asin == audiobooks.RIGHT_ASIN
    assert list((house.folder / "audiobooks/library").rglob("*Lighthouse Ledger*.m4b"))
    who, before = house.rows("select who, after from event where what = 'override' order by id desc")[0]
    assert who == "ben (session, dashboard)"
    assert audiobooks.RIGHT_ASIN in str(before)


def test_a_pipeline_is_paused_and_goes_on(visit: Window, house: House) -> None:
    page = visit("ben").open("/audiobooks")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Nothing is begun")).to_be_visible()
    assert house.one("select paused from control where pipeline = 'audiobooks'") is True
    page.get_by_role("button", name="Let it go on").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.get_by_text("Nothing is begun")).to_have_count(0)
    assert house.one("select paused from control where pipeline = 'audiobooks'") is False
