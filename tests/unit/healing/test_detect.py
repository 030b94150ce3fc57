"""When a worker is stuck: each path of the flowchart by name, and what holds whatever the figures are."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.healing.detect import Limits, judge, limits_of
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble
from medialift.healing.pipeline import Pipeline
from medialift.settings import HealingSettings, StuckSettings

MINUTE = 60.0
LIMITS = Limits()
PIPELINE = Pipeline(
    "books", "medialift-books-worker@{number}.service", starting=frozenset({"", "logging in", "discovering"})
)
MEMBER = Member("books@1", 1, "medialift-books-worker@1.service", enabled=True, active=True, pid=42)


def seen(**figures: Any) -> Observed:
    """A worker that has been at it for an hour, with work at hand, and finished an item ten seconds ago."""
    usual: dict[str, Any] = {
        "name": "books@1",
        "host": "home",
        "pipeline": "books",
        "collection": "calibre",
        "pid": 42,
        "life": "42:1000",
        "phase": "bringing books",
        "state": "running",
        "resting": "",
        "uptime": 60 * MINUTE,
        "silence": 5.0,
        "idle": 10.0,
        "phase_age": 55 * MINUTE,
        "items": 100,
        "files": 120,
        "bytes": 10**9,
        "rows_read": 100,
        "current_item": None,
        "held": 50,
        "waiting": 1000,
        "queue_rests": "",
        "free": 60 * MINUTE,
        "due": 60 * MINUTE,
    }
    return Observed(**{**usual, **figures})


NOTHING_YET: dict[str, Any] = {"items": 0, "files": 0, "bytes": 0, "rows_read": 0, "idle": None}


def trouble(worker: Observed, limits: Limits = LIMITS, member: Member | None = MEMBER) -> Trouble | None:
    return judge(worker, limits, member).trouble


# -- the flowchart ---------------------------------------------------------------------------------------


def test_one_that_finished_items_is_stuck_after_five_minutes_without_progress() -> None:
    assert trouble(seen(idle=5 * MINUTE)) is None
    verdict = judge(seen(idle=5 * MINUTE + 1), LIMITS, MEMBER)
    assert (verdict.trouble, verdict.since, verdict.limit) == (Trouble.NO_PROGRESS, 301.0, 300.0)
    assert verdict.stuck
    assert "100 items" in verdict.why and "5 min 1 s" in verdict.why


def test_progress_of_any_kind_counts_for_one_that_finished_items() -> None:
    """Bytes of a large file, or rows that were read: the ledger has one moment for all of them."""
    assert trouble(seen(items=1, idle=MINUTE)) is None


def test_one_that_still_starts_is_stuck_after_twenty_minutes_without_progress() -> None:
    limits = limits_of(HealingSettings(), PIPELINE, "discovering")
    worker = seen(**NOTHING_YET, phase="discovering", uptime=20 * MINUTE)
    assert trouble(worker, limits) is None
    assert trouble(replace(worker, uptime=20 * MINUTE + 1), limits) is Trouble.NOT_STARTING


def test_one_that_still_starts_and_reads_rows_gets_on() -> None:
    limits = limits_of(HealingSettings(), PIPELINE, "discovering")
    assert (
        trouble(seen(**{**NOTHING_YET, "rows_read": 9, "idle": MINUTE}, phase="discovering"), limits) is None
    )


def test_one_that_still_starts_is_not_helped_by_going_from_phase_to_phase() -> None:
    limits = limits_of(HealingSettings(), PIPELINE, "logging in")
    assert trouble(seen(**NOTHING_YET, phase="logging in", phase_age=1.0), limits) is Trouble.NOT_STARTING


def test_one_in_another_phase_is_stuck_after_five_minutes_without_activity() -> None:
    worker = seen(**NOTHING_YET, phase_age=5 * MINUTE)
    assert trouble(worker) is None
    assert trouble(replace(worker, phase_age=5 * MINUTE + 1)) is Trouble.NO_ACTIVITY


@pytest.mark.parametrize("activity", [{"phase_age": 2.0}, {"idle": 2.0, "rows_read": 3}])
def test_a_new_phase_or_a_row_that_was_read_is_activity(activity: dict[str, Any]) -> None:
    assert trouble(seen(**{**NOTHING_YET, **activity})) is None


def test_one_that_runs_for_less_than_ten_minutes_is_never_touched() -> None:
    assert trouble(seen(uptime=10 * MINUTE - 1, idle=9 * MINUTE)) is None
    assert trouble(seen(uptime=10 * MINUTE, idle=9 * MINUTE)) is Trouble.NO_PROGRESS


# -- what is not its fault -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("figures", "why"),
    [
        ({"queue_rests": "outside of its hours 22:00-06:30"}, "22:00-06:30"),
        ({"queue_rests": "paused by hand"}, "paused by hand"),
        ({"state": "paused", "resting": "the book server is down"}, "the book server is down"),
        ({"ending": True, "state": "draining"}, "told to end"),
        ({"held": 0, "waiting": 0}, "nothing to do"),
    ],
)
def test_one_that_rests_or_has_nothing_to_do_is_well(figures: dict[str, Any], why: str) -> None:
    verdict = judge(seen(idle=10 * 3600.0, **figures), LIMITS, MEMBER)
    assert not verdict.stuck
    assert why in verdict.why


def test_the_time_in_which_it_rested_does_not_count() -> None:
    """A server that was down for hours answers again: the first item needs a moment."""
    worker = seen(idle=3 * 3600.0, free=20.0)
    assert trouble(worker) is None
    assert trouble(replace(worker, free=5 * MINUTE + 1)) is Trouble.NO_PROGRESS


def test_the_time_in_which_there_was_nothing_to_do_does_not_count() -> None:
    worker = seen(idle=3 * 3600.0, held=0, waiting=1, due=8.0)
    assert trouble(worker) is None
    assert trouble(replace(worker, due=5 * MINUTE + 1)) is Trouble.NO_PROGRESS


def test_one_that_discovers_has_work_although_no_item_waits() -> None:
    pipeline = replace(PIPELINE, discovering=frozenset({"discovering"}))
    worker = seen(**NOTHING_YET, phase="discovering", held=0, waiting=0, due=0.0)
    assert trouble(worker, limits_of(HealingSettings(), pipeline, "discovering")) is Trouble.NOT_STARTING
    assert trouble(worker, limits_of(HealingSettings(), PIPELINE, "discovering")) is None


def test_one_that_is_not_to_run_is_well_whatever_it_does() -> None:
    disabled = replace(MEMBER, enabled=False)
    assert trouble(seen(silence=3600.0, idle=3600.0, lives=50), member=disabled) is None


# -- signs of life ---------------------------------------------------------------------------------------


def test_one_whose_process_is_there_and_says_nothing_is_silent() -> None:
    assert trouble(seen(silence=180.0)) is None
    assert trouble(seen(silence=181.0)) is Trouble.SILENT
    assert trouble(seen(state="gone", silence=181.0)) is Trouble.SILENT


def test_one_that_said_it_rests_and_then_nothing_more_is_silent() -> None:
    assert trouble(seen(state="paused", resting="the server is down", silence=181.0)) is Trouble.SILENT
    assert trouble(seen(state="gone", resting="the server is down", silence=181.0)) is Trouble.SILENT


def test_one_that_ended_by_itself_and_that_nothing_starts_again_is_missed() -> None:
    stopped = replace(MEMBER, active=False, pid=0)
    verdict = judge(seen(state="gone", silence=200.0), LIMITS, stopped)
    assert verdict.trouble is Trouble.SILENT
    assert "nothing starts it again" in verdict.why
    assert trouble(seen(state="gone", silence=200.0, ending=True), member=stopped) is None


def test_a_process_that_has_not_registered_yet_is_not_taken_for_the_one_before_it() -> None:
    """After a power cut: the ledger knows the process of yesterday, and another one is starting."""
    assert trouble(seen(state="running", silence=8 * 3600.0), member=replace(MEMBER, pid=7)) is None


def test_one_that_nothing_here_runs_is_not_missed_when_it_has_ended() -> None:
    assert trouble(seen(state="gone", silence=8 * 3600.0), member=None) is None
    assert trouble(seen(state="running", silence=200.0), member=None) is Trouble.SILENT
    assert trouble(seen(idle=6 * MINUTE), member=None) is Trouble.NO_PROGRESS


# -- crash loops -----------------------------------------------------------------------------------------


def test_five_starts_in_ten_minutes_without_progress_are_a_crash_loop_however_young_each_is() -> None:
    worker = seen(**NOTHING_YET, uptime=3.0, lives=5, phase="")
    assert trouble(worker) is Trouble.CRASH_LOOP
    assert trouble(replace(worker, state="gone")) is Trouble.CRASH_LOOP
    assert trouble(replace(worker, lives=4)) is None


def test_one_that_crashes_and_gets_on_between_is_no_crash_loop() -> None:
    assert trouble(seen(uptime=3.0, lives=5, items=1, files=0)) is None


def test_one_that_has_settled_after_its_crashes_is_no_crash_loop_any_more() -> None:
    assert trouble(seen(**NOTHING_YET, uptime=3 * MINUTE, lives=5)) is None


def test_a_crash_loop_while_the_queue_rests_is_left_for_later() -> None:
    assert trouble(seen(**NOTHING_YET, uptime=3.0, lives=9, queue_rests="paused by hand")) is None


def test_one_that_was_started_by_hand_has_no_crash_loop() -> None:
    assert trouble(seen(**NOTHING_YET, uptime=3.0, lives=9), member=None) is None


# -- thresholds ------------------------------------------------------------------------------------------


def test_a_time_for_a_phase_goes_before_one_for_its_pipeline_and_that_before_the_common_one() -> None:
    settings = HealingSettings(
        progress=100.0,
        starting=200.0,
        activity=300.0,
        pipelines={"books": StuckSettings(progress=10.0, phases={"learning": 7.0})},
    )
    common = limits_of(settings, replace(PIPELINE, name="posters"), "learning")
    assert (common.progress, common.starting, common.activity) == (100.0, 200.0, 300.0)
    own = limits_of(settings, PIPELINE, "bringing books")
    assert (own.progress, own.starting, own.activity) == (10.0, 200.0, 300.0)
    phase = limits_of(settings, PIPELINE, "learning")
    assert (phase.progress, phase.starting, phase.activity) == (7.0, 7.0, 7.0)


def test_the_defaults_are_those_of_the_flowchart() -> None:
    assert limits_of(HealingSettings(), PIPELINE, "bringing books") == LIMITS
    assert limits_of(HealingSettings(), PIPELINE, "", seen(phase="logging in")).is_starting
    assert not limits_of(HealingSettings(), PIPELINE, "", seen(phase="bringing books")).is_starting


# -- whatever the figures are ----------------------------------------------------------------------------

ages = st.floats(0, 1e6)
counts = st.integers(0, 1000)
workers = st.builds(
    Observed,
    name=st.just("books@1"),
    host=st.just("home"),
    pipeline=st.just("books"),
    collection=st.just("calibre"),
    pid=st.sampled_from([1, 42]),
    life=st.just("42:1"),
    phase=st.sampled_from(["", "logging in", "discovering", "bringing books"]),
    state=st.sampled_from(["running", "draining", "paused", "gone"]),
    resting=st.sampled_from(["", "the book server is down"]),
    uptime=ages,
    silence=ages,
    idle=st.none() | ages,
    phase_age=ages,
    items=counts,
    files=counts,
    bytes=counts,
    rows_read=counts,
    current_item=st.none() | st.just(7),
    held=counts,
    waiting=counts,
    queue_rests=st.sampled_from(["", "", "paused by hand"]),
    lives=st.integers(1, 12),
    again=counts,
    free=ages | st.just(inf),
    due=ages | st.just(inf),
    ending=st.booleans(),
)
thresholds = st.builds(
    Limits,
    floor=ages,
    progress=ages,
    starting=ages,
    activity=ages,
    silence=ages,
    crashes=st.integers(2, 10),
    is_starting=st.booleans(),
    discovers=st.booleans(),
)
members = st.none() | st.builds(
    Member,
    name=st.just("books@1"),
    number=st.just(1),
    unit=st.just("one"),
    enabled=st.booleans(),
    active=st.booleans(),
    pid=st.sampled_from([0, 1, 42]),
    release=st.just(Path("/opt")) | st.none(),
)
STALLED = (Trouble.NO_PROGRESS, Trouble.NOT_STARTING, Trouble.NO_ACTIVITY)


@given(workers, thresholds, members)
def test_a_verdict_always_says_why_and_only_what_crossed_a_threshold_is_stuck(
    worker: Observed, limits: Limits, member: Member | None
) -> None:
    verdict = judge(worker, limits, member)
    assert verdict.why
    assert verdict.since > verdict.limit if verdict.stuck else verdict.since == verdict.limit == 0


@given(workers, thresholds, members)
def test_nothing_that_is_at_rest_told_to_end_or_not_to_run_is_ever_stuck(
    worker: Observed, limits: Limits, member: Member | None
) -> None:
    rests = worker.state == "paused" and worker.silence <= limits.silence
    not_to_run = member is not None and not member.enabled
    if worker.queue_rests or worker.ending or rests or not_to_run:
        assert not judge(worker, limits, member).stuck


@given(workers, thresholds, members)
def test_nothing_young_is_stuck_but_in_a_crash_loop(
    worker: Observed, limits: Limits, member: Member | None
) -> None:
    if worker.uptime < limits.floor:
        assert judge(worker, limits, member).trouble in (None, Trouble.CRASH_LOOP)


@given(workers, thresholds, members)
def test_whoever_gets_on_or_could_not_or_has_nothing_to_do_is_not_stalled(
    worker: Observed, limits: Limits, member: Member | None
) -> None:
    for change in ({"idle": 0.0}, {"free": 0.0}, {"held": 0, "waiting": 0}, {"due": 0.0}):
        if limits.discovers and change.keys() & {"held", "due"}:
            continue
        assert judge(replace(worker, **change), limits, member).trouble not in STALLED


@given(workers, thresholds, members, st.floats(1, 100))
def test_more_patience_never_finds_more_of_them_stalled(
    worker: Observed, limits: Limits, member: Member | None, times: float
) -> None:
    patient = replace(
        limits,
        progress=limits.progress * times,
        starting=limits.starting * times,
        activity=limits.activity * times,
    )
    if not judge(worker, limits, member).stuck:
        assert not judge(worker, patient, member).stuck


@given(workers)
def test_the_verdict_on_a_running_worker_with_work_is_that_of_the_flowchart(worker: Observed) -> None:
    """The chart, word by word, for one that nothing else is to be said of."""
    worker = replace(
        worker,
        state="running",
        resting="",
        silence=0.0,
        queue_rests="",
        ending=False,
        lives=1,
        held=1,
        free=inf,
        due=inf,
    )
    starting = worker.phase in PIPELINE.starting
    idle = worker.uptime if worker.idle is None else min(worker.idle, worker.uptime)
    if worker.uptime < 10 * MINUTE:
        stuck = False
    elif worker.items or worker.files:
        stuck = idle > 5 * MINUTE
    elif starting:
        stuck = idle > 20 * MINUTE
    else:
        stuck = min(idle, worker.phase_age) > 5 * MINUTE
    limits = limits_of(HealingSettings(), PIPELINE, worker.phase)
    assert judge(worker, limits, MEMBER).stuck is stuck
