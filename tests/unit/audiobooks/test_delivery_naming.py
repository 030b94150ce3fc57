"""Where a book lies in a library: templates, and names that every file system takes."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medialift.audiobooks.delivery.components import alike, component
from medialift.audiobooks.delivery.naming import faults, padded, place, placed, series_name
from medialift.audiobooks.manifest import read
from medialift.errors import Permanent
from tests.delivery_world import converted

USUAL = "{author}/{series}/{number} - {title}"
_FIELDS = {"author": "Ada", "title": "Ledger", "name": "folder"}


@pytest.mark.parametrize(
    ("template", "fields", "path"),
    [
        (USUAL, {"series": "Tales", "number": "02"}, "Ada/Tales/02 - Ledger/02 - Ledger.m4b"),
        (USUAL, {}, "Ada/Ledger/Ledger.m4b"),
        (USUAL, {"author": ""}, "Ledger/Ledger.m4b"),
        ("{authors}/{title} ({year})", {"year": "1999"}, "Ledger (1999)/Ledger (1999).m4b"),
        ("{title} ({year}, {publisher})", {"publisher": "P"}, "Ledger (P)/Ledger (P).m4b"),
        ("{title} ({year}) [{asin}]", {"asin": "B0"}, "Ledger [B0]/Ledger [B0].m4b"),
        ("Book {number} - {title}", {}, "Ledger/Ledger.m4b"),
        (
            "{title} by {author} read by {narrator}",
            {"author": "", "narrator": "N"},
            "Ledger read by N/Ledger read by N.m4b",
        ),
        ("{author}/{title}/{title}.m4b", {}, "Ada/Ledger/Ledger.m4b"),
        ("{author}/{title}.m4b", {}, "Ada/Ledger.m4b"),
        (
            USUAL,
            {"title": "What? / Who: A {year} <Story>."},
            "Ada/What - Who - A (year) (Story)/What - Who - A (year) (Story).m4b",
        ),
        (USUAL, {"title": "???"}, "Ada/folder/folder.m4b"),
    ],
)
def test_a_part_without_a_value_is_left_out_with_its_separator(template, fields, path):
    assert str(placed(template, {**_FIELDS, **fields}).path) == path


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{author}/{titel}", "no {titel}"),
        ("{author}/{series}", "its last part must hold {title}"),
        ("{title", "brace"),
        ("/books/{title}", "below the library"),
        ("../{title}", "below the library"),
        ("{title}/", "its last part"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_the_reason(template, fault):
    assert any(fault in one for one in faults(template))
    with pytest.raises(Permanent, match="template"):
        placed(template, _FIELDS)


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("2", "02"),
        ("1.5", "01.5"),
        ("1-3", "01-03"),
        ("Book 10", "10"),
        ("1,50", "01.5"),
        ("", ""),
        ("IV", "IV"),
        ("100", "100"),
    ],
)
def test_numbers_within_a_series_sort_as_numbers_do(number, name):
    assert padded(number, 2) == name


def test_one_spelling_of_a_series_serves_all_of_its_books():
    spelled = [
        "Harbour Tales",
        " Harbour  Tales",
        "Harbour Tales, Book 2",
        "Harbour Tales #3",
        "Harbour Tales Vol. 4",
    ]
    assert {series_name(one) for one in spelled} == {"Harbour Tales"}
    assert series_name("Book 3") == "Book 3"


def test_what_the_sources_said_names_a_book_that_nobody_knows(tmp_path):
    home = converted(tmp_path)
    manifest = read(home)
    told = manifest.sources.detected.model_copy(
        update={"title": "Found", "author": "Finder", "series": "S", "series_part": "7"}
    )
    manifest = manifest.changed(tagging={}, sources=manifest.sources.model_copy(update={"detected": told}))
    assert str(
        place("{author}/{series}/{number} - {title} ({language})", manifest, padding=3, language="de").folder
    ) == ("Finder/S/007 - Found (de)")


@given(st.text(max_size=400))
@example("e?\u0301")
@example("e\u200b\u0301")
@example("con .txt")
@example(" .. ")
@example("\U0001f468\u200d" * 60)
def test_any_text_becomes_a_name_that_every_file_system_takes(text):
    name = component(text)
    assert len(name.encode()) <= 255
    assert unicodedata.is_normalized("NFC", name)
    assert not set(name) & set('<>:"/\\|?*')
    assert all(unicodedata.category(one) not in ("Cc", "Cs", "Co") for one in name)
    assert name == name.strip(" ") and not name.startswith(".") and not name.endswith(".")
    assert name.split(".")[0].strip().upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert component(name) == name


def test_a_long_name_is_cut_between_characters_as_they_are_seen():
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    name = component(family * 40)
    assert name == family * (len(name) // len(family)) and len(name.encode()) > 200
    accents = component("x\u0323\u0302" * 100)
    assert len(accents) % 3 == 0 or accents.endswith("\u0302")
    assert component("Ledger " * 60, room=251).endswith("Ledger")


def test_names_that_differ_by_case_or_by_the_form_of_an_accent_are_one():
    assert alike("Caf\u00e9 NOIR", "cafe\u0301 noir")
    assert not alike("Café", "Cafe")
