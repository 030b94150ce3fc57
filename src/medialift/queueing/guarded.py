"""Procrastinate's worker with what was measured to be missing (procrastinate 3.10): a heart that goes on.

- Its heartbeat goes on while jobs are finished before the end, and through a database that is away.
- It notices that its row was removed, and ends, so that it is started again with a new one; else the next
  fetch would break it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from procrastinate import App, utils
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

_HEART = "update_heartbeats"
_KNOWN = "select count(*) as known from procrastinate_workers where id = %(worker_id)s"

_log = logging.getLogger(__name__)


class _OneLine(logging.Filter):
    """A database that is away is one line of Procrastinate's log, not the two tracebacks that it writes."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, ConnectorException):
            record.exc_info = record.exc_text = None
            record.msg, record.args = "The queue's database does not answer: %s", (error.__cause__,)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


_one_line = _OneLine()


class GuardedWorker(Worker):
    """One life of a worker that answers the doorbell; `live` ends when it is stopped or cannot go on."""

    def __init__(
        self,
        app: App,
        *,
        queues: Sequence[str],
        name: str,
        concurrency: int,
        heartbeat: float,
        stalled: float,
        poll: float,
    ) -> None:
        for logger in ("procrastinate.utils", "procrastinate.worker", f"procrastinate.worker.{name}"):
            logging.getLogger(logger).addFilter(_one_line)
        super().__init__(
            app,
            queues=queues,
            name=name,
            concurrency=concurrency,
            fetch_job_polling_interval=poll,
            abort_job_polling_interval=poll,
            shutdown_graceful_timeout=None,
            install_signal_handlers=False,
            update_heartbeat_interval=heartbeat,
            stalled_worker_timeout=stalled,
        )

    def end(self) -> None:
        """Fetch nothing more; `live` returns when what runs is finished. In the event loop only."""
        self.stop()  # type: ignore[no-untyped-call]

    async def live(self) -> None:
        """Answer the bell until `end`, or until something of it breaks."""
        await self.run()  # type: ignore[no-untyped-call]

    async def _update_heartbeat(self) -> None:
        while True:
            await asyncio.sleep(self.update_heartbeat_interval)
            try:
                await self.app.job_manager.update_heartbeat(self.worker_id or 0)
                row = await self.app.connector.execute_query_one_async(_KNOWN, worker_id=self.worker_id)
            except Exception as error:
                _log.warning("The queue's heartbeat did not get through: %s", error)
                continue
            if not row["known"]:
                _log.warning("The queue has forgotten worker %s: it starts again", self.worker_id)
                self.end()
                return

    async def _shutdown(self, side_tasks: list[asyncio.Task[Any]]) -> None:
        heart = [task for task in side_tasks if task.get_name() == _HEART]
        await utils.cancel_and_capture_errors([task for task in side_tasks if task not in heart])
        if self._running_jobs:
            await asyncio.wait(list(self._running_jobs), timeout=self.shutdown_graceful_timeout)
        await super()._shutdown(heart)
