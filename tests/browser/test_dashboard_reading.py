"""Read by whoever has no scripts, no pointer, or no eyes for it; and what the looking itself is worth."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from medialift.web.navigation import PLACES
from tests.browser import visits
from tests.browser.visits import Visit
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard")

Window = Callable[..., Visit]


def test_everything_is_there_without_scripts(visit: Window, house: House) -> None:
    window = visit(java_script_enabled=False)
    for place in PLACES:
        page = window.open(place.path)
        assert page.locator("h1").count() == 1, place
        # What only a script could fill is not left empty, and nothing says that it is live.
        assert page.locator("[data-chart]:visible, [data-live]:visible").count() == 0, place
    page = window.open("/queue")
    expect(page.get_by_text("goes on")).to_be_visible()
    page.get_by_role("link", name="Next page").click()
    expect(page).to_have_url(re.compile("cursor="))
    page = window.open("/books")
    page.get_by_text("The map as a table").click()
    expect(page.get_by_role("table").first).to_be_visible()


def test_a_person_acts_without_scripts_and_is_asked_before_what_is_given_up(
    visit: Window, house: House
) -> None:
    item = house.one("select max(id) from item where pipeline = 'books' and state = 'ready'")
    page = visit("ben", java_script_enabled=False).open(f"/items/{item}")
    question = page.locator("details.confirm").filter(has_text="Give up")
    sure = question.locator("form").get_by_role("button", name="Give up")
    expect(sure).to_be_hidden()
    question.locator("summary").click()
    expect(sure).to_be_visible()
    assert house.state(item) == "ready"
    sure.click()
    expect(page.get_by_role("status")).to_have_text("It is given up")
    assert house.state(item) == "cancelled"
    page.get_by_role("button", name="Try again").click()
    assert house.state(item) == "ready"


def _focused(page: Page) -> str:
    said: str = page.evaluate("document.activeElement.innerText || document.activeElement.name || ''")
    return said.strip()


def test_the_keyboard_reaches_everything_and_shows_where_it_is(visit: Window, house: House) -> None:
    page = visit("ben").open("/failed")
    page.keyboard.press("Tab")
    assert _focused(page) == "Skip to the content"
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(_focused(page))
        # Something is drawn around whatever has the focus.
        assert page.evaluate(
            "(style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)"
            "(getComputedStyle(document.activeElement))"
        ), reached[-1]
        if reached[-1] == "Try again":
            break
    assert reached[-1] == "Try again"
    failed = house.one("select count(*) from item where state = 'failed'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="It is tried again")).to_be_visible()
    assert house.one("select count(*) from item where state = 'failed'") == failed - 1


def test_what_is_to_be_confirmed_is_left_by_escape(visit: Window, house: House) -> None:
    page = visit("ben").open("/queue")
    give_up = page.get_by_text("Give up all", exact=True).first
    give_up.focus()
    page.keyboard.press("Enter")
    question = page.locator("details.confirm[open]")
    expect(question).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    assert house.one("select count(*) from item where state = 'cancelled'") == 0


def test_live_parts_are_told_to_who_cannot_see_them_move(visit: Window) -> None:
    page = visit("cora").open("/")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("main").count() == 1
    assert page.get_by_role("navigation", name="Places").count() == 1
    for picture in page.locator("svg:not([aria-hidden=true])").all():
        assert picture.get_attribute("aria-label") or picture.get_attribute("aria-labelledby")


# By properties: the page's own policy takes no style that is written into an element.
_WRONG = """
() => {
    const add = (name, words, style) =>
        Object.assign(document.querySelector('main').appendChild(
            Object.assign(document.createElement(name), {textContent: words})).style, style);
    add('p', 'pale', {color: '#eee', background: '#fff'});
    add('div', 'wide', {width: '3000px'});
    add('input', '', {});
    add('button', '', {});
    document.body.append(Object.assign(
        document.createElement('script'), {src: 'https://elsewhere.example/a.js'}));
}
"""


def test_what_would_be_wrong_is_found(chrome: Browser, house: House) -> None:
    with visits.visiting(chrome, house.address) as window:
        page = window.open("/login")
        assert (window.faults(), window.wide(), window.strangers()) == ([], [], [])
        page.evaluate(_WRONG)
        found = " ".join(window.faults())
        assert "color-contrast" in found and "label" in found and "button-name" in found
        assert any("wide" in one for one in window.wide())
        # What is not the dashboard's is asked of nobody, and the browser says so.
        assert any("Content Security Policy" in one for one in window.complaints)
