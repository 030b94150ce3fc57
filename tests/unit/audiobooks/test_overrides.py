"""What a person says of a book: it is checked, kept in one form, and wins."""

import pytest

from medialift.audiobooks import overrides
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.errors import Permanent

FOUND = Metadata(
    title="Wrong",
    authors=("Somebody",),
    series=Series("Harbour Tales", "2", "B0SERIES01"),
    release_date="2021-03-04",
    year=2021,
    asin="B0TEST0001",
    description="Old",
    description_html="<p>Old</p>",
    origin={"title": "audible", "asin": "audible"},
)


def said(**told):
    return overrides.apply(FOUND, overrides.parse(told))


def test_all_faults_of_an_override_are_told_at_once():
    with pytest.raises(Permanent) as caught:
        overrides.parse(
            {
                "titel": "x",
                "asin": "short",
                "year": "two",
                "rating": 9,
                "explicit": "maybe",
                "isbn": "1",
                "release_date": "4.3.2021",
                "runtime_minutes": "1.5",
                "title": ["a"],
            }
        )
    told = str(caught.value)
    for name in ("titel", "asin", "year", "rating", "explicit", "isbn", "release_date", "runtime_minutes"):
        assert f"{name}:" in told
    assert "title: a text is needed" in told
    assert "narrators" in caught.value.hint


def test_words_of_a_command_line_become_fields():
    assert overrides.parse_words(["asin=b0test0002", "authors=Ada Example; Bo Two", "title=A = B"]) == {
        "asin": "B0TEST0002",
        "authors": ["Ada Example", "Bo Two"],
        "title": "A = B",
    }
    with pytest.raises(Permanent, match="FIELD=VALUE"):
        overrides.parse_words(["asin"])


def test_what_was_kept_is_read_back_as_itself():
    kept = overrides.parse(
        {
            "authors": "A; B",
            "year": "1999",
            "explicit": "no",
            "rating": "4.5",
            "isbn": "978-0-306-40615-7",
            "narrators": "",
            "runtime_minutes": "",
        }
    )
    assert overrides.parse(kept) == kept
    assert kept["isbn"] == "9780306406157"
    assert kept["explicit"] is False


def test_a_person_wins_over_what_was_found_and_is_named_as_the_origin():
    now = said(title="Right", authors="Ada Example")
    assert (now.title, now.authors, now.asin) == ("Right", ("Ada Example",), "B0TEST0001")
    assert now.origin == {"title": "override", "authors": "override", "asin": "audible"}


def test_a_part_alone_stays_in_the_series_that_was_found():
    assert said(series_part="3").series == Series("Harbour Tales", "3", "B0SERIES01")
    assert said(series="Other").series == Series("Other", "", "")
    assert said(series="Harbour Tales").series == FOUND.series
    assert said(series="").series is None


def test_year_and_date_do_not_contradict_each_other():
    assert (said(year="1999").year, said(year="1999").release_date) == (1999, "")
    assert said(year="2021").release_date == "2021-03-04"
    assert said(release_date="1987-01-02").year == 1987
    assert (said(release_date="").year, said(release_date="").release_date) == (None, "")


def test_another_description_leaves_no_markup_of_the_old_one():
    assert said(description="New").description_html == ""


def test_a_field_that_is_said_to_be_empty_is_empty():
    override = overrides.parse({"narrators": "", "asin": "", "year": "", "subtitle": "x"})
    assert overrides.emptied(override) == {"narrators", "asin", "year"}
    now = overrides.apply(FOUND, override)
    assert (now.narrators, now.asin, now.year) == ((), "", None)


def test_an_override_is_taken_back_by_none():
    first = overrides.parse({"title": "A", "asin": "B0TEST0002"})
    assert overrides.joined(first, overrides.parse({"asin": None, "year": 2001})) == {
        "title": "A",
        "year": 2001,
    }
