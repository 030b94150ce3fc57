"""Each page as a person sees it: at a desk and on a phone, by day and by night, without a pointer, without
scripts, and as whoever cannot see it hears it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from medialift.web.diagnostics import TABS
from medialift.web.navigation import PLACES
from sandbox.house import audiobooks, bursts
from tests.browser.visits import DESK, PHONE, Visit
from tests.dashboard_filled import House

pytestmark = pytest.mark.xdist_group("dashboard")

Window = Callable[..., Visit]


def _name(path: str) -> str:
    return path.strip("/").replace("/", "-").replace("?tab=", "-") or "overview"


PLACE_PATHS = [place.path for place in PLACES]
TAB_PATHS = [f"/diagnostics?tab={tab}" for tab, _ in TABS[1:]]
DETAILS: dict[str, Callable[[House], str]] = {
    "item-of-books-failed": lambda house: f"/items/{_failed(house)}",
    "item-of-audiobooks": lambda house: f"/items/{_unsure(house)}",
    "audiobook-unsure": lambda house: f"/audiobooks/{_unsure(house)}",
    "audiobook-script": lambda house: f"/audiobooks/{house.item(f'tag/{audiobooks.ODD}')}",
    "recorded-job": lambda house: f"/diagnostics/jobs/{_recorded(house)}",
    "account": lambda house: "/account",
    "posters-batch": lambda house: "/posters/batches/1",
    "posters-choose": lambda house: "/posters?choose=true&search=Film",
    "failed-person": lambda house: "/failed?lane=person",
    "failed-skipped": lambda house: "/failed?lane=skipped",
    "burst-good": lambda house: f"/bursts/{bursts.GOOD}",
    "burst-failed": lambda house: f"/bursts/{bursts.FAILED}",
    "burst-running": lambda house: f"/bursts/{bursts.RUNNING}",
}


def _failed(house: House) -> int:
    return int(house.one("select min(id) from item where pipeline = 'books' and state = 'failed'"))


def _recorded(house: House) -> str:
    """A job some of whose requests failed."""
    return str(house.one("select job from traffic_record where failed > 0 order by job limit 1"))


def _unsure(house: House) -> int:
    return house.item(f"tag/{audiobooks.UNSURE}")


def _looked_at(visit: Visit, name: str) -> None:
    """Four pictures, and what is to be true of each of them."""
    visit.picture(name, DESK, dark=False)
    assert visit.wide() == []
    assert visit.faults() == []
    visit.picture(name, DESK, dark=True)
    assert visit.faults("color-contrast") == []
    visit.picture(name, PHONE, dark=True)
    visit.picture(name, PHONE, dark=False)
    assert visit.wide() == []
    assert visit.faults() == []
    # A name that is a script sets the title when it runs.
    assert "medialift" in visit.page.title()
    assert visit.page.locator("h1").count() == 1


@pytest.mark.parametrize("path", PLACE_PATHS + TAB_PATHS, ids=_name)
def test_a_page_can_be_read_by_everybody(visit: Window, path: str) -> None:
    window = visit()
    window.open(path)
    _looked_at(window, _name(path))


@pytest.mark.parametrize("name", DETAILS)
def test_a_page_of_one_thing_can_be_read_by_everybody(visit: Window, house: House, name: str) -> None:
    window = visit()
    window.open(DETAILS[name](house))
    _looked_at(window, name)
