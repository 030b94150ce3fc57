"""Clocks that jump, and machines that sleep: nothing is older than that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from threading import Event
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from medialift.healing.care import Care
from medialift.healing.clocks import JUMP_SECONDS, Clocks
from medialift.healing.observed import Observed
from medialift.healing.observing import LIVES_SECONDS
from tests.model_world import worker


class Time:
    """All clocks, each of which can be set by itself; and a database that tells its own."""

    def __init__(self) -> None:
        self.monotonic_seconds, self.host, self.database, self.answers_after = 100.0, 1e9, 1e9, 0.0

    def now(self) -> float:
        return self.host

    def monotonic(self) -> float:
        return self.monotonic_seconds

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.passes(seconds)
        return stop.is_set()

    def passes(self, seconds: float) -> None:
        self.monotonic_seconds += seconds
        self.host += seconds
        self.database += seconds

    # A connection, as far as a look needs one.
    def execute(self, *_: object) -> Any:
        self.passes(self.answers_after)
        return self

    def scalar_one(self) -> float:
        return self.database


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def clocks(time: Time) -> Clocks:
    made = Clocks(time)
    assert look(made, time) == 0.0
    return made


def look(clocks: Clocks, time: Time) -> float:
    return clocks.look(cast(Connection, time))


def old() -> Observed:
    """One that seems to have been stuck for an hour, and to start all the time."""
    return replace(worker(), free=3600.0, silence=3600.0, lives=7)


def test_time_that_passes_is_no_jump_however_long_it_is(clocks: Clocks, time: Time) -> None:
    for seconds in (0.0, 60.0, 7200.0):
        time.passes(seconds)
        assert look(clocks, time) == 0.0
    assert clocks.since_jump == inf and clocks.seen(old()) == old()


def test_a_clock_that_is_put_right_bit_by_bit_is_no_jump(clocks: Clocks, time: Time) -> None:
    for _ in range(100):
        time.passes(60)
        time.host += JUMP_SECONDS - 0.1
        assert look(clocks, time) == 0.0


@pytest.mark.parametrize("which", ["host", "database"])
@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_jump_of_either_clock_is_noticed_once_and_which_way_it_went(
    clocks: Clocks, time: Time, which: str, seconds: float
) -> None:
    time.passes(60)
    setattr(time, which, getattr(time, which) + seconds)
    assert look(clocks, time) == pytest.approx(seconds)
    time.passes(60)
    assert look(clocks, time) == 0.0 and clocks.since_jump == 60.0


def test_a_machine_that_slept_is_a_jump(clocks: Clocks, time: Time) -> None:
    time.host += 8 * 3600
    time.database += 8 * 3600
    assert look(clocks, time) == pytest.approx(8 * 3600)


def test_after_a_jump_nothing_older_is_held_against_a_worker(clocks: Clocks, time: Time) -> None:
    time.host += 3600
    look(clocks, time)
    time.passes(90)
    seen = clocks.seen(old())
    assert (seen.free, seen.silence, seen.lives) == (90.0, 90.0, 1)
    care = Care("one", since_remedy=4000.0, remedied=datetime.now(UTC))
    assert clocks.care(care).since_remedy == 90.0
    assert clocks.care(Care("one")).since_remedy == inf
    time.passes(LIVES_SECONDS)
    assert clocks.seen(old()).lives == 7


def test_a_database_that_was_away_or_slow_to_answer_is_like_a_jump_that_costs_no_round(
    clocks: Clocks, time: Time
) -> None:
    time.passes(600)
    clocks.lost()
    assert look(clocks, time) == 0.0
    assert clocks.since_jump == 0.0 and clocks.seen(old()).silence == 0.0
    time.passes(60)
    assert look(clocks, time) == 0.0 and clocks.since_jump == 60.0
    time.answers_after = JUMP_SECONDS + 1
    assert look(clocks, time) == 0.0 and clocks.since_jump == 0.0


def test_who_has_only_begun_to_look_takes_nobody_for_silent(time: Time) -> None:
    clocks = Clocks(time)
    look(clocks, time)
    time.passes(30)
    assert (clocks.seen(old()).silence, clocks.seen(old()).free) == (30.0, 3600.0)
