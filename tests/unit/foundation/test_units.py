"""Sizes and durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.errors import Permanent
from medialift.foundation.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("20 GB", 20_000_000_000),
        ("20GB", 20_000_000_000),
        ("512 MiB", 512 * 1024**2),
        ("64k", 64_000),
        ("128Ki", 128 * 1024),
        ("1.5T", 1_500_000_000_000),
        (" 4096 ", 4096),
        (4096, 4096),
        ("0", 0),
    ],
)
def test_a_size_is_read_as_a_person_means_it(written, size):
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "GB", "20 parsecs", "-1 GB", -1, "1 GB 2", None, True, float("nan")])
def test_what_is_no_size_is_refused_with_an_example(written):
    with pytest.raises(Permanent, match=r"not a size.*Write a number"):
        parse_size(written)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (5_370_000_000, "5.37 GB"), (999_999, "1 MB"), (-2000, "-2 kB")],
)
def test_a_size_is_shown_short(size, shown):
    assert format_size(size) == shown


@given(st.integers(min_value=0, max_value=10**16))
def test_a_size_that_was_shown_reads_back_within_its_three_digits(size):
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("4h", 14400),
        ("1h30m", 5400),
        ("2 days", 172800),
        ("1 d, 2 h", 93600),
        ("90", 90),
        (90, 90),
        ("250ms", 0.25),
    ],
)
def test_a_duration_is_read_as_a_person_means_it(written, seconds):
    assert parse_duration(written) == seconds


@pytest.mark.parametrize("written", ["", "soon", "-5s", "1h30", "3 fortnights", None, float("inf")])
def test_what_is_no_duration_is_refused_with_an_example(written):
    with pytest.raises(Permanent, match=r"not a duration.*Write numbers"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59.7, "1 min"),
        (75, "1 min 15 s"),
        (5445, "1 h 30 min"),
        (259200, "3 d"),
        (86460, "1 d"),
    ],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds, shown):
    assert format_duration(seconds) == shown
