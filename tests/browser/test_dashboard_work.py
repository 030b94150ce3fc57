"""The house run from the browser: what a person presses is done, and the page says so by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from medialift.audiobooks import manifest
from sandbox.house import audiobooks, notices
from tests.browser.visits import Visit
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard")

Window = Callable[..., Visit]


def test_a_queue_is_seen_moving(visit: Window, house: House) -> None:
    page = visit("cora").open("/queue")
    books = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="books:calibre"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    done, worker = (
        house.one("select count(*) from item where state = 'done' and pipeline = 'books'"),
        house.crew[1],
    )
    held = worker.claim(3)
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"book {held[0].key}", exact=True))
    expect(row).to_contain_text("running")
    expect(row).to_contain_text(worker.me.name)
    worker.finish(*held)
    expect(books.first).to_contain_text(f"done {done + 3}")
    expect(row).to_have_count(0)


def test_a_failed_book_is_tried_again(visit: Window, house: House) -> None:
    item = house.one("select min(id) from item where state = 'failed' and pipeline = 'books'")
    ((key, why),) = house.rows("select key, error_text from item where id = :item", item=item)
    page = visit("ben").open("/failed")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=f"book {key}", exact=True))
    expect(row).to_contain_text(why)
    row.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("status").filter(has_text="It is tried again")).to_be_visible()
    expect(row).to_have_count(0)
    assert house.rows("select state, attempts from item where id = :item", item=item) == [("ready", 0)]
    ((who, subject),) = house.rows(
        "select who, subject from event where what = 'retry' order by id desc limit 1"
    )
    assert who == "ben (session, dashboard)"
    assert key in subject


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


def test_the_batch_debug_log_is_switched_on_and_its_summary_read(visit: Window, house: House) -> None:
    page = visit("ben").open("/diagnostics?tab=batch-debug")
    page.get_by_label("For").select_option("60")
    page.get_by_role("button", name="Switch it on").click()
    expect(page.get_by_role("button", name="Switch it off")).to_be_visible()
    name = audiobooks.one_more(house.folder / "audiobooks/inbox")
    house.command("audiobooks", "once")
    row = page.get_by_role("row").filter(has_text=f"tag {name}")
    expect(row).to_have_count(1)  # by itself
    row.get_by_role("rowheader").get_by_role("link").click()
    expect(page.get_by_text("Went well")).to_be_visible()
    expect(
        page.get_by_role("row").filter(has_text=f"/audnexus/books/{audiobooks.LATER_ASIN}").first
    ).to_be_visible()
    page.get_by_role("link", name="Batch debug").click()
    page.get_by_role("button", name="Switch it off").click()
    expect(page.get_by_role("button", name="Switch it on")).to_be_visible()


def test_posters_are_chosen_and_seen_coming(visit: Window, house: House) -> None:
    page = visit("ben").open("/posters?choose=true&search=Film")
    for name in ("Film 0001", "Film 0002"):
        page.get_by_role("row").filter(has_text=name).get_by_role("checkbox").check()
    page.get_by_role("button", name="Download the chosen").click()
    expect(page.get_by_role("status").filter(has_text="has begun: 2 items")).to_be_visible()
    expect(page.get_by_text("0 of 2")).to_be_visible()
    with house.running("posters", "worker"):
        expect(page.get_by_text("2 of 2")).to_be_visible()


def test_a_destination_of_notices_is_tested_and_its_secrets_are_not_shown(
    visit: Window, house: House
) -> None:
    page = visit("ben").open("/notifications")
    before = len(house.heard.calls)
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status")).to_be_visible()
    (told,) = house.heard.calls[before:]
    assert "medialift" in told.body.decode()
    assert notices.TOKEN in told.path
    assert notices.TOKEN not in page.content()
    assert house.one("select who from event order by id desc limit 1") == "ben (session, dashboard)"
