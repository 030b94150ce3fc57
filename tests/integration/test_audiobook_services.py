"""Audible, Audnexus and their images on a bad day: a look-up ends in time, and well or explained."""

import logging
import os
from threading import Event, Thread, Timer

import httpx
import pytest

from medialift.audiobooks.metadata import Misfit
from medialift.audiobooks.metadata.audnexus import TitledChapter
from medialift.audiobooks.metadata.credentials import read_token
from medialift.audiobooks.metadata.fetching import Fetcher
from medialift.audiobooks.metadata.limits import Stopped, Turns
from medialift.errors import Permanent, Transient
from sandbox.audible.editions import Edition
from sandbox.audible.pictures import jpeg, png
from tests.audible_world import AT_ONCE, audible

TOKEN = "Atna|sandbox-0123456789-abcdef"


@pytest.fixture
def world(tmp_path):
    with audible(tmp_path) as world:
        yield world


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    return file


def fetcher(world, **changes):
    given = {"seconds": 10.0, "stop": world.stop, "patience": AT_ONCE, **changes}
    return Fetcher(world.client, Turns(world.cache.folder / "limits", 90), given.pop("seconds"), **given)


# What may pass.


@pytest.mark.parametrize(
    "habit", ["error", "bad_gateway", "unavailable", "rate_limited", "cut", "cut_midway"]
)
def test_one_failure_is_made_good_by_the_next_try(world, habit):
    world.stand_in.behave("audible", habit)
    book = world.inquiry().audible.product("B0LEDGER01", "us")
    assert book is not None and book.title == "The Lighthouse Ledger"
    assert len(world.stand_in.asked("audible")) == 2


@pytest.mark.parametrize("habit", ["error", "bad_gateway", "unavailable", "cut", "cut_midway"])
def test_a_service_that_goes_on_failing_is_transient(world, habit):
    world.stand_in.behave("audible", usual=habit)
    with pytest.raises(Transient, match="audible"):
        world.inquiry().audible.product("B0LEDGER01", "us")
    assert len(world.stand_in.asked("audible")) == 2


def test_a_service_that_is_not_there_is_transient(world):
    with pytest.raises(Transient, match="cannot be reached"):
        fetcher(world).json("audible", "http://127.0.0.1:9/1.0/catalog/products/B0LEDGER01")


@pytest.mark.parametrize("habit", ["late", "drip", "drip_head", "endless"])
def test_a_server_that_does_not_end_is_ended_at_the_deadline(world, habit):
    world.stand_in.behave("audible", usual=habit)
    asks = fetcher(world, request_seconds=0.4, seconds=1.0)
    with pytest.raises((Transient, Permanent)) as caught:
        asks.json("audible", f"{world.address}/com/1.0/catalog/products/B0LEDGER01?response_groups=x")
    endless = "is larger than" in str(caught.value)
    assert endless or isinstance(caught.value, Transient)
    assert endless == (habit == "endless")


def test_the_deadline_is_of_all_tries_together(world):
    world.stand_in.behave("audible", usual="drip")
    with pytest.raises(Transient):
        fetcher(world, seconds=0.5).json("audible", f"{world.address}/com/1.0/catalog/products/B0LEDGER01")
    assert len(world.stand_in.asked("audible")) <= 2


@pytest.mark.parametrize("habit", ["late", "drip", "drip_head"])
def test_a_stop_ends_a_request_that_is_under_way(world, habit):
    world.stand_in.behave("audible", usual=habit)
    Timer(0.2, world.stop.set).start()
    with pytest.raises(Stopped):
        fetcher(world, seconds=300.0, request_seconds=300.0).json(
            "audible", f"{world.address}/com/1.0/catalog/products/B0LEDGER01"
        )


def test_nothing_is_asked_after_a_stop(world):
    world.stop.set()
    with pytest.raises(Stopped):
        world.lookup()
    assert world.stand_in.asked() == []


def test_a_service_that_asks_to_be_left_alone_is_left_alone_by_every_process(world):
    world.stand_in.behave("audnexus", "rate_limited_long")
    with pytest.raises(Transient, match="must be left alone for"):
        world.inquiry().audnexus.book("B0LEDGER01", "us")
    with pytest.raises(Transient, match="audnexus must be left alone for 1 h"):
        Turns(world.cache.folder / "limits", 90).take("audnexus", at_most=5.0)
    assert len(world.stand_in.asked("audnexus")) == 1
    # Another service is not concerned.
    assert world.inquiry().audible.product("B0LEDGER01", "us") is not None


def test_a_limit_without_a_time_is_taken_for_a_minute(world):
    world.stand_in.behave("audnexus", "rate_limited_bare")
    with pytest.raises(Transient, match=r"must be left alone for (1 min|\d+ s)"):
        world.inquiry().audnexus.book("B0LEDGER01", "us")


def test_no_more_is_asked_in_a_minute_than_the_settings_allow(world):
    world.tagging(requests_per_minute=3, timeout=2)
    shelf = world.inquiry().audnexus
    for asin in ("B0LEDGER01", "B0LEDGER02", "B0LEDGER03"):
        assert shelf.book(asin, "us") is not None
    with pytest.raises(Transient, match="must be left alone"):
        shelf.book("B0LEDGER04", "us")
    assert len(world.stand_in.asked("audnexus")) == 3


# What does not pass.


@pytest.mark.parametrize(
    ("habit", "why"),
    [
        ("unauthorized", "lets us not in (401)"),
        ("forbidden", "lets us not in (403)"),
        ("bad_request", "does not take the question (400)"),
    ],
)
def test_a_refusal_is_told_and_not_tried_again(world, habit, why):
    world.stand_in.behave("audible", usual=habit)
    with pytest.raises(Permanent) as caught:
        world.inquiry().audible.product("B0LEDGER01", "us")
    assert why in caught.value.what
    assert len(world.stand_in.asked("audible")) == 1


def test_a_book_that_a_shop_does_not_have_is_none(world):
    services = world.inquiry()
    assert services.audible.product("B0NOWHERE1", "us") is None
    assert services.audnexus.book("B0NOWHERE1", "us") is None
    assert services.audible.product("B0LEUCHT01", "us") is None
    assert services.audible.product("B0LEUCHT01", "de") is not None


@pytest.mark.parametrize(
    "habit",
    ["html", "not_json", "other_json", "list", "deep", "names_are_texts", "runtime_is_text", "of_another"],
)
def test_an_answer_that_changed_its_shape_is_not_used_and_not_kept(world, habit):
    world.stand_in.behave("audible", usual=habit)
    world.stand_in.behave("audnexus", usual=habit)
    services = world.inquiry()
    for ask in (services.audible.product, services.audnexus.book):
        with pytest.raises(Misfit) as caught:
            ask("B0LEDGER01", "us")
        assert "no longer fits its known shape" in caught.value.what
    assert list(world.cache.folder.glob("a*/*/*.json")) == []


@pytest.mark.parametrize("habit", ["only_what_must_be", "nulls"])
def test_an_answer_that_says_less_is_used(world, habit):
    world.stand_in.behave("audible", usual=habit)
    world.stand_in.behave("audnexus", usual=habit)
    services = world.inquiry()
    for book in (services.audible.product("B0LEDGER01", "us"), services.audnexus.book("B0LEDGER01", "us")):
        assert book is not None
        assert (book.title, book.authors) == ("The Lighthouse Ledger", ("Ada Example",))
        assert (book.publisher, book.genres, book.series) == ("", (), None)


def test_an_alert_of_a_changed_shape_is_told_once_a_day_and_service(world):
    world.stand_in.behave("audible", usual="names_are_texts")
    for _ in range(3):
        world.lookup()
    assert [fault.service for fault in world.alerts] == ["audible"]
    assert "authors" in world.alerts[0].what


def test_one_broken_book_of_a_search_does_not_hide_the_others(world):
    world.stand_in.behave("audible", usual="one_broken")
    books, misfits = world.inquiry().audible.search({"title": "Lighthouse"}, "us")
    assert len(books) >= 3
    assert len(misfits) == 1


def test_what_a_search_lists_and_the_shop_does_not_sell_is_no_candidate(world):
    books, _ = world.inquiry().audible.search({"author": "Ada Example", "keywords": "Leuchtturmbuch"}, "us")
    assert "B0LEUCHT01" not in [book.asin for book in books]


# Chapters.


def test_chapters_come_in_order_in_seconds(world):
    found = world.inquiry().audnexus.chapters("B0LEDGER01", "us")
    assert found is not None
    assert found.chapters[1] == TitledChapter(20.0, 17_000.0, "The Lamp")
    assert (found.seconds, found.intro, found.outro, found.accurate) == (34_800.0, 2.043, 5.061, True)


def test_a_book_without_chapters_is_asked_for_once(world):
    for _ in range(2):
        assert world.inquiry().audnexus.chapters("B0LEDGER02", "us") is None
    assert len(world.stand_in.asked("chapters")) == 1


# The cache.


def test_what_was_answered_is_not_asked_again_until_it_is_forgotten(world):
    first = world.lookup()
    asked = len(world.stand_in.asked())
    assert world.lookup() == first
    assert len(world.stand_in.asked()) == asked
    assert world.cache.flush(asin="B0LEDGER01") >= 2
    assert world.lookup() == first
    assert len(world.stand_in.asked()) > asked


def test_an_answer_is_kept_by_shop(world):
    shelf = world.inquiry().audible
    assert shelf.product("B0LEDGER01", "us").region == "us"
    assert shelf.product("B0LEDGER01", "uk").region == "uk"
    assert [one.path for one in world.stand_in.asked()] == [
        "/com/1.0/catalog/products/B0LEDGER01",
        "/co.uk/1.0/catalog/products/B0LEDGER01",
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"form": 1, "kept": 1e10, "answer": {"product": 7}}']
)
def test_a_broken_answer_in_the_cache_is_asked_for_again(world, content):
    shelf = world.inquiry().audible
    assert shelf.product("B0LEDGER01", "us") is not None
    (world.cache.folder / "audible/us/B0LEDGER01.json").write_bytes(content)
    assert shelf.product("B0LEDGER01", "us") is not None
    assert len(world.stand_in.asked()) == 2


def test_a_cache_that_cannot_be_written_fails_nothing(world):
    world.cache.folder.write_text("no folder")
    assert world.lookup().metadata.asin == "B0LEDGER01"


# The token.


def test_a_token_is_sent_to_audible_alone(world, token_file):
    world.tagging(token_file=token_file)
    other = f"http://localhost:{world.address.rsplit(':', 1)[1]}"
    world.tagging(audnexus_url=f"{other}/audnexus")
    found = world.lookup()
    assert found.metadata.asin == "B0LEDGER01"
    sent = {one.service: bool(one.key) for one in world.stand_in.asked()}
    assert sent == {"audible": True, "audnexus": False}


def test_a_token_is_not_carried_over_a_redirect_to_another_host(world, token_file):
    world.tagging(token_file=token_file)
    other = f"http://localhost:{world.address.rsplit(':', 1)[1]}"
    product = "/com/1.0/catalog/products/B0LEDGER01?response_groups=x"
    world.stand_in.behave("audible", {"name": "moved", "headers": {"Location": f"{other}{product}"}})
    assert world.inquiry().audible.product("B0LEDGER01", "us") is not None
    assert [bool(one.key) for one in world.stand_in.asked("audible")] == [True, False]


def test_redirects_end(world):
    world.stand_in.behave("audible", usual="moved_in_circles")
    with pytest.raises(Permanent, match="from one address to the next"):
        world.inquiry().audible.product("B0LEDGER01", "us")


def test_a_token_is_in_no_log_and_no_error(world, token_file, caplog):
    caplog.set_level(logging.DEBUG)
    world.tagging(token_file=token_file)
    world.stand_in.behave("audible", usual="unauthorized")
    with pytest.raises(Permanent) as caught:
        world.inquiry().audible.product("B0LEDGER01", "us")
    assert "Renew the token" in caught.value.hint
    assert TOKEN not in caplog.text + str(caught.value) + repr(world.inquiry().fetcher.token)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_token_that_others_may_read_is_refused(world, token_file, mode):
    token_file.chmod(mode)
    world.tagging(token_file=token_file)
    with pytest.raises(Permanent, match="Others may read the file of the token") as caught:
        world.lookup()
    assert f"chmod 0600 {token_file}" in caught.value.hint
    assert world.stand_in.asked() == []


@pytest.mark.parametrize("content", [b"", b"a\nb", b"a b", b"caf\xe9", b"x" * 20_000, b"a\r\nX-Other: 1"])
def test_what_is_no_token_is_refused(token_file, content):
    token_file.write_bytes(content)
    with pytest.raises(Permanent, match="does not hold one word"):
        read_token(token_file, ["https://api.audible.com"])


def test_a_token_is_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(Permanent, match="to be in a file"):
        read_token(tmp_path / "pipe", ["https://api.audible.com"])
    with pytest.raises(Permanent, match="cannot be read"):
        read_token(tmp_path / "none", ["https://api.audible.com"])


def test_a_token_is_not_sent_in_the_clear(token_file):
    with pytest.raises(Permanent, match="not sent without encryption"):
        read_token(token_file, ["https://api.audible.com", "http://api.audible.de"])
    token = read_token(token_file, ["https://api.audible.com"])
    assert token.headers(httpx.URL("https://api.audible.com:443/x")) != {}
    for other in (
        "http://api.audible.com/x",
        "https://api.audible.com.evil.example/x",
        "https://api.audible.com:8443",
    ):
        assert token.headers(httpx.URL(other)) == {}


# Covers.


@pytest.mark.parametrize(("asin", "kind"), [("B0LEDGER01", "jpeg"), ("B0LEDGER03", "png")])
def test_the_largest_cover_is_fetched(world, asin, kind):
    book = world.inquiry().audible.product(asin, "us")
    assert "_SL1024_" in book.cover_url
    picture, problems = world.cover(book.cover_url)
    whole = jpeg(f"{asin.lower()} whole") if kind == "jpeg" else png(48)
    assert (picture.body, picture.kind, problems) == (whole, kind, [])


def test_a_cover_that_is_only_there_in_its_given_size_is_taken_in_that(world):
    world.stand_in.behave("images", "absent")
    picture, problems = world.cover(f"{world.address}/images/I/b0ledger01._SL500_.jpg")
    assert picture.body == jpeg("b0ledger01 500")
    assert len(problems) == 1 and "There is no picture at" in problems[0]


@pytest.mark.parametrize("habit", ["html", "not_json", "forbidden", "absent"])
def test_what_is_no_picture_is_told_and_not_taken(world, habit):
    world.stand_in.behave("images", usual=habit)
    picture, problems = world.cover(f"{world.address}/images/I/b0ledger01._SL500_.jpg")
    assert picture is None
    assert len(problems) == 2


def test_a_cover_that_is_cut_off_is_not_taken(world):
    world.stand_in.behave("images", usual={"body": "\x89PNG\r\n"})
    assert world.cover(f"{world.address}/images/I/b0ledger03._SL500_.png")[0] is None


def test_a_cover_that_never_ends_is_not_read_to_the_end(world):
    world.stand_in.behave("images", usual="endless")
    picture, problems = world.cover(f"{world.address}/images/I/b0ledger01._SL500_.jpg")
    assert picture is None
    assert "is larger than" in problems[0]


def test_a_cover_that_cannot_be_had_now_is_transient(world):
    world.stand_in.behave("images", usual="error")
    with pytest.raises(Transient):
        world.cover(f"{world.address}/images/I/b0ledger01._SL500_.jpg")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/a.jpg", "no address", "http://"])
def test_a_cover_is_of_the_web(world, url):
    picture, problems = world.cover(url)
    assert picture is None
    assert "no address of the web" in problems[0]


# Several at once.


def test_ten_books_at_once_share_one_limit_and_one_cache(world):
    world.stand_in.add(
        *(
            Edition(f"B0TOGETH{number:02}", f"Together {number}", ("Ada Example",), ("Ben Voice",), 3600.0)
            for number in range(10)
        )
    )
    found, threads = [], []
    for number in range(10):

        def ask(asin=f"B0TOGETH{number:02}"):
            found.append(world.inquiry(stop=Event()).audnexus.book(asin, "us"))

        threads.append(Thread(target=ask))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(book.asin for book in found) == [f"B0TOGETH{number:02}" for number in range(10)]
    assert len(world.stand_in.asked("audnexus")) == 10
    assert len((world.cache.folder / "limits/audnexus.json").read_text().split(",")) == 11
