"""How many workers there are to be: one decision out of what is seen, after each round.

    saturated ─ none stuck ──────────────────────────────▶ nothing: they get on
              └ stuck ─ a step down less than 5 min ago ─▶ nothing
                      ├ another cause is named for each ─▶ nothing: fewer workers would not help
                      └ the disk, undecided, or no model ▶ one fewer, the highest
    calm ─ below the target ─ a step in the last 10 min ─▶ nothing
         │                  └ otherwise ────────────────▶ one more, the lowest number that is free
         └ at the target ─┐
    between ──────────────┴ more than desired ──────────▶ those are drained, the highest first
                          └ otherwise ──────────────────▶ nothing

A worker that is paused after an escalation keeps its place: another in its stead would meet what it met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.pressure import Level, Pressure
from medialift.settings import ScalingSettings


class Move(StrEnum):
    """What is done."""

    KEEP = "keep"
    DOWN = "down"
    UP = "up"
    DRAIN = "drain"
    """Workers that are too many go; their number was decided before, or by the operator."""


class Path(StrEnum):
    """The ways through the flowchart, by where they end."""

    FIXED = "fixed"
    """The pipeline has no target: its number is the operator's."""
    FINE = "fine"
    DOWN_COOLDOWN = "down_cooldown"
    OTHER_CAUSE = "other_cause"
    LOWEST = "lowest"
    CONFIRMED = "confirmed"
    UNDECIDED = "undecided"
    UP_COOLDOWN = "up_cooldown"
    HUNG_MOUNT = "hung_mount"
    """All disks are idle because nothing can be read: that is no room for another worker."""
    UP = "up"
    EXCESS = "excess"
    STEADY = "steady"


@dataclass(frozen=True)
class State:
    """The workers of one pipeline on this host.

    Attributes:
        numbers: of those that are enabled or run.
        paused: numbers of those that were paused after an escalation; none of them runs.
        target: how many there are to be when nothing is in their way; None: the number is fixed.
        desired: how many there are to be now; None: nothing was decided yet.
        since_down, since_up: seconds since the last step; None: there was none.
    """

    numbers: Sequence[int] = ()
    paused: Sequence[int] = ()
    target: int | None = None
    desired: int | None = None
    since_down: float | None = None
    since_up: float | None = None

    @property
    def current(self) -> int:
        """Workers that are there, the paused ones among them."""
        return len({*self.numbers, *self.paused})

    @property
    def running(self) -> list[int]:
        """Those that can be drained, the highest first."""
        return sorted({*self.numbers} - {*self.paused}, reverse=True)

    @property
    def wanted(self) -> int:
        """How many there are to be now: never more than the target."""
        target = self.target if self.target is not None else self.current
        return target if self.desired is None else min(self.desired, target)


@dataclass(frozen=True)
class Step:
    """One decision.

    Attributes:
        numbers: of the workers that are started, or drained in this order.
        desired: how many there are to be from now on.
        why: one sentence for people, with the figures.
    """

    move: Move
    path: Path
    desired: int
    why: str
    numbers: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For the history."""
        return asdict(self)


def decide(
    state: State,
    pressure: Pressure,
    stuck: int,
    decisions: Sequence[Decision],
    limits: ScalingSettings,
) -> Step:
    """One step through the flowchart.

    Args:
        stuck: workers of this pipeline that are stuck now.
        decisions: what rules or model think of those; none when nobody was asked.
    """
    if state.target is None:
        return Step(Move.KEEP, Path.FIXED, state.current, "Its number of workers is fixed")
    level, why = pressure.level(limits)
    if level is Level.SATURATED:
        return _saturated(state, pressure, why, stuck, decisions, limits)
    if level is Level.CALM and state.current < state.target:
        return _calm(state, pressure, why, limits)
    return _excess(state, why)


def _saturated(
    state: State,
    pressure: Pressure,
    why: str,
    stuck: int,
    decisions: Sequence[Decision],
    limits: ScalingSettings,
) -> Step:
    if not stuck:
        return _keep(state, Path.FINE, f"Saturated ({why}), but no worker is stuck")
    if state.since_down is not None and state.since_down < limits.down_cooldown:
        return _keep(
            state,
            Path.DOWN_COOLDOWN,
            f"The last step down was {state.since_down:.0f} s ago, and another waits for "
            f"{limits.down_cooldown:g} s",
        )
    confirming = [one for one in decisions if _confirms(one, pressure, limits)]
    others = [one for one in decisions if one not in confirming and _names_another(one)]
    if others and len(others) == len(decisions):
        other = others[0]
        return _keep(state, Path.OTHER_CAUSE, f"Saturated ({why}), but {other.by} names {other.cause}")
    left = min(state.current, state.wanted) - 1
    leaving = _too_many(state, left)
    if not leaving or len(state.running) - len(leaving) < limits.lowest:
        return _keep(state, Path.LOWEST, f"Saturated ({why}), and only {len(state.running)} are left")
    said = f"{confirming[0].by} says so" if confirming else "no other cause is known"
    return Step(
        Move.DOWN,
        Path.CONFIRMED if confirming else Path.UNDECIDED,
        left,
        f"Saturated ({why}), and {stuck} stuck: one worker fewer, since {said}",
        leaving,
    )


def _calm(state: State, pressure: Pressure, why: str, limits: ScalingSettings) -> Step:
    if pressure.hung_mount:
        return _keep(state, Path.HUNG_MOUNT, "A mount hangs, so the disks are idle for want of work")
    steps = [since for since in (state.since_down, state.since_up) if since is not None]
    if steps and min(steps) < limits.up_cooldown:
        return _keep(
            state,
            Path.UP_COOLDOWN,
            f"The last step was {min(steps):.0f} s ago, and one up waits for {limits.up_cooldown:g} s",
        )
    taken = {*state.numbers, *state.paused}
    number = next(one for one in range(1, len(taken) + 2) if one not in taken)
    return Step(
        Move.UP,
        Path.UP,
        state.current + 1,
        f"Calm ({why}), and {state.current} of {state.target} workers: one more",
        (number,),
    )


def _excess(state: State, why: str) -> Step:
    leaving = _too_many(state, state.wanted)
    if not leaving:
        return _keep(state, Path.STEADY, f"{state.current} workers, as they are to be ({why})")
    return Step(
        Move.DRAIN,
        Path.EXCESS,
        state.wanted,
        f"{state.current} workers where {state.wanted} are to be: the highest go",
        leaving,
    )


def _too_many(state: State, left: int) -> tuple[int, ...]:
    """Those that go so that so many are left, the highest first."""
    return tuple(state.running[: max(0, state.current - max(left, 0))])


def _keep(state: State, path: Path, why: str) -> Step:
    return Step(Move.KEEP, path, state.wanted, why)


def _confirms(decision: Decision, pressure: Pressure, limits: ScalingSettings) -> bool:
    """It says that they are in each other's way."""
    if decision.cause is Cause.MEMORY:
        # One that takes too much by itself is restarted; it is their number when the host has no more.
        return pressure.memory >= limits.memory
    return decision.remedy is Remedy.SCALE_DOWN or decision.cause is Cause.DISK_PRESSURE


def _names_another(decision: Decision) -> bool:
    """It knows a cause that fewer workers would not mend.

    That one hangs is what is seen of it, whatever it hangs on: a rule that says no more leaves it open.
    """
    if decision.by == "default" or decision.cause is Cause.UNKNOWN:
        return False
    return not (decision.cause is Cause.HUNG and decision.by.startswith("rule"))
