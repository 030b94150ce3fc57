"""Hours of the day in which something may run: `22:00-06:30`, in the local time of this host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from medialift.errors import Permanent

DAY = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")


@dataclass(frozen=True)
class Hours:
    """Spans of a day as (first minute, minute after the last); none means always.

    A span that ends before it begins goes over midnight; one that ends where it begins is the whole day.
    """

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Hours:
        """The hours that `22:00-06:30` or `12:00-13:00, 22:00-6:30` says; "" means always.

        Raises:
            Permanent: it is written otherwise.
        """
        spans = []
        for part in filter(None, (one.strip() for one in text.split(","))):
            match = _SPAN.fullmatch(part)
            begin, end = (_minute(match[1], match[2]), _minute(match[3], match[4])) if match else (None, None)
            if begin is None or end is None:
                raise Permanent(
                    "These are not hours of the day",
                    repr(part),
                    "Write two times, such as '22:00-06:30'; part several by commas; empty means always",
                )
            spans.append((begin % DAY, end))
        return cls(tuple(spans))

    def open_at(self, when: datetime) -> bool:
        """Whether this moment, in local time, is within the hours."""
        now = when.hour * 60 + when.minute
        return not self.spans or any(_within(now, begin, end) for begin, end in self.spans)

    def opens_after(self, when: datetime) -> datetime:
        """The first moment from `when` on that is within the hours, to the minute."""
        if self.open_at(when):
            return when
        start = when.replace(second=0, microsecond=0)
        now = start.hour * 60 + start.minute
        return start + timedelta(minutes=min((begin - now) % DAY for begin, _ in self.spans))


def _minute(hour: str, minute: str) -> int | None:
    total = int(hour) * 60 + int(minute)
    return total if int(minute) < 60 and total <= DAY else None


def _within(now: int, begin: int, end: int) -> bool:
    if begin == end % DAY:
        return True
    return begin <= now < end if begin < end else now >= begin or now < end
