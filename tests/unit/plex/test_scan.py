"""A scan has ended when nothing of it moves any more, not when Plex first says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.jobs import Stopped
from medialift.plex import scan
from medialift.plex.scan import Countdown, Counts, DoneRule, Movement, Reading, Stalled, Times, Watch
from medialift.plex.server import Activity, Section
from sandbox.plex.builder import LibraryBuilder

WORKING = (Activity("library.refresh.items", "Refreshing", 10, "1"),)
IDLE = Reading(False, 100)
DONE = Reading(False, 200)


def ended_after(rule: DoneRule, *readings: Reading | None) -> int | None:
    """After how many readings the rule says that it has ended."""
    return next((number for number, one in enumerate(readings, 1) if rule.observe(one)), None)


def test_a_scan_that_was_not_seen_to_begin_has_not_ended() -> None:
    assert ended_after(DoneRule(100, quiet_polls=2), *[IDLE] * 50) is None


def test_quiet_for_several_readings_in_a_row_is_the_end() -> None:
    rule = DoneRule(100, quiet_polls=3)
    assert ended_after(rule, IDLE, Reading(True, 100), DONE, DONE, DONE) == 5


def test_a_scan_between_two_looks_is_seen_by_its_time() -> None:
    assert ended_after(DoneRule(100, quiet_polls=2), DONE, DONE) == 2


def test_work_after_refreshing_went_off_starts_the_count_anew() -> None:
    rule = DoneRule(100, quiet_polls=3)
    after = Reading(False, 200, WORKING)
    assert ended_after(rule, Reading(True, 100), DONE, DONE, after, DONE, DONE, DONE) == 7


def test_a_failed_reading_starts_the_count_anew() -> None:
    rule = DoneRule(100, quiet_polls=3)
    assert ended_after(rule, Reading(True, 100), DONE, DONE, None, DONE, DONE, DONE) == 7


def test_an_analysis_may_have_nothing_to_do() -> None:
    assert ended_after(DoneRule(100, quiet_polls=3, must_begin=False), IDLE, IDLE, IDLE) == 3


class Plex:
    """Says what it is told to say, one look after the other; the last look for ever."""

    def __init__(self, *looks: Reading | Exception) -> None:
        self.looks = iter(looks)
        self.now: Reading | Exception = IDLE
        self.asked: list[str] = []

    def scan(self, key: str) -> None:
        self.asked.append(f"scan {key}")

    def analyze(self, key: str) -> None:
        self.asked.append(f"analyze {key}")

    def section(self, key: str) -> Section:
        if self.asked:
            self.now = next(self.looks, self.now)
        if isinstance(self.now, Exception):
            raise self.now
        return Section(key, "Movies", "movie", "", "", "", (), self.now.refreshing, self.now.scanned_at)

    def activities(self) -> list[Activity]:
        assert isinstance(self.now, Reading)
        return [Activity("butler", "", 100, ""), *self.now.activities]


class FastClock:
    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return 1_700_000_000 + self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        return stop.is_set()


def watch(counts: Iterator[Counts] | None = None, stop: Event | None = None, **times: Any) -> Watch:
    told: list[tuple[str, Mapping[str, Any]]] = []
    held = [Counts(10, 0, 10, 5, 0)]

    def count(_key: str) -> Counts:
        held[0] = next(counts, held[0]) if counts else held[0]
        return held[0]

    clock = FastClock()
    return Watch(
        count,
        Times.of({"poll": 5, "quiet_polls": 3, **times}),
        clock,
        stop or Event(),
        lambda text, numbers: told.append((text, numbers)),
        deadline=1e9,
    )


MOVIES = Section("1", "Movies", "movie", "", "", "", ("/m",), False, 100)


def test_a_scan_ends_only_when_the_database_stands_still_too() -> None:
    growing = iter([Counts(n, 0, n, n, 0) for n in range(8)])
    watching = watch(growing)
    counts = watching.scan(Plex(Reading(True, 100), DONE), MOVIES)
    assert counts.items == 7
    assert watching.clock.monotonic() >= 8 * 5


def test_activities_of_another_section_are_not_waited_for() -> None:
    other = Reading(False, 200, (Activity("library.update.section", "Scanning", 1, "2"),))
    watch().scan(Plex(Reading(True, 100), other), MOVIES)


def test_activities_that_name_no_section_are() -> None:
    nameless = Reading(False, 200, (Activity("media.generate.bif", "Thumbs", 1, ""),))
    with pytest.raises(Transient, match="did not end"):
        watch(section=600, stall=10_000).scan(Plex(nameless), MOVIES)


def test_a_scan_that_never_begins_is_an_error_of_its_own() -> None:
    with pytest.raises(Transient, match="did not begin within 60 s"):
        watch(start=60).scan(Plex(IDLE), MOVIES)


def test_a_scan_in_which_nothing_moves_is_stalled() -> None:
    with pytest.raises(Stalled, match="Nothing has moved"):
        watch(stall=300).scan(Plex(Reading(True, 100)), MOVIES)


def test_a_few_failed_readings_are_borne_and_many_are_an_error() -> None:
    broken = Transient("Plex did not answer", "GET /activities")
    watch().scan(Plex(Reading(True, 100), broken, broken, DONE), MOVIES)
    with pytest.raises(Transient, match="did not answer"):
        watch(unreadable=60).scan(Plex(Reading(True, 100), broken), MOVIES)


def test_a_section_that_is_gone_is_an_error_at_once() -> None:
    with pytest.raises(Permanent, match="gone"):
        watch().scan(Plex(Permanent("The section is gone", "1")), MOVIES)


def test_stopping_ends_the_wait() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        watch(stop=stop).scan(Plex(Reading(True, 100)), MOVIES)


def test_an_analysis_with_nothing_to_do_ends_by_itself() -> None:
    plex = Plex(IDLE)
    watch(analyse_start=30).analyse(plex, MOVIES)
    assert plex.asked == ["analyze 1"]


def test_a_counter_that_stops_falling_is_stalled_and_tells_its_history() -> None:
    countdown = Countdown("tracks", patience=60)
    for at, count in enumerate([9, 7, 5]):
        countdown.observe(count, at)
    countdown.observe(5, 61.9)
    with pytest.raises(Stalled, match=r"not fallen for 60 s: tracks \(it was 9, 7, 5\)"):
        countdown.observe(5, 62)


def test_a_counter_that_goes_to_and_fro_is_stalled() -> None:
    countdown = Countdown("tracks", patience=1e9, turns=3)
    with pytest.raises(Stalled, match=r"goes up and down.*5, 6, 5, 6"):
        for at in range(20):
            countdown.observe(5 + at % 2, at)


def test_a_counter_that_rises_now_and_then_and_falls_further_is_not() -> None:
    countdown = Countdown("tracks", patience=50, turns=2)
    for at in range(100):
        countdown.observe(1000 - at * 5 + (3 if at % 2 else 0), at)


def test_a_counter_at_nought_never_stalls() -> None:
    countdown = Countdown("tracks", patience=10)
    for at in range(0, 1000, 10):
        countdown.observe(0, at)


def test_any_sign_of_life_is_movement() -> None:
    movement = Movement("scan", patience=10)
    for at in range(100):
        movement.observe(at // 8, at)
    with pytest.raises(Stalled):
        movement.observe(12, 200)


def test_time_limits_are_checked() -> None:
    assert Times.of({"section": "4h", "quiet_polls": "6"}) == Times(section=14400.0, quiet_polls=6)
    with pytest.raises(Permanent, match=r"sectoin.*Valid are.*section"):
        Times.of({"sectoin": 1})
    with pytest.raises(Permanent, match="above zero"):
        Times.of({"poll": 0})


def test_a_section_is_counted_in_the_database_itself(tmp_path: Path) -> None:
    with LibraryBuilder(tmp_path / "library.db") as library:
        movies = library.add_section("Movies", "movie", "/m")
        for number in range(3):
            item = library.add_movie(movies, f"/m/{number}.mkv", f"Film {number}")
        library.mark_deleted(item)
    counts = scan.count(tmp_path / "library.db", str(movies))
    assert (counts.items, counts.deleted, counts.parts) == (3, 1, 3)


def test_a_database_that_cannot_be_read_is_an_error_and_no_count(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no such database"):
        scan.count(tmp_path / "gone.db", "1")
    (tmp_path / "broken.db").write_bytes(b"nonsense" * 1000)
    with pytest.raises(Permanent, match="no healthy"):
        scan.count(tmp_path / "broken.db", "1")
