"""Posters, as people read of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medialift.cli.face import Face
from medialift.foundation.units import format_duration, format_size
from medialift.posters.status import Status

_STATES = ("ready", "leased", "done", "skipped", "failed", "paused", "cancelled")


def position(now: Status) -> tuple[float, float | None, str]:
    """How far all of it is: ended, of how many, and a few words."""
    newest = now.batches[0] if now.batches else None
    words = [f"{now.items.failed} failed" if now.items.failed else "", now.control.why]
    if newest is not None and newest.seconds_left is not None:
        words.insert(0, f"{format_duration(newest.seconds_left)} left")
    if newest is None:
        return 0.0, None, ", ".join(filter(None, words))
    return float(newest.total - newest.left), float(newest.total), ", ".join(filter(None, words))


def status(face: Face, told: Mapping[str, Any]) -> None:
    """All of it."""
    face.line(
        f"{told['collection']}: {told['state']}" + (f", {told['paused_why']}" if told["paused"] else "")
    )
    face.table(
        ["batch #", "what", "state", "items #", "left #", "failed #", "size #", "time left"],
        [
            (
                one["id"],
                f"{one['action']} {one['image']}",
                one["state"],
                one["total"],
                one["left"],
                one["states"].get("failed", 0),
                format_size(one["bytes"]),
                _left(one),
            )
            for one in told["batches"]
        ],
    )
    face.table(
        ["worker", "state", "does", "items #", "silent #"],
        [
            (one["name"], one["state"], one["phase"], one["items"], format_duration(one["silence"]))
            for one in told["workers"]
        ],
    )


def batch(face: Face, told: Mapping[str, Any]) -> None:
    """One batch."""
    counts = ", ".join(f"{told['states'][one]} {one}" for one in _STATES if told["states"].get(one))
    face.line(f"batch {told['id']}, {told['action']} of {told['image']}: {told['state']} ({counts})")
    if told["left"] and (left := _left(told)):
        face.line(f"{left} left")
    if told["states"].get("failed"):
        face.line(f"What failed, and why: medialift posters failed {told['id']}")


def items(face: Face, rows: Sequence[Mapping[str, Any]]) -> None:
    """Items with their reasons."""
    face.table(
        ["item #", "batch #", "title", "id", "tries #", "why"],
        [(one["item"], one["batch"], one["name"], one["id"], one["attempts"], one["why"]) for one in rows],
    )


def steps(face: Face, told: Mapping[str, Any]) -> None:
    """What was looked at."""
    face.table(
        ["what", "well", "found", "what to do"],
        [(one["name"], "yes" if one["ok"] else "no", one["detail"], one["hint"]) for one in told["steps"]],
    )


def _left(told: Mapping[str, Any]) -> str:
    return "" if told["seconds_left"] is None else format_duration(told["seconds_left"])
