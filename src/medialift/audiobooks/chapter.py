"""A chapter of a finished book: on the sample grid of the book, so nothing is rounded until it is written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chapter:
    """From the sample `start` on, up to but without `end`, at the rate of the book."""

    start: int
    end: int
    title: str
