"""What a page does by itself: parts that change under one's eyes take nothing from under one's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from medialift.healing import history
from medialift.healing.history import Entry, What
from tests.browser.visits import PHONE, Visit, visiting
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard")

Window = Callable[..., Visit]


def _finds(house: House, subject: str) -> None:
    with house.database.engine.begin() as connection:
        history.record(
            connection,
            Entry(What.FINDING, "attic", "books", "attic-books@1", "stuck", subject, {"stack": ["recv"]}),
        )


def _live(page: Page) -> None:
    """Wait until the page hears of changes: what happens before it does is not told."""
    expect(page.locator("[data-live]")).to_have_text("Live")


def test_what_is_open_and_what_is_focused_stays_so_when_a_part_is_fetched_anew(visit: Window, house: House):
    page = visit().open("/workers")
    _live(page)
    evidence = page.locator("#history ~ div details").first
    evidence.locator("summary").click()
    told = evidence.get_attribute("id")
    expect(page.locator(f"#{told}")).to_have_attribute("open", "")
    _finds(house, "It hangs once more")
    expect(page.get_by_text("It hangs once more", exact=True)).to_be_visible()
    expect(page.locator(f"#{told}")).to_have_attribute("open", "")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_what_somebody_writes_is_not_taken_away(visit: Window, house: House):
    page = visit("ben").open("/workers")
    _live(page)
    page.get_by_text("Pause", exact=True).first.click()
    why = page.get_by_label("Why").first
    why.fill("the disk is")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    _finds(house, "It hangs while somebody writes")
    expect(page.get_by_text("It hangs while somebody writes", exact=True)).to_be_visible()
    expect(why).to_have_value("the disk is")
    assert not [url for url in fetched if "part=crew" in url]
    page.keyboard.press("Escape")
    expect(why).to_be_hidden()


def test_lines_over_time_are_drawn_and_stand_in_a_table_too(visit: Window):
    page = visit().open("/")
    chart = page.locator("[data-chart]")
    expect(chart.locator("canvas")).to_be_visible()
    page.get_by_text("Items in the last day as a table").click()
    assert page.get_by_role("region", name="Items in the last day").get_by_role("row").count() == 97


def test_on_a_phone_the_places_are_a_menu_for_the_keyboard_too(visit: Window):
    window = visit()
    page = window.open("/")
    window.look(PHONE)
    places = page.get_by_role("navigation", name="Places")
    expect(places).to_be_hidden()
    page.get_by_role("link", name="Menu", exact=True).focus()
    page.keyboard.press("Enter")
    expect(places).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#places') !== null")
    page.get_by_role("link", name="Close the menu").click()
    expect(places).to_be_hidden()


@pytest.fixture
def plain(house: House, chrome: Browser, known: Callable[[str], object]) -> Iterator[Visit]:
    """Somebody whose browser runs no scripts."""
    with visiting(chrome, house.address, storage_state=known("ben"), java_script_enabled=False) as window:
        yield window
        assert window.strangers() == []


def test_without_scripts_everything_can_be_read_and_asked_for(plain: Visit, house: House):
    page = plain.open("/")
    expect(page.get_by_role("heading", name="Needs you")).to_be_visible()
    page.get_by_text("Items in the last day as a table").click()
    expect(page.get_by_role("region", name="Items in the last day")).to_be_visible()
    page.get_by_role("link", name="Workers", exact=True).click()
    page.get_by_text("Pause", exact=True).first.click()
    page.get_by_label("Why").first.fill("it is loud")
    page.locator("details[open]").get_by_role("button", name="Pause").last.click()
    expect(page.get_by_role("status").first).to_contain_text("is asked to pause")
    assert house.rows("select why from worker_request")[0].why == "it is loud"
