"""Reads what a record wrote down as it went on, up to where its process was killed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import Any

from medialift.diagnostics.traffic.document import failed, line_of
from medialift.diagnostics.traffic.figures import UNFINISHED, Figures
from medialift.errors import Permanent

LARGEST = 20_000_000
"""Bytes of a record that are read at most: it is far smaller, and what is larger is none."""


@dataclass
class Told:
    """What the lines of a record say.

    Attributes:
        last: when the last of it was written, ISO 8601.
    """

    head: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    figures: Figures = field(default_factory=Figures)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[str, bool]] = field(default_factory=list)
    last: str = ""


def content(path: Path) -> bytes:
    """The bytes of a record; of nothing else that somebody put under its name.

    Raises:
        Permanent: it is a link, no file, or too large.
        FileNotFoundError: it is gone.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Permanent("The record cannot be read", f"{path.name}: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise Permanent("This is no record of a job", path.name, "Remove it")
        return file.read(LARGEST)


def lines(path: Path) -> Told:
    """What an open record says so far. A line that was torn by a crash is left out.

    Raises:
        Permanent: it is none.
    """
    told, under_way, sessions = Told(), dict[int, dict[str, Any]](), dict[int, dict[str, Any]]()
    for line in _parsed(content(path)):
        told.head = line.get("head", told.head)
        told.environment = line.get("environment", told.environment)
        if "figures" in line:
            told.figures = Figures.of(line["figures"])
        if "begin" in line:
            under_way[line["begin"]["n"]] = line["begin"]
        if "rejected" in line:
            told.figures.reject(line["rejected"])
        if "end" in line:
            entry = line["end"]
            under_way.pop(entry["n"], None)
            told.figures.add(entry)
            told.lines.append((line_of(entry), failed(entry)))
            _note_session(sessions, entry)
    if not told.head:
        raise Permanent("The record has no beginning", path.name, "Remove it")
    for begun in under_way.values():
        entry = {**{name: value for name, value in begun.items() if value}, "outcome": UNFINISHED}
        told.figures.add(entry)
        # Of those that went well some may have no room; what it waited for is what one wants to know.
        told.lines.append((line_of(entry), True))
    told.sessions = list(sessions.values())
    told.last = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")
    return told


def _parsed(written: bytes) -> Iterator[dict[str, Any]]:
    for line in written.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _note_session(sessions: dict[int, dict[str, Any]], entry: dict[str, Any]) -> None:
    known = sessions.setdefault(
        entry["session"],
        {
            "session": entry["session"],
            "was": "created" if entry.get("session_new") else "there before",
            "at": entry["at"],
            "requests": 0,
        },
    )
    known["requests"] += 1
