"""chapters.txt: one line for each chapter, "hh:mm:ss.mmm title", as mp4chaps and m4b-tool write it.

    00:00:00.000 The Arrival
    00:12:34.567 The Departure

m4b-tool adds lines that begin with `#`, which say nothing of chapters. The form of OGM is read too:

    CHAPTER01=00:00:00.000
    CHAPTER01NAME=The Arrival

A list without any time is a list of titles: one for each chapter that the book has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from medialift.audiobooks.chapters.mark import Mark, seconds_of, written

_LINE = re.compile(r"(?P<time>(?:\d+:)?\d+:\d{1,2}(?:[.,]\d+)?)(?:[\s\-–—|;]+(?P<title>.*))?\Z")
_OGM_TIME = re.compile(r"CHAPTER(\d+)=(.+)\Z", re.IGNORECASE)
_OGM_NAME = re.compile(r"CHAPTER(\d+)NAME=(.*)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Listing:
    """What a list says: marks in order of time, or titles only (then there are no marks)."""

    marks: tuple[Mark, ...] = ()
    titles: tuple[str, ...] = ()


def read(text: str) -> Listing:
    """A list of chapters. Lines that are no chapter (comments, lengths) are passed over."""
    lines = [line.strip().lstrip("\ufeff") for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    marks = _ogm(lines) or _timed(lines)
    if marks:
        return Listing(marks=tuple(sorted(marks, key=lambda one: one.seconds)))
    return Listing(titles=tuple(lines))


def write(marks: Iterable[Mark], *, total: Fraction | float | None = None) -> str:
    """The list in m4b-tool's form, which mp4chaps reads as well when there is no total."""
    head = [] if total is None else [f"## total-duration: {written(total)}"]
    lines = [f"{written(one.seconds)} {' '.join(one.title.split())}".rstrip() for one in marks]
    return "\n".join([*head, *lines]) + "\n"


def _timed(lines: Iterable[str]) -> list[Mark]:
    marks = []
    for line in lines:
        found = _LINE.match(line)
        seconds = seconds_of(found["time"]) if found else None
        if found and seconds is not None:
            marks.append(Mark(seconds, (found["title"] or "").strip()))
    return marks


def _ogm(lines: Iterable[str]) -> list[Mark]:
    times: dict[int, Fraction] = {}
    names: dict[int, str] = {}
    for line in lines:
        if found := _OGM_NAME.match(line):
            names[int(found[1])] = found[2].strip()
        elif found := _OGM_TIME.match(line):
            seconds = seconds_of(found[2])
            if seconds is not None:
                times[int(found[1])] = seconds
    return [Mark(seconds, names.get(number, "")) for number, seconds in times.items()]
