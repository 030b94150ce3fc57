"""The record of one job's traffic: written down as it happens, and made a document at the end.

Each request is two lines of JSON: one when it begins, one when it ends. Each line is one write, so what a
process that is killed had seen is on the disk, and which requests it was waiting for. A lock on the file says
that its process lives; it goes with the process.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from medialift.diagnostics.traffic import current, names
from medialift.diagnostics.traffic.document import failed, line_of
from medialift.diagnostics.traffic.exchange import Client, Exchange, Pairs
from medialift.diagnostics.traffic.figures import OK, UNUSABLE, Figures
from medialift.diagnostics.traffic.redacting import Redactor

_log = logging.getLogger(__name__)
# Those that went well may take so much of the room: it is the others that one wants to see.
_SHARE_OF_GOOD = 0.6
_FIGURES_SECONDS = 1.0
_SESSIONS, _ORIGINS, _IN_A_ROW, _REASONS, _BODIES = 40, 20, 2000, 10, 100
_SERVER_HEADERS = ("server", "via", "x-powered-by", "www-authenticate", "x-application-version", "cf-ray")


@dataclass(frozen=True)
class Limits:
    """Bytes kept of the body of an error, and of the whole record."""

    body: int = 2048
    file: int = 100_000


@dataclass
class Record:
    """What is written down of a job. Used by several threads and tasks at once.

    Attributes:
        job: its id, see `names`.
        about: more of the job, for people: {pipeline, worker, host, label, settings …}.
        folder: for its file; None: it is kept in memory only, and a crash loses it.
        expected: statuses that are answers and no failures here.
    """

    job: str
    about: Mapping[str, Any]
    folder: Path | None
    redactor: Redactor = field(default_factory=Redactor)
    limits: Limits = field(default_factory=Limits)
    expected: frozenset[int] = frozenset()
    wall: Callable[[], float] = time.time
    open: bool = True
    users: int = 0
    figures: Figures = field(default_factory=Figures)
    environment: dict[str, Any] = field(default_factory=dict)
    sessions: list[dict[str, Any]] = field(default_factory=list)
    lines: list[tuple[str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.started = datetime.fromtimestamp(self.wall(), UTC)
        self._born = time.monotonic()
        self._lock = Lock()
        self._count = 0
        self._under_way: dict[int, Exchange] = {}
        self._known: dict[int, dict[str, Any] | None] = {}
        self._in_a_row: dict[tuple[str, str, str], list[str]] = {}
        # The last request of each item, where it went well: what it brought may turn out to be of no use.
        self._went_well: dict[str, dict[str, Any]] = {}
        self._bytes = {True: 0, False: 0}
        self._file: int | None = None
        self._bodies: dict[str, int] = {}
        self._full, self._figures_at = False, 0.0
        self.path: Path | None = None

    @property
    def body_bytes(self) -> int:
        return self.limits.body

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._born

    def begin(
        self, client: Client, method: str, url: str, headers: Pairs | None = None, *, sent: int = 0
    ) -> Exchange:
        """A request begins.

        Args:
            sent: bytes of its body, as far as they are known.
        """
        shown, item = self.redactor.address(url), current.item()
        key = (item, method, shown)
        with self._lock:
            self._count += 1
            before = self._in_a_row.get(key, ())
            entry: dict[str, Any] = {
                "n": self._count,
                "at": _moment(self.wall()),
                "item": item,
                "attempt": len(before) + 1,
                "method": method,
                "url": shown,
            }
            if before:
                entry["after"] = list(before[-_REASONS:])
            entry["session"], entry["session_new"] = client.number, self._session(client)
            if sent:
                entry["sent"] = sent
            exchange = Exchange(self, entry, key)
            if self.open:
                self._under_way[self._count] = exchange
                if not self._full:
                    told = {name: entry[name] for name in ("n", "at", "method", "url", "item", "attempt")}
                    self._write({"begin": told})
        if headers is not None:
            exchange.asked(headers)
        return exchange

    def end(self, exchange: Exchange) -> None:
        """A request has ended: `exchange.entry` says how."""
        entry = exchange.entry
        bad = failed(entry)
        with self._lock:
            if not self.open:
                return
            self._under_way.pop(entry["n"], None)
            self._note_attempt(exchange.key, entry, bad)
            self._note_success(entry)
            entry = {name: value for name, value in entry.items() if value not in ("", None)}
            self._without_repeated_body(entry)
            self.figures.add(entry)
            line = line_of(entry)
            if self._has_room(len(line), bad):
                self.lines.append((line, bad))
                self._write_line(f'{{"end":{line}}}')
            elif time.monotonic() - self._figures_at >= _FIGURES_SECONDS:
                self._figures_at = time.monotonic()
                self._write({"figures": self.figures.to_dict()})

    def rejected(self, why: str) -> None:
        """What came last for the item at hand (`about`) cannot be used, though its status was good."""
        with self._lock:
            entry = self._went_well.pop(current.item(), None)
            if entry is None or not self.open:
                return
            told = {**entry, "why": self.redactor.text(why)}
            self.figures.reject(told)
            key = (entry["item"], entry["method"], entry["url"])
            self._in_a_row[key] = [*entry["after"], UNUSABLE]
            self._write({"rejected": told})

    def met(self, url: str, headers: Mapping[str, str], version: str) -> None:
        """A server answered: what it says of itself is kept once."""
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            servers = self.environment.setdefault("servers", {})
            if origin in servers or len(servers) >= _ORIGINS:
                return
            told: dict[str, Any] = {
                name: self.redactor.text(headers[name]) for name in _SERVER_HEADERS if headers.get(name)
            }
            if version:
                told["http"] = version
            with suppress(KeyError, ValueError, TypeError):
                # A token is refused by a clock that goes wrong.
                skew = parsedate_to_datetime(headers["date"]).timestamp() - self.wall()
                told["clock_ahead_seconds"] = round(skew, 1)
            servers[origin] = told
            self._write({"environment": self.environment})

    def note(self, **facts: Any) -> None:
        """Something of the server or of how it is asked: its version, the pace, the way of its sessions."""
        clear = {
            name: self.redactor.text(value) if isinstance(value, str) else value
            for name, value in facts.items()
        }
        with self._lock:
            before = dict(self.environment)
            self.environment.update(clear)
            if self._file is not None and self.environment != before:
                self._write({"environment": self.environment})

    def close(self) -> None:
        """The job is over: nothing more is written down."""
        for exchange in list(self._under_way.values()):
            exchange.left()
        with self._lock:
            self.open = False

    def release(self) -> None:
        """Give the file back, and with it the lock: whoever finds it may take it for left behind."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def head(self) -> dict[str, Any]:
        """What the job is."""
        return {"job": self.job, **self.about, "started": _moment(self.started.timestamp())}

    def _session(self, client: Client) -> bool:
        """Whether this request made the session that it uses."""
        known = self._known.get(client.number, ...)
        if known is ...:
            created = client.born >= self._born
            told = None
            if len(self.sessions) < _SESSIONS:
                told = {
                    "session": client.number,
                    "library": client.library,
                    "was": "created" if created else "there before",
                    "at": _moment(self.wall()),
                    "requests": 1,
                }
                self.sessions.append(told)
            self._known[client.number] = told
            return created
        if known is not None:
            known["requests"] += 1
        return False

    def _note_attempt(self, key: tuple[str, str, str], entry: Mapping[str, Any], bad: bool) -> None:
        if bad:
            error = entry.get("error")
            reason = error["kind"] if error is not None else str(entry.get("status"))
            if key in self._in_a_row or len(self._in_a_row) < _IN_A_ROW:
                self._in_a_row.setdefault(key, []).append(reason)
        elif entry["outcome"] in ("ok", "expected"):
            self._in_a_row.pop(key, None)

    def _note_success(self, entry: Mapping[str, Any]) -> None:
        self._went_well.pop(entry["item"], None)
        if entry["outcome"] == OK and len(self._went_well) < _IN_A_ROW:
            known = {name: entry[name] for name in ("n", "item", "method", "url")}
            self._went_well[entry["item"]] = {**known, "after": entry.get("after", [])}

    def _without_repeated_body(self, entry: dict[str, Any]) -> None:
        """A server says the same of many requests: it is kept of the first."""
        body = entry.get("body")
        if body is None:
            return
        first = self._bodies.get(body)
        if first is not None:
            del entry["body"]
            entry["body_as_of"] = first
        elif len(self._bodies) < _BODIES:
            self._bodies[body] = entry["n"]

    def _has_room(self, size: int, bad: bool) -> bool:
        total = sum(self._bytes.values()) + size
        enough = total <= self.limits.file and (
            bad or self._bytes[False] + size <= _SHARE_OF_GOOD * self.limits.file
        )
        if enough:
            self._bytes[bad] += size
        self._full = self._full or not enough
        return enough

    def _write(self, told: Mapping[str, Any]) -> None:
        if self.folder is not None:
            self._write_line(line_of(told))

    def _write_line(self, line: str) -> None:
        if self.folder is None:
            return
        try:
            if self._file is None:
                self._file = self._made(self.folder)
            os.write(self._file, line.encode("utf-8", "replace") + b"\n")
        except OSError as error:
            # What it is for is not the work: that goes on, and so does the record, in memory.
            _log.warning("the record of %s cannot be written to %s: %s", self.job, self.folder, error)
            self.folder = None

    def _made(self, folder: Path) -> int:
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        path = folder / names.name_of(self.job, self.started, open=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        # Under its name only when it is locked: else it could be taken for one that was left behind.
        born = path.with_name(f".{path.name}.new")
        handle = os.open(born, flags, 0o640)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(handle, json.dumps({"head": self.head()}, ensure_ascii=False).encode() + b"\n")
        self.path = born.replace(path)
        return handle


def _moment(at: float) -> str:
    """As ISO 8601 in UTC, with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
