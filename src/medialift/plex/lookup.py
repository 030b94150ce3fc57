"""Lost files, looked up in the store itself: each answer counts only as much as the control beside it.

A 404 says that a key is not there, and so does a wrong bucket, a wrong prefix, a proxy in between or a store
in trouble. So files are looked up in batches, and before and after each the store is asked for an object that
is known to be there, in the same place as they. Only between two such answers of 200 does a 404 mean that a
file is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import Literal

from medialift.cloud import objects
from medialift.cloud.objects import Look
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.plex.media_store import MediaPlace, MediaStore

THREADS = 8
BATCH = 200
# So many objects that should be there are asked for before the store, or the way to its keys, is wrong.
CONTROLS = 5
# What could not be told is asked about so often again: a run of days outlives a bad minute.
ROUNDS = 3


@dataclass(frozen=True)
class Answer:
    """What was found out about a file: whether its object is there, is gone, or could not be told and why."""

    state: Literal["there", "gone", "unknown"]
    why: str = ""


@dataclass(frozen=True)
class Lookup:
    """Asks the store for files.

    Attributes:
        controls: for a place, files that are known to be in it; the likeliest first. Asked for again for each
            batch, so it may well be a cheap list.
        pauses: seconds before each further round for those that could not be told.
    """

    media: MediaStore
    controls: Callable[[MediaPlace], Iterable[str]]
    threads: int = THREADS
    batch: int = BATCH
    pauses: Sequence[float] = ()
    clock: Clock = field(default_factory=SystemClock)
    stop: Event = field(default_factory=Event)

    def ask(self, files: Iterable[str]) -> dict[str, Answer]:
        """What became of each file.

        Raises:
            Stopped: it was told to stop.
        """
        answers: dict[str, Answer] = {}
        by_place: dict[MediaPlace, list[str]] = {}
        for file in dict.fromkeys(files):
            place = self.media.place_of(file)
            if place is None:
                answers[file] = Answer("unknown", "it lies on no root whose bucket is known")
            else:
                by_place.setdefault(place, []).append(file)
        for place, wanted in by_place.items():
            answers |= self._ask_place(place, wanted)
            for pause in self.pauses:
                untold = [file for file in wanted if answers[file].state == "unknown"]
                if untold:
                    self.clock.sleep(pause, self.stop)
                    answers |= self._ask_place(place, untold)
        return answers

    def _ask_place(self, place: MediaPlace, files: Sequence[str]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        with ThreadPoolExecutor(self.threads, thread_name_prefix="lookup") as pool:
            for batch in _batches(files, self.batch):
                if self.stop.is_set():
                    raise Stopped("looking up lost files")
                control, wrong = self._control(place)
                if not control:
                    # A store that cannot prove itself is not asked thousands of times.
                    left = (file for file in files if file not in answers)
                    return answers | {file: Answer("unknown", wrong) for file in left}
                looks = self._looks(pool, place, batch)
                after = objects.look(self.media.store, place.bucket, control)
                wrong = "" if after.state == "there" else f"the control {_said(place, control, after)}"
                answers |= {file: _judged(looks[file], wrong) for file in batch}
        return answers

    def _control(self, place: MediaPlace) -> tuple[str, str]:
        """(the key of an object that answers 200, ""), or ("", why there is none)."""
        asked = ""
        for file in islice(self.controls(place), CONTROLS):
            # It may lie in the place around this one.
            around = self.media.place_of(file) or place
            for key in around.keys(file):
                seen = objects.look(self.media.store, place.bucket, key)
                if seen.state == "there":
                    return key, ""
                asked = f"the control {_said(place, key, seen)}"
                if seen.state != "gone":
                    return "", asked
        return "", asked or f"no object is known to be in s3://{place.bucket}/{place.prefix}".rstrip("/")

    def _looks(self, pool: ThreadPoolExecutor, place: MediaPlace, files: Sequence[str]) -> Mapping[str, Look]:
        def look(file: str) -> Look:
            if self.stop.is_set():
                return Look("silent", "stopped")
            return _of_all(objects.look(self.media.store, place.bucket, key) for key in place.keys(file))

        asked = {file: pool.submit(look, file) for file in files}
        # Every look ends by itself: the store's client has time-outs and a limited patience.
        wait_until(
            lambda: all(one.done() for one in asked.values()),
            at_most=float("inf"),
            every=0.02,
            clock=self.clock,
            stop=self.stop,
        )
        if self.stop.is_set():
            for one in asked.values():
                one.cancel()
            raise Stopped("looking up lost files")
        return {file: one.result() for file, one in asked.items()}


def _of_all(looks: Iterable[Look]) -> Look:
    """A file with several possible keys is there when one is, and gone only when all are."""
    worst = Look("gone", "404")
    for look in looks:
        if look.state == "there":
            return look
        worst = look if look.state != "gone" else worst
    return worst


def _judged(look: Look, wrong: str) -> Answer:
    if look.state == "there":
        return Answer("there")
    if look.state != "gone":
        return Answer("unknown", look.detail)
    return Answer("unknown", wrong) if wrong else Answer("gone")


def _said(place: MediaPlace, key: str, look: Look) -> str:
    return f"s3://{place.bucket}/{key} is not answered with 200 ({look.detail})"


def _batches(files: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(files), size):
        yield files[start : start + size]
