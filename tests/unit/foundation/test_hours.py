"""Hours of the day: over midnight, several spans, and when they open next."""

from datetime import datetime

import pytest

from medialift.errors import Permanent
from medialift.foundation.hours import Hours


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{time}")


def test_no_hours_mean_always():
    assert Hours.parse("").open_at(at("03:00"))


@pytest.mark.parametrize(
    ("hours", "time", "is_open"),
    [
        ("08:00-18:00", "07:59", False),
        ("08:00-18:00", "08:00", True),
        ("08:00-18:00", "18:00", False),
        ("22:00-06:30", "23:59", True),
        ("22:00-06:30", "06:29", True),
        ("22:00-06:30", "06:30", False),
        ("22:00-24:00", "23:59", True),
        ("22:00-24:00", "00:00", False),
        ("00:00-00:00", "12:00", True),
        ("12:00-13:00, 22:00-6:00", "12:30", True),
        ("12:00-13:00, 22:00-6:00", "13:30", False),
    ],
)
def test_a_span_holds_its_first_minute_and_not_the_one_after_it(hours, time, is_open):
    assert Hours.parse(hours).open_at(at(time)) is is_open


def test_when_they_open_next_is_known_also_over_midnight():
    hours = Hours.parse("12:00-13:00, 22:00-06:00")
    assert hours.opens_after(at("06:30")) == at("12:00")
    assert hours.opens_after(at("21:59")) == at("22:00")
    assert hours.opens_after(at("23:15:30")) == at("23:15:30")
    assert Hours.parse("01:00-02:00").opens_after(at("03:00")) == datetime(2026, 3, 2, 1, 0)


@pytest.mark.parametrize(
    "text", ["late", "22-6", "22:00", "25:00-03:00", "22:60-23:00", "22:00-06:30 nightly"]
)
def test_what_is_no_hours_is_refused_with_what_to_write(text):
    with pytest.raises(Permanent, match="'22:00-06:30'"):
        Hours.parse(text)
