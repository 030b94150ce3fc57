"""Each way through the scaling flowchart and its decision tree, and what holds on all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import ServerHealth
from medialift.healing.pressure import Level, Pressure
from medialift.healing.scaling import Move, Path, State, Step, decide
from medialift.settings import ScalingSettings

LIMITS = ScalingSettings()
IDLE = Pressure(disks={"vda": 0.1}, memory=0.3)
BUSY = Pressure(disks={"vda": 0.1, "vdb": 0.7}, memory=0.3)
FULL = Pressure(disks={"vda": 0.1, "vdb": 0.95}, memory=0.3)
FOUR = State(numbers=(1, 2, 3, 4), target=4)
THREE = State(numbers=(1, 2, 3), target=4, desired=3)


def said(cause: Cause, by: str = "model small", remedy: Remedy = Remedy.RESTART) -> Decision:
    return Decision(cause, remedy, by, "because")


def step(state: State, pressure: Pressure, *decisions: Decision, stuck: int = 0) -> Step:
    return decide(state, pressure, stuck, decisions, LIMITS)


# -- saturated ------------------------------------------------------------------------------------------


def test_a_saturated_disk_with_workers_that_get_on_changes_nothing() -> None:
    assert step(FOUR, FULL).path is Path.FINE


def test_a_saturated_disk_and_stuck_workers_without_a_model_take_the_highest_away() -> None:
    done = step(FOUR, FULL, stuck=1)
    assert (done.move, done.path, done.numbers, done.desired) == (Move.DOWN, Path.UNDECIDED, (4,), 3)
    assert "vdb is busy for 95% of the time" in done.why and "1 stuck" in done.why


@pytest.mark.parametrize("since, path", [(299.0, Path.DOWN_COOLDOWN), (301.0, Path.UNDECIDED)])
def test_the_next_step_down_waits_five_minutes(since: float, path: Path) -> None:
    assert step(replace(FOUR, since_down=since), FULL, stuck=1).path is path


@pytest.mark.parametrize(
    "decision",
    [
        said(Cause.DISK_PRESSURE),
        said(Cause.DISK_PRESSURE, by="rule disk pressure"),
        said(Cause.UNKNOWN, remedy=Remedy.SCALE_DOWN),
    ],
)
def test_a_model_or_a_rule_that_confirms_the_disk_takes_one_away(decision: Decision) -> None:
    done = step(FOUR, FULL, decision, stuck=1)
    assert (done.path, done.numbers) == (Path.CONFIRMED, (4,))
    assert decision.by in done.why


@pytest.mark.parametrize(
    "decision",
    [
        said(Cause.UNKNOWN),
        said(Cause.UNKNOWN, by="default"),
        said(Cause.HUNG, by="default"),
        said(Cause.HUNG, by="rule hung"),
    ],
)
def test_who_knows_no_cause_leaves_it_with_the_disk(decision: Decision) -> None:
    assert step(FOUR, FULL, decision, stuck=1).path is Path.UNDECIDED


@pytest.mark.parametrize(
    "decision",
    [
        said(Cause.MOUNT_DOWN, by="rule mount down"),
        said(Cause.SERVER_DOWN),
        said(Cause.SAME_ITEM, by="rule same item"),
        said(Cause.HUNG),
        said(Cause.CODE, remedy=Remedy.CODE_FIX),
    ],
)
def test_another_cause_that_a_model_or_a_rule_names_leaves_the_number_as_it_is(decision: Decision) -> None:
    done = step(FOUR, FULL, decision, stuck=1)
    assert (done.move, done.path) == (Move.KEEP, Path.OTHER_CAUSE)
    assert decision.by in done.why and decision.cause in done.why


def test_one_worker_whose_stall_is_unexplained_is_enough() -> None:
    assert step(FOUR, FULL, said(Cause.SAME_ITEM), said(Cause.UNKNOWN), stuck=2).path is Path.UNDECIDED
    assert step(FOUR, FULL, said(Cause.SAME_ITEM), said(Cause.DISK_PRESSURE), stuck=2).path is Path.CONFIRMED


def test_memory_is_a_reason_for_fewer_only_when_the_host_has_no_more() -> None:
    leak = said(Cause.MEMORY, by="rule memory")
    assert step(FOUR, FULL, leak, stuck=1).path is Path.OTHER_CAUSE
    assert step(FOUR, replace(IDLE, memory=0.95), leak, stuck=1).path is Path.CONFIRMED


def test_the_last_ones_always_remain() -> None:
    one = State(numbers=(1,), target=4, desired=1)
    assert step(one, FULL, stuck=1).path is Path.LOWEST
    assert decide(THREE, FULL, 1, (), ScalingSettings(lowest=3)).path is Path.LOWEST
    beside_paused = State(numbers=(1,), paused=(2,), target=4, desired=2)
    assert step(beside_paused, FULL, stuck=1).path is Path.LOWEST


def test_a_paused_worker_is_not_the_one_that_goes() -> None:
    assert step(replace(FOUR, paused=(4,)), FULL, stuck=1).numbers == (3,)


# -- calm -----------------------------------------------------------------------------------------------


def test_calm_and_below_the_target_starts_one_more_under_the_next_free_number() -> None:
    done = step(THREE, IDLE)
    assert (done.move, done.path, done.numbers, done.desired) == (Move.UP, Path.UP, (4,), 4)
    assert step(State(numbers=(1, 3, 4), target=4), IDLE).numbers == (2,)


@pytest.mark.parametrize(
    "state, path",
    [
        (replace(THREE, since_up=599.0), Path.UP_COOLDOWN),
        (replace(THREE, since_down=599.0), Path.UP_COOLDOWN),
        (replace(THREE, since_up=700.0, since_down=601.0), Path.UP),
    ],
)
def test_a_step_up_waits_ten_minutes_after_any_step(state: State, path: Path) -> None:
    assert step(state, IDLE).path is path


def test_calm_and_at_the_target_changes_nothing() -> None:
    assert step(FOUR, IDLE).path is Path.STEADY


def test_calm_and_above_the_target_drains_what_is_too_many() -> None:
    done = step(replace(FOUR, target=2), IDLE)
    assert (done.move, done.path, done.numbers, done.desired) == (Move.DRAIN, Path.EXCESS, (4, 3), 2)


def test_the_idle_disks_of_a_hung_mount_are_no_room_for_another_worker() -> None:
    assert step(THREE, replace(IDLE, hung_mount=True)).path is Path.HUNG_MOUNT


def test_a_worker_that_was_paused_keeps_its_place_and_its_number() -> None:
    paused = State(numbers=(1, 2, 3), paused=(4,), target=4)
    assert step(paused, IDLE).path is Path.STEADY
    assert step(replace(paused, target=5), IDLE).numbers == (5,)


# -- between, unknown, fixed ------------------------------------------------------------------------------


def test_between_calm_and_saturated_the_number_stays_even_when_workers_are_stuck() -> None:
    assert step(FOUR, BUSY, stuck=3).path is Path.STEADY
    assert step(THREE, BUSY).path is Path.STEADY


def test_workers_beyond_the_desired_number_are_drained_the_highest_first() -> None:
    done = step(replace(FOUR, desired=2), BUSY)
    assert (done.path, done.numbers, done.desired) == (Path.EXCESS, (4, 3), 2)


def test_a_drain_that_was_cut_short_goes_on_in_the_next_round() -> None:
    down = step(FOUR, FULL, stuck=1)
    still_there = replace(FOUR, desired=down.desired, since_down=60.0)
    assert step(still_there, BUSY).numbers == (4,)


def test_a_first_look_and_a_server_that_is_away_change_nothing() -> None:
    assert step(THREE, Pressure(measured=False), stuck=2).path is Path.STEADY
    away = replace(IDLE, server=ServerHealth("MyBookshelf2", ok=False, why="refused"))
    assert step(THREE, away, stuck=2).path is Path.STEADY


def test_without_a_target_the_number_is_the_operators() -> None:
    fixed = replace(FOUR, target=None, desired=2)
    for pressure in (IDLE, BUSY, FULL):
        assert step(fixed, pressure, stuck=3).path is Path.FIXED


def test_io_wait_alone_is_no_pressure() -> None:
    waiting = replace(IDLE, iowait=0.99, stalled=0.99)
    assert waiting.level(LIMITS)[0] is Level.CALM
    assert step(FOUR, waiting, stuck=4).path is Path.STEADY


# -- on all of them -----------------------------------------------------------------------------------------

numbers = st.sets(st.integers(1, 12), max_size=10).map(lambda found: tuple(sorted(found)))
ages = st.none() | st.floats(0, 5000)
states = st.builds(
    State, numbers, numbers, st.none() | st.integers(0, 10), st.none() | st.integers(0, 10), ages, ages
)
shares = st.floats(0, 1)
servers = st.none() | st.builds(
    ServerHealth, st.just("it"), st.booleans(), st.none() | st.floats(0, 60), st.just("")
)
pressures = st.builds(
    Pressure,
    st.dictionaries(st.sampled_from(["vda", "vdb"]), shares),
    shares,
    shares,
    st.none() | shares,
    st.booleans(),
    servers,
    st.booleans(),
)
opinions = st.lists(
    st.builds(
        Decision,
        st.sampled_from(Cause),
        st.sampled_from(Remedy),
        st.sampled_from(["default", "rule one", "model small"]),
        st.just(""),
    ),
    max_size=3,
)


@given(states, pressures, st.integers(0, 4), opinions)
def test_what_always_holds(state: State, pressure: Pressure, stuck: int, decisions: list[Decision]) -> None:
    done = decide(state, pressure, stuck, decisions, LIMITS)
    running = set(state.numbers) - set(state.paused)
    level, _ = pressure.level(LIMITS)
    assert (done.move is Move.KEEP) == (not done.numbers)
    assert done.why and len(set(done.numbers)) == len(done.numbers)
    if state.target is None:
        assert done.move is Move.KEEP
    if done.move is Move.UP:
        assert level is Level.CALM and not pressure.hung_mount
        assert state.target is not None and state.current < state.target
        assert len(done.numbers) == 1 and not {*done.numbers} & {*state.numbers, *state.paused}
        assert done.numbers[0] <= state.target
    if done.move is Move.DOWN:
        assert level is Level.SATURATED and stuck
        assert len(running) - len(done.numbers) >= LIMITS.lowest
        assert done.desired < state.current
    if done.move in (Move.DOWN, Move.DRAIN):
        assert set(done.numbers) <= running
        assert list(done.numbers) == sorted(running, reverse=True)[: len(done.numbers)]


@given(states, pressures, st.integers(0, 4), opinions)
def test_a_step_that_was_made_is_not_made_again_at_once(
    state: State, pressure: Pressure, stuck: int, decisions: list[Decision]
) -> None:
    done = decide(state, pressure, stuck, decisions, LIMITS)
    if done.move is Move.UP:
        numbers = (*state.numbers, *done.numbers)
        after = replace(state, numbers=numbers, desired=done.desired, since_up=0.0)
    else:
        numbers = tuple(set(state.numbers) - set(done.numbers))
        since = 0.0 if done.move is Move.DOWN else state.since_down
        after = replace(state, numbers=numbers, desired=done.desired, since_down=since)
    again = decide(after, pressure, stuck, decisions, LIMITS)
    if done.move is not Move.KEEP and again.move is not Move.KEEP:
        # Only a drain may be followed by a step: it changed nothing that was decided.
        assert done.move is Move.DRAIN
