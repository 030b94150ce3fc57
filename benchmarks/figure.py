"""What a benchmark returns, and how two things are timed side by side."""

from __future__ import annotations

import operator
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_COMPARISONS = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """One measured value and what it has to be.

    Attributes:
        figure: what was measured against what, in words.
        value: the median.
        unit: "x" for a ratio of two times, else "%", "MB" and the like.
        target: a comparison to read and to compute, such as "<= 1.5" or ">= 4", in the same unit.
    """

    figure: str
    value: float
    unit: str
    target: str

    def __post_init__(self) -> None:
        sign, _, limit = self.target.partition(" ")
        if sign not in _COMPARISONS:
            raise ValueError(f"A target is a comparison such as '<= 1.5': {self.target}")
        float(limit)

    @property
    def holds(self) -> bool:
        sign, _, limit = self.target.partition(" ")
        return bool(_COMPARISONS[sign](self.value, float(limit)))

    def to_dict(self) -> dict[str, Any]:
        """{figure, value, unit, target, holds}; the value with four digits that say something."""
        return {
            "figure": self.figure,
            "value": float(f"{self.value:.4g}"),
            "unit": self.unit,
            "target": self.target,
            "holds": self.holds,
        }


def seconds(work: Callable[[], object]) -> float:
    """How long one go of `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def paired_ratio(
    first: Callable[[], float], second: Callable[[], float], *, pairs: int = 5, warm_ups: int = 0
) -> float:
    """How often the time of `second` goes into that of `first`: the median over pairs that take turns.

    Both return the seconds of one go, so that what they prepare and clear away does not count; `seconds`
    times a plain function. They run A B A B …, so what disturbs the machine for a while disturbs both, and
    each pair gives one ratio. `warm_ups` pairs run first and do not count.
    """
    ratios = [first() / second() for _ in range(warm_ups + pairs)]
    return statistics.median(ratios[warm_ups:])
