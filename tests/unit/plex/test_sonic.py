"""Sonic analysis is measured in the database: n of m, how fast, and when it gets no further."""

from __future__ import annotations

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from medialift.errors import Transient
from medialift.foundation.jobs import Stopped
from medialift.plex import sonic
from medialift.plex.scan import Stalled, Times
from medialift.plex.sonic import Backlog, SonicResult
from sandbox.plex.builder import LibraryBuilder


class World:
    """A server, its backlog and its clock: each look at it takes `poll` seconds."""

    def __init__(self, total: int, per_look: int, *, breaks: int = 0, rounds: int = 1000) -> None:
        self.at = 0.0
        self.total, self.analysed = total, 0
        self.per_look, self.able = per_look, total - breaks
        self.running, self.rounds = False, rounds
        self.started = 0
        self.failures, self.failing_from = 0, 0.0
        self.told: list[str] = []

    def start_butler(self, task: str) -> bool:
        assert task == "MusicAnalysis"
        if self.running:
            return False
        self.started += 1
        self.running = self.rounds > 0
        self.rounds -= 1
        return True

    def count(self) -> Backlog:
        if self.failures and self.at >= self.failing_from:
            self.failures -= 1
            raise Transient("The database is in use by another program", "library.db")
        return Backlog(self.total, self.analysed)

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        if self.running:
            self.analysed = min(self.able, self.analysed + self.per_look)
            self.running = self.analysed < self.able or self.per_look == 0
        return stop.is_set()

    def analyse(self, stop: Event | None = None, **times: Any) -> SonicResult:
        return sonic.analyse(
            self,
            self.count,
            times=Times.of({"poll": 10, **times}),
            clock=self,
            stop=stop or Event(),
            deadline=1e9,
            tell=lambda text, _numbers: self.told.append(text),
        )


def test_it_ends_when_nothing_is_left_and_tells_how_fast_it_was() -> None:
    world = World(100, 20)
    result = world.analyse()
    assert (result.analysed, result.total, result.done, result.rate) == (100, 100, 100, 2.0)
    assert world.told[0] == "20 of 100 tracks, 2.00 per second"
    assert world.started == 1


def test_with_nothing_left_the_task_is_not_even_started() -> None:
    world = World(0, 1)
    assert world.analyse().to_dict() == {"analysed": 0, "total": 0, "done": 0, "left": 0, "rate": 0.0}
    assert world.started == 0


def test_tracks_that_cannot_be_analysed_are_left_and_reported() -> None:
    result = World(100, 20, breaks=7).analyse()
    assert (result.analysed, result.to_dict()["left"]) == (93, 7)


def test_a_task_that_runs_and_does_nothing_is_stalled() -> None:
    with pytest.raises(Stalled, match="tracks without sonic analysis"):
        World(100, 0).analyse(stall=600)


def test_a_task_that_ends_without_having_done_anything_is_an_error_that_says_why() -> None:
    with pytest.raises(Stalled, match="Plex Pass"):
        World(100, 0, rounds=0).analyse()


def test_a_reading_that_fails_is_borne_for_a_while() -> None:
    world = World(100, 20)
    world.failing_from, world.failures = 15.0, 3
    assert world.analyse().analysed == 100


def test_readings_that_keep_failing_are_an_error_and_no_backlog_of_nothing() -> None:
    world = World(100, 1)
    world.failing_from, world.failures = 15.0, 10_000
    with pytest.raises(Transient, match="in use"):
        world.analyse(unreadable=100)
    assert 100 <= world.at <= 150


def test_it_has_a_deadline_and_can_be_stopped() -> None:
    with pytest.raises(Transient, match="did not end"):
        World(10_000, 1).analyse(sonic=100)
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        World(100, 1).analyse(stop=stop)


def test_the_backlog_counts_the_chosen_sections_only(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        music = library.add_section("Music", "artist", "/m")
        other = library.add_section("Other", "artist", "/o")
        tracks = [library.add_track(music, f"/m/A/B/{n}.mp3", "A", "B", n, f"T{n}") for n in range(1, 4)]
        library.add_track(other, "/o/A/B/1.mp3", "A", "B", 1, "T")
        library.add_sonic(tracks[0])
    assert sonic.backlog(tmp_path / "library.db", [str(music)]) == Backlog(3, 1)
