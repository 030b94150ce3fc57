"""Collecting the evidence about a stuck worker: each part within its time, and none at the cost of others."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import Connection

from medialift.foundation.text import redact
from medialift.healing import ledger_facts, looking, patterns, stack
from medialift.healing.evidence import Evidence, KnobNow
from medialift.healing.fleet import Member
from medialift.healing.journal import LINES, LogSource
from medialift.healing.observed import Observed, Verdict
from medialift.healing.parts import Parts
from medialift.healing.pipeline import Knob, Pipeline
from medialift.healing.surroundings import Surroundings, look_around
from medialift.settings import ENVIRONMENT_PREFIX, Settings, secrets

_LOG_SECONDS = 20.0
_STACK_SECONDS = stack.SECONDS + 5.0
_LOOK_SECONDS = 10.0
_LOG_CHARACTERS = 60_000
_NO_LINES: tuple[str, ...] = ()
_NOTHING: dict[str, Any] = {}
# Tabs stay; everything else that moves a cursor or hides what stands there is shown as what it is: a gap.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def collect(
    seen: Observed,
    verdict: Verdict,
    member: Member | None,
    pipeline: Pipeline,
    settings: Settings,
    connection: Connection,
    log: LogSource,
    *,
    around: Surroundings | None = None,
    pressure: Mapping[str, Any] | None = None,
    cgroups: Path = looking.CGROUPS,
    stop: Event | None = None,
) -> Evidence:
    """Everything that can be found out about a worker, within about a minute at most.

    Args:
        member: what runs it, when that is known.
        connection: to the ledger, in a transaction, which is left as it was.
        around: what was seen of its surroundings a moment ago, when several workers are stuck; looked at now
            when it is not given.
        pressure: the host's, as it was measured last.
        cgroups: where the kernel shows its control groups.

    Raises:
        Stopped: `stop` was set. Nothing else: what could not be found out says so in `missing`.
    """
    stop = stop or Event()
    parts = Parts(stop)
    wider = None
    if around is None:
        # Its own parts have times of their own.
        wider = parts.begin(
            "surroundings", math.inf, lambda: look_around(pipeline, settings, stop=stop), Surroundings()
        )
    unit = _unit(seen, member, pipeline)
    lines = parts.begin("log", _LOG_SECONDS, lambda: shown(log.newest(unit, LINES), settings), _NO_LINES)
    pid = looking.process_of(seen, member)
    process: Mapping[str, Any] = looking.GONE
    frames, files = _NO_LINES, _NO_LINES
    limit = None
    if pid:
        figures = parts.begin("process", _LOOK_SECONDS, lambda: looking.looked_at(pid, stop=stop), _NOTHING)
        taken = parts.begin("stack", _STACK_SECONDS, lambda: stack.taken(pid), _NO_LINES)
        opened = parts.begin("files", _LOOK_SECONDS, lambda: looking.files(pid), _NO_LINES)
        limited = parts.begin(
            "memory limit", _LOOK_SECONDS, lambda: looking.memory_limit(pid, cgroups=cgroups), None
        )
    items, knobs, (blocked, blocker) = _of_ledger(parts, connection, seen, member, pipeline, settings)
    if pid:
        process, frames, files, limit = figures(), _clean(taken()), _clean(opened()), limited()
    told = lines()
    there = around or (wider() if wider is not None else Surroundings())
    return Evidence(
        worker=seen,
        verdict=verdict,
        log=told,
        patterns=patterns.patterns(told),
        items=items,
        stack=frames,
        files=files,
        process=process,
        memory_limit=limit,
        mounts=there.mounts,
        server=there.server,
        disks=there.disks,
        blocked=blocked,
        blocker=blocker,
        knobs=knobs,
        pressure=dict(pressure or {}),
        missing={**there.missing, **parts.missing},
    )


def shown(lines: Sequence[str], settings: Settings) -> tuple[str, ...]:
    """The newest lines as they may be kept and shown: without secrets, each cut, together of some length."""
    known = secrets(settings)
    kept: list[str] = []
    left = _LOG_CHARACTERS
    for line in reversed(lines):
        line = redact(_UNSEEN.sub("\ufffd", line), known)[: patterns.LONGEST_LINE]
        left -= len(line)
        if left < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def _clean(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(_UNSEEN.sub("\ufffd", line)[: patterns.LONGEST_LINE] for line in lines)


def _unit(seen: Observed, member: Member | None, pipeline: Pipeline) -> str:
    """The unit that logs: what runs it, or what should by its name (HOST@NUMBER)."""
    if member is not None:
        return member.unit
    return pipeline.unit.format(number=seen.name.rpartition("@")[2])


def _of_ledger(
    parts: Parts,
    connection: Connection,
    seen: Observed,
    member: Member | None,
    pipeline: Pipeline,
    settings: Settings,
) -> tuple[dict[str, Any], dict[str, KnobNow], tuple[float, str]]:
    """What is asked over the one connection, so one after the other, while the rest goes on."""
    items = parts.now("items", lambda: ledger_facts.items(connection, seen), _NOTHING)
    blocked = parts.now("locks", lambda: ledger_facts.blocked(connection, seen.name), (0.0, ""))
    by_hand = parts.now("settings", lambda: ledger_facts.by_hand(connection, seen), None)
    if by_hand is None:
        return items, {}, blocked
    knobs = {name: _knob(knob, by_hand, member, settings) for name, knob in pipeline.knobs.items()}
    return items, knobs, blocked


def _knob(knob: Knob, by_hand: Mapping[str, Any], member: Member | None, settings: Settings) -> KnobNow:
    fixed = by_hand.get(knob.control) if knob.control else None
    own = member.settings.get(knob.variable) if member is not None else None
    now = fixed if fixed is not None else own if own is not None else _common(knob, settings)
    return KnobNow(float(now), knob.lowest, knob.highest, fixed=fixed is not None)


def _common(knob: Knob, settings: Settings) -> Any:
    """What a setting is for all workers by its variable: MEDIALIFT_BOOKS__BATCH is settings.books.batch. Of a
    variable that is none of these settings' nobody here knows: it is taken for as high as it may be."""
    value: Any = settings
    for name in knob.variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"):
        value = getattr(value, name, None)
    return knob.highest if value is None else value
