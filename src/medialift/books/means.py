"""What the work on books is done with, and by which rules."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from medialift.books.bandwidth import Bandwidth
from medialift.books.breaker import Breaker
from medialift.books.committing import Pen
from medialift.books.description import Words
from medialift.books.links import Transfer
from medialift.books.server.answers import NotLetIn, TooLarge
from medialift.books.server.api import Server
from medialift.books.uploads import Uploads
from medialift.books.writes import Fenced
from medialift.errors import MedialiftError, Transient
from medialift.queueing.leases import Lease

_log = logging.getLogger(__name__)

SAFETY = 4096
"""Bytes of a request that are not the file's: the server's limit is one of the whole request."""
TRUSTED_SECONDS = 600.0
"""For so long the ledger's word that a content is on the server is taken without asking the server."""


class Held(Exception):
    """A content or an ebook is in the hands of another live worker: wait for it."""


class Down(Transient):
    """The server is down, or the library is away, or the worker ends: nothing is wrong with the book."""


@dataclass(frozen=True)
class Rules:
    """How files are to be brought.

    Attributes:
        attempts: at a file, before its book is tried again later.
        limit: attempts at a book, until it has failed.
        largest: bytes of the largest file that the server takes.
        first_wait: seconds before the second attempt at a file; doubled each time, with jitter.
        held_wait: seconds that a content in another's hands is waited for, before its book is put off.
        task_seconds: so long the server works on a metadata task at most.
    """

    attempts: int = 3
    limit: int = 5
    largest: int = 524_288_000 - SAFETY
    first_wait: float = 2.0
    held_wait: float = 3.0
    task_seconds: float = 60.0


@dataclass
class Means:
    """What the work on books is done with; one for each worker.

    Attributes:
        name: of the server in the ledger.
        sending: as many uploads as may be under way at once.
        describing: as many metadata tasks.
        held: whether a lease is still ours, by the clock.
        highest_ebook: the highest number of an ebook on the server that this worker knows.
        library_there: whether the library can be seen at all.
        moved: told of bytes that were read or sent, while a large file is under way. From any thread.
    """

    name: str
    server: Server
    pen: Pen
    words: Words
    uploads: Uploads
    breaker: Breaker
    bandwidth: Bandwidth
    sending: asyncio.Semaphore
    describing: asyncio.Semaphore
    transfer: Transfer
    held: Callable[[Lease], bool]
    rules: Rules = field(default_factory=Rules)
    random: Random = field(default_factory=Random)
    sleep: Callable[[float], Any] = asyncio.sleep
    highest_ebook: int = 0
    library_there: Callable[[], bool] = lambda: True
    moved: Callable[[int], object] = lambda _: None
    trusted_seconds: float = TRUSTED_SECONDS
    warn: Callable[[str], None] = _log.warning

    def guard(self, lease: Lease) -> None:
        """Ask, right before something that cannot be taken back.

        Raises:
            Fenced: the lease is lost.
        """
        if not self.held(lease):
            raise Fenced

    async def patiently(self, item: int, work: Callable[[], Any]) -> Any:
        """Do some work on a file; again after 2, 4, 8 … seconds when it fails in passing.

        Raises:
            Down: the server is down.
            MedialiftError: what it failed by in the end.
        """
        for attempt in range(1, self.rules.attempts + 1):
            try:
                result = await work()
            except Down:
                raise
            except NotLetIn as error:
                # A password that was changed is no book's fault: they wait until it is taken again.
                await self.breaker.failed(item, error)
                raise Down(error.what, error.subject, error.hint) from error
            except Transient as error:
                if await self.breaker.failed(item, error):
                    raise Down(error.what, error.subject, error.hint) from error
                if attempt == self.rules.attempts:
                    raise
                wait = self.rules.first_wait * 2 ** (attempt - 1)
                await self.sleep(wait * self.random.uniform(0.75, 1.25))
            else:
                return result
        raise AssertionError("the last attempt returns or raises")


_KINDS: Mapping[str, str] = {
    "TooLarge": "too large",
    "Unsupported": "unsupported",
    "Missing": "missing",
    "Empty": "empty",
    "Unreadable": "unreadable",
    "Changed": "changing",
    "TaskFailed": "not readable by the server",
    "Broken": "server error",
    "Lost": "lost answer",
    "Unreachable": "server down",
    "Unauthorized": "not let in",
    "Refused": "refused",
}
SKIPPED = ("too large", "unsupported", "missing", "empty")
"""Kinds of reason for which a file is skipped: nothing went wrong, but it will not be sent as it is."""


def kind_of(error: MedialiftError) -> str:
    """What a reason is called, in the ledger and by `medialift books retry`."""
    return _KINDS.get(type(error).__name__, error.kind)


def too_large(path: Path, size: int, largest: int) -> TooLarge:
    """For a file that need not be sent to be refused."""
    return TooLarge(
        "The file is larger than the book server takes",
        f"{path.name}: {size} bytes, at most {largest}",
        "Raise the server's MAX_CONTENT_LENGTH and books.max_upload, then: medialift books retry",
    )
