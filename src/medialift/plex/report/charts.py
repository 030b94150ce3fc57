"""The geometry of the report's pictures. The template draws them; nothing here knows of SVG.

Horizontal positions are percentages of the picture's width, so that a picture fits a phone without its text
shrinking; vertical ones are pixels, or fractions of the plot where that is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from medialift.foundation.units import format_duration
from medialift.plex.report.model import InstanceLine, PhaseLine, ReadLine, Report

# What is shorter than this would not be seen, in percent of the width.
THINNEST = 0.5
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what it says. `anchor` keeps the outer ones inside the picture."""

    at: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Span:
    """One phase on the timeline."""

    phase: PhaseLine
    left: float
    width: float
    length: str


@dataclass(frozen=True)
class Timeline:
    spans: tuple[Span, ...]
    ticks: tuple[Tick, ...]
    seconds: float


@dataclass(frozen=True)
class Dot:
    """One read: percent from the left, fraction of the height from the top, and what it says."""

    left: float
    top: float
    ok: bool
    label: str


@dataclass(frozen=True)
class Latency:
    dots: tuple[Dot, ...]
    rows: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    failed: int
    middle: str
    slowest: str


@dataclass(frozen=True)
class Slice:
    """What one stretch of the instance's life cost: percent, fractions of the height from the top, EUR."""

    name: str
    left: float
    right: float
    top_left: float
    top_right: float
    eur: float


@dataclass(frozen=True)
class Money:
    slices: tuple[Slice, ...]
    rows: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    budget: float | None
    dearest: tuple[Slice, ...]


def timeline(phases: Sequence[PhaseLine]) -> Timeline:
    """Every phase as a bar. Phases without a start stand one after another behind the others."""
    start = min((phase.started for phase in phases if phase.started is not None), default=0.0)
    total, placed, end = 0.0, [], 0.0
    for phase in phases:
        begin = end if phase.started is None else phase.started - start
        end = begin + phase.seconds
        total = max(total, end)
        placed.append((phase, begin))
    scale = 100 / total if total else 0.0
    spans = tuple(
        Span(
            phase,
            min(begin * scale, 100 - THINNEST),
            max(THINNEST, phase.seconds * scale),
            format_duration(phase.seconds),
        )
        for phase, begin in placed
    )
    return Timeline(spans, _time_ticks(total), total)


def latency(reads: Sequence[ReadLine]) -> Latency | None:
    """Reads over time on a logarithmic scale; None when there are none."""
    if not reads:
        return None
    start, end = reads[0].at, max(reads[-1].at, reads[0].at + 1.0)
    slowest = max(read.seconds for read in reads)
    low = math.floor(math.log10(max(0.0001, min(read.seconds for read in reads))))
    high = max(low + 1, math.ceil(math.log10(max(0.0001, slowest))))

    def top(seconds: float) -> float:
        return (high - math.log10(max(10.0**low, seconds))) / (high - low)

    dots = tuple(
        Dot(
            (read.at - start) / (end - start) * 100,
            top(read.seconds),
            read.ok,
            f"{format_duration(read.seconds)} after {format_duration(read.at - start)}"
            + ("" if read.ok else ": failed"),
        )
        for read in reads
    )
    rows = tuple(Tick(top(10.0**power), _decade(power)) for power in range(low, high + 1))
    return Latency(
        dots,
        rows,
        _time_ticks(end - start),
        sum(not read.ok for read in reads),
        format_duration(median(read.seconds for read in reads)),
        format_duration(slowest),
    )


def money(report: Report) -> Money | None:
    """What was spent over the life of the instance; None when nothing was."""
    instance = report.instance
    if instance is None or instance.seconds <= 0 or instance.cost_eur <= 0:
        return None
    ceiling = max(instance.cost_eur, instance.budget_eur or 0.0) * 1.12
    slices = tuple(
        Slice(
            name,
            begin / instance.seconds * 100,
            end / instance.seconds * 100,
            1 - begin / instance.seconds * instance.cost_eur / ceiling,
            1 - end / instance.seconds * instance.cost_eur / ceiling,
            (end - begin) / instance.seconds * instance.cost_eur,
        )
        for name, begin, end in _stretches(report, instance)
    )
    step = _nice(ceiling / 3)
    decimals = max(2, -math.floor(math.log10(step)))
    rows = tuple(
        Tick(1 - index * step / ceiling, f"{index * step:.{decimals}f} €")
        for index in range(1, int(ceiling / step) + 1)
    )
    budget = None if instance.budget_eur is None else 1 - instance.budget_eur / ceiling
    named = [piece for piece in slices if piece.name]
    dearest = tuple(sorted(named, key=lambda piece: -piece.eur)[:3])
    return Money(slices, rows, _time_ticks(instance.seconds), budget, dearest)


def _stretches(report: Report, instance: InstanceLine) -> list[tuple[str, float, float]]:
    """(phase, begin, end) in seconds of the instance's life, without gaps and overlaps.

    Where phases overlap, the one that began last owns the time: it is the finer one.
    """
    if instance.started is None:
        return [("", 0.0, instance.seconds)]
    spans = [
        (phase.name, phase.started - instance.started, phase.started - instance.started + phase.seconds)
        for phase in report.phases
        if phase.started is not None
    ]
    edges = sorted(
        {0.0, instance.seconds}
        | {edge for _, begin, end in spans for edge in (begin, end) if 0 < edge < instance.seconds}
    )
    stretches: list[tuple[str, float, float]] = []
    for begin, end in pairwise(edges):
        owners = [span for span in spans if span[1] <= begin and span[2] >= end]
        name = max(owners, key=lambda span: span[1])[0] if owners else ""
        if stretches and stretches[-1][0] == name:
            begin = stretches.pop()[1]
        stretches.append((name, begin, end))
    return stretches


def _time_ticks(total: float) -> tuple[Tick, ...]:
    """Three to six marks at round times."""
    if total <= 0:
        return ()
    step = next(
        (step for step in _STEPS if total / step <= 5), _STEPS[-1] * math.ceil(total / _STEPS[-1] / 5)
    )
    marks = [index * step for index in range(int(total / step) + 1)]
    return tuple(
        Tick(
            mark / total * 100,
            format_duration(mark) if mark else "0",
            "start" if not mark else "end" if mark / total > 0.93 else "middle",
        )
        for mark in marks
    )


def _decade(power: int) -> str:
    return f"{10 ** (power + 3):g} ms" if power < 0 else f"{10**power:g} s"


def _nice(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.999))
