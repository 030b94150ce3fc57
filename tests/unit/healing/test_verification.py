"""Whether a remedy helped: only real progress of the same worker says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medialift.healing.care import Care
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed
from medialift.healing.verification import Result, verify
from tests.model_world import worker

MEMBER = Member("books@shelf1@1", 1, "unit", enabled=True, active=True, pid=4712)
CARE = Care(MEMBER.name, life_before="one", progress_before=(12, 14, 5_000_000, 100, 0), remedy="restart")
IDLE = {"items": 0, "files": 0, "bytes": 0, "rows_read": 0, "uptime": 120.0, "held": 1}


def result(seen: Observed | None, member: Member | None = MEMBER) -> Result:
    found = verify(CARE, seen, member, silence=180)
    assert found.why
    return found.result


@pytest.mark.parametrize("figure", ["items", "files", "bytes", "rows_read", "moved"])
def test_progress_of_any_kind_in_a_new_life_is_recovery(figure: str) -> None:
    assert result(worker(**{**IDLE, "life": "two", figure: 1})) is Result.RECOVERED


def test_a_new_life_alone_is_none() -> None:
    assert result(worker(**{**IDLE, "life": "two"})) is Result.INEFFECTIVE


def test_in_the_same_life_only_what_grew_since_counts() -> None:
    assert result(worker()) is Result.INEFFECTIVE
    assert result(worker(bytes=5_000_001)) is Result.RECOVERED


@pytest.mark.parametrize(
    "rest",
    [
        {"queue_rests": "outside of its hours 22:00-06:00"},
        {"state": "paused", "resting": "the server is down"},
        {"held": 0, "waiting": 0},
    ],
)
def test_one_that_is_at_rest_in_good_order_after_its_start_has_recovered(rest: dict[str, object]) -> None:
    assert result(worker(**{**IDLE, "life": "two", **rest})) is Result.RECOVERED
    assert result(worker(**{**IDLE, **rest})) is Result.INEFFECTIVE, "it has not even started anew"


def test_one_that_ended_or_says_nothing_has_not() -> None:
    assert (
        result(worker(**{**IDLE, "life": "two", "state": "gone", "waiting": 0, "held": 0}))
        is Result.INEFFECTIVE
    )
    assert (
        result(worker(**{**IDLE, "life": "two", "silence": 200.0, "held": 0, "waiting": 0}))
        is Result.INEFFECTIVE
    )
    assert result(None) is Result.INEFFECTIVE


def test_one_that_is_not_to_run_any_more_or_was_told_to_end_cannot_be_told() -> None:
    assert result(worker(), None) is Result.MOOT
    assert result(worker(), replace(MEMBER, enabled=False)) is Result.MOOT
    assert result(worker(**{**IDLE, "life": "two", "ending": True})) is Result.MOOT
