"""Hours of the day in which a pipeline may work: "22:00-06:30", or several with commas; empty: always."""

from __future__ import annotations

import re
from datetime import time

from medialift.errors import Permanent

_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


def parse(hours: str) -> tuple[tuple[time, time], ...]:
    """The spans of a text, each from (included) to (not included); one may go over midnight.

    Raises:
        Permanent: it cannot be read.
    """
    spans = []
    for part in filter(None, (one.strip() for one in hours.split(","))):
        found = _SPAN.fullmatch(part)
        try:
            if found is None:
                raise ValueError(part)
            first, last = (time(int(found[at]), int(found[at + 1])) for at in (1, 3))
        except ValueError:
            raise Permanent("These are no hours of the day", hours, "Write them as 22:00-06:30") from None
        spans.append((first, last))
    return tuple(spans)


def allowed(hours: str, now: time) -> bool:
    """Whether work may go on at this local time. A span that ends where it begins is the whole day."""
    spans = parse(hours)
    return not spans or any(
        first <= now < last if first < last else now >= first or now < last for first, last in spans
    )
