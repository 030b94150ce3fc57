"""The posters' side of a worker: it downloads, uploads and restores the pictures that were claimed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, text

from medialift.diagnostics import traffic
from medialift.errors import MedialiftError, Transient
from medialift.foundation.text import redact
from medialift.foundation.token import read_token
from medialift.posters import downloading, picture, records, replacing
from medialift.posters.answers import Busy, KeyRefused, Stopped, Unusable
from medialift.posters.breaker import Breaker
from medialift.posters.folder import Folder, FolderAway
from medialift.posters.jellyfin import Jellyfin
from medialift.posters.line import Connect, Line, Lines, connect
from medialift.posters.names import PIPELINE
from medialift.posters.outcome import Outcome
from medialift.posters.task import Means, Task
from medialift.posters.tempo import Tempo
from medialift.queueing import control
from medialift.queueing.crew import Backoff, Crew
from medialift.queueing.leases import Lease
from medialift.settings import PostersSettings

_log = logging.getLogger(__name__)
_WORK = {"download": downloading.download, "upload": replacing.upload, "restore": replacing.restore}
_REST_SECONDS = 3600.0
_LINGER_SECONDS = 10.0
_FOLDER_REST_SECONDS = 10.0
_HELD_SECONDS = 2.0
# A picture that came broken is most likely broken there.
_BROKEN_TRIES = 3
_OPTIONS = text("select id, options from poster_batch where id = any(:batches)")


class PostersHandler:
    """Works on pictures for one worker.

    Args:
        settings: the section [posters].
        backoff: instead of what follows from the settings.
        make: makes the client of the server.
        recorder: keeps the traffic of each batch while the batch debug log is on.
    """

    def __init__(
        self,
        settings: PostersSettings,
        *,
        backoff: Backoff | None = None,
        make: Connect = connect,
        recorder: traffic.Recorder | None = None,
    ) -> None:
        self._settings, self._make, self._recorder = settings, make, recorder
        self._backoff = backoff or Backoff(settings.retry_base, 3600.0)
        self._folder = Folder(settings.folder)
        self._beside: set[asyncio.Task[Any]] = set()
        self._in_flight: dict[int, None] = {}
        self._asking: Jellyfin | None = None
        self._lines: Lines
        self._breaker: Breaker
        self._about: dict[str, str] = {}

    async def open(self, crew: Crew) -> None:
        """See that the folder, the key and the server are as they must be.

        Raises:
            Permanent: a person has to change something: the key, the address, the folder's owner.
            Unsafe: the collection is of another server.
            Transient: the server or the folder is away.
        """
        crew.phase("connecting")
        await self.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.attend, crew)
        settings = self._settings
        key = await asyncio.to_thread(read_token, settings.key_file)
        await asyncio.to_thread(picture.program)
        used = await crew.transaction(lambda connection: records.any_file(connection, settings.collection))
        await asyncio.to_thread(self._folder.check, used=used)
        self._lines = Lines(settings, key, crew.draining, self._make)
        self._asking = self._make(settings, key, Tempo(0.0, crew.draining), "shared")
        self._breaker = Breaker(self._asking.answers)
        server = await self._asking.server()
        self._about = {"product": "Jellyfin", "version": server.version, "name": server.name}
        await crew.transaction(
            lambda connection: records.same_server(connection, settings.collection, server)
        )

    async def close(self) -> None:
        """Leave the server."""
        for task in list(self._beside):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        if self._asking is not None:
            await self._asking.close()
            await self._lines.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        self._asking = None

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        """Work on these pictures. What is not begun when the worker ends or Jellyfin is down is left."""
        if self._breaker.open:
            self._rest(crew)
            return
        if not await asyncio.to_thread(self._folder.there):
            self._wait_for_folder(self._folder.away(), crew)
            return
        tasks = {lease.item_id: Task.of(lease.payload) for lease in leases}
        options = await self._options({one.batch for one in tasks.values()}, crew)
        crew.phase("bringing pictures", item=self._oldest)
        running = [
            asyncio.create_task(self._one(lease, tasks[lease.item_id], options, crew)) for lease in leases
        ]
        try:
            await asyncio.wait(running)
        finally:
            for one in running:
                one.cancel()
        for one in running:
            one.result()
        if self._breaker.open:
            self._rest(crew)

    async def _options(self, batches: set[int], crew: Crew) -> dict[int, dict[str, Any]]:
        new = [one for one in batches if not self._lines.has(one)]
        if not new:
            return {}

        def read(connection: Connection) -> dict[int, dict[str, Any]]:
            return {row.id: row.options for row in connection.execute(_OPTIONS, {"batches": new})}

        return await crew.transaction(read)

    async def _one(self, lease: Lease, task: Task, options: dict[int, dict[str, Any]], crew: Crew) -> None:
        line = await self._lines.open(task.batch, options.get(task.batch, {}), crew.control.parallel)
        try:
            async with line.slots:
                if self._to_be_left(lease, crew):
                    return
                with self._recorded(line, task):
                    await self._until_done_or_lost(lease, task, line, crew)
        finally:
            line.users -= 1

    def _to_be_left(self, lease: Lease, crew: Crew) -> bool:
        return (
            crew.draining.is_set()
            or self._breaker.open
            or crew.cancelled(lease)
            or not crew.held(lease)
            or bool(crew.resting)
        )

    async def _until_done_or_lost(self, lease: Lease, task: Task, line: Line, crew: Crew) -> None:
        going = asyncio.create_task(_WORK[task.action](task, self._means(lease, line, crew)))
        lost = asyncio.create_task(crew.lost(lease).wait())
        self._in_flight[lease.item_id] = None
        crew.current_item = self._oldest
        try:
            await asyncio.wait({going, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not going.done():
                _log.warning("the lease on %s is lost: it is left as it is", task.name or task.id)
                return
            await self._ended(lease, task, going, crew)
        finally:
            lost.cancel()
            going.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await going
            self._in_flight.pop(lease.item_id, None)
            crew.current_item = self._oldest

    async def _ended(self, lease: Lease, task: Task, going: asyncio.Task[Outcome], crew: Crew) -> None:
        error = going.exception()
        if error is None:
            await self._finished(lease, going.result(), crew)
        elif isinstance(error, Stopped):
            return
        elif isinstance(error, FolderAway):
            self._wait_for_folder(error, crew)
        elif not await asyncio.to_thread(self._folder.there):
            # Whatever it says, it is so for that.
            self._wait_for_folder(self._folder.away(), crew)
        elif isinstance(error, MedialiftError):
            await self._failed(lease, task, error, crew)
        else:
            # What nobody thought of is this picture's matter: those beside it do not pay for it.
            _log.error("the work on %s broke", task.name or task.id, exc_info=error)
            told = Transient("The work on it broke", redact(repr(error)), "See the worker's log")
            await crew.fail(lease, told, delay=self._backoff.after(lease.attempts), limit=self._tries)

    def _wait_for_folder(self, error: FolderAway, crew: Crew) -> None:
        """Claim nothing for a while. No picture is to blame: what is in hand is given back."""
        if not crew.resting:
            _log.warning("%s", error)
            crew.rest(_FOLDER_REST_SECONDS, f"{error.what}: {error.subject}")

    async def _finished(self, lease: Lease, outcome: Outcome, crew: Crew) -> None:
        self._breaker.succeeded()
        result = {**outcome.result}
        if outcome.skipped:
            result["reason"] = outcome.skipped
        state: Any = "skipped" if outcome.skipped else "done"
        if await crew.finish(lease, state, result, outcome.also):
            crew.progress(items=1, files=int(not outcome.skipped), bytes=outcome.bytes)

    async def _failed(self, lease: Lease, task: Task, error: MedialiftError, crew: Crew) -> None:
        if isinstance(error, KeyRefused):
            await self._hold(error, crew)
            return
        if isinstance(error, Busy):
            self._lines.pause(error.seconds)
        record = traffic.current_record()
        if isinstance(error, Unusable) and record is not None:
            record.rejected(error.what)
        if await self._breaker.failed(lease.item_id, error):
            return
        _log.warning("%s: attempt %d: %s", task.name or task.id, lease.attempts, error)
        limit = min(_BROKEN_TRIES, self._tries) if isinstance(error, Unusable) else self._tries
        delay = self._backoff.after(lease.attempts)
        if isinstance(error, Busy):
            delay = max(delay, error.seconds)
        if await crew.fail(lease, error, delay=delay, limit=limit) == "failed":
            crew.progress(items=1)

    async def _hold(self, error: KeyRefused, crew: Crew) -> None:
        """Pause the pipeline: every other picture would be refused too, and none is to blame."""
        _log.error("paused: %s", error)
        collection, why = self._settings.collection, str(error)
        await crew.transaction(
            lambda connection: control.pause(connection, PIPELINE, collection, why=why, who=crew.name)
        )
        # Until the worker's own look at the ledger says so.
        crew.rest(_HELD_SECONDS, why)

    def _means(self, lease: Lease, line: Line, crew: Crew) -> Means:
        async def wait(seconds: float) -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(crew.draining.wait(), seconds)
                raise Stopped("The worker ends", "", "The picture is given back")

        return Means(
            collection=self._settings.collection,
            folder=self._folder,
            jellyfin=line.jellyfin,
            largest=self._settings.max_bytes,
            ledger=lambda work: crew.transaction(work, lease=lease),
            held=lambda: crew.held(lease),
            wait=wait,
            moved=lambda count: crew.progress(moved=count),
        )

    @contextmanager
    def _recorded(self, line: Line, task: Task) -> Iterator[None]:
        """Have the traffic of a picture in the record of its batch, while there is one."""
        if self._recorder is None:
            yield
            return
        with self._recorder.recording(
            f"posters-{task.batch}",
            label=f"{task.action} {task.image}, batch {task.batch}",
            linger=_LINGER_SECONDS,
            settings=line.settings,
        ) as record:
            if record is not None:
                record.note(**self._about)
            with traffic.about(task.id):
                yield

    def _rest(self, crew: Crew) -> None:
        """Claim nothing until Jellyfin answers again."""
        if crew.resting:
            return
        _log.warning("Jellyfin is down, waiting until it answers: %s", self._breaker.why)
        crew.rest(_REST_SECONDS, "Jellyfin is down")
        crew.phase("waiting for Jellyfin")
        task = asyncio.create_task(self._until_up(crew))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _until_up(self, crew: Crew) -> None:
        if await self._breaker.until_up(crew.draining):
            _log.warning("Jellyfin answers again")
            crew.work_on()

    @property
    def _tries(self) -> int:
        return self._settings.max_retries + 1

    @property
    def _oldest(self) -> int | None:
        """Of the pictures in flight the one that was begun first: when one hangs, it is that in the end."""
        return next(iter(self._in_flight), None)
