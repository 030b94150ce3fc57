"""The rules: from the evidence to a cause and a remedy, in the order in which they are asked.

What is known for certain comes first: the disk, the mount, the server, the database. A restart helps against
none of them. What a log says is not certain: its lines are whatever somebody made a worker write there, so
they alone never lead to more than a restart. Who cannot be explained gets no decision, and scaling or a model
may know more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import psutil

from medialift.foundation.units import format_duration, format_size
from medialift.healing import looking, patterns, space, stack
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.observed import Trouble
from medialift.mounts.verdict import HEALTHY, HUNG

NEAR = 0.9
"""The share of its memory that a worker may use from which on that is what holds it up."""
QUIET, BUSY = 0.05, 0.9
"""Shares of one processor: below the one it only gives signs of life, above the other it computes."""
PARALLEL = "parallel_uploads"
"""The setting that says how much a worker has in memory at once."""
_HOST_LEFT, _HOST_PART = 0.05, 0.25
_LOST, _AGAIN = 2, 2
_NEWEST, _SAME = 60, 10

# systemd's own line, which no worker can write: what stands before its name is journald's.
_OUT_OF_MEMORY = re.compile(r"^\S+ \S+ systemd\[1\]: .*\b(?:OOM killer|oom-kill)", re.IGNORECASE)
_NO_MEMORY = re.compile(r"\bMemoryError\b|\bCannot allocate memory\b", re.IGNORECASE)
_LOCKED = re.compile(
    r"\bdatabase (?:table )?is locked\b|\bdeadlock detected\b|\block timeout\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Found:
    """What a rule found: a sentence for people with the figures, and what it wants done beside its remedy."""

    sentence: str
    remedy: Remedy | None = None
    settings: Mapping[str, int | float] = field(default_factory=dict)
    item: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule: its name, the cause that it finds, the remedy if it says no other, and what it looks for."""

    name: str
    cause: Cause
    remedy: Remedy
    look: Callable[[Evidence], Found | None]


def diagnose(evidence: Evidence) -> Decision | None:
    """What the first rule that knows what ails a worker decides; None when none does."""
    for rule in RULES:
        found = rule.look(evidence)
        if found is not None:
            return Decision(
                cause=rule.cause,
                remedy=found.remedy or rule.remedy,
                by=f"rule {rule.name}",
                explanation=found.sentence,
                settings=found.settings,
                item=found.item,
            )
    return None


def _disk_full(evidence: Evidence) -> Found | None:
    full = [disk for disk in evidence.disks if space.is_full(disk)]
    if not full:
        return None
    disk = full[0]
    left = f"{format_size(disk.free)} of {format_size(disk.total)}"
    if disk.files_free is not None and not space.is_full_of_bytes(disk):
        left = f"no more than {disk.files_free} files"
    return Found(f"The disk of {disk.path} has room for {left}: a restart brings no space")


def _hung_mount(evidence: Evidence) -> Found | None:
    hung = next((mount for mount in evidence.mounts if mount.state == HUNG), None)
    waits = list(filter(looking.is_remote, evidence.process.get("waits", ())))
    idle = bool(evidence.pressure.get("hung_mount"))
    beside = ", while the host waits for I/O and its disks are idle" if idle else ""
    if hung is not None:
        return Found(f"The mount of {hung.path} hangs{beside}: {hung.why}")
    # A probe that read well says more than what waits: another file may be what hangs.
    if waits and idle and not any(mount.state == HEALTHY for mount in evidence.mounts):
        return Found(f"It waits for a mount that does not answer ({waits[0]}){beside}")
    return None


def _mount_down(evidence: Evidence) -> Found | None:
    bad = next((mount for mount in evidence.mounts if mount.state != HEALTHY), None)
    return None if bad is None else Found(f"{bad.path} cannot be read, it is {bad.state}: {bad.why}")


def _server_down(evidence: Evidence) -> Found | None:
    server = evidence.server
    if server is None or server.ok:
        return None
    return Found(f"{server.name} does not answer: {server.why or 'it gives no reason'}")


def _ledger_locked(evidence: Evidence) -> Found | None:
    if evidence.blocked <= max(1.0, evidence.verdict.limit / 10):
        return None
    told = f"It has waited for a lock in the ledger for {format_duration(evidence.blocked)}"
    if evidence.blocker == "itself":
        return Found(f"{told}, which it holds itself", Remedy.RESTART)
    return Found(f"{told}, which another session holds: {evidence.blocker or 'nobody knows which'}")


def _memory(evidence: Evidence) -> Found | None:
    told = _short_of_memory(evidence)
    if not told:
        return None
    knob = evidence.knobs.get(PARALLEL)
    if knob is None or knob.fixed or knob.now <= knob.lowest:
        return Found(f"{told}; it does as little at once as it may", Remedy.RESTART)
    fewer = max(int(knob.lowest), min(int(knob.highest), int(knob.now) // 2))
    return Found(f"{told}: {fewer} instead of {knob.now:g} at once", settings={PARALLEL: fewer})


def _short_of_memory(evidence: Evidence) -> str:
    process, limit = evidence.process, evidence.memory_limit
    used = process.get("rss", 0)
    if limit and used >= NEAR * limit:
        return f"It uses {format_size(used)} of the {format_size(limit)} of memory that it may"
    total = process.get("host_total", 0)
    if total and process["host_available"] <= _HOST_LEFT * total and used >= _HOST_PART * total:
        return f"It uses {format_size(used)} of memory, and the host has hardly any left"
    if evidence.verdict.trouble is Trouble.CRASH_LOOP and any(map(_OUT_OF_MEMORY.search, evidence.log)):
        return "It was ended for want of memory"
    return ""


def _same_item(evidence: Evidence) -> Found | None:
    items = evidence.items
    crashing = evidence.verdict.trouble is Trouble.CRASH_LOOP
    key = items.get("current")
    # While it crashes, nothing tells which of many it was at: only what stands out counts.
    if key is not None and not crashing:
        if items.get("before") == key:
            return Found(f"It is stuck at item {key}, as it was before its last restart", item=key)
        again = items.get("attempts", 0)
        if again - items.get("lost", 0) >= _AGAIN:
            return Found(f"It comes back to item {key}, which was put off or lost {again} times", item=key)
    key, losses = items.get("repeating"), items.get("repeating_lost", 0)
    if key is not None and losses >= _LOST:
        return Found(f"It comes back to item {key}, with which workers ended {losses} times", item=key)
    return None if crashing else _same_in_log(evidence)


def _same_in_log(evidence: Evidence) -> Found | None:
    key = evidence.items.get("current")
    if not key:
        return None
    newest = [told for line in evidence.log[-_NEWEST:] if patterns.is_error(told := patterns.message(line))]
    word = re.compile(rf"(?<!\w){re.escape(str(key))}(?!\w)")
    about = sum(1 for told in newest if word.search(told))
    if about < _SAME or about * 2 < len(newest):
        return None
    return Found(f"{about} of its {len(newest)} newest errors are about item {key}, at which it is", item=key)


def _database_locked(evidence: Evidence) -> Found | None:
    return _in_log(evidence, [_LOCKED], "Its log says that a database is locked")


def _no_memory(evidence: Evidence) -> Found | None:
    return _in_log(evidence, [_NO_MEMORY], "Its log says that it got no memory")


def _in_log(evidence: Evidence, wanted: Iterable[re.Pattern[str]], sentence: str) -> Found | None:
    newest = [patterns.message(line) for line in evidence.log[-_NEWEST:]]
    said = [told for told in newest if patterns.is_error(told) and any(one.search(told) for one in wanted)]
    return Found(f"{sentence}: {said[-1]}") if said else None


def _gone(evidence: Evidence) -> Found | None:
    if evidence.process.get("state") != "gone" or evidence.verdict.trouble is Trouble.CRASH_LOOP:
        return None
    return Found(f"Its process has ended, and nothing started it again{_last_error(evidence)}")


def _crash_loop(evidence: Evidence) -> Found | None:
    if evidence.verdict.trouble is not Trouble.CRASH_LOOP:
        return None
    return Found(f"It started {evidence.worker.lives} times without doing anything{_last_error(evidence)}")


def _last_error(evidence: Evidence) -> str:
    return f"; its log repeats: {evidence.patterns[0].text}" if evidence.patterns else ""


def _hung(evidence: Evidence) -> Found | None:
    process = evidence.process
    state, busy = process.get("state"), process.get("busy")
    where = _where(evidence.stack)
    if state in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
        return Found("Its process is stopped: somebody sent it a signal, or looks at it with a debugger")
    if evidence.verdict.trouble is Trouble.SILENT and state is not None:
        return Found(f"Its process is there and gives no sign of life{where}")
    if busy is None or state == psutil.STATUS_DISK_SLEEP:
        return None
    if process.get("wanted", busy) >= BUSY:
        return Found(f"It computes without coming to an end{where}")
    if busy < QUIET and not process.get("moved", 0):
        return Found(f"It waits for what does not come, computes nothing and reads nothing{where}")
    return None


def _where(frames: Sequence[str]) -> str:
    innermost, ours = stack.innermost(frames), stack.innermost(frames, within="medialift")
    told = " below ".join(dict.fromkeys(filter(None, (innermost, ours))))
    return f", in {told}" if told else ""


RULES: Sequence[Rule] = (
    Rule("disk_full", Cause.DISK_FULL, Remedy.ESCALATE, _disk_full),
    Rule("hung_mount", Cause.MOUNT_DOWN, Remedy.WAIT, _hung_mount),
    Rule("mount_down", Cause.MOUNT_DOWN, Remedy.WAIT, _mount_down),
    Rule("server_down", Cause.SERVER_DOWN, Remedy.WAIT, _server_down),
    Rule("ledger_locked", Cause.DATABASE_LOCKED, Remedy.WAIT, _ledger_locked),
    Rule("memory", Cause.MEMORY, Remedy.CONFIG_FIX, _memory),
    Rule("same_item", Cause.SAME_ITEM, Remedy.RESTART, _same_item),
    Rule("gone", Cause.CRASH, Remedy.RESTART, _gone),
    Rule("no_memory", Cause.MEMORY, Remedy.RESTART, _no_memory),
    Rule("database_locked", Cause.DATABASE_LOCKED, Remedy.RESTART, _database_locked),
    Rule("crash_loop", Cause.CRASH, Remedy.RESTART, _crash_loop),
    Rule("hung", Cause.HUNG, Remedy.RESTART, _hung),
)
