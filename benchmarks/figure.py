"""What a benchmark returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """Two measured times of the same work, in seconds; `ratio` above 1 means that ours is faster."""

    meaning: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours
