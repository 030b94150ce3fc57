"""What is kept between two look-ups: answers, turns at services and alerts; and how answers are merged."""

import json
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.metadata import Metadata, Series
from medialift.audiobooks.metadata.alerts import Alerts
from medialift.audiobooks.metadata.audible import authors
from medialift.audiobooks.metadata.cache import ABSENT, Cache
from medialift.audiobooks.metadata.limits import Stopped, Turns, pause_asked
from medialift.audiobooks.metadata.merging import merge
from medialift.audiobooks.metadata.pictures import largest_url, picture_kind, variants
from medialift.audiobooks.metadata.shapes import (
    AudnexusBook,
    AudnexusChapters,
    Misfit,
    Person,
    Product,
    fitted,
)
from medialift.errors import Transient
from sandbox.audible.pictures import jpeg, png

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DAY = 86_400.0


class Hands:
    """A clock that is turned by hand; who sleeps turns it."""

    def __init__(self, now=1_000_000.0):
        self.time = now

    def now(self):
        return self.time

    def monotonic(self):
        return self.time

    def sleep(self, seconds, stop):
        self.time += seconds
        return stop.is_set()


@pytest.fixture
def clock():
    return Hands()


def test_an_answer_is_kept_for_its_lifetime(tmp_path, clock):
    cache = Cache(tmp_path, 30 * DAY, clock=clock)
    cache.put("audible", "us", "B0LEDGER01", {"a": 1})
    clock.time += 30 * DAY - 1
    assert cache.get("audible", "us", "B0LEDGER01").answer == {"a": 1}
    assert cache.get("audible", "uk", "B0LEDGER01") is None
    clock.time += 2
    assert cache.get("audible", "us", "B0LEDGER01") is None
    assert cache.sweep() == 1
    assert list(tmp_path.glob("*/*/*")) == []


def test_that_there_is_none_and_what_a_search_found_is_kept_for_a_day_at_most(tmp_path, clock):
    cache = Cache(tmp_path, 30 * DAY, clock=clock)
    cache.put("audible", "us", "B0LEDGER01", ABSENT)
    cache.put_search("audible", "us", "title=Ledger", [1])
    assert cache.get_search("audible", "us", "TITLE=ledger").answer == [1]
    clock.time += DAY
    assert cache.get("audible", "us", "B0LEDGER01") is None
    assert cache.get_search("audible", "us", "title=Ledger") is None


def test_an_answer_from_the_future_is_not_believed(tmp_path, clock):
    cache = Cache(tmp_path, DAY, clock=clock)
    cache.put("audible", "us", "B0LEDGER01", {})
    clock.time -= 3600
    assert cache.get("audible", "us", "B0LEDGER01") is None


def test_a_lifetime_of_nothing_keeps_nothing(tmp_path, clock):
    cache = Cache(tmp_path, 0, clock=clock)
    cache.put("audible", "us", "B0LEDGER01", {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asin", "region"), [("../../etc/x", "us"), ("B0LEDGER01", "../x"), ("b0ledger01", "us"), ("", "")]
)
def test_nothing_is_kept_outside_the_folder(tmp_path, clock, asin, region):
    cache = Cache(tmp_path / "cache", DAY, clock=clock)
    cache.put("audible", region, asin, {})
    assert list(tmp_path.iterdir()) == []
    assert cache.get("audible", region, asin) is None


def test_answers_are_forgotten_by_asin_and_by_shop(tmp_path, clock):
    cache = Cache(tmp_path, DAY, clock=clock)
    for region in ("us", "uk"):
        for asin in ("B0LEDGER01", "B0LEDGER02"):
            for service in ("audible", "audnexus", "chapters"):
                cache.put(service, region, asin, {})
    assert cache.flush(asin="b0ledger01", region="us") == 3
    assert cache.get("audible", "uk", "B0LEDGER01") is not None
    assert cache.flush(region="us") == 3
    assert cache.flush() == 6
    assert cache.flush() == 0


def test_turns_are_given_out_to_the_limit_and_then_one_waits(tmp_path, clock):
    turns = Turns(tmp_path, 3, clock=clock)
    began = clock.time
    for _ in range(3):
        turns.take("audible", at_most=1.0)
    assert clock.time == began
    with pytest.raises(Transient, match="audible must be left alone for 1 min more"):
        turns.take("audible", at_most=59.0)
    assert clock.time == began
    turns.take("audible", at_most=61.0)
    assert clock.time >= began + 60
    turns.take("audnexus", at_most=1.0)


def test_a_limit_is_of_all_processes_and_outlives_them(tmp_path, clock):
    Turns(tmp_path, 1, clock=clock).take("audible", at_most=1.0)
    with pytest.raises(Transient):
        Turns(tmp_path, 1, clock=clock).take("audible", at_most=1.0)


@settings(QUICK, max_examples=20)
@given(steps=st.lists(st.floats(0, 90), min_size=1, max_size=12), limit=st.integers(1, 5))
def test_no_minute_ever_has_more_turns_than_the_limit(tmp_path_factory, steps, limit):
    clock, taken = Hands(), []
    turns = Turns(tmp_path_factory.mktemp("turns"), limit, clock=clock)
    for step in steps:
        clock.time += step
        turns.take("audible", at_most=1000.0)
        taken.append(clock.time)
    for at in taken:
        assert sum(at - 60 < other <= at for other in taken) <= limit


def _in_memory(clock, limit):
    return Turns(Path("/proc/none"), limit, clock=clock)


def test_a_folder_that_cannot_be_written_still_keeps_the_limit(clock):
    turns = _in_memory(clock, 1)
    turns.take("audible", at_most=1.0)
    with pytest.raises(Transient):
        turns.take("audible", at_most=1.0)


def test_a_clock_that_was_put_back_bars_nobody(tmp_path, clock):
    turns = Turns(tmp_path, 1, clock=clock)
    turns.take("audible", at_most=1.0)
    turns.leave_alone("audnexus", 3600)
    clock.time -= 30 * DAY
    turns.take("audible", at_most=1.0)
    turns.take("audnexus", at_most=1.0)


def test_a_stop_ends_the_wait_for_a_turn(tmp_path, clock):
    turns, stop = Turns(tmp_path, 1, clock=clock), Event()
    turns.take("audible", at_most=1.0)
    stop.set()
    with pytest.raises(Stopped):
        turns.take("audible", at_most=100.0, stop=stop)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 60.0),
        ("12", 12.0),
        ("-5", 0.0),
        ("99999999", 3600.0),
        ("Thu, 01 Jan 1970 00:01:30 GMT", 30.0),
        ("soon", 60.0),
        ("", 60.0),
    ],
)
def test_a_pause_is_read_as_seconds_or_as_a_date(header, seconds):
    assert pause_asked(header, 60.0) == seconds


def test_an_alert_is_told_once_a_day_and_service_by_all_processes(tmp_path, clock):
    told = []
    for service in ("audible", "audible", "audnexus", "audible"):
        Alerts(tmp_path, told.append, clock=clock).misfit(Misfit(service, "x", "y"))
    assert [fault.service for fault in told] == ["audible", "audnexus"]
    clock.time += DAY
    Alerts(tmp_path, told.append, clock=clock).misfit(Misfit("audible", "x", "y"))
    assert len(told) == 3


def test_an_alert_that_cannot_be_told_fails_nothing(tmp_path, clock):
    def fails(_):
        raise RuntimeError("no network")

    Alerts(tmp_path, fails, clock=clock).misfit(Misfit("audible", "x", "y"))
    assert "audible" in json.loads((tmp_path / "alerts.json").read_text())


# Merging.


def test_the_first_that_says_something_of_a_field_wins():
    merged = merge(
        [
            ("person", Metadata(title="A", genres=("x",))),
            ("shop", Metadata(title="B", genres=("y", "z"), publisher="Quay")),
        ]
    )
    assert merged.filled() == {"title": "A", "genres": ("x",), "publisher": "Quay"}
    assert merged.origin == {"title": "person", "genres": "person", "publisher": "shop"}


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ({"year": 1999}, {"release_date": "2008-08-19", "year": 2008}, {"year": 1999}),
        (
            {"year": 2008},
            {"release_date": "2008-08-19", "year": 2008},
            {"year": 2008, "release_date": "2008-08-19"},
        ),
        ({"asin": "B0LEDGER01"}, {"asin": "B0LEDGER02", "region": "us"}, {"asin": "B0LEDGER01"}),
        (
            {"asin": "B0LEDGER01"},
            {"asin": "B0LEDGER01", "region": "us"},
            {"asin": "B0LEDGER01", "region": "us"},
        ),
        (
            {"description": "Short"},
            {"description": "Long", "description_html": "<p>Long</p>"},
            {"description": "Short"},
        ),
        (
            {"series": Series("A", "1")},
            {"series": Series("B", "2"), "more_series": (Series("C"),)},
            {"series": Series("A", "1")},
        ),
    ],
)
def test_fields_that_belong_together_come_from_one(first, second, merged):
    assert merge([("a", Metadata(**first)), ("b", Metadata(**second))]).filled() == merged


some = st.builds(
    Metadata,
    title=st.sampled_from(["", "A", "B"]),
    year=st.sampled_from([None, 1999, 2008]),
    release_date=st.sampled_from(["", "1999-01-01", "2008-08-19"]),
    asin=st.sampled_from(["", "B0LEDGER01", "B0LEDGER02"]),
    region=st.sampled_from(["", "us", "de"]),
    explicit=st.sampled_from([None, True, False]),
)


@QUICK
@given(st.lists(some, max_size=4))
def test_every_merged_field_is_somebodys_and_its_origin_is_told(told):
    merged = merge([(str(at), one) for at, one in enumerate(told)])
    assert set(merged.origin) == set(merged.filled())
    for name, provider in merged.origin.items():
        assert getattr(merged, name) == getattr(told[int(provider)], name)
    if told and told[0].title:
        assert merged.title == told[0].title


# Shapes and pictures.


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        (Product, {"asin": "B0LEDGER01", "title": ["x"]}),
        (Product, {"asin": "short"}),
        (Product, {"asin": "B0LEDGER01", "runtime_length_min": -1}),
        (Product, {"asin": "B0LEDGER01", "runtime_length_min": "580"}),
        (Product, {"asin": "B0LEDGER01", "authors": {"name": "x"}}),
        (Product, {"asin": "B0LEDGER01", "title": "x" * 2_000}),
        (AudnexusBook, {"asin": "B0LEDGER01", "title": "", "authors": []}),
        (AudnexusBook, {"asin": "B0LEDGER01", "title": "x"}),
        (AudnexusBook, []),
    ],
)
def test_what_does_not_fit_its_shape_is_told_without_what_stands_there(shape, told):
    with pytest.raises(Misfit) as caught:
        fitted(shape, told, service="audible", subject="B0LEDGER01")
    assert "xxx" not in caught.value.what
    assert caught.value.service == "audible"


def test_what_a_service_does_not_know_may_be_null():
    product = {
        "asin": "B0LEDGER01",
        "product_images": {"500": None, "1024": "https://a/b.jpg"},
        "series": None,
        "rating": {"overall_distribution": None},
        "category_ladders": [{"ladder": [{"name": None}]}],
    }
    told = fitted(Product, product, service="audible", subject="")
    assert told.product_images == {"1024": "https://a/b.jpg"}
    assert not told.for_sale
    chapters = {"asin": "B0LEDGER01", "brandIntroDurationMs": None, "runtimeLengthMs": 1, "chapters": []}
    assert fitted(AudnexusChapters, chapters, service="audnexus", subject="").brandIntroDurationMs == 0


def test_a_shape_that_grew_still_fits():
    book = fitted(
        Product, {"asin": "B0LEDGER01", "title": "x", "new": {"a": 1}}, service="audible", subject=""
    )
    assert book.title == "x"


@pytest.mark.parametrize(
    ("listed", "wrote"),
    [
        (["Liu Cixin", "Ken Liu - translator"], ("Liu Cixin",)),
        (["Ada Example", "Ben Voice - foreword", "Ada Example"], ("Ada Example",)),
        (["Ken Liu - editor"], ("Ken Liu",)),
        (["Jean-Luc Quill", "Smith - Jones"], ("Jean-Luc Quill", "Smith - Jones")),
    ],
)
def test_those_who_translated_or_edited_are_no_authors_unless_nobody_else_is(listed, wrote):
    assert authors([Person(name=name) for name in listed]) == wrote


def test_a_picture_is_known_by_its_beginning_and_its_end():
    assert picture_kind(jpeg("x")) == "jpeg"
    assert picture_kind(png(4)) == "png"
    for broken in (b"", b"GIF89a", b"<html>", jpeg("x")[:-2], png(4)[:-4], b"\xff\xd8\xff"):
        assert picture_kind(broken) is None


def test_the_largest_picture_is_asked_for_first():
    assert (
        largest_url([(500, "https://a/1.jpg"), (1024, "https://a/2.jpg"), (9999, "javascript:x")])
        == "https://a/2.jpg"
    )
    assert largest_url([]) == ""
    assert variants("https://m.media-amazon.com/images/I/91xY+z._SL500_.jpg") == (
        "https://m.media-amazon.com/images/I/91xY+z.jpg",
        "https://m.media-amazon.com/images/I/91xY+z._SL500_.jpg",
    )
    assert variants("https://example.org/cover.jpg") == ("https://example.org/cover.jpg",)
