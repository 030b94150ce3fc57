"""The shell in which a pipeline's worker runs: it answers the bell, claims, keeps leases, and ends well.

- The bell of Procrastinate says that there is work; what it is, a claim in the ledger says.
- A thread renews the leases and gives signs of life, whatever the event loop does, and while it drains too.
- SIGTERM drains: what is in flight is finished, the rest is given back, and `run` returns. A second SIGTERM
  ends the process at once.
- A database that is away stops the claiming; leases that cannot be renewed are given up in time. Only one
  that stays away for `outage` seconds ends the worker.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop
from sqlalchemy import Connection, text

from medialift.errors import MedialiftError, Transient
from medialift.queueing import claims, doorbell, workers
from medialift.queueing.crew import AWAY, Backoff, Crew, Handler, gone
from medialift.queueing.database import Database
from medialift.queueing.guarded import GuardedWorker
from medialift.queueing.keeper import Keeper
from medialift.queueing.keeping import Keeping
from medialift.queueing.leases import Lease
from medialift.queueing.outcome import Bounds, Ended, Why
from medialift.queueing.readiness import notify
from medialift.queueing.supervisor import Supervisor

__all__ = ["Bounds", "Crew", "Ended", "Handler", "Pace", "Worker"]

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

_OPEN = text(
    # Apart, since there is an index of each: among a million that are done, neither is looked for one by one.
    "select exists (select from item where pipeline = :pipeline and collection = :collection"
    " and state = 'ready')"
    " or exists (select from item where pipeline = :pipeline and collection = :collection"
    " and state = 'leased')"
)
_AT_HAND = text(
    "select exists (select from item where pipeline = :pipeline and collection = :collection"
    " and state = 'ready' and not_before <= now()"
    " and not exists (select from control c where c.pipeline = :pipeline and c.collection = :collection"
    " and (c.paused or c.closed)))"
    " or exists (select from item where pipeline = :pipeline and collection = :collection"
    " and state = 'leased')"
)
# So long a handler may take to hear that all its leases are lost, before it is stopped.
_GRACE_SECONDS = 5.0
_CLOSE_SECONDS = 15.0


@dataclass(frozen=True)
class Pace:
    """How a worker works; all times in seconds.

    Attributes:
        batch: items claimed at once.
        job_size: items that one ring of the bell stands for.
        concurrency: chunks worked on at once: while one waits for its last item, the next goes on.
        attempts: attempts at an item before it has failed.
        backoff_first, backoff_longest: until the second attempt, doubled each time, up to the longest.
        lease: how long a claim lasts; renewed six times in it.
        margin: so long before its end a lease counts as lost.
        heartbeat: between two signs of life.
        poll: how often it looks by itself whether a bell was lost.
        stalled: without a sign of life for so long, the queue takes a worker for dead.
        report: between two writes of its progress.
        outage: so long the database may be away before the worker gives up.
        sweep: between two rounds of the supervisor that a bounded worker brings along.
    """

    batch: int = 50
    job_size: int = doorbell.JOB_SIZE
    concurrency: int = 2
    attempts: int = 3
    backoff_first: float = 2.0
    backoff_longest: float = 3600.0
    lease: float = 120.0
    margin: float = 15.0
    heartbeat: float = 10.0
    poll: float = 5.0
    stalled: float = 120.0
    report: float = 2.0
    outage: float = 600.0
    sweep: float = 15.0

    @property
    def renew(self) -> float:
        return self.lease / 6


@dataclass
class Worker:
    """One worker of one collection. `run_alone` runs it; `run` runs it in the main thread's event loop.

    Attributes:
        stop: drains it when it is set, as SIGTERM does: for one that runs in another thread than the main.
    """

    database: Database
    handler: Handler
    name: str
    pipeline: str
    collection: str
    pace: Pace = field(default_factory=Pace)
    bounds: Bounds = field(default_factory=Bounds)
    settings: dict[str, Any] = field(default_factory=dict)
    backoff: Backoff | None = None
    stop: threading.Event | None = None

    async def run(self) -> Ended:
        """Work until told to end, or until the bounds are reached.

        Raises:
            Permanent: another worker has this name; the handler cannot be opened.
            Transient: the database stayed away too long.
        """
        return await _Life(self).run()

    def run_alone(self) -> Ended:
        """`run`, in an event loop of its own that ends with it.

        It is uvloop's: most of what a worker's processor does is many small requests, and asyncio's own loop
        takes a good part of that.
        """
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(self.run())


class _Life:
    """From the start of a worker to its end."""

    def __init__(self, worker: Worker) -> None:
        self.worker, self.pace, self.database = worker, worker.pace, worker.database
        self.queue = (worker.pipeline, worker.collection)
        self.keeping = Keeping(ttl=self.pace.lease, margin=min(self.pace.margin, self.pace.lease / 4))
        self.crew = Crew(
            worker.name,
            worker.database,
            self.keeping,
            attempts=self.pace.attempts,
            backoff=worker.backoff or Backoff(self.pace.backoff_first, self.pace.backoff_longest),
        )
        self.me = workers.Me(worker.name, *self.queue, settings=worker.settings)
        self.why: Why = "drained"
        self.asking = 0
        self.told = False
        self.listening: GuardedWorker | None = None
        self.away_since: float | None = None

    async def run(self) -> Ended:
        loop = asyncio.get_running_loop()
        signals = self._take_signals(loop)
        keeper = Keeper(
            self.database,
            self.me,
            self.crew,
            self.keeping,
            loop,
            self.drain,
            renew=self.pace.renew,
            heartbeat=self.pace.heartbeat,
            report=self.pace.report,
        )
        beside: list[asyncio.Task[None]] = []
        try:
            await self._register()
            keeper.start()
            beside = [
                asyncio.create_task(self._fence(), name="fence"),
                asyncio.create_task(self._watch(), name="watch"),
            ]
            if self.worker.bounds.any:
                beside.append(asyncio.create_task(self._supervise(), name="supervise"))
            for task in beside:
                task.add_done_callback(self._end_when_broken)
            try:
                await self._open_handler()
                notify("READY=1")
                await self._listen_until_drained()
            finally:
                notify("STOPPING=1")
                await self.crew.give_back(self.keeping.all())
                await self.worker.handler.close()
            for task in beside:
                if task.done() and not task.cancelled() and (error := task.exception()):
                    raise error
        finally:
            for task in beside:
                task.cancel()
            ends = await asyncio.gather(*beside, return_exceptions=True)
            broken = any(isinstance(end, Exception) for end in ends)
            await asyncio.to_thread(keeper.stop, told=self.crew.draining.is_set() and not broken)
            for number in signals:
                loop.remove_signal_handler(number)
        return Ended(self.why, self.crew.totals)

    # -- hearing the bell ------------------------------------------------------------------------------

    async def _listen_until_drained(self) -> None:
        while not self.crew.draining.is_set():
            try:
                await self._listen()
            except Exception as error:
                _log.warning("The queue is not heard: %s", error)
            await self._give_up_when_away_too_long()
            await self._pause(min(1.0, self.pace.poll))

    async def _listen(self) -> None:
        """One life of Procrastinate's worker. It ends by the drain, or when something of it broke."""
        await asyncio.to_thread(self.database.check)
        app = doorbell.app_of(self.database, self._answer)
        await app.open_async()
        try:
            listening = self.listening = GuardedWorker(
                app,
                queues=[doorbell.queue_of(*self.queue), doorbell.TICK_QUEUE],
                name=self.worker.name,
                concurrency=self.pace.concurrency,
                heartbeat=self.pace.heartbeat,
                stalled=self.pace.stalled,
                poll=self.pace.poll,
            )
            if not self.crew.draining.is_set():
                await listening.live()
        finally:
            self.listening = None
            # It can hang on a connection that is half dead.
            with suppress(TimeoutError):
                await asyncio.wait_for(app.close_async(), _CLOSE_SECONDS)

    async def _answer(self) -> None:
        """The bell rang: claim and work, up to the size of a job, and ring for the next."""
        taken = 0
        try:
            while taken < self.pace.job_size and not self.crew.draining.is_set():
                if self.crew.resting:
                    return
                batch = self.crew.control.batch or self.pace.batch
                chunk = await self._claim(min(batch, self.pace.job_size - taken))
                if not chunk:
                    return
                taken += len(chunk)
                await self._work_on(chunk)
                self._end_at_items()
            if not self.crew.draining.is_set():
                await self._transaction(self._ring)
        except AWAY as error:
            _log.warning("The ledger does not answer, so nothing is claimed: %s", gone(error).subject)

    async def _claim(self, limit: int) -> list[Lease]:
        worker = self.worker
        if worker.bounds.items is not None:
            in_hand = len(self.keeping.all()) + self.asking
            limit = min(limit, worker.bounds.items - self.crew.ended - in_hand)
        if limit <= 0:
            return []
        self.asking += limit
        asked = self.keeping.now()
        try:
            # Should it be claimed and the answer be lost, the leases run out by themselves.
            leases = await asyncio.to_thread(self._claimed, limit)
            self.keeping.take(leases, asked)
        finally:
            self.asking -= limit
        return leases

    def _claimed(self, limit: int) -> list[Lease]:
        with self.database.autocommit.connect() as connection:
            return claims.claim(
                connection,
                pipeline=self.worker.pipeline,
                collection=self.worker.collection,
                owner=self.worker.name,
                limit=limit,
                ttl=self.pace.lease,
            )

    async def _work_on(self, chunk: list[Lease]) -> None:
        work = asyncio.create_task(self.worker.handler.work(list(chunk), self.crew), name="chunk")
        try:
            await self._until_done_or_lost(work, chunk)
        except Exception as error:
            if not isinstance(error, MedialiftError):
                _log.exception("The handler broke")
            told = error if isinstance(error, MedialiftError) else Transient(f"Its worker broke: {error!r}")
            for lease in self.keeping.unended(chunk):
                await self.crew.fail(lease, told)
        finally:
            await self.crew.give_back(self.keeping.unended(chunk))

    async def _until_done_or_lost(self, work: asyncio.Task[None], chunk: list[Lease]) -> None:
        lost = asyncio.create_task(self._all_lost(chunk), name="all lost")
        try:
            await asyncio.wait([work, lost], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await asyncio.wait({work}, timeout=_GRACE_SECONDS)
            if not work.done():
                _log.warning("All its leases are lost: the chunk is stopped")
                work.cancel()
                await asyncio.wait({work})
        finally:
            lost.cancel()
            if not work.done():
                work.cancel()
        if not work.cancelled():
            work.result()

    async def _all_lost(self, chunk: list[Lease]) -> None:
        """Until nothing of the chunk that is not ended is ours any more."""
        while not (left := self.keeping.unended(chunk)) or any(map(self.keeping.held, left)):
            await asyncio.sleep(self._fence_seconds)

    @property
    def _fence_seconds(self) -> float:
        return min(0.5, self.pace.lease / 40)

    def _ring(self, connection: Connection) -> None:
        doorbell.ring(connection, *self.queue, job_size=self.pace.job_size)

    # -- beside the work ----------------------------------------------------------------------------------

    async def _fence(self) -> None:
        """Give leases up in time; this needs no database."""
        while True:
            for lease in self.keeping.fence():
                _log.warning("The lease on %s is lost", lease.key)
            await asyncio.sleep(self._fence_seconds)

    async def _watch(self) -> None:
        """End at the bounds, and look now and then whether a bell was lost."""
        loop, bounds = asyncio.get_running_loop(), self.worker.bounds
        began = looked = loop.time()
        every = min(self.pace.poll, 0.5) if bounds.any else self.pace.poll
        while not self.crew.draining.is_set():
            await self._ring_if_idle()
            self._end_at_items()
            if self.worker.stop is not None and self.worker.stop.is_set():
                self.drain()
            elif bounds.seconds is not None and loop.time() - began >= bounds.seconds:
                self.drain("seconds")
            elif (bounds.until_done or bounds.until_idle) and loop.time() >= looked:
                looked = loop.time() + every
                if await self._all_done():
                    self.drain("done")
            await self._pause(every)

    def _end_at_items(self) -> None:
        items = self.worker.bounds.items
        if items is not None and self.crew.ended >= items:
            self.drain("items")

    async def _supervise(self) -> None:
        """One that is run by hand depends on no supervisor: it sees to it that what others left is done."""
        supervisor = Supervisor(self.database, every=self.pace.sweep, silence=self.pace.stalled)
        while not await self._pause(self.pace.sweep):
            with suppress(Transient):
                await asyncio.to_thread(supervisor.round)

    async def _ring_if_idle(self) -> None:
        if self.listening is not None and not self.keeping.all() and not self.crew.resting:
            with suppress(*AWAY):
                await self._transaction(self._ring)

    async def _all_done(self) -> bool:
        if self.keeping.all():
            return False
        given = {"pipeline": self.worker.pipeline, "collection": self.worker.collection}
        asked = _OPEN if self.worker.bounds.until_done else _AT_HAND
        with suppress(*AWAY):
            return not await self._transaction(lambda c: c.execute(asked, given).scalar_one())
        return False

    def _end_when_broken(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.drain()

    # -- ending -------------------------------------------------------------------------------------------

    def drain(self, why: Why = "drained") -> None:
        """Begin nothing new, finish what is in flight, give back the rest, end. In the event loop only."""
        if self.crew.draining.is_set():
            return
        _log.info("The worker ends: %s", why)
        self.why = why
        self.crew.draining.set()
        if self.listening is not None:
            self.listening.end()

    def _told(self) -> None:
        if self.told:
            os._exit(128 + signal.SIGTERM)  # asked twice: nothing is waited for, the leases run out
        self.told = True
        self.drain()

    def _take_signals(self, loop: asyncio.AbstractEventLoop) -> tuple[int, ...]:
        if threading.current_thread() is not threading.main_thread():
            return ()
        numbers = (signal.SIGTERM, signal.SIGINT)
        for number in numbers:
            loop.add_signal_handler(number, self._told)
        return numbers

    # -- the database ---------------------------------------------------------------------------------------

    async def _transaction(self, work: Callable[[Connection], _T]) -> _T:
        def go() -> _T:
            with self.database.engine.begin() as connection:
                return work(connection)

        return await asyncio.to_thread(go)

    async def _register(self) -> None:
        while True:
            try:
                await asyncio.to_thread(self.database.check)
                given_back = await self._transaction(lambda c: workers.register(c, self.me))
                if given_back:
                    _log.info("%d items of an earlier life were given back", given_back)
                return
            except (*AWAY, Transient) as error:
                _log.warning("The ledger does not answer: %s", error)
            await self._give_up_when_away_too_long()
            if await self._pause(min(2.0, self.pace.poll)):
                raise Transient("The worker was stopped before the database answered", self.worker.name)

    async def _open_handler(self) -> None:
        attempt = 0
        while not self.crew.draining.is_set():
            try:
                await self.worker.handler.open(self.crew)
                self.crew.work_on()
                return
            except Transient as error:
                attempt += 1
                wait = min(30.0, Backoff(1.0).after(attempt))
                self.crew.rest(wait + 60.0, str(error))
                _log.warning("The worker cannot begin yet: %s", error)
            await self._pause(wait)

    async def _give_up_when_away_too_long(self) -> None:
        try:
            await self._transaction(lambda connection: connection.exec_driver_sql("select 1"))
            self.away_since = None
        except AWAY as error:
            now = self.keeping.now()
            self.away_since = now if self.away_since is None else self.away_since
            if now - self.away_since > self.pace.outage:
                raise gone(error) from error

    async def _pause(self, seconds: float) -> bool:
        """Wait, or until the worker is drained; whether it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.crew.draining.wait(), seconds)
        return self.crew.draining.is_set()
