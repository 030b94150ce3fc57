"""What an answer means: for the picture, for all of them, and for when to ask again."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from medialift.errors import Permanent, Transient
from medialift.posters.answers import Broken, Busy, KeyRefused, Missing, Misunderstood, refused, retry_after

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Permanent),
        (400, Misunderstood),
        (401, KeyRefused),
        (403, KeyRefused),
        (404, Missing),
        (408, Broken),
        (415, Misunderstood),
        (429, Busy),
        (500, Broken),
        (502, Broken),
        (503, Busy),
    ],
)
def test_each_status_has_its_meaning(status, kind):
    error = refused(httpx.Response(status), "http://jellyfin")
    assert type(error) is kind and str(status) in error.what and error.hint


def test_what_went_well_is_no_error():
    assert refused(httpx.Response(204), "") is None


def test_only_what_may_pass_is_tried_again():
    again = [
        status for status in range(300, 600) if isinstance(refused(httpx.Response(status), ""), Transient)
    ]
    assert again == [408, 425, 429, *range(500, 600)]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 5.0),
        ("7", 7.0),
        ("0", 0.0),
        ("-3", 0.0),
        ("1e9", 3600.0),
        ("nan", 0.0),
        ("inf", 3600.0),
        ("soon", 5.0),
        ("Sun, 29 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 29 Nov 2020 12:01:00 GMT", 0.0),
    ],
)
def test_how_long_a_server_wants_to_be_left_alone_is_understood_and_bounded(header, seconds):
    assert retry_after(header, NOW) == seconds
