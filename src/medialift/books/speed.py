"""How fast it goes: a worker's own meter, and the speed of all workers out of the ledger's minutes."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from medialift.foundation.units import format_duration, format_size

SLOW_SECONDS = 120.0
TELL_EVERY = 100
WINDOW_MINUTES = 10
_KEPT = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upload:
    """One file that was uploaded: which, how large (bytes), how long it took (seconds)."""

    book: int
    format: str
    size: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"book {self.book} ({self.format}): {format_size(self.size)} in {format_duration(self.seconds)}"
        )


@dataclass
class Meter:
    """What one worker uploaded since it began.

    It tells the average every `TELL_EVERY` files, and every upload that took longer than `SLOW_SECONDS`.

    Attributes:
        slow: the last slow ones.
    """

    tell: Callable[[str], None] = _log.info
    warn: Callable[[str], None] = _log.warning
    clock: Callable[[], float] = time.monotonic
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    slow_count: int = 0
    slow: deque[Upload] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _since: tuple[float, int, int, float] = (0.0, 0, 0, 0.0)

    def __post_init__(self) -> None:
        self._since = (self.clock(), 0, 0, 0.0)

    def uploaded(self, one: Upload) -> bool:
        """Count an upload; whether it was a slow one."""
        self.files += 1
        self.bytes += one.size
        self.seconds += one.seconds
        is_slow = one.seconds > SLOW_SECONDS
        if is_slow:
            self.slow_count += 1
            self.slow.append(one)
            self.warn(f"Slow upload: {one}")
        if self.files % TELL_EVERY == 0:
            self.tell(self._lap())
        return is_slow

    def _lap(self) -> str:
        began, files, size, seconds = self._since
        self._since = (self.clock(), self.files, self.bytes, self.seconds)
        minutes = max(self._since[0] - began, 1e-3) / 60
        count = self.files - files
        return (
            f"{self.files} files uploaded; the last {count}: "
            f"{format_duration((self.seconds - seconds) / count)} per file on average, "
            f"{count / minutes:.0f} files and {format_size((self.bytes - size) / minutes)} per minute; "
            f"{self.slow_count} slower than {format_duration(SLOW_SECONDS)} so far"
        )


@dataclass(frozen=True)
class Minute:
    """One minute of all workers.

    Attributes:
        start: seconds since the epoch at which it began.
        items, files, bytes: what was ended in it.
        slow: uploads slower than `SLOW_SECONDS`.
    """

    start: float
    items: int = 0
    files: int = 0
    bytes: int = 0
    slow: int = 0


@dataclass(frozen=True)
class Speed:
    """How fast it goes now, and how long it goes on.

    Attributes:
        files_per_minute, items_per_minute, bytes_per_minute: over the last `WINDOW_MINUTES`, or as long as
            it has run if that is shorter.
        average_files_per_minute: over all minutes in which anything was ended, pauses left out.
        seconds_left: until all that waits is done at the present speed; None when it stands still.
        slow: uploads slower than `SLOW_SECONDS`, since the beginning.
    """

    files_per_minute: float = 0.0
    items_per_minute: float = 0.0
    bytes_per_minute: float = 0.0
    average_files_per_minute: float = 0.0
    seconds_left: float | None = None
    slow: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON, rounded to what can be meant."""
        return {
            name: round(value, 2) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }

    def sentence(self) -> str:
        """`41 files and 120 MB per minute, 3 h 2 min left`."""
        if not self.files_per_minute and not self.bytes_per_minute:
            return "nothing moves"
        left = "" if self.seconds_left is None else f", {format_duration(self.seconds_left)} left"
        return (
            f"{_rate(self.files_per_minute)} files and {format_size(self.bytes_per_minute)} per minute{left}"
        )


@dataclass(frozen=True)
class Whole:
    """All minutes together: how many there are in which anything was ended, and what was."""

    minutes: int = 0
    files: int = 0
    slow: int = 0


def speed(recent: Iterable[Minute], whole: Whole, *, now: float, items_left: int) -> Speed:
    """The speed out of the last minutes, in any order.

    Args:
        recent: those of the last `WINDOW_MINUTES`, older ones do not count; a minute that is missing is one
            of rest.
        whole: all there ever were.
        now: seconds since the epoch.
        items_left: books that are not ended yet.
    """
    counted = [one for one in recent if one.start > now - WINDOW_MINUTES * 60]
    # The minute that runs counts only as far as it has run, but a second of it makes no speed.
    begun = min((one.start for one in counted), default=now)
    span = max((now - begun) / 60, 0.25)
    per_minute = sum(one.items for one in counted) / span
    return Speed(
        files_per_minute=sum(one.files for one in counted) / span,
        items_per_minute=per_minute,
        bytes_per_minute=sum(one.bytes for one in counted) / span,
        average_files_per_minute=whole.files / whole.minutes if whole.minutes else 0.0,
        seconds_left=0.0 if items_left == 0 else items_left / per_minute * 60 if per_minute else None,
        slow=whole.slow,
    )


def _rate(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
