"""The journal of a run: one line per thing that happened, readable while it goes on and after it died."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medialift.errors import MedialiftError, Permanent
from medialift.foundation.text import redact
from medialift.foundation.waiting import Clock, SystemClock

START, PROGRESS, NOTE, END = "start", "progress", "note", "end"
OK, FAILED, SKIPPED, RUNNING = "ok", "failed", "skipped", "running"
OUTCOMES = (OK, FAILED, SKIPPED)


@dataclass(frozen=True)
class Entry:
    """One line: when (seconds since the epoch), in which phase, what; `outcome` only on an `end`.

    `seconds` is how long the phase took, on an `end` whose writer saw it begin.
    """

    at: float
    phase: str
    event: str
    outcome: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None

    def describe(self) -> str:
        """The line as a person reads it: "scan Movies: 120 of 300"."""
        text = str(self.data.get("text", ""))
        if self.event == START:
            return f"{self.phase}: started"
        if self.event == END:
            return f"{self.phase}: {self.outcome}" + (f" ({text})" if text else "")
        return f"{self.phase}: {text}"


@dataclass(frozen=True)
class Phase:
    """A phase: when it began (seconds since the epoch), how long it took, and how it ended.

    Attributes:
        seconds: until its end; while `outcome` is "running", until the last thing known of it. Where only the
            times of its lines tell, a clock that was set back makes it 0.
        outcome: ok, failed, skipped, or running when it has no end (it goes on, or the run died in it).
        data: what its lines told, later values over earlier ones; `text` is the last one.
    """

    name: str
    started: float
    seconds: float
    outcome: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """{name, started, seconds, outcome, data}."""
        return {
            "name": self.name,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "outcome": self.outcome,
            "data": dict(self.data),
        }


class PhaseWriter:
    """What a phase has to say while it runs."""

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal = journal
        self.name = name
        self.outcome = OK
        self.result: dict[str, Any] = {}

    def progress(self, text: str, **data: Any) -> None:
        """How far it is: "120 of 300"."""
        self._journal.add(self.name, PROGRESS, data={"text": text, **data})

    def note(self, text: str, **data: Any) -> None:
        """Something worth knowing afterwards."""
        self._journal.add(self.name, NOTE, data={"text": text, **data})

    def end(self, text: str = "", **data: Any) -> None:
        """What its last line will say; the phase still ends with the `with` block."""
        self.result = {**({"text": text} if text else {}), **data}

    def skip(self, reason: str) -> None:
        """It ends as skipped, for this reason."""
        self.outcome = SKIPPED
        self.result = {"text": reason}


class Journal:
    """Appends to a journal: JSON lines {"at", "phase", "event", "outcome"?, "seconds"?, "data"?}.

    Each line is one write, so a reader never sees two mixed; a line torn by a crash is cut off when the
    next run opens the file. Texts pass through `redact`: a journal travels to the store with the logs.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None) -> None:
        self.path = path
        self._clock = clock or SystemClock()
        _cut_torn_line(path)

    def add(
        self,
        phase: str,
        event: str,
        *,
        outcome: str | None = None,
        seconds: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Entry:
        """Append one line. Starts and ends are on disk when this returns.

        Raises:
            OSError: the journal cannot be written: a run whose journal is lost must not go on.
        """
        told: dict[str, Any] = redacted(dict(data or {}))
        entry = Entry(round(self._clock.now(), 3), phase, event, outcome, told, seconds)
        line: dict[str, Any] = {"at": entry.at, "phase": phase, "event": event}
        if outcome is not None:
            line["outcome"] = outcome
        if seconds is not None:
            line["seconds"] = round(seconds, 3)
        if told:
            line["data"] = told
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, json.dumps(line, ensure_ascii=False).encode() + b"\n")
            if event in (START, END):
                os.fsync(handle)
        finally:
            os.close(handle)
        return entry

    def start(self, phase: str, **data: Any) -> None:
        """A phase begins."""
        self.add(phase, START, data=data)

    def end(self, phase: str, outcome: str, **data: Any) -> None:
        """A phase is over."""
        self.add(phase, END, outcome=outcome, data=data)

    @contextmanager
    def phase(self, name: str, **data: Any) -> Iterator[PhaseWriter]:
        """A phase that ends with the block: ok or skipped, or failed with the error that left it."""
        self.start(name, **data)
        # The time of day may be set while a phase runs; this clock is not.
        began = self._clock.monotonic()

        def end(outcome: str, told: Mapping[str, Any]) -> None:
            self.add(name, END, outcome=outcome, seconds=self._clock.monotonic() - began, data=told)

        writer = PhaseWriter(self, name)
        try:
            yield writer
        except MedialiftError as error:
            end(FAILED, {"text": str(error), "error": error.to_dict()})
            raise
        except BaseException as error:
            end(FAILED, {"text": f"{type(error).__name__}: {error}"})
            raise
        end(writer.outcome, writer.result)


def entries(path: Path) -> list[Entry]:
    """Every line of a journal, in order; empty when there is none yet. One still being written is left out.

    Raises:
        Permanent: a line is not a journal line: the file was edited or damaged.
    """
    try:
        written = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = written[: written.rfind(b"\n") + 1]
    return [_entry(path, number, line) for number, line in enumerate(whole.splitlines(), 1)]


def phases(path: Path) -> list[Phase]:
    """The phases of a journal in the order they began; one that began again is there twice."""
    return phases_of(entries(path))


def phases_of(lines: Iterable[Entry]) -> list[Phase]:
    """The phases that lines of one journal tell of, as `phases`."""
    found: list[Phase] = []
    going: dict[str, int] = {}
    for entry in lines:
        if entry.event == START:
            going[entry.phase] = len(found)
            found.append(Phase(entry.phase, entry.at, 0.0, RUNNING, dict(entry.data)))
            continue
        index = going.get(entry.phase)
        if index is None:
            continue  # a note outside any phase
        begun = found[index]
        outcome = entry.outcome or RUNNING if entry.event == END else RUNNING
        told = {**begun.data, **entry.data}
        seconds = max(0.0, entry.at - begun.started) if entry.seconds is None else entry.seconds
        found[index] = Phase(begun.name, begun.started, seconds, outcome, told)
        if entry.event == END:
            del going[entry.phase]
    return found


def steps(path: Path, phase: str | None, wanted: str, *, text: str = "") -> list[Entry]:
    """The lines that bring a phase of a journal to a state, for runs whose steps are processes of their own.

    Args:
        phase: None means whatever goes on: who notices a failure need not know where it happened.
        wanted: "started" ends whatever goes on as ok and begins the phase; ok, failed or skipped end it, and
            begin it first if it never began.

    Returns:
        What to hand to `write`: nothing when the journal says so already. The time of each is 0: now.

    Raises:
        Permanent: the journal is damaged.
    """
    past = phases(path)
    going = [one.name for one in past if one.outcome == RUNNING]
    data = {"text": text} if text else {}
    if phase is None:
        return [Entry(0, name, END, wanted, data) for name in going]
    if wanted == "started":
        if phase in going:
            return []
        return [*(Entry(0, name, END, OK) for name in going), Entry(0, phase, START, None, data)]
    if phase in going:
        return [Entry(0, phase, END, wanted, data)]
    last = next((one for one in reversed(past) if one.name == phase), None)
    if last is not None and last.outcome == wanted:
        return []
    others = [Entry(0, name, END, OK) for name in going] if wanted != FAILED else []
    return [*others, Entry(0, phase, START), Entry(0, phase, END, wanted, data)]


def write(path: Path, lines: Iterable[Entry], *, clock: Clock | None = None) -> None:
    """Append lines as of now; the journal's folder is made when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    journal = Journal(path, clock=clock)
    for line in lines:
        journal.add(line.phase, line.event, outcome=line.outcome, data=line.data)


def is_over(path: Path, last: str) -> bool:
    """Whether a journal is that of a run which is over: its phase `last` ended well.

    Raises:
        Permanent: the journal is damaged.
    """
    return any(phase.name == last and phase.outcome == OK for phase in phases(path))


def set_aside(path: Path) -> Path:
    """Put a journal away, so that a new one can begin; where it is now: `<name>-<when it began>.jsonl`."""
    began = datetime.fromtimestamp(entries(path)[0].at, UTC)
    aside = path.with_name(f"{path.stem}-{began:%Y%m%dT%H%M%SZ}{path.suffix}")
    return path.replace(aside)


def redacted(value: Any) -> Any:
    """JSON in which the secrets of all texts are masked."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: redacted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(item) for item in value]
    return value


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        told = json.loads(line)
        return Entry(
            float(told["at"]),
            str(told["phase"]),
            str(told["event"]),
            told.get("outcome"),
            told.get("data", {}),
            None if told.get("seconds") is None else float(told["seconds"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            "A line of the journal cannot be read", f"{path}, line {number}", "Move the journal away"
        ) from error


def _cut_torn_line(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            written = file.read()
            if not written.endswith(b"\n"):
                file.truncate(written.rfind(b"\n") + 1)
    except FileNotFoundError:
        return
