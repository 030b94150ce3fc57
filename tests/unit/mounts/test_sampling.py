"""Never a single failing file of many condemns a mount; several do, and so does one of hardly any."""

from __future__ import annotations

import pytest

from medialift.mounts.sampling import condemned, enlarged, hopeless
from medialift.mounts.verdict import Read


def reads(told: str) -> list[Read]:
    """`o` was read, `x` could not be, `-` is not there."""
    return [Read(str(n), 0.0, 0.1, one == "o", missing=one == "-") for n, one in enumerate(told)]


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        *[("o", False), ("x", True), ("-", True), ("xo", True), ("xoo", False)],
        *[("ooooooooo", False), ("xoooooooo", False), ("xxooooooo", False), ("xxxoooooo", False)],
        *[("xxxxooooo", True), ("x-x-ooooo", True), ("xxxxxxxxx", True)],
    ],
)
def test_more_than_a_third_of_failures_condemns(told: str, verdict: bool) -> None:
    assert condemned(reads(told), named=len(told)) == verdict


def test_files_that_are_not_there_are_a_share_of_those_that_were_named() -> None:
    assert condemned(reads("--ooooooo"), named=4)
    assert not condemned(reads("--ooooooo"), named=6)


@pytest.mark.parametrize(
    ("told", "verdict"), [("xx", False), ("xxx", True), ("oxxx", True), ("ooxxx", True), ("oooxxx", False)]
)
def test_it_is_hopeless_when_three_failed_and_fewer_were_read(told: str, verdict: bool) -> None:
    assert hopeless(reads(told), needed=3) == verdict


def test_the_sample_grows_until_a_third_of_it_is_several_files() -> None:
    assert [enlarged(1, 3), enlarged(5, 3), enlarged(20, 3), enlarged(1, 1)] == [9, 9, 20, 3]
