"""Self-tests: checks that a program ships with, run one after the other, each with its own folder.

They ask of a release whether it does what it is there for, on samples that come with it. Nothing outside of
the scratch folder is touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class Wrong(AssertionError):
    """Something gave another result than it should."""


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what is checked, in a few words.
        work: does it in an empty folder of its own, and raises when anything is not as it should be.
    """

    name: str
    work: Callable[[Path], None]


@dataclass(frozen=True)
class Result:
    """What a check came to: `why` it failed, "" when it did not, and how many seconds it took."""

    name: str
    ok: bool
    why: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """{name, ok, why, seconds}."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


def run(checks: Sequence[Check], scratch: Path) -> Iterator[Result]:
    """The checks' results, one by one. A check that breaks has failed; the others go on."""
    for number, check in enumerate(checks, start=1):
        folder = scratch / str(number)
        folder.mkdir()
        began = time.monotonic()
        why = ""
        try:
            check.work(folder)
        except Exception as error:
            why = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        yield Result(check.name, not why, why, time.monotonic() - began)


def equal(what: str, found: object, expected: object) -> None:
    """Nothing when both are alike.

    Raises:
        Wrong: they are not.
    """
    if type(found) is not type(expected) or found != expected:
        raise Wrong(f"{what}: {found!r} instead of {expected!r}")


def each(what: str, work: Callable[..., object], expected: Mapping[Any, object]) -> None:
    """`work(key)` gives the value of each key; a tuple is several arguments.

    Raises:
        Wrong: one does not.
    """
    for given, wanted in expected.items():
        arguments = given if isinstance(given, tuple) else (given,)
        equal(f"{what} of {', '.join(map(repr, arguments))}", work(*arguments), wanted)


def true(what: str, found: object) -> None:
    """Nothing when it is so.

    Raises:
        Wrong: it is not.
    """
    if not found:
        raise Wrong(f"{what}: it is not so")
