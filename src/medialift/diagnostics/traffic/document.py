"""What is kept of a job when it is over: what it was, its figures, their meaning, and its requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from medialift.diagnostics.traffic.figures import FAILED, Figures

FORMAT = "medialift traffic 1"
FINISHED, BROKEN_OFF, RUNNING = "finished", "broken off", "running"
"""How a record ended: with its job, with its process before it, or not yet."""


def line_of(entry: Mapping[str, Any]) -> str:
    """A request as one line of JSON."""
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def made(
    head: Mapping[str, Any],
    figures: Figures,
    summary: Mapping[str, Any],
    lines: Iterable[tuple[str, bool]],
    *,
    at_most: int,
) -> bytes:
    """The document, a request to a line.

    Args:
        lines: requests as `line_of` makes them, and whether each failed.
        at_most: bytes of the whole; what has no room is left out, those that went well before those that
            failed, and counted.
    """
    kept = list(lines)
    frame = {"format": FORMAT, **head, "summary": summary, "figures": figures.to_dict()}
    text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
    room = at_most - len(text.encode()) - 40
    chosen = _fitting(kept, room)
    left_out = figures.requests - len(chosen)
    requests = ",\n".join(kept[number][0] for number in chosen)
    return f'{text[:-1]},"left_out":{left_out},"requests":[\n{requests}\n]}}\n'.encode()


def _fitting(lines: list[tuple[str, bool]], room: int) -> list[int]:
    """The numbers of the lines that have room, in their order."""
    chosen = []
    by_worth = sorted(range(len(lines)), key=lambda number: (not lines[number][1], number))
    for number in by_worth:
        room -= len(lines[number][0].encode()) + 2
        if room < 0:
            break
        chosen.append(number)
    return sorted(chosen)


def failed(entry: Mapping[str, Any]) -> bool:
    """Whether a request is one to look at."""
    return entry.get("outcome") == FAILED
