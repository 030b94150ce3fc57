"""What is wrong with the stand-in's answers about pictures: some of them, for so many calls.

PUT    /sandbox/faults   {"faults": [{"kind": "status", "status": 503, "times": 2, "method": "GET"}]}
DELETE /sandbox/faults   none any more

Kinds: `status` (with `status` and `retry_after`), `slow` (answers after `seconds`), `reset` (hangs up without
an answer), `corrupt` (bytes in the middle are others), `truncated` (the end is missing), `html` (a page, with
200), `stored_silently` (does what it was asked, and hangs up), `stored_late` (after `seconds`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Fault:
    """One thing that is wrong, with whom: an empty id or method means any."""

    kind: str
    status: int = 500
    times: int = 10**9
    method: str = ""
    id: str = ""
    seconds: float = 0.0
    retry_after: str = ""
    path: str = "/Images/"

    def fits(self, method: str, path: str) -> bool:
        if self.times <= 0 or (self.method and self.method != method):
            return False
        return self.path in path and self.id in path


@dataclass
class Faults:
    """The faults, the first that fits counts."""

    of: list[Fault] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def set(self, *faults: Fault) -> None:
        with self.lock:
            self.of = list(faults)

    def take(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for one in self.of:
                if one.fits(method, path):
                    one.times -= 1
                    return one
        return None


def damaged(body: bytes) -> bytes:
    """With other bytes in its middle."""
    middle = len(body) // 2
    return (
        body[: middle - 20]
        + bytes(one ^ 0xFF for one in body[middle - 20 : middle + 20])
        + body[middle + 20 :]
    )
