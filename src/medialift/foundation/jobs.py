"""Long work on a host: a folder that says what to do, how far it is and how it ended.

A job outlives whoever started it: it runs as a unit of its own, and anybody may attach to it again. Its
folder holds `job.json` (what to do), `journal.jsonl` (what happened), `lock` (held while it runs) and
`result.json` (how it ended).
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import MedialiftError, Permanent, Transient, from_dict
from medialift.foundation import atomic, locks
from medialift.foundation.journal import Entry, Journal, Phase, entries, phases
from medialift.foundation.process import Runner
from medialift.foundation.signals import stoppable
from medialift.foundation.text import redact
from medialift.foundation.waiting import Clock, SystemClock, wait_until

ABSENT, WAITING, RUNNING, OK, FAILED, DIED = "absent", "waiting", "running", "ok", "failed", "died"
ENDED = (OK, FAILED, DIED)

UNIT = "medialift-job@{name}.service"

# How long a started job may take to show its first sign of life before that is an error of its own.
START_SECONDS = 60.0


@dataclass(frozen=True)
class Context:
    """What a job's function is given: its folder, its arguments, where to tell its progress, when to stop."""

    folder: Path
    arguments: Mapping[str, Any]
    journal: Journal
    stop: Event
    clock: Clock


JobFunction = Callable[[Context], Mapping[str, Any]]


@dataclass(frozen=True)
class Status:
    """How a job stands.

    Attributes:
        state: absent (no such job), waiting (asked for, not begun), running, ok, failed, or died (it began
            and is gone without a result: killed, or the machine went down).
        value: what its function returned, when ok.
        error: {kind, what, subject, hint}, when failed.
    """

    state: str
    kind: str = ""
    value: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, str] = field(default_factory=dict)
    phases: Sequence[Phase] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in ENDED

    def to_dict(self) -> dict[str, Any]:
        """{state, kind, value, error, phases: [{name, started, seconds, outcome, data}]}."""
        return {
            "state": self.state,
            "kind": self.kind,
            "value": dict(self.value),
            "error": dict(self.error),
            "phases": [phase.to_dict() for phase in self.phases],
        }


class Stopped(Transient):
    """Somebody stopped the job."""

    def __init__(self, subject: str = "") -> None:
        super().__init__("The job was stopped", subject, "Start it again when you want it to go on")


def submit(folder: Path, kind: str, arguments: Mapping[str, Any]) -> bool:
    """Write down a job; whether anything was written: False when the very same job is already there.

    A job that is waiting, failed or died may be replaced by one with other arguments. `job.json` is readable
    by its owner only; a secret still belongs in a file of its own, whose path the arguments name.

    Raises:
        Permanent: another job of this name is running, or ended well.
    """
    there = _job(folder)
    if there is not None:
        if there["kind"] == kind and there["arguments"] == json.loads(json.dumps(dict(arguments))):
            return False
        now = state(folder).state
        if now in (RUNNING, OK):
            raise Permanent(
                f"A job of this name with other arguments is {'running' if now == RUNNING else 'finished'}",
                folder.name,
                "Cancel it, or give the new one another name",
            )
    folder.mkdir(parents=True, exist_ok=True)
    attempt = there["attempt"] if there is not None else 0
    atomic.write_json(
        folder / "job.json", {"kind": kind, "arguments": dict(arguments), "attempt": attempt}, mode=0o600
    )
    return True


def arguments(folder: Path) -> dict[str, Any]:
    """What a job was submitted with.

    Raises:
        Permanent: there is no such job, or it is damaged.
    """
    job = _job(folder)
    if job is None:
        raise Permanent("There is no such job", str(folder), "Submit it first")
    given: dict[str, Any] = job["arguments"]
    return given


def startable(folder: Path, *, clock: Clock | None = None) -> bool:
    """Whether a job is there to be started: not one that runs, ended well, or was asked for a moment ago."""
    job = _job(folder)
    now = state(folder).state
    if job is None or now in (RUNNING, OK):
        return False
    asked = job.get("requested_at", 0.0)
    # Between being asked for and its first sign of life it must not be asked for again. If that sign never
    # comes, whoever asked died before the unit was started; nor is a time in the future, of a clock since set
    # back, a moment ago.
    return now != WAITING or not 0 <= (clock or SystemClock()).now() - asked < START_SECONDS


def request(folder: Path, *, clock: Clock | None = None) -> bool:
    """Ask for the next attempt of a job; False when there is none to start, as `startable` says.

    Raises:
        Permanent: there is no such job.
    """
    job = _job(folder)
    if job is None:
        raise Permanent("There is no such job", str(folder), "Submit it first")
    if not startable(folder, clock=clock):
        return False
    again = state(folder).state != WAITING or job["attempt"] == 0
    asked = {"attempt": job["attempt"] + again, "requested_at": (clock or SystemClock()).now()}
    atomic.write_json(folder / "job.json", {**job, **asked}, mode=0o600)
    return True


def start(folder: Path, runner: Runner) -> bool:
    """Start a job as its systemd unit `medialift-job@NAME`; False when it runs already or ended well.

    Raises:
        Permanent: there is no such job, or systemd refuses to start it.
    """
    if not request(folder):
        return False
    unit = UNIT.format(name=folder.name)
    # A unit that failed too often in a row refuses to start until it is forgiven; for one that never ran
    # this fails, and that is fine.
    runner(["systemctl", "reset-failed", unit])
    runner(["systemctl", "start", "--no-block", unit]).checked(
        "systemd would not start the job", "Apply the role 'runtime' again"
    )
    return True


def start_detached(folder: Path, program: Sequence[str]) -> bool:
    """Start a job as a process of its own, where there is no systemd; False as in `start`.

    Args:
        program: what runs jobs, to which the folder is added: ["/opt/…/medialift", "job", "run"].
    """
    if not request(folder):
        return False
    with (folder / "output.log").open("ab") as output:
        subprocess.Popen(
            [*program, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return True


def cancel(folder: Path, runner: Runner | None = None) -> bool:
    """Ask a running or waiting job to stop; whether there was one. Its end is `follow`'s to wait for.

    Args:
        runner: stops the systemd unit with it; without one, the job's process gets SIGTERM.
    """
    now = state(folder).state
    if now not in (RUNNING, WAITING):
        return False
    if runner is not None:
        runner(["systemctl", "stop", "--no-block", UNIT.format(name=folder.name)]).checked(
            "systemd would not stop the job"
        )
    else:
        # One that was asked for a moment ago begins yet, and would not know that nobody wants it any more.
        wait_until(
            lambda: startable(folder) or state(folder).state != WAITING, at_most=START_SECONDS, every=0.05
        )
        # One that has just begun holds its lock a moment before it says who it is.
        wait_until(partial(_told_to_end, folder / "lock"), at_most=START_SECONDS, every=0.05)
    return True


def _told_to_end(lock: Path) -> bool:
    """Whether whoever holds the lock got SIGTERM, or nobody holds it any more."""
    holder = locks.holder(lock)
    if not holder:
        return not locks.busy(lock)
    with suppress(ProcessLookupError):
        os.kill(holder, signal.SIGTERM)
        return True
    return False


def state(folder: Path) -> Status:
    """How a job stands now.

    Raises:
        Permanent: a file of the job is damaged.
    """
    job = _job(folder)
    if job is None:
        return Status(ABSENT)
    # Look at the lock before the result: a job that ends between the two looks is then seen as ended.
    running = locks.busy(folder / "lock")
    result = _json(folder / "result.json")
    told = entries(folder / "journal.jsonl")
    past = phases(folder / "journal.jsonl")
    if running:
        return Status(RUNNING, job["kind"], phases=past)
    if result is not None and result["attempt"] == job["attempt"]:
        if result["outcome"] == OK:
            return Status(OK, job["kind"], value=result["value"], phases=past)
        return Status(FAILED, job["kind"], error=result["error"], phases=past)
    begun = any(
        entry.phase == "job" and entry.data.get("attempt") == job["attempt"] and job["attempt"]
        for entry in told
    )
    return Status(DIED if begun else WAITING, job["kind"], phases=past)


def running(parent: Path) -> list[str]:
    """Names of the jobs below a folder that a process runs now, whatever state their files are in."""
    return sorted(lock.parent.name for lock in parent.glob("*/lock") if locks.busy(lock))


def follow(
    folder: Path,
    *,
    at_most: float,
    every: float = 2.0,
    tell: Callable[[Entry], None] | None = None,
    clock: Clock | None = None,
    stop: Event | None = None,
) -> Status:
    """Stay with a job until it ended, `at_most` seconds passed or `stop` is set; return how it stands then.

    Args:
        tell: called with each line of the journal, from its beginning.

    Raises:
        Transient: it was asked for, and did not begin within START_SECONDS.
    """
    clock, stop = clock or SystemClock(), stop or Event()
    begun = clock.monotonic()
    told = 0
    while True:
        now = state(folder)
        lines = entries(folder / "journal.jsonl")
        for entry in lines[told:]:
            if tell is not None:
                tell(entry)
        told = len(lines)
        waited = clock.monotonic() - begun
        if now.state == WAITING and waited > START_SECONDS:
            unit = UNIT.format(name=folder.name)
            raise Transient(
                f"The job was asked for {waited:.0f} s ago and did not begin",
                folder.name,
                f"Look at: journalctl -u {unit}",
            )
        if now.ended or now.state == ABSENT or waited >= at_most:
            return now
        if clock.sleep(min(every, at_most - waited), stop):
            return now


def execute(folder: Path, registry: Mapping[str, str], *, clock: Clock | None = None) -> int:
    """Run a job to its end in this process; the exit code: 0 ok, 1 failed, 75 when it runs already elsewhere.

    SIGTERM and Ctrl-C set the job's stop event: it ends at its next wait, as failed ("The job was stopped").

    Args:
        registry: {kind: "module:function"}; the function takes a Context, and returns the result's value.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock, stop = clock or SystemClock(), Event()

    def alone() -> int:
        with locks.alone(folder / "lock", clock=clock) as held:
            return _attempt(folder, registry, clock, stop) if held else 75

    return stoppable(alone, stop)


def _attempt(folder: Path, registry: Mapping[str, str], clock: Clock, stop: Event) -> int:
    """One attempt, by whoever holds the job's lock; the exit code."""
    job = _job(folder)
    if job is None:
        raise Permanent("There is no such job", str(folder), "Submit it first")
    if job["attempt"] == 0:  # started by hand, without `request`
        job["attempt"] = 1
        atomic.write_json(folder / "job.json", job, mode=0o600)
    journal = Journal(folder / "journal.jsonl", clock=clock)
    journal.add("job", "note", data={"text": f"attempt {job['attempt']}", "attempt": job["attempt"]})
    result: dict[str, Any] = {"attempt": job["attempt"], "kind": job["kind"]}
    try:
        function = _function(registry, job["kind"])
        value = dict(function(Context(folder, job["arguments"], journal, stop, clock)))
        result |= {"outcome": OK, "value": value}
    except MedialiftError as error:
        result |= {"outcome": FAILED, "error": error.to_dict()}
    except Exception as error:
        sys.stderr.write(redact(traceback.format_exc()))
        result |= {"outcome": FAILED, "error": _unforeseen(error).to_dict()}
    atomic.write_json(folder / "result.json", result)
    failed = result["outcome"] == FAILED
    text = from_dict(result["error"]) if failed else "ended well"
    journal.add("job", "note", data={"text": str(text), "outcome": result["outcome"]})
    return 1 if failed else 0


def _unforeseen(error: Exception) -> Permanent:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        # Anything that writes may meet this; it is no defect.
        return Permanent("The disk is full", str(error.filename or ""), "Make room, and start the job again")
    return Permanent(
        "The job met a defect of the program",
        redact(f"{type(error).__name__}: {error}"),
        "Report it with the log of the job",
    )


def _function(registry: Mapping[str, str], kind: str) -> JobFunction:
    try:
        module, name = registry[kind].split(":")
    except KeyError:
        raise Permanent(
            "This kind of job is not known", kind, f"Known are: {', '.join(sorted(registry))}"
        ) from None
    function: JobFunction = getattr(importlib.import_module(module), name)
    return function


def _job(folder: Path) -> dict[str, Any] | None:
    return _json(folder / "job.json")


def _json(path: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Permanent(
            "A file of the job cannot be read", str(path), "Move the job's folder away"
        ) from error
    return told
