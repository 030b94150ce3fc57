"""One part of a collection: a log, a journal, an answer of the host, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from medialift.errors import MedialiftError
from medialift.foundation.waiting import Clock

CUT = "[older lines are cut here]\n"


@dataclass(frozen=True)
class Part:
    """What becomes one member of an archive.

    Attributes:
        name: relative, POSIX separators.
        missing: one sentence, when it could not be collected.
    """

    name: str
    content: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Limits:
    """What a collection may take, so that it ends and fits whatever the host is like.

    Attributes:
        part: newest characters kept of one part: days of a service's log, little enough to hold in memory.
        whole: characters of all parts together.
        seconds: for everything together.
        silence: seconds without an answer after which a file hangs: local disks answer in milliseconds.
    """

    part: int = 16 << 20
    whole: int = 256 << 20
    seconds: float = 300.0
    silence: float = 10.0


@dataclass(frozen=True)
class Source:
    """Something that gives parts.

    Attributes:
        name: of the part that says so when it gives none.
        give: takes the seconds that are left, and must be done by then.
        at_most: seconds it may take however much time is left.
    """

    name: str
    give: Callable[[float], Iterable[Part]]
    at_most: float = 60.0


def gathered(sources: Iterable[Source], limits: Limits, clock: Clock) -> Iterator[Part]:
    """All parts, within the limits. It never raises: what cannot be collected is a part that says why."""
    until = clock.monotonic() + limits.seconds
    room = limits.whole
    for source in sources:
        left = until - clock.monotonic()
        if left <= 0 or room <= 0:
            full = f"The collection is full ({limits.whole} characters)"
            yield Part(source.name, missing=full if room <= 0 else f"{limits.seconds:g} s were over")
            continue
        try:
            for part in source.give(min(left, source.at_most)):
                if room <= 0 or clock.monotonic() > until:
                    yield Part(source.name, missing="There is more, but the collection had to end")
                    break
                part = _newest(part, min(limits.part, room))
                room -= len(part.content)
                yield part
        except MedialiftError as error:
            yield Part(source.name, missing=str(error))
        except Exception as error:  # a defect of one source must not cost what the others have
            yield Part(source.name, missing=f"Collecting it broke: {type(error).__name__}: {error}")


def _newest(part: Part, most: int) -> Part:
    if len(part.content) <= most:
        return part
    # From the next whole line on: of half a line nobody could tell that it holds half a secret.
    return replace(part, content=CUT + part.content[len(part.content) - most :].partition("\n")[2])
