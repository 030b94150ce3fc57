"""How the stand-in behaves, and what goes wrong in it: switched from outside while it runs.

A fault is {"kind", "match", "times", "after", "every", "seconds", "status"}. `match` is a regular expression
on "METHOD path?query" of a request, or on "TASK name file" of a task. `after` lets so many matches pass
first, `every` strikes only each n-th of those that follow, `times` is how often (for ever without it).

    slow       answered after `seconds`
    status     `status` (default 500) with an HTML page, and nothing done
    reset      the connection is cut before anything is done
    lost       everything is done, and the connection cut instead of an answer
    silent     nothing is done and nothing answered, until the fault is lifted or `seconds` are over
    drop       the task has started; its WebSocket is cut before the result is there
    vanish     the task is done, and its result is never sent
    fail       the task ends with an error
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import Any

WIRE = ("slow", "status", "reset", "lost", "silent")
TASKS = ("drop", "vanish", "fail")


@dataclass
class Switches:
    """Behaviour with its usual values."""

    threaded: bool = True
    """False: one request at a time, as a development server without threads."""
    race_seconds: float = 0.002
    """How long a request takes between its check and its insert."""
    latency: float = 0.0
    metadata_seconds: float = 0.0
    """What extracting metadata costs a book; 0 is free."""
    metadata_workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    metadata_limit: float = 60.0
    queue_size: int = 10_000
    session_seconds: float = 60.0
    """How long results wait for a WebSocket session to come back."""
    token_seconds: float = 4 * 3600.0
    max_content_length: int = 100 * 1024 * 1024

    def change(self, wanted: dict[str, Any]) -> None:
        known = {each.name: type(getattr(self, each.name)) for each in fields(self)}
        for name, value in wanted.items():
            if name not in known:
                raise ValueError(f"no such switch: {name}")
            setattr(self, name, known[name](value))


@dataclass
class Fault:
    kind: str
    match: str = ""
    times: int | None = None
    after: int = 0
    every: int = 1
    seconds: float = 3600.0
    status: int = 500
    seen: int = 0
    struck: int = 0
    lifted: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def strikes(self, line: str) -> bool:
        if (self.times is not None and self.struck >= self.times) or not re.search(self.match, line):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.seen - self.after) % self.every:
            return False
        self.struck += 1
        return True

    def to_dict(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "lifted"}


class Steering:
    """Switches, faults and what was counted."""

    def __init__(self, switches: Switches) -> None:
        self.switches = switches
        self.faults: list[Fault] = []
        self.requests: Counter[str] = Counter()
        self.in_flight = 0
        self.most_in_flight = 0

    def add(self, wanted: dict[str, Any]) -> Fault:
        fault = Fault(**wanted)
        if fault.kind not in WIRE + TASKS:
            raise ValueError(f"no such fault: {fault.kind}")
        re.compile(fault.match)
        self.faults.append(fault)
        return fault

    def lift(self) -> None:
        """End all faults; who waits in one goes on."""
        for fault in self.faults:
            fault.lifted.set()
        self.faults.clear()

    def fault(self, line: str, kinds: tuple[str, ...]) -> Fault | None:
        """The first fault of these kinds that strikes this line."""
        return next((each for each in self.faults if each.kind in kinds and each.strikes(line)), None)

    def to_dict(self) -> dict[str, Any]:
        return {
            "switches": asdict(self.switches),
            "faults": [fault.to_dict() for fault in self.faults],
            "requests": dict(self.requests),
            "most_in_flight": self.most_in_flight,
        }
