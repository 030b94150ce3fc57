"""Spellings of one thing are alike, and two things are not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.metadata.languages import language_code, language_word
from medialift.audiobooks.metadata.plain import one_line, plain_text
from medialift.audiobooks.metadata.runtimes import runtime_likeness, runtime_words
from medialift.audiobooks.metadata.wording import name_likeness, part_number, title_likeness

# No examples are timed: the machine may be busy.
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The Lighthouse Ledger", "Lighthouse Ledger"),
        ("Don't Look", "Dont Look"),
        ("Sense & Sensibility", "Sense and Sensibility"),
        ("Été à Orléans", "Ete a Orleans"),
        ("Harbour Tales, Part Two", "Harbour Tales Part II"),
        ("Harbour Tales, Book 02", "Harbour Tales Book 2"),
        ("The Ledger (Unabridged)", "The Ledger"),
        ("Straße der Stürme", "Strasse der Stürme"),
    ],
)
def test_spellings_of_one_title_are_one(one, other):
    assert title_likeness(one, other) == 1.0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Harbour Tales 1.5", "Harbour Tales 15"),
        ("Harbour Tales 2", "Harbour Tales 3"),
        ("Harbour Tales", "Harbour Tales 2"),
        ("Harbour Tales II", "Harbour Tales III"),
        ("Harbour Tales, Part Two", "Harbour Tales, Part Three"),
    ],
)
def test_volumes_of_one_series_are_two_titles(one, other):
    assert title_likeness(one, other) <= 0.4


def test_a_letter_of_a_name_is_no_number():
    assert title_likeness("Malcolm X", "Malcolm 10") < 0.9


@QUICK
@given(st.text(), st.text())
def test_likeness_of_titles_is_the_same_both_ways_and_within_bounds(one, other):
    assert title_likeness(one, other) == title_likeness(other, one)
    assert 0 <= title_likeness(one, other) <= 1


@QUICK
@given(st.text(), st.text())
def test_likeness_of_names_is_the_same_both_ways_and_within_bounds(one, other):
    assert name_likeness(one, other) == name_likeness(other, one)
    assert 0 <= name_likeness(one, other) <= 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("Tolkien, J.R.R.", "J.R.R. Tolkien"),
        ("JOSÉ SARAMAGO", "Jose Saramago"),
        ("Martin Luther King, Jr.", "Martin Luther King"),
        ("J. Tolkien", "John Tolkien"),
    ],
)
def test_spellings_of_one_name_are_one(one, other):
    assert name_likeness(one, other) >= 0.9


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ada Example", "Ida Sample"), ("John Smith", "Mary Smith"), ("Ada Example", "Ben Voice")],
)
def test_two_people_are_two(one, other):
    assert name_likeness(one, other) < 0.8


@pytest.mark.parametrize(
    ("told", "number"),
    [("02", "2"), ("1.0", "1"), ("Book 3", "3"), ("1-3", "1-3"), ("1.50", "1.5"), ("", ""), ("first", "")],
)
def test_places_in_a_series_are_compared_as_numbers(told, number):
    assert part_number(told) == number


@QUICK
@given(st.integers(1, 4_000))
def test_a_rounded_runtime_agrees_with_the_exact_one(minutes):
    assert runtime_likeness(minutes * 60 + 29.9, minutes) == 1.0
    assert runtime_likeness(minutes * 60 - 29.9, minutes) == 1.0


@QUICK
@given(st.integers(20, 4_000), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_runtime_that_is_further_off_is_never_more_alike(minutes, one, other):
    near, far = sorted((one, other))
    seconds = minutes * 60.0
    assert runtime_likeness(seconds * (1 - near), minutes) >= runtime_likeness(seconds * (1 - far), minutes)


def test_half_the_runtime_is_said_to_be_abridged():
    assert runtime_likeness(17_400, 580) == 0.0
    assert "the book may be abridged" in runtime_words(17_400, 580)
    assert "that edition may be abridged" in runtime_words(34_800, 290)


@pytest.mark.parametrize(
    ("told", "word"),
    [
        ("de-AT", "german"),
        ("ger", "german"),
        ("Deutsch", "german"),
        ("EN", "english"),
        ("und", ""),
        ("Klingon", "klingon"),
    ],
)
def test_languages_are_one_english_word(told, word):
    assert language_word(told) == word


def test_a_language_has_its_code():
    assert (language_code("German"), language_code("klingon")) == ("de", "")


def test_html_becomes_paragraphs_and_lists_of_plain_text():
    html = (
        "<p>One <b>bold</b> &amp; quiet</p>\n<p>Two<br>lines</p><ul><li>a<li>b</ul><script>alert(1)</script>"
    )
    assert plain_text(html) == "One bold & quiet\n\nTwo\nlines\n\n- a\n- b"


def test_plain_text_keeps_its_lines():
    assert plain_text("One.\r\nTwo < three.\n\n\n\nFour.") == "One.\nTwo < three.\n\nFour."


def test_characters_that_nobody_sees_are_left_out():
    assert one_line("A\x1b[31m\u202eB\u200b\x00 C") == "A[31mB C"


@QUICK
@given(st.text())
def test_any_text_is_read_and_stays_the_same_when_it_is_read_again_without_markup(text):
    once = plain_text(text)
    assert "\x00" not in once
    assert once == once.strip()
