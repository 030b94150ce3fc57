"""One request on its way, as a client's wrapper tells of it: answered, read, ended, or broken."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TYPE_CHECKING, Any

from medialift.diagnostics.traffic.failures import CANCELLED, OWN, kind_of
from medialift.diagnostics.traffic.figures import EXPECTED, FAILED, OK, UNFINISHED
from medialift.diagnostics.traffic.redacting import SLACK

if TYPE_CHECKING:
    from medialift.diagnostics.traffic.record import Record

Pairs = Iterable[tuple[str, str]]
_LEGACY = ("x-emby-token", "x-mediabrowser-token", "x-emby-authorization")
_numbers = count(1)


class Client:
    """One HTTP session, whichever library it is of: what a record counts as created and reused."""

    __slots__ = ("born", "library", "number")

    def __init__(self, library: str) -> None:
        self.number, self.library, self.born = next(_numbers), library, time.monotonic()


class Exchange:
    """Told by a wrapper, from one thread at a time. Whatever it is told first as an end, is the end.

    Attributes:
        entry: what is kept of it.
    """

    __slots__ = ("_began", "_beginning", "_decoded", "_over", "_record", "_whole", "entry", "key")

    def __init__(self, record: Record, entry: dict[str, Any], key: tuple[str, str, str]) -> None:
        self._record, self.entry, self.key = record, entry, key
        self._began = time.monotonic()
        self._beginning, self._whole, self._decoded = bytearray(), True, False
        self._over = False

    def connected(self, *, new: bool) -> None:
        """It has a connection: a new one, or one that was used before."""
        self.entry["connection"] = "new" if new else "reused"

    def sending(self, headers: Pairs | None = None) -> None:
        """Its head goes out; more than once if the client repeats it by itself."""
        self.entry["sends"] = self.entry.get("sends", 0) + 1
        if headers is not None:
            self.asked(headers)

    def asked(self, headers: Pairs) -> None:
        """The headers that are sent."""
        given = list(headers)
        self.entry["request_headers"] = self._record.redactor.headers(given)
        if any(name.lower() in _LEGACY for name, _ in given):
            self.entry["legacy_key"] = True

    def answered(self, status: int, headers: Pairs, *, version: str = "", decoded: bool = False) -> None:
        """The head of the answer came.

        Args:
            decoded: the pieces of its body will come without their compression.
        """
        entry, given = self.entry, list(headers)
        entry["status"], entry["first"] = status, round(time.monotonic() - self._began, 5)
        entry["headers"] = self._record.redactor.headers(given)
        self._decoded = decoded
        low = {name.lower(): value for name, value in given}
        if wait := _seconds_of(low.get("retry-after", "")):
            entry["retry_after"] = wait
        self._record.met(entry["url"], low, version)

    def read(self, piece: bytes) -> None:
        """A piece of the body came. Only the beginning of an error's is kept."""
        entry = self.entry
        entry["received"] = entry.get("received", 0) + len(piece)
        if entry.get("status", 0) < 400:
            return
        room = self._record.body_bytes + SLACK - len(self._beginning)
        self._beginning += piece[:room]
        self._whole = self._whole and len(piece) <= room

    def ended(self) -> None:
        """The answer was read as far as it was wanted."""
        status = self.entry.get("status")
        if status is None:
            self._end(UNFINISHED)
        else:
            self._end(OK if status < 400 else EXPECTED if status in self._record.expected else FAILED)

    def broke(self, error: BaseException) -> None:
        """No answer came, or not all of it."""
        kind = kind_of(error)
        said = str(error) or type(error).__name__
        self.entry["error"] = {
            "kind": kind,
            "type": type(error).__name__,
            "text": self._record.redactor.text(said),
        }
        self._end(CANCELLED if kind in (CANCELLED, OWN) else FAILED)

    def left(self) -> None:
        """The record ends, and it is under way still."""
        self._end(UNFINISHED)

    def _end(self, outcome: str) -> None:
        if self._over:
            return
        self._over = True
        entry = self.entry
        entry["outcome"] = outcome
        entry["seconds"] = round(time.monotonic() - self._began, 5)
        if self._beginning:
            headers = dict(line.lower().split(": ", 1) for line in entry.get("headers", ()) if ": " in line)
            entry["body"] = self._record.redactor.body(
                bytes(self._beginning),
                self._whole,
                headers.get("content-type", ""),
                "" if self._decoded else headers.get("content-encoding", ""),
                self._record.body_bytes,
            )
        self._record.end(self)


def _seconds_of(retry_after: str) -> float:
    """Seconds of a Retry-After, which may be a moment too; 0 when there is none."""
    if retry_after.strip().isdigit():
        return float(min(int(retry_after), 86_400))
    with suppress(ValueError, TypeError):
        at = parsedate_to_datetime(retry_after)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return round(max(0.0, (at - datetime.now(UTC)).total_seconds()), 1)
    return 0.0
