"""How a worker ended."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from medialift.queueing.workers import Totals

Why = Literal["drained", "done", "items", "seconds"]


@dataclass(frozen=True)
class Bounds:
    """When a worker ends by itself; one without bounds goes on until it is told to end.

    Attributes:
        items: after so many items were ended.
        seconds: after so long; what is in hand is finished.
        until_done: when nothing is ready, waiting or in anybody's hands.
        until_idle: when nothing can be begun now and nothing is in anybody's hands; what waits for a later
            attempt is left for whoever comes then.
    """

    items: int | None = None
    seconds: float | None = None
    until_done: bool = False
    until_idle: bool = False

    @property
    def any(self) -> bool:
        return self.items is not None or self.seconds is not None or self.until_done or self.until_idle


@dataclass(frozen=True)
class Ended:
    """Why it ended, and what it did."""

    why: Why
    totals: Totals

    def to_dict(self) -> dict[str, Any]:
        return {"why": self.why, **asdict(self.totals)}
