"""Lists of items: in order, page by page, and along an index however many items there are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from medialift.queueing import listing
from medialift.queueing.database import Database
from medialift.queueing.listing import LANES, SORTS, Listed, Place, Wanted


class Items:
    """Items in any state, and the pages that are listed of them."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, key: str, state: str = "ready", *, queue: str = "books:calibre", **columns: Any) -> None:
        """`again` and `ago`: seconds until it is tried again, and since it was changed."""
        pipeline, collection = queue.split(":")
        values = {
            "pipeline": pipeline,
            "collection": collection,
            "key": key,
            "state": state,
            "again": columns.pop("again", 0),
            "ago": columns.pop("ago", 0),
            **{
                name: json.dumps(one) if name in ("payload", "result") else one
                for name, one in columns.items()
            },
        }
        more = "".join(f", {name}" for name in columns)
        given = "".join(
            f", cast(:{name} as jsonb)" if name in ("payload", "result") else f", :{name}" for name in columns
        )
        with self.database.engine.begin() as connection:
            connection.execute(
                text(
                    f"insert into item (pipeline, collection, key, state, not_before, changed{more}) values"
                    " (:pipeline, :collection, :key, :state, now() + make_interval(secs => :again),"
                    f" now() - make_interval(secs => :ago){given})"
                ),
                values,
            )

    def page(self, after: Place | None = None, limit: int = 50, **wanted: Any) -> tuple[list[Listed], Any]:
        with self.database.engine.begin() as connection:
            return listing.listed(connection, Wanted(**wanted), after=after, limit=limit)

    def keys(self, limit: int = 50, **wanted: Any) -> list[str]:
        """The keys of all pages."""
        found: list[str] = []
        after = None
        for _ in range(100):
            page, after = self.page(after, limit, **wanted)
            found += [one.key for one in page]
            if after is None:
                return found
        raise AssertionError("It has no end")


@pytest.fixture
def items(database: Database) -> Items:
    return Items(database)


@pytest.fixture
def one_of_each(items: Items) -> Items:
    items.add("done", "done", error_text="of an earlier attempt")
    items.add("cancelled", "cancelled")
    items.add("skipped", "skipped", result={"reason": "too large"})
    items.add("failed", "failed", error_kind="permanent", error_text="The server refuses it")
    items.add("held", "paused")
    items.add("person", "skipped", queue="audiobooks:default", result={"waits_for": "match"})
    items.add("waiting")
    items.add("retrying", again=600, attempts=1, error_kind="transient", error_text="It is away")
    items.add("running", "leased", lease_owner="worker 1")
    return items


def test_the_lanes_come_in_the_order_in_which_they_matter(one_of_each: Items):
    assert one_of_each.keys() == list(LANES)
    page, after = one_of_each.page()
    assert [one.lane for one in page] == list(LANES) and after is None


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 10])
def test_no_page_repeats_or_skips_an_item_wherever_it_ends(one_of_each: Items, limit: int):
    for _ in range(2):
        one_of_each.add(f"more {limit} {_}", "failed", queue="audiobooks:default")
    for sort in SORTS:
        lanes = ("failed", "done", "skipped", "held") if "changed" in sort else ()
        keys = one_of_each.keys(limit, sort=sort, lanes=lanes)
        assert sorted(keys) == sorted(one_of_each.keys(sort=sort, lanes=lanes))
        assert len(keys) == len(set(keys)) == (6 if lanes else 11)


def test_each_item_says_why_and_who_and_when(one_of_each: Items):
    found = {one.lane: one for one in one_of_each.page()[0]}
    assert found["running"].worker == "worker 1" and found["waiting"].worker == ""
    assert found["retrying"].again_at is not None and found["waiting"].again_at is None
    assert (found["failed"].reason, found["failed"].error_kind) == ("The server refuses it", "permanent")
    assert found["skipped"].reason == "too large"


def test_what_waits_comes_in_the_order_in_which_it_will_be_claimed(items: Items):
    for key, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1), ("f", 0)):
        items.add(key, priority=priority)
    assert items.keys(2, lanes=("waiting",)) == ["b", "d", "a", "c", "f", "e"]


def test_what_is_tried_again_comes_in_the_order_of_time(items: Items):
    for key, again in (("late", 900), ("soon", 60), ("later", 1800)):
        items.add(key, again=again)
    assert items.keys(1, lanes=("retrying",)) == ["soon", "late", "later"]


def test_what_ended_last_comes_first_of_all_queues_together(items: Items):
    for number, queue in enumerate(("books:a", "books:b", "audiobooks:c") * 3):
        items.add(f"{number}", "done", queue=queue, ago=number * 10)
    newest_first = [str(number) for number in range(9)]
    assert items.keys(2, lanes=("done",)) == newest_first
    assert items.keys(2, lanes=("done",), sort="changed") == newest_first[::-1]
    assert items.keys(2, lanes=("done", "failed"), sort="-changed") == newest_first
    assert items.keys(2, lanes=("done",), pipeline="books") == ["0", "1", "3", "4", "6", "7"]
    assert items.keys(2, lanes=("done",), pipeline="books", collection="a") == ["0", "3", "6"]


def test_words_are_found_in_keys_titles_and_errors_in_any_case(items: Items):
    items.add("1", payload={"title": "Der Zauberberg"})
    items.add("zauber/2", "done")
    items.add("3", "failed", error_text="No ZAUBER here")
    items.add("4", payload={"book": {"name": "Zauberei"}})
    items.add("5")
    for sort in ("lanes", "key", "-added"):
        assert sorted(items.keys(1, words="Zauber", sort=sort)) == ["1", "3", "4", "zauber/2"]
    assert items.keys(words="100%_") == []


def test_an_item_whose_key_is_the_words_comes_first_and_once(items: Items):
    for key in ("17", "7", "70"):
        items.add(key, "leased")
    assert items.keys(1, words="7") == ["7", "17", "70"]
    assert items.keys(words="7", lanes=("done",)) == []


def test_a_search_that_finds_nothing_ends_each_page_after_so_many_items(items: Items, monkeypatch):
    monkeypatch.setattr(listing, "BUDGET", 4)
    for number in range(10):
        items.add(f"{number}", "done" if number < 6 else "ready")
    page, after = items.page(words="nothing of that name", limit=2)
    assert page == [] and after is not None
    assert items.keys(2, words="nothing of that name") == []
    assert items.keys(2, words="9") == ["9"]
    assert sorted(items.keys(2, lanes=("done",), sort="key")) == list("012345")


def test_one_kind_of_error_is_listed_alone(items: Items):
    items.add("1", "failed", error_kind="permanent")
    items.add("2", "failed", error_kind="refused")
    assert items.keys(lanes=("failed",), error_kind="refused") == ["2"]


def test_a_place_of_another_list_is_refused(one_of_each: Items):
    _, after = one_of_each.page(limit=2)
    for wanted in ({"lanes": ("done",)}, {"sort": "key"}):
        with pytest.raises(ValueError):
            one_of_each.page(after, **wanted)
    for broken in (Place("running", "yesterday", 3), Place("waiting", str(2**63), 1), Place("x", "", 0)):
        with pytest.raises(ValueError):
            one_of_each.page(broken)


def test_what_has_not_ended_is_not_sorted_by_its_change(one_of_each: Items):
    for lanes in ((), ("waiting",), ("done", "running")):
        with pytest.raises(ValueError, match="sorted by their latest change"):
            one_of_each.page(sort="changed", lanes=lanes)


def test_the_plan_is_as_it_was_after_a_list(items: Items):
    items.add("1")
    with items.database.engine.begin() as connection:
        ask = text("select current_setting('enable_seqscan'), current_setting('random_page_cost')")
        before = connection.execute(ask).one()
        listing.listed(connection, Wanted())
        assert connection.execute(ask).one() == before


INDEX_OF = {
    "running": "item_leased",
    "retrying": "item_again",
    "waiting": "item_ready",
    "person": "item_person",
    "added": "item_pk",
    "-added": "item_pk",
    "key": "item_pipeline_collection_key_once",
    "-key": "item_pipeline_collection_key_once",
}


@pytest.fixture(scope="module")
def of_a_million(postgres):
    """A ledger of which PostgreSQL believes that it has a million items in many states."""
    url = postgres.fresh()
    with Database(url) as opened:
        with opened.engine.begin() as connection:
            connection.execute(
                text(
                    "insert into item (pipeline, collection, key, state, not_before)"
                    " select case when n % 50 = 0 then 'audiobooks' else 'books' end, 'calibre', n::text,"
                    " (array['done','done','done','ready','ready','failed','skipped','paused'])[n % 8 + 1],"
                    " now() + (n % 3 - 1) * interval '1 hour' from generate_series(1, 20000) n"
                )
            )
        with opened.autocommit.connect() as connection:
            connection.execute(text("vacuum analyze item"))
            connection.execute(
                text("update pg_class set reltuples = reltuples * 50 where relname like 'item%'")
            )
        yield opened
    postgres.drop(url)


@pytest.mark.parametrize("first", [True, False], ids=["the first page", "a later page"])
@pytest.mark.parametrize("way", [*LANES, *(sort for sort in SORTS if sort != "lanes")])
def test_each_way_goes_along_its_index_and_sorts_nothing_but_ends(
    of_a_million: Database, way: str, first: bool
):
    wanted = Wanted(lanes=("failed", "done"), sort=way) if "changed" in way else Wanted()
    given = listing._given(wanted, [("books", "calibre"), ("audiobooks", "calibre")], way)
    value = {"waiting": "0", "key": "5000", "-key": "5000", "added": "900", "-added": "900"}.get(
        way, "2026-11-29 12:00:00+00"
    )
    given |= {"limit": 51, "budget": 51, "value": value, "id": 900}
    statement = listing._STATEMENTS[way, first]
    with of_a_million.engine.begin() as connection, listing._along_indexes(connection):
        plan = "\n".join(connection.execute(text(f"explain {statement.text}"), given).scalars())
    assert "Seq Scan on item" not in plan and "Bitmap" not in plan
    assert INDEX_OF.get(way, "item_ended") in plan
