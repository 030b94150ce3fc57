"""The intake's side of a worker: it converts, tags and delivers what was claimed, each book in a thread."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from sqlalchemy import Connection, text

from medialift.audiobooks import book_record, notices, publishing, runs, stages, todo
from medialift.audiobooks.enqueue import BRING_BACK
from medialift.audiobooks.failing import Meant, meaning
from medialift.audiobooks.outcome import Outcome
from medialift.audiobooks.runs import Run
from medialift.audiobooks.stages import CONVERT, PIPELINE, Stage
from medialift.audiobooks.workshop import Workshop
from medialift.diagnostics.traffic import Recorder, about
from medialift.errors import MedialiftError
from medialift.queueing import doorbell
from medialift.queueing.crew import Crew
from medialift.queueing.leases import Lease
from medialift.settings import AudiobooksSettings

_log = logging.getLogger(__name__)

DRAIN_SECONDS = 60.0
"""So long what is in hand may go on when the worker is to end; what takes longer is begun anew later."""
_LOOK_SECONDS = 0.5
_INBOX_REST_SECONDS = 10.0

_ALIVE = text(
    "select id, lease_token from item where pipeline = :pipeline and collection = :collection"
    " and state = 'leased'"
)
_TO_CONVERT = text(
    "select count(*) from item where pipeline = :pipeline and collection = :collection and state = 'ready'"
    " and not_before <= now() and key like 'convert/%'"
)


@dataclass
class Attempt:
    """One attempt at one item, as a stage sees it from its thread.

    Attributes:
        cores: that it may use.
        stop: set when it is to end: its lease is lost, it was cancelled, or draining takes too long.
        step: is told each step when it begins.
        tell: is told how far the longest step is, 0 to 1.
    """

    lease: Lease
    name: str
    cores: int
    stop: Event
    step: Callable[[str], object]
    tell: Callable[[float], object]


class AudiobooksHandler:
    """Works on books for one worker.

    Args:
        settings: the section [audiobooks].
        workshop: makes what the stages need, when the worker opens.
        nudge: called after each attempt that ended, since something may remain to be done.
        step: is told (stage, step) of every attempt as it goes on, from whichever thread.
        recorder: keeps the traffic of each attempt while the batch debug log is on.
    """

    def __init__(
        self,
        settings: AudiobooksSettings,
        workshop: Callable[[], Workshop],
        *,
        nudge: Callable[[], object] = lambda: None,
        step: Callable[[str, str], object] = lambda _stage, _step: None,
        drain: float = DRAIN_SECONDS,
        recorder: Recorder | None = None,
    ) -> None:
        self._settings, self._make, self._nudge = settings, workshop, nudge
        self._step, self._drain, self._recorder = step, drain, recorder
        self._at_work: dict[int, str] = {}
        self._converting = 0
        self._threads: ThreadPoolExecutor | None = None
        self._workshop: Workshop | None = None

    async def open(self, crew: Crew) -> None:
        """Look for the programs, load the plug-ins, and clear away what dead attempts left.

        Raises:
            Permanent: a program is missing.
            Transient: the ledger does not answer.
        """
        crew.phase("starting")
        await self.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.attend, crew)
        self._workshop = await asyncio.to_thread(self._make)
        # Threads of its own: those of the ledger's statements are never all taken by books.
        self._threads = ThreadPoolExecutor(2 * self.parallel + 2, thread_name_prefix="book")
        places = (self._settings.work, self._settings.converted, self._settings.collection)
        # Seen before the ledger is asked: who begins meanwhile has neither been seen nor is swept.
        seen = await asyncio.to_thread(publishing.attempts, *places)
        if seen:
            alive = await crew.transaction(self._alive)
            await asyncio.to_thread(publishing.sweep, *places, seen - alive)

    async def close(self) -> None:
        """Leave what the stages had."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._workshop is not None:
            await asyncio.to_thread(self._workshop.close)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        self._threads = self._workshop = None

    @property
    def parallel(self) -> int:
        """Books at once."""
        return self._settings.parallel_books or self.cores

    @property
    def cores(self) -> int:
        """Processor cores that may be used."""
        return self._settings.cores or len(os.sched_getaffinity(0))

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        """Work on these items, one after the other: a worker of books claims one at a time."""
        for lease in leases:
            if crew.draining.is_set():
                return
            await self._one(lease, crew)

    async def _one(self, lease: Lease, crew: Crew) -> None:
        stage, name = stages.parted(lease.key)
        if stage == CONVERT:
            while self._converting >= (crew.control.parallel or self.parallel):
                # Fewer are to be converted at once than were before.
                if crew.draining.is_set() or crew.cancelled(lease) or not crew.held(lease):
                    return
                await asyncio.sleep(_LOOK_SECONDS)
            self._converting += 1
        self._begin(lease, stage, crew)
        try:
            await self._work_on(lease, stage, name, crew)
        finally:
            self._end(lease, stage, crew)
            self._nudge()

    async def _work_on(self, lease: Lease, stage: Stage, name: str, crew: Crew) -> None:
        attempt = await self._attempt(lease, stage, name, crew)
        watching = asyncio.create_task(self._until_to_stop(lease, attempt.stop, crew))
        began = time.monotonic()
        try:
            assert self._threads is not None  # noqa: S101  it is open
            loop = asyncio.get_running_loop()
            outcome = await loop.run_in_executor(self._threads, self._done, stage, attempt)
        except Exception as error:
            await self._failed(stage, name, lease, error, attempt, time.monotonic() - began, crew)
        else:
            await self._finished(stage, name, lease, outcome, time.monotonic() - began, crew)
        finally:
            attempt.stop.set()
            watching.cancel()

    def _done(self, stage: Stage, attempt: Attempt) -> Outcome:
        """Do the stage, in the thread of the attempt; its traffic is a record of its own."""
        assert self._workshop is not None  # noqa: S101  it is open
        if self._recorder is None:
            return self._workshop.work(stage, attempt)
        lease = attempt.lease
        job, label = f"audiobooks-{stage}-{lease.item_id}-{lease.token}", f"{stage} {attempt.name}"
        with self._recorder.recording(job, label=label), about(lease.key):
            return self._workshop.work(stage, attempt)

    async def _attempt(self, lease: Lease, stage: Stage, name: str, crew: Crew) -> Attempt:
        told = [0.0]

        def tell(share: float) -> None:
            # What is told of the conversion's share is told of the bytes of its sources.
            moved = int(max(0.0, share - told[0]) * max(1, lease.bytes))
            told[0] = max(told[0], share)
            crew.progress(moved=moved)

        def step(words: str) -> None:
            self._at_work[lease.item_id] = words
            crew.phase(self._phase, item=self._oldest)
            crew.progress(moved=1)
            self._step(stage, words)

        return Attempt(lease, name, await self._cores(stage, crew), Event(), step, tell)

    async def _cores(self, stage: Stage, crew: Crew) -> int:
        """One book alone gets all cores; each of several its share, one at least."""
        if stage != CONVERT:
            return 1
        names = {"pipeline": PIPELINE, "collection": self._settings.collection}
        ready = await crew.transaction(lambda c: int(c.execute(_TO_CONVERT, names).scalar_one()))
        parallel = crew.control.parallel or self.parallel
        at_once = min(parallel, self._converting + ready)
        return max(1, self.cores // max(1, at_once))

    async def _until_to_stop(self, lease: Lease, stop: Event, crew: Crew) -> None:
        draining_since: float | None = None
        while not stop.is_set():
            if crew.draining.is_set() and draining_since is None:
                draining_since = time.monotonic()
            too_long = draining_since is not None and time.monotonic() - draining_since >= self._drain
            if too_long or crew.cancelled(lease) or not crew.held(lease):
                _log.info("the work on %s is stopped", lease.key)
                stop.set()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _finished(
        self, stage: Stage, name: str, lease: Lease, outcome: Outcome, seconds: float, crew: Crew
    ) -> None:
        for problem in outcome.problems:
            _log.warning("%s: %s", lease.key, problem)
        run = Run(
            stage=stage,
            key=name,
            outcome="person" if outcome.waits_for else "done",
            name=outcome.name,
            how=outcome.how,
            attempt=lease.attempts,
            seconds=seconds,
            played=outcome.played,
            bytes=outcome.bytes,
            error_text=outcome.waits_for,
            worker=crew.name,
            token=lease.token,
        )

        def also(connection: Connection) -> None:
            # Asked again after a commit whose answer was lost: then all of it is there already.
            if runs.record(connection, self._settings.collection, run):
                outcome.also(connection)
                doorbell.ring(connection, PIPELINE, self._settings.collection, job_size=1)

        result: dict[str, Any] = {**outcome.result, "name": outcome.name}
        if outcome.problems:
            result["problems"] = list(outcome.problems)
        if outcome.waits_for:
            result = {**result, "waits_for": "person", "reason": outcome.waits_for}
        state = "skipped" if outcome.waits_for else "done"
        self._step(stage, "made")
        if await crew.finish(lease, "skipped" if outcome.waits_for else "done", result, also):
            self._step(stage, "told")
            crew.progress(items=1, files=1, bytes=outcome.bytes)
            _log.info("%s: %s in %.0f s", lease.key, state, seconds)
        else:
            _log.warning("%s: its lease is lost, so another attempt finds what was made", lease.key)

    async def _failed(
        self,
        stage: Stage,
        name: str,
        lease: Lease,
        error: Exception,
        attempt: Attempt,
        seconds: float,
        crew: Crew,
    ) -> None:
        if attempt.stop.is_set():
            await crew.give_back([lease])
            return
        assert self._workshop is not None  # noqa: S101  it is open
        if stage == CONVERT and (away := await asyncio.to_thread(self._workshop.inbox_away)):
            # Nothing is wrong with the book: nobody can read it now.
            crew.rest(_INBOX_REST_SECONDS, away)
            await crew.give_back([lease])
            return
        meant = meaning(error, stage, lease.attempts, self._settings)
        _log.warning(
            "%s: attempt %d: %s", lease.key, lease.attempts, meant.error, exc_info=_unforeseen(error)
        )

        def also(connection: Connection, state: str) -> None:
            self._note_failure(connection, stage, name, lease, meant, state, seconds, crew.name)

        state = await crew.fail(lease, meant.error, delay=meant.delay, limit=meant.limit, also=also)
        if state == "failed":
            crew.progress(items=1)
            with suppress(Exception):
                await asyncio.to_thread(self._workshop.failed, stage, name, meant.error)

    def _note_failure(
        self,
        connection: Connection,
        stage: Stage,
        name: str,
        lease: Lease,
        meant: Meant,
        state: str,
        seconds: float,
        worker: str,
    ) -> None:
        if state == "cancelled":
            return
        collection, again = self._settings.collection, state == "ready"
        run = Run(
            stage=stage,
            key=name,
            outcome="again" if again else "failed",
            attempt=lease.attempts,
            seconds=seconds,
            bytes=lease.bytes,
            error_kind=meant.error.kind,
            error_text=str(meant.error),
            worker=worker,
            token=lease.token,
        )
        if not runs.record(connection, collection, run):
            return
        if again:
            detail = notices.again(stage, name, meant.error, attempt=lease.attempts, delay=meant.delay)
        else:
            detail = notices.failed(stage, name, meant.error, attempts=lease.attempts)
        todo.add(connection, collection, lease.item_id, "tell", detail)
        if not again and stage == CONVERT and self._settings.move_failed and self._lies_in_inbox(lease):
            aside = {
                "book": lease.payload["book"],
                "error": meant.error.to_dict(),
                "tries": lease.attempts,
                "at": time.time(),
            }
            todo.add(connection, collection, lease.item_id, "put_aside", aside)

    def _lies_in_inbox(self, lease: Lease) -> bool:
        """Whether there is anything to be put aside: what could not be brought back lies where it was put."""
        if BRING_BACK not in lease.payload:
            return True
        return book_record.of_record(lease.payload["book"], self._settings.inbox).root.exists()

    def _begin(self, lease: Lease, stage: Stage, crew: Crew) -> None:
        self._at_work[lease.item_id] = stage
        crew.phase(self._phase, item=self._oldest)

    def _end(self, lease: Lease, stage: Stage, crew: Crew) -> None:
        self._at_work.pop(lease.item_id, None)
        self._converting -= stage == CONVERT
        crew.phase(self._phase, item=self._oldest)

    @property
    def _phase(self) -> str:
        """The step of the book that was begun first, for people, and for times that hold for single steps."""
        return next(iter(self._at_work.values()), "waiting for books")

    @property
    def _oldest(self) -> int | None:
        return next(iter(self._at_work), None)

    def _alive(self, connection: Connection) -> set[str]:
        names = {"pipeline": PIPELINE, "collection": self._settings.collection}
        return {
            publishing.attempt_name(self._settings.collection, row.id, row.lease_token)
            for row in connection.execute(_ALIVE, names)
        }


def _unforeseen(error: Exception) -> Exception | None:
    """Errors that are no sentence for people come with where they came from."""
    return None if isinstance(error, MedialiftError | OSError) else error
