"""Listing ahead: another thread walks the folders while this one hands on what it found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from queue import Empty, Queue
from threading import Event, Thread

from medialift.foundation.archive.member import Member

_TOGETHER = 256
_AHEAD = 16


@contextmanager
def listed_ahead(members: Iterable[Member]) -> Iterator[Iterator[Member]]:
    """`members`, up to four thousand of them fetched before they are asked for.

    An error of theirs is raised here, behind the members before it. When the block ends, the thread has
    ended.
    """
    found: Queue[list[Member] | BaseException] = Queue(_AHEAD)
    left = Event()

    def list_on() -> None:
        each = iter(members)
        batch: list[Member] = []
        try:
            while not left.is_set():
                batch = []
                # One by one: what was found before an error is not lost with it.
                for member in islice(each, _TOGETHER):
                    batch.append(member)
                found.put(batch)
                if not batch:
                    return
        except BaseException as error:
            if batch:
                found.put(batch)
            found.put(error)

    def handed_on() -> Iterator[Member]:
        while batch := found.get():
            if isinstance(batch, BaseException):
                raise batch
            yield from batch

    thread = Thread(target=list_on, name="list-ahead", daemon=True)
    thread.start()
    try:
        yield handed_on()
    finally:
        left.set()
        while thread.is_alive():
            # It may wait for room to put what nobody wants any more.
            try:
                found.get(timeout=0.05)
            except Empty:
                thread.join(timeout=0.05)
