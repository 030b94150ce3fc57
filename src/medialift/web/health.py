"""Whether the dashboard itself goes on, and whether it has its ledger; found out beside the answers.

A database that hangs hangs whoever asks it. So one thread asks, and who wants to know waits for it a moment.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError

from medialift.errors import MedialiftError
from medialift.queueing.database import Database

PATIENCE_SECONDS = 2.0


@dataclass
class Health:
    """Looks at the ledger of one dashboard."""

    database: Database
    _lock: Lock = field(default_factory=Lock)
    _asking: Future[str] | None = None
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="health")
    )

    async def trouble(self, *, at_most: float = PATIENCE_SECONDS) -> str:
        """Why the ledger cannot be used now; "" when it can."""
        asked = asyncio.wrap_future(self._ask())
        try:
            return await asyncio.wait_for(asyncio.shield(asked), at_most)
        except TimeoutError:
            return "The database does not answer"

    def _ask(self) -> Future[str]:
        """The question that is out, or a new one."""
        with self._lock:
            if self._asking is None or self._asking.done():
                self._asking = self._pool.submit(self._look)
            return self._asking

    def _look(self) -> str:
        try:
            self.database.check()
        except MedialiftError as error:
            return error.what
        except SQLAlchemyError:
            return "The database does not answer"
        return ""
