"""Logging in and out in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.visits import DESK, PHONE, Visit, log_in, visiting
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard")


@pytest.fixture
def stranger(house: House, chrome: Browser) -> Iterator[Visit]:
    """Somebody who has not logged in."""
    with visiting(chrome, house.address) as window:
        yield window
        assert window.strangers() == []
        assert window.complaints == []


def test_whoever_is_not_logged_in_is_asked_to_and_comes_to_where_they_wanted(stranger: Visit) -> None:
    page = stranger.open("/audit")
    expect(page).to_have_url(f"{stranger.address}/login?next=/audit")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    log_in(stranger, "ada", path="/login?next=%2Faudit")
    expect(page).to_have_url(f"{stranger.address}/audit")


def test_the_page_to_log_in_can_be_read_by_everybody(stranger: Visit) -> None:
    stranger.open("/login")
    stranger.picture("login", DESK, dark=False)
    assert stranger.faults() == []
    stranger.picture("login", DESK, dark=True)
    assert stranger.faults("color-contrast") == []
    stranger.picture("login", PHONE, dark=True)
    stranger.picture("login", PHONE, dark=False)
    assert stranger.wide() == []
    assert stranger.faults() == []


def test_whoever_logs_out_is_a_stranger_again(stranger: Visit) -> None:
    log_in(stranger, "cora")
    page = stranger.page
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("status")).to_have_text("You are logged out")
    stranger.open("/queue")
    expect(page).to_have_url(f"{stranger.address}/login?next=/queue")


def test_whoever_may_only_look_sees_nothing_to_press(stranger: Visit) -> None:
    log_in(stranger, "cora")
    page = stranger.open("/queue")
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    expect(page.get_by_role("link", name="Access")).to_have_count(0)
