"""A watch over what an instance costs: people are told while it runs, not when the money is gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Permanent, Transient
from medialift.foundation import atomic, locks

from . import tags
from .belongings import servers
from .instance import rates_of, seconds_since
from .scaleway import ZONES, NotFound, Scaleway

GONE, TOLD, TIME, BUSY = "gone", "told", "time", "watched already"


@dataclass(frozen=True)
class Spending:
    """What an instance has cost: EUR in `seconds`, the lower bound that `pricing.Rates` gives."""

    instance: str
    zone: str
    seconds: float
    hourly_eur: float
    cost_eur: float

    def to_dict(self) -> dict[str, Any]:
        """{instance: its id, zone, seconds, hourly_eur, cost_eur}."""
        return {**vars(self), "seconds": round(self.seconds)}


@dataclass(frozen=True)
class Watched:
    """How a watch ended: GONE, TOLD, TIME or BUSY; the last spending that was read, if any was."""

    ended: str
    last: Spending | None

    def to_dict(self) -> dict[str, Any]:
        """{ended, spending: {…} | null}."""
        return {"ended": self.ended, "spending": self.last.to_dict() if self.last else None}


def spending(cloud: Scaleway, name: str) -> Spending | None:
    """What the instance of this name has cost so far; None when no zone has it.

    Raises:
        Transient, Permanent: it could not be asked. That is never "none".
    """
    found = servers(cloud, ZONES, tags.owner(tags.checked_name(name)))
    if not found:
        return None
    server = found[0]
    try:
        rates = rates_of(cloud, server)
    except NotFound as error:
        # It was listed a moment ago and is being taken away: the next look tells whether it is gone.
        raise Transient("A part of the instance is gone already", name, "Look again") from error
    seconds = seconds_since(cloud, server.created)
    return Spending(server.id, server.zone, seconds, rates.hourly, rates.so_far(seconds))


def watch(
    cloud: Scaleway,
    name: str,
    budget: float,
    tell: Callable[[Spending], bool],
    *,
    every: float,
    at_most: float,
    marker: Path | None = None,
    stop: Event | None = None,
) -> Watched:
    """Look at the instance's cost until it is gone, people were told, or `at_most` seconds passed.

    Args:
        budget: EUR; more than that is told, once.
        tell: tells people; False when nobody took it, and it is tried again at the next look.
        every: seconds between two looks.
        marker: a file that keeps whom people were told of (see `told_of`), so that neither another watch nor
            the final report tells it again; a second watch with the same marker leaves at once (BUSY).

    Raises:
        Permanent: there is no such instance at the first look, or the account's key is wrong.
    """
    stop = stop or Event()
    deadline = cloud.clock.monotonic() + at_most
    last: Spending | None = None
    with _alone(marker) as alone:
        if not alone:
            return Watched(BUSY, None)
        while True:
            try:
                now = spending(cloud, name)
            except Transient:
                now = last  # the next look may be answered: an instance that cannot be seen is not gone
            else:
                if now is None:
                    if last is None:
                        raise Permanent("There is no such instance", name, "See `medialift cloud list`")
                    return Watched(GONE, last)
            last = now
            if now is not None and now.cost_eur > budget:
                if now.instance in told_of(marker):
                    return Watched(TOLD, now)
                if tell(now):
                    _remember(marker, now)
                    return Watched(TOLD, now)
            left = deadline - cloud.clock.monotonic()
            if left <= 0 or cloud.clock.sleep(min(every, left), stop):
                return Watched(TIME, last)


def told_of(marker: Path | None) -> list[str]:
    """The ids of the instances whose overspending people were told of, as a marker keeps them.

    Raises:
        Permanent: the marker is damaged.
    """
    if marker is None:
        return []
    try:
        told = json.loads(marker.read_bytes())
        return [str(one["instance"]) for one in told["told"]]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            "The note of what was told is damaged", str(marker), "Remove it: it may be told again"
        ) from error


def _remember(marker: Path | None, now: Spending) -> None:
    if marker is None:
        return
    before = json.loads(marker.read_bytes())["told"] if marker.exists() else []
    atomic.write_json(marker, {"told": [*before, now.to_dict()]})


@contextmanager
def _alone(marker: Path | None) -> Iterator[bool]:
    """Whether nobody else watches with this marker; it is so until the block ends."""
    if marker is None:
        yield True
        return
    marker.parent.mkdir(parents=True, exist_ok=True)
    # Beside the marker, which is replaced when it is written: a lock on it would be lost then.
    with locks.alone(marker.with_name(f"{marker.name}.lock"), at_most=0) as held:
        yield held
