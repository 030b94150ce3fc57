"""Folders are walked ahead of the archive, without anything getting lost or left."""

from __future__ import annotations

import threading

import pytest

from medialift.errors import Unsafe
from medialift.foundation.archive import Member
from medialift.foundation.archive.header import decode, encode
from medialift.foundation.archive.listing import listed_ahead


def member(number: int) -> Member:
    return Member(f"{number}", b"")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert "list-ahead" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("count", [0, 1, 256, 10_000])
def test_every_member_comes_once_and_in_order(count):
    with listed_ahead(member(number) for number in range(count)) as listed:
        assert [one.name for one in listed] == [f"{number}" for number in range(count)]


@pytest.mark.parametrize("count", [0, 300, 512])
def test_an_error_comes_behind_what_was_listed_before_it(count):
    def broken():
        yield from (member(number) for number in range(count))
        raise Unsafe("A link leads out")

    seen = []
    with listed_ahead(broken()) as listed, pytest.raises(Unsafe, match="leads out"):
        seen.extend(listed)
    assert len(seen) == count


def test_who_leaves_early_leaves_no_thread_behind():
    listed_of = []

    def endless():
        number = 0
        while True:
            listed_of.append(number)
            yield member(number)
            number += 1

    with listed_ahead(endless()) as listed:
        next(listed)
    far = len(listed_of)
    assert far < 10_000
    assert len(listed_of) == far


def test_headers_of_any_bytes_have_the_right_sum():
    for name in ("a", "~" * 250, "é" * 120, "\x7f" * 90):
        assert decode(encode(name, 8**11 - 1, 0o777, 8**11 - 1)[:512])
