"""Where a chapter begins, as a list beside the sound says it, and how such times are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_TIME = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2})(?:[.,](\d{1,9}))?\Z")
_MILLISECONDS = 1000


@dataclass(frozen=True)
class Mark:
    """A chapter begins at `seconds`, exactly as written; the title is empty when there is none."""

    seconds: Fraction
    title: str


def seconds_of(written: str) -> Fraction | None:
    """The seconds of "1:02:03.456", "62:03,5" or "02:03"; None when it is no time."""
    found = _TIME.match(written.strip())
    if found is None or int(found[3]) > 59:
        return None
    hours, minutes, seconds, part = found.groups()
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return Fraction(whole) + (Fraction(int(part), 10 ** len(part)) if part else 0)


def written(seconds: Fraction | float) -> str:
    """hh:mm:ss.mmm, to the nearest millisecond."""
    whole, milliseconds = divmod(round(Fraction(seconds) * _MILLISECONDS), _MILLISECONDS)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}.{milliseconds:03}"
