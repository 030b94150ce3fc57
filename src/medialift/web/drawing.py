"""The geometry of small pictures that the templates draw as SVG."""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH, _HEIGHT, _MARGIN = 100.0, 30.0, 2.0


def sparkline(values: Sequence[float | None], *, filled: bool = False) -> str:
    """Points of a line through the values, in a box of 100 by 30; the smallest of zero and them is below.

    Args:
        filled: the outline of the area under the line instead.
    """
    known = [value or 0.0 for value in values]
    if len(known) == 1:
        known *= 2
    if not known:
        return ""
    low, high = min(0.0, *known), max(known)
    scale = (_HEIGHT - 2 * _MARGIN) / ((high - low) or 1.0)
    step = _WIDTH / (len(known) - 1)
    points = [
        f"{index * step:.2f},{_HEIGHT - _MARGIN - (value - low) * scale:.2f}"
        for index, value in enumerate(known)
    ]
    if filled:
        points = [f"0,{_HEIGHT:g}", *points, f"{_WIDTH:g},{_HEIGHT:g}"]
    return " ".join(points)
