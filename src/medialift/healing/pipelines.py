"""The pipelines whose workers are healed here. A new one is one more entry.

What a CODE_FIX may edit of the books is what gives words and figures: how a book is described, how names are
cut, how fast it goes, what a breaker does. What decides whether something is sent, repeated, claimed or
written down is on no list: an error there costs a library, and a stuck worker costs only time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from medialift.audiobooks.stages import PIPELINE as AUDIOBOOKS_NAME
from medialift.books.handler import client_of
from medialift.books.plan_writing import PIPELINE as BOOKS_NAME
from medialift.errors import MedialiftError, Permanent
from medialift.healing.evidence import ServerHealth
from medialift.healing.pipeline import Knob, Pipeline
from medialift.posters.names import PIPELINE as POSTERS_NAME
from medialift.settings import BooksSettings, Settings

_SERVER_SECONDS = 30.0
"""An answer to a simple question that takes longer is none."""
_POSTGRESQL = Path("/var/lib/postgresql")
_HERE = ("", "localhost", "127.0.0.1", "::1")
_SERVER_NAME = "MyBookshelf2"
_JELLYFIN = "Jellyfin"


def of(name: str) -> Pipeline:
    """The pipeline of this name.

    Raises:
        Permanent: there is none.
    """
    if name not in PIPELINES:
        raise Permanent(
            "There is no such pipeline", name, f"The healing knows {', '.join(sorted(PIPELINES))}"
        )
    return PIPELINES[name]


def ledger_disks(settings: Settings) -> list[Path]:
    """Where the ledger lies, as far as it lies on this host."""
    if settings.database.embedded is not None:
        return [settings.database.embedded]
    host = urlsplit(settings.database.url.get_secret_value()).hostname or ""
    return [_POSTGRESQL] if host in _HERE else []


def _books_mounts(settings: Settings) -> Sequence[Path]:
    return [settings.books.library] if settings.books.library is not None else []


def _books_disks(settings: Settings) -> Sequence[Path]:
    server = [settings.books.server_books] if settings.books.server_books is not None else []
    return [*server, *ledger_disks(settings)]


def _libraries(settings: Settings) -> list[Path]:
    """The libraries of audiobooks that are folders of this host."""
    paths = (Path(one.path) for one in settings.audiobooks.destinations.values())
    return [path for path in paths if path.is_absolute()]


def _books_server(settings: Settings) -> ServerHealth:
    """Both halves of the book server asked something simple, as its workers ask before they go on.

    Without a user nobody can be logged in: then any answer of its front that is no failure counts.
    """
    books = settings.books
    seconds = min(_SERVER_SECONDS, books.timeout)
    began = time.monotonic()
    try:
        if books.user:
            answers = asyncio.run(_asked(books, seconds))
            why = "" if answers else "it does not answer, or answers with a failure"
        else:
            why = _front(books, seconds)
    except TimeoutError:
        return ServerHealth(_SERVER_NAME, ok=False, why=f"no answer within {seconds:g} s")
    except MedialiftError as error:
        return ServerHealth(_SERVER_NAME, ok=False, why=str(error))
    took = time.monotonic() - began
    return ServerHealth(_SERVER_NAME, ok=not why, latency=None if why else took, why=why)


async def _asked(books: BooksSettings, seconds: float) -> bool:
    server = client_of(books)
    try:
        async with asyncio.timeout(seconds):
            return await server.healthy()
    finally:
        await server.close()


def _front(books: BooksSettings, seconds: float) -> str:
    """Why the front does not answer; "" when it does."""
    try:
        # This host's proxy is for the world; the server is the house's own.
        answer = httpx.get(f"{books.server}/api/languages", timeout=seconds, trust_env=False)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"
    return f"it answers with {answer.status_code}" if answer.status_code >= 500 else ""


def _jellyfin(settings: Settings) -> ServerHealth:
    """Jellyfin asked something simple, for which no key is needed."""
    posters = settings.posters
    seconds = min(_SERVER_SECONDS, posters.timeout)
    began = time.monotonic()
    try:
        answer = httpx.get(f"{posters.url.rstrip('/')}/System/Ping", timeout=seconds, trust_env=False)
        why = f"it answers with {answer.status_code}" if answer.status_code >= 500 else ""
    except httpx.HTTPError as error:
        why = f"{type(error).__name__}: {error}"
    took = time.monotonic() - began
    return ServerHealth(_JELLYFIN, ok=not why, latency=None if why else took, why=why)


BOOKS = Pipeline(
    name=BOOKS_NAME,
    unit="medialift-books-worker@{number}.service",
    target="medialift-books-workers.target",
    command=("books", "work"),
    starting=frozenset({"", "logging in"}),
    knobs={
        "parallel_uploads": Knob("MEDIALIFT_BOOKS__PARALLEL_UPLOADS", 1, 16, control="parallel"),
        "batch": Knob("MEDIALIFT_BOOKS__BATCH", 1, 200, control="batch"),
        "timeout": Knob("MEDIALIFT_BOOKS__TIMEOUT", 10, 900, whole=False),
    },
    modules=(
        "books/bandwidth.py",
        "books/breaker.py",
        "books/calibre_rows.py",
        "books/description.py",
        "books/naming.py",
        "books/server/formats.py",
        "books/server/genres.py",
        "books/server/languages.py",
        "books/speed.py",
    ),
    guarded=(
        *("held", "guard", "lost", "cancelled", "redact", "raise_for_status"),
        *("sha1", "shortened", "_identity", "_healthy"),
    ),
    mounts=_books_mounts,
    disks=_books_disks,
    server=_books_server,
)

AUDIOBOOKS = Pipeline(
    name=AUDIOBOOKS_NAME,
    unit="medialift-audiobooks.service",
    target="multi-user.target",
    label="-audiobooks",
    command=("audiobooks", "run"),
    starting=frozenset({"", "starting"}),
    # The copy that is made of a large book before anything, or its proof, may take so long on a share.
    times={"progress": 1800.0, "activity": 1800.0},
    knobs={
        "parallel_books": Knob("MEDIALIFT_AUDIOBOOKS__PARALLEL_BOOKS", 1, 16, control="parallel"),
        "cores": Knob("MEDIALIFT_AUDIOBOOKS__CORES", 1, 64),
    },
    mounts=lambda settings: [settings.audiobooks.inbox, *_libraries(settings)],
    disks=lambda settings: [
        *(settings.audiobooks.work, settings.audiobooks.converted, settings.audiobooks.archive),
        *(settings.audiobooks.backup_folder, settings.audiobooks.failed),
        *_libraries(settings),
        *ledger_disks(settings),
    ],
)

POSTERS = Pipeline(
    name=POSTERS_NAME,
    unit="medialift-posters.service",
    target="multi-user.target",
    label="-posters",
    command=("posters", "worker"),
    starting=frozenset({"", "connecting"}),
    knobs={
        "concurrency": Knob("MEDIALIFT_POSTERS__CONCURRENCY", 1, 64, control="parallel"),
        "interval": Knob("MEDIALIFT_POSTERS__INTERVAL", 0, 60, whole=False),
        "timeout": Knob("MEDIALIFT_POSTERS__TIMEOUT", 5, 900, whole=False),
    },
    mounts=lambda settings: [settings.posters.folder],
    disks=lambda settings: [settings.posters.folder, *ledger_disks(settings)],
    server=_jellyfin,
)

PIPELINES: Mapping[str, Pipeline] = {one.name: one for one in (BOOKS, AUDIOBOOKS, POSTERS)}
