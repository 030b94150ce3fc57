"""Which lines of a log count as errors, and which are alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.healing.patterns import LONGEST_LINE, alike, is_error, message, patterns

JOURNAL = "2026-11-28T20:23:26+0000 home medialift-books-worker[4711]: "


def test_errors_that_differ_in_numbers_names_and_paths_are_one_pattern_with_its_newest_example() -> None:
    found = patterns(
        [
            JOURNAL + "WARNING book 17 was put off for 30.5 s: '/srv/calibre/A/b.epub' cannot be read",
            JOURNAL + "INFO all is well",
            JOURNAL + "WARNING book 4 was put off for 2 s: '/srv/calibre/C/d e.epub' cannot be read",
            JOURNAL + "ERROR the server answers with 502",
        ]
    )
    assert [(one.text, one.count) for one in found] == [
        ("book # was put off for # s: '…' cannot be read", 2),
        ("the server answers with #", 1),
    ]
    assert found[0].example.endswith("'/srv/calibre/C/d e.epub' cannot be read")


def test_of_patterns_that_are_as_frequent_the_newest_is_first() -> None:
    assert [one.text for one in patterns(["ERROR old", "ERROR new"])] == ["new", "old"]


def test_of_a_traceback_its_last_line_counts() -> None:
    found = patterns(
        [
            "Traceback (most recent call last):",
            '  File "/opt/medialift/worker.py", line 12, in failed',
            "    raise ValueError('broken')",
            "ValueError: item 12 has no title",
        ]
        * 3
    )
    assert [(one.text, one.count) for one in found] == [("ValueError: item # has no title", 3)]


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("INFO the last error is mended", False),
        ("DEBUG worker: connection refused", False),
        ("2026-11-28 20:23:26,123 medialift.queueing.worker WARNING The lease on 12 is lost", True),
        ("2026-11-28 20:23:26,123 ERROR medialift.books: broken", True),
        ("CRITICAL", True),
        ("httpx.ConnectTimeout: timed out", True),
        ("uploads are refused", True),
        ("finished 12", False),
        ("Informative words about terrors", False),
        ("", False),
    ],
)
def test_a_line_counts_by_its_level_or_else_by_its_words(line: str, counts: bool) -> None:
    assert is_error(message(line)) is counts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET https://user@books:8443/a?b=1 failed", "GET http://other/ failed"),
        (
            "token 3fa85f64-5717-4562-b3fc-2c963f66afa6 is lost",
            "token 00000000-0000-0000-0000-000000000000 is lost",
        ),
        ("object at 0x7f12ab is broken", "object at 0x1 is broken"),
        ("a book by anna@example.org failed", "a book by b.c@example.com failed"),
        ('KeyError: "title"', "KeyError: 'name'"),
        ("/a/b: failed", "/c: failed"),
    ],
)
def test_what_differs_from_one_time_to_the_next_does_not_count(one: str, other: str) -> None:
    assert alike(one) == alike(other)


def test_an_apostrophe_within_a_word_begins_no_name() -> None:
    assert alike("it doesn't answer, and can't be asked") == "it doesn't answer, and can't be asked"


def test_only_so_many_patterns_are_kept() -> None:
    words = ["one", "two", "three", "four", "five"]
    lines = [f"ERROR {first} {second}" for first in words for second in words]
    assert len(patterns(lines)) == 20


@given(st.text(max_size=2 * LONGEST_LINE))
def test_whatever_a_line_says_it_is_cut_and_what_is_alike_stays_alike(line: str) -> None:
    told = message(line)
    assert len(told) <= LONGEST_LINE
    once = alike(told)
    assert not any(character.isdigit() and character.isascii() for character in once)
    for one in patterns([line, line]):
        assert one.count == 2


@pytest.mark.parametrize(
    "nasty",
    [
        "'" * 5000,
        '"a' * 3000,
        "a@" * 3000,
        "/" * 5000,
        "0" * 5000,
        "http://" * 900,
        "a.-" * 2000,
        "# " * 3000,
    ],
)
def test_no_line_takes_long(nasty: str) -> None:
    began = time.process_time()
    patterns([f"ERROR {nasty}"] * 500)
    assert time.process_time() - began < 5
