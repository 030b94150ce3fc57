"""What a book is: found by its ASIN, by a search or in files beside it, else left to a person."""

import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from medialift.audiobooks import metadata, overrides
from medialift.audiobooks.metadata import Clues, Found, Metadata, Series, Unsure
from medialift.errors import Permanent, Transient
from sandbox.audible.editions import Edition
from sandbox.ports import free_port
from tests.audible_world import LEDGER, audible

ROOT = Path(__file__).parents[2]
COMPLETE = "title: A Quiet Year\nauthors: [Ada Example]\nnarrators: [Ben Voice]\n"


@pytest.fixture
def world(tmp_path):
    with audible(tmp_path) as world:
        yield world


# By a search.


def test_a_book_is_found_among_its_abridged_edition_another_reading_and_a_sequel(world):
    found = world.lookup()
    assert isinstance(found, Found)
    assert found.metadata.asin == "B0LEDGER01"
    assert found.confidence > 0.95
    assert {one.metadata.asin for one in found.candidates} == {
        f"B0LEDGER0{number}" for number in (1, 2, 3, 4)
    }
    assert all(one.why for one in found.candidates)


def test_every_field_of_the_services_comes_through(world):
    known = world.lookup().metadata
    assert known.filled() == {
        "title": "The Lighthouse Ledger",
        "subtitle": "A Harbour Tale",
        "authors": ("Ada Example",),
        "narrators": ("Ben Voice",),
        "series": Series("Harbour Tales", "2", "B0SERIES01"),
        "more_series": (Series("Tales of the Coast", "7", "B0SERIES02"),),
        "publisher": "Quay Audio",
        "release_date": "2021-03-04",
        "year": 2021,
        "language": "english",
        "genres": ("Literature & Fiction", "Sea Stories", "Suspenseful"),
        "description": "The keeper of the light writes down everything.\n\n"
        "Then a page is missing & nobody\nknows why.\n\n- Unabridged",
        "description_html": known.description_html,
        "copyright": "©2020 Ada Example (P)2021 Quay Audio",
        "asin": "B0LEDGER01",
        "isbn": "9780000000019",
        "rating": 4.7,
        "explicit": False,
        "format": "unabridged",
        "runtime_minutes": 580,
        "cover_url": f"{world.address}/images/I/b0ledger01._SL500_.jpg",
        "product_url": "https://www.audible.com/pd/B0LEDGER01",
        "region": "us",
    }
    assert "<i>everything</i>" in known.description_html
    assert Metadata.from_dict(json.loads(json.dumps(known.to_dict()))) == known


@pytest.mark.parametrize(
    ("changes", "asin"),
    [
        ({"seconds": 17_100.0}, "B0LEDGER02"),
        ({"seconds": 36_900.0, "narrators": ("Cora Speaker",)}, "B0LEDGER03"),
        ({"title": "The Lighthouse Ledger II", "seconds": 34_700.0}, "B0LEDGER04"),
        ({"title": "Harbour Tales 1 - A Harbour in Winter", "seconds": 29_400.0}, "B0HARBOUR1"),
        ({"narrators": ()}, "B0LEDGER01"),
        ({"authors": ("Example, A.",)}, "B0LEDGER01"),
    ],
)
def test_the_right_one_of_alike_books_is_taken(world, changes, asin):
    found = world.lookup(replace(LEDGER, **changes))
    assert isinstance(found, Found)
    assert found.metadata.asin == asin


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seconds": 25_000.0}, "The runtimes differ"),
        ({"narrators": ("Quentin Unheard",), "seconds": 34_000.0}, "not Quentin Unheard"),
        ({"authors": ("Zoe Nobody",)}, "not Zoe Nobody"),
        ({"authors": (), "narrators": ()}, "85% is needed"),
        ({"seconds": 0.0, "narrators": ()}, "85% is needed"),
        ({"title": "Cooking for Cats"}, "not “Cooking for Cats”"),
        (
            {"title": "Cooking for Cats", "authors": ("Zoe Nobody",), "narrators": ()},
            "The catalogue has no book of this title",
        ),
        ({"title": ""}, "The book says no title"),
        ({"series": Series("Harbour Tales", "5")}, "number 2 of Harbour Tales, not 5"),
    ],
)
def test_what_is_not_sure_waits_for_a_person_with_the_candidates(world, changes, why):
    told = world.lookup(replace(LEDGER, **changes))
    assert isinstance(told, Unsure)
    assert why in told.why
    assert told.confidence < 0.85
    # Nothing of a candidate is given out as the book's.
    assert set(told.local.origin.values()) <= {"book"}
    assert told.local.asin == ""


def test_the_threshold_is_a_setting(world):
    told = replace(LEDGER, seconds=580 * 60 * 1.03)
    assert isinstance(world.lookup(told), Found)
    world.tagging(confidence=0.99)
    assert isinstance(world.lookup(told), Unsure)


def test_a_second_reading_of_the_name_is_searched_for_too(world):
    told = replace(LEDGER, title="Zzz - Ledger rip", other_titles=("The Lighthouse Ledger",))
    assert world.lookup(told).metadata.asin == "B0LEDGER01"


def test_the_next_shops_are_asked_when_the_first_one_does_not_have_it(world):
    told = Clues(
        title="Das Leuchtturmbuch", authors=("Ada Example",), narrators=("Fritz Stimme",), seconds=40_200.0
    )
    assert isinstance(world.lookup(told), Unsure)
    world.tagging(fallback_regions=["uk", "de"])
    found = world.lookup(told)
    assert isinstance(found, Found)
    assert (found.metadata.region, found.metadata.language) == ("de", "german")
    assert found.metadata.product_url == "https://www.audible.de/pd/B0LEUCHT01"


def test_a_shop_that_does_not_answer_is_no_reason_to_take_the_book_of_another(world):
    world.tagging(fallback_regions=["uk"])
    world.stand_in.behave("audible", usual="error")
    with pytest.raises(Transient):
        world.lookup()
    assert {one.path.split("/")[1] for one in world.stand_in.asked()} == {"com"}


# By an ASIN.


@pytest.mark.parametrize("asin_from", ["tags", "name"])
def test_an_asin_that_the_book_names_is_asked_for_and_nothing_is_searched(world, asin_from):
    found = world.lookup(Clues(asin="B0LEDGER03", asin_from=asin_from, seconds=36_900.0))
    assert isinstance(found, Found)
    assert found.metadata.asin == "B0LEDGER03"
    assert all("B0LEDGER03" in one.path for one in world.stand_in.asked())


def test_an_asin_of_the_abridged_edition_is_not_believed_and_the_right_one_is_found(world):
    found = world.lookup(replace(LEDGER, asin="B0LEDGER02", asin_from="tags"))
    assert isinstance(found, Found)
    assert found.metadata.asin == "B0LEDGER01"
    abridged = next(one for one in found.candidates if one.metadata.asin == "B0LEDGER02")
    assert "name the ASIN B0LEDGER02, but the runtimes differ" in abridged.why


def test_an_asin_of_another_book_waits_for_a_person_when_nothing_else_is_known(world):
    told = world.lookup(Clues(asin="B0OTHER001", asin_from="tags", title="Cooking for Cats", seconds=9_000.0))
    assert isinstance(told, Unsure)
    assert [one.metadata.asin for one in told.candidates] == ["B0OTHER001"]


def test_an_asin_that_no_shop_has_is_told_and_the_book_is_searched_for(world):
    found = world.lookup(replace(LEDGER, asin="B0NOWHERE1", asin_from="tags"))
    assert isinstance(found, Found)
    assert (
        "The ASIN B0NOWHERE1 that the book names is in none of the shops that are asked (us)"
        in found.problems
    )


# One of both services alone.


def test_audible_alone_is_enough(world):
    world.stand_in.behave("audnexus", usual="error")
    found = world.lookup()
    assert found.metadata.asin == "B0LEDGER01"
    assert found.metadata.genres == ("Literature & Fiction", "Sea Stories")
    assert any("audnexus fails with 500" in one for one in found.problems)


def test_a_book_that_audnexus_does_not_know_is_found(world):
    told = Clues(title="The Lighthouse", authors=("Dan Else",), narrators=("Eve Tone",), seconds=31_000.0)
    assert world.lookup(told).metadata.asin == "B0OTHER001"


def test_audnexus_alone_is_enough_for_an_asin(world):
    world.stand_in.behave("audible", usual="names_are_texts")
    found = world.lookup(replace(LEDGER, asin="B0LEDGER01", asin_from="tags"))
    assert found.metadata.title == "The Lighthouse Ledger"
    assert [fault.service for fault in world.alerts] == ["audible"]


def test_a_changed_shape_of_both_writes_nothing_and_waits(world):
    for service in ("audible", "audnexus"):
        world.stand_in.behave(service, usual="runtime_is_text")
    told = world.lookup(replace(LEDGER, asin="B0LEDGER01", asin_from="tags"))
    assert isinstance(told, Unsure)
    assert "no longer fits its known shape" in told.why
    assert set(told.local.origin.values()) == {"book"}
    assert {fault.service for fault in world.alerts} == {"audible", "audnexus"}


def test_a_search_whose_best_book_is_another_in_full_waits(world):
    world.stand_in.behave("audnexus", usual={"change": lambda book: {**book, "runtimeLengthMin": 90}})
    assert isinstance(world.lookup(), Unsure)


# Files beside the book.


def test_a_complete_metadata_yml_is_enough_for_a_book_that_is_not_for_sale(world):
    world.write("metadata.yml", f"{COMPLETE}genres: [diary]\n")
    found = world.lookup(Clues(title="xyz", seconds=100.0, publisher="Own"))
    assert isinstance(found, Found)
    assert found.metadata.filled() == {
        "title": "A Quiet Year",
        "authors": ("Ada Example",),
        "narrators": ("Ben Voice",),
        "genres": ("diary",),
        "publisher": "Own",
    }
    assert found.metadata.origin["title"] == "metadata_yml"
    assert found.metadata.origin["publisher"] == "book"
    assert found.why.startswith("metadata.yml says what the book is")


def test_a_complete_metadata_yml_is_enough_when_nobody_answers(world):
    world.write("metadata.yml", COMPLETE)
    world.stand_in.behave("audible", usual="error")
    found = world.lookup()
    assert isinstance(found, Found)
    assert found.metadata.title == "A Quiet Year"
    assert any("audible fails with 500" in one for one in found.problems)


def test_what_metadata_yml_says_wins_and_the_catalogue_says_the_rest(world):
    world.write("metadata.yml", "subtitle: Our Own\ngenres: [Favourites]\nasin: B0LEDGER01\n")
    found = world.lookup()
    assert isinstance(found, Found)
    assert (found.metadata.subtitle, found.metadata.genres) == ("Our Own", ("Favourites",))
    assert (found.metadata.publisher, found.metadata.region) == ("Quay Audio", "us")
    assert found.metadata.origin["genres"] == "metadata_yml"
    assert found.confidence == 1.0


def test_metadata_yml_corrects_what_is_searched_for(world):
    world.write("metadata.yml", "title: The Lighthouse Ledger\nauthors: [Ada Example]\n")
    found = world.lookup(Clues(title="ledger rip", authors=("Zoe Nobody",), seconds=34_800.0))
    assert isinstance(found, Found)
    assert found.metadata.asin == "B0LEDGER01"


def test_a_wrong_metadata_yml_stops_the_book_and_nobody_is_asked(world):
    world.write("metadata.yml", "title: [x]\nreleaseDate: soon\n")
    with pytest.raises(Permanent, match=r"line 1: .*line 2: "):
        world.lookup()
    assert world.stand_in.asked() == []


def test_the_first_provider_that_says_something_wins(world):
    world.write("metadata.yml", "subtitle: Of a Person\n")
    said = "<subtitle>Of a Program</subtitle><publisher>Calibre</publisher>"
    world.write("metadata.opf", f"<package><metadata>{said}</metadata></package>")
    assert world.lookup().metadata.subtitle == "Of a Person"
    world.tagging(providers=["audible", "opf", "metadata_yml"])
    found = world.lookup().metadata
    assert (found.subtitle, found.publisher) == ("A Harbour Tale", "Quay Audio")
    world.tagging(providers=["opf", "audible"])
    found = world.lookup().metadata
    assert (found.subtitle, found.publisher) == ("Of a Program", "Calibre")


def test_without_a_catalogue_the_book_is_what_it_says(world):
    world.tagging(providers=["metadata_yml", "opf"])
    found = world.lookup()
    assert isinstance(found, Found)
    assert (found.metadata.title, found.metadata.asin) == ("The Lighthouse Ledger", "")
    assert isinstance(world.lookup(replace(LEDGER, authors=())), Unsure)
    assert world.stand_in.asked() == []


# What a person says.


def test_an_asin_that_a_person_says_is_taken_even_against_the_runtime_which_is_told(world):
    found = world.lookup(override=overrides.parse({"asin": "B0LEDGER02"}))
    assert isinstance(found, Found)
    assert (found.metadata.asin, found.confidence) == ("B0LEDGER02", 1.0)
    assert any("the runtimes differ" in one and "since a person said it" in one for one in found.problems)


def test_an_asin_that_a_person_says_and_no_shop_has_is_not_replaced_by_a_guess(world):
    told = world.lookup(override=overrides.parse({"asin": "B0NOWHERE1"}))
    assert isinstance(told, Unsure)
    assert told.why == "The ASIN B0NOWHERE1 of override is in none of the shops that are asked (us)"
    assert told.candidates == ()


def test_a_region_that_a_person_says_is_asked_first(world):
    found = world.lookup(override=overrides.parse({"asin": "B0LEUCHT01", "region": "de"}))
    assert found.metadata.region == "de"


def test_fields_that_a_person_says_win_and_correct_what_is_searched_for(world):
    said = overrides.parse({"title": "The Lighthouse Ledger", "authors": "Ada Example", "genres": "Mine"})
    found = world.lookup(Clues(title="rip", seconds=34_800.0), override=said)
    assert isinstance(found, Found)
    assert (found.metadata.asin, found.metadata.genres) == ("B0LEDGER01", ("Mine",))
    assert found.metadata.origin["genres"] == "override"


def test_a_book_that_a_person_says_has_no_asin_is_asked_of_nobody(world):
    told = world.lookup(override=overrides.parse({"asin": ""}))
    assert world.stand_in.asked() == []
    assert told.local.title == "The Lighthouse Ledger"


# Plug-ins.


def test_plugins_add_to_what_was_found_and_their_problems_are_told(world):
    class Adds:
        def enrich(self, known):
            better = replace(
                known, genres=(*known.genres, "Added"), origin={**known.origin, "genres": "adds"}
            )
            return better, ["one of them failed"]

    found = world.lookup(plugins=Adds())
    assert found.metadata.genres[-1] == "Added"
    assert found.metadata.origin["genres"] == "adds"
    assert "one of them failed" in found.problems


# Chapters by shop, and the stand-in as a program.


def test_chapters_are_looked_for_in_every_shop(world):
    chapters = (("Eins", 20_000_000), ("Zwei", 20_200_000))
    german = Edition("B0KAPITEL1", "Kapitel", ("A B",), (), 40_200.0, regions=("de",), chapters=chapters)
    world.stand_in.add(german)
    world.tagging(fallback_regions=["de"])
    asked = {"client": world.client, "cache": world.cache}
    found = metadata.chapter_titles("B0KAPITEL1", "", world.settings, **asked)
    assert [one.title for one in found.chapters] == ["Eins", "Zwei"]
    assert metadata.chapter_titles("B0KAPITEL1", "us", world.settings, **asked) is None


def test_chapters_of_a_changed_shape_are_none_and_told(world):
    world.stand_in.behave("chapters", usual={"change": lambda told: {**told, "chapters": "none"}})
    asked = {"client": world.client, "cache": world.cache, "tell": world.alerts.append}
    assert metadata.chapter_titles("B0LEDGER01", "us", world.settings, **asked) is None
    assert [fault.service for fault in world.alerts] == ["audnexus"]


def test_the_stand_in_is_a_program_with_books_and_habits_of_ones_own(tmp_path):
    port = free_port()
    program = subprocess.Popen(
        [sys.executable, "-m", "sandbox.audible", "--port", str(port)], cwd=ROOT, stdin=subprocess.DEVNULL
    )
    try:
        _wait_for(port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            book = {
                "asin": "B0SPOKEN01",
                "title": "Spoken",
                "authors": ["A B"],
                "narrators": ["C D"],
                "seconds": 12,
            }
            assert client.put("/sandbox/books", json=[book]).status_code == 200
            assert client.put("/sandbox/books", json=[{"asin": "B0SPOKEN01"}]).status_code == 400
            query = {"title": "Spoken", "response_groups": "x"}
            listed = client.get("/com/1.0/catalog/products", params=query).json()["products"]
            assert [one["asin"] for one in listed] == ["B0SPOKEN01"]
            told = client.put("/sandbox/habits", json={"service": "audnexus", "next": ["error"], "limit": 2})
            assert told.status_code == 200
            statuses = [client.get("/audnexus/books/B0SPOKEN01").status_code for _ in range(3)]
            assert statuses == [500, 200, 429]
            assert client.put("/sandbox/habits", json={"service": "moon"}).status_code == 400
            assert len(client.get("/sandbox/requests").json()) == 4
            client.delete("/sandbox")
            assert client.get("/sandbox/requests").json() == []
    finally:
        program.terminate()
        assert program.wait(timeout=30) == 0


def _wait_for(port):
    from medialift.foundation.waiting import wait_until

    def there():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    assert wait_until(there, at_most=60.0, every=0.05)
