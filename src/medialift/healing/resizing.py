"""The number of workers of a pipeline on this host, by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from medialift.errors import Permanent
from medialift.healing import care, history, sizing
from medialift.healing.history import Entry, What
from medialift.healing.scaling import Move, Path, State, Step
from medialift.healing.standing import Here, Standing, standing
from medialift.healing.turns import by_hand
from medialift.queueing import events

_PATIENCE_SECONDS = 60.0
MOST_WORKERS = 64
"""Of one pipeline on one host: more logins than that no server bears."""


def scale(here: Here, pipeline: str, count: int, *, why: str = "", check: bool = False) -> dict[str, Any]:
    """Have so many workers here: more of the lowest numbers, or the highest drained first.

    One that is paused keeps its place. Where the number goes by pressure (`healing.scaling.targets`), it goes
    on from here. {"changed", "workers", "diff", "sizes"}

    Raises: as `drain`; Permanent: the number is none, or above the target.
    """
    _possible(here, pipeline, count)
    state = _state(here, pipeline)
    step = _step(state, count, why)
    changed = step.move is not Move.KEEP
    if changed and not check:
        with by_hand(here.database, here.host, at_most=here.settings.healing.drain + _PATIENCE_SECONDS):
            # A round may have changed the number meanwhile.
            state = _state(here, pipeline)
            step = _step(state, count, why)
            if step.move is not Move.KEEP:
                _resize(here, pipeline, step)
    rows = standing(here, pipeline)
    return {
        "changed": changed,
        "diff": {"before": {"workers": state.current}, "after": {"workers": _after(state, step)}},
        "sizes": [size_of(here, pipeline, rows)],
        "workers": [one.to_dict() for one in rows],
    }


def _after(state: State, step: Step) -> int:
    """How many there are then; those that are paused may be more than are wanted."""
    if step.move is Move.UP:
        return state.current + len(step.numbers)
    return state.current - len(step.numbers)


def _possible(here: Here, pipeline: str, count: int) -> None:
    target = here.settings.healing.scaling.targets.get(pipeline)
    if not 0 <= count <= MOST_WORKERS:
        raise Permanent("This is no number of workers", str(count), f"0 to {MOST_WORKERS} are possible")
    if target is not None and count > target:
        raise Permanent(
            "There are to be fewer workers than that",
            f"{count} of {pipeline}",
            f"healing.scaling.targets says {target}: raise it",
        )


def _state(here: Here, pipeline: str) -> State:
    fleet = here.fleet(pipeline)
    with here.transaction() as connection:
        size = sizing.read(connection, here.host, pipeline)
        paused = [one.worker for one in care.paused(connection, here.host, pipeline)]
    members = [one for one in fleet.members() if one.enabled]
    return sizing.state_of(size, pipeline, members, paused, here.settings.healing.scaling)


def _step(state: State, count: int, why: str) -> Step:
    """What leads to this number by hand."""
    said = f"{count} workers instead of {state.current}, says {events.somebody()}"
    said += f": {why}" if why else ""
    going = tuple(state.running[: max(0, state.current - count)])
    if count == state.current or (count < state.current and not going):
        return Step(Move.KEEP, Path.STEADY, state.current, said)
    if going:
        return Step(Move.DRAIN, Path.EXCESS, count, said, going)
    taken = {*state.numbers, *state.paused}
    free = [number for number in range(1, MOST_WORKERS + 1) if number not in taken]
    return Step(Move.UP, Path.UP, count, said, tuple(free[: count - state.current]))


def _resize(here: Here, pipeline: str, step: Step) -> None:
    drain_seconds = here.settings.healing.drain
    fleet = here.fleet(pipeline)
    sized = sizing.apply(step, fleet, here.database, here.host, pipeline, drain=drain_seconds)
    with here.transaction() as connection:
        history.record(
            connection,
            Entry(
                What.SCALING,
                here.host,
                pipeline,
                outcome=step.move.value,
                subject=step.why,
                detail={"by": events.somebody(), **step.to_dict(), **sized.to_dict()},
            ),
        )
    if sized.errors:
        raise Permanent(
            "Not all workers could be started or drained", "; ".join(sized.errors), "Try it again"
        )


def size_of(here: Here, pipeline: str, rows: Iterable[Standing]) -> dict[str, Any]:
    """How many workers there are and are to be."""
    with here.transaction() as connection:
        size = sizing.read(connection, here.host, pipeline)
    target = here.settings.healing.scaling.targets.get(pipeline)
    ours = [one for one in rows if one.pipeline == pipeline and one.number]
    return {
        "pipeline": pipeline,
        "enabled": sum(one.is_to_run for one in ours),
        "running": sum(one.runs for one in ours),
        "paused": sum(one.care.paused for one in ours),
        "target": target,
        "desired": size.desired if target is not None else None,
        "why": size.why,
    }
