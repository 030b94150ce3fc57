"""Files for a collection, read by a child: one that lies on a dead mount holds up nobody."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Iterator, Sequence
from threading import Event
from typing import Any

from medialift.diagnostics import looking
from medialift.diagnostics.part import CUT, Part
from medialift.foundation.child import Child, Late
from medialift.foundation.waiting import SystemClock

# Files of one pattern; of more the newest.
MOST = 500
# Readers that may be left behind stuck in the kernel, where no signal reaches them.
MOST_STUCK = 2


def newest(patterns: Sequence[str], *, kept: int, patience: float, most: int = MOST) -> Iterator[Part]:
    """The files that the patterns match, each once; a hanging or unreadable one is a part that says so.

    Args:
        patterns: of absolute paths, as `glob` takes them (`**` for any depth). Links are not followed.
        kept: newest bytes of each file.
        patience: seconds without a sign of the child after which the pattern it is at is given up.
    """
    left, done, stuck = list(patterns), set[str](), 0
    while left:
        hanging = yield from _told(left, done, {"kept": kept, "most": most}, patience)
        if hanging is None:
            return
        at, pattern, silent = hanging
        why = f"{at} does not answer within {patience:g} s" if silent else f"Reading {at} broke off"
        yield Part(_name(at), missing=why)
        left = left[left.index(pattern) + 1 :]
        stuck += silent
        if stuck == MOST_STUCK:
            for pattern in left:
                yield Part(_name(pattern), missing="It is not looked at: too many readers are stuck")
            return


def _told(
    patterns: Sequence[str], done: set[str], asked: dict[str, Any], patience: float
) -> Generator[Part, None, tuple[str, str, bool] | None]:
    """What one child tells; None when it came to its end, else what it was at, for which pattern, and
    whether it hangs there."""
    words = [sys.executable, "-I", "-S", str(looking.__file__)]
    given = json.dumps({**asked, "patterns": list(patterns), "skip": sorted(done)}).encode()
    at = pattern = patterns[0]
    with Child(words, given, clock=SystemClock(), stop=Event()) as child:
        try:
            lines = _Lines(child, patience)
            while True:
                line = json.loads(lines.line())
                step = line["step"]
                if step == "end":
                    return None
                if step == "look":
                    at = pattern = line["pattern"]
                elif step == "open":
                    at = line["path"]
                elif step == "failed":
                    yield Part(_name(line["path"]), missing=f"{line['path']}: {line['error']}")
                else:
                    done.add(line["path"])
                    text = lines.exactly(line["bytes"]).decode(errors="replace")
                    cut = line["size"] > line["bytes"]
                    yield Part(_name(line["path"]), CUT + text.partition("\n")[2] if cut else text)
        except Late:
            return at, pattern, True
        except EOFError:
            return at, pattern, False


class _Lines:
    """What a child writes, line by line and by count.

    Raises (both methods):
        Late: nothing came for `patience` seconds. EOFError: the child ended.
    """

    def __init__(self, child: Child, patience: float) -> None:
        self._child, self._patience = child, patience
        self._read = bytearray()

    def line(self) -> bytes:
        while (end := self._read.find(b"\n")) < 0:
            self._more()
        return self._take(end + 1)

    def exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            self._more()
        return self._take(count)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken

    def _more(self) -> None:
        chunk = self._child.more(SystemClock().monotonic() + self._patience)
        if not chunk:
            raise EOFError
        self._read += chunk


def _name(path: str) -> str:
    """A member's name for a path, or for a pattern that was given up."""
    return f"files/{path.lstrip('/')}".replace("*", "_")
