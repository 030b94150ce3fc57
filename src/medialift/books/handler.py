"""The books pipeline's side of a worker: it brings the books that were claimed, several at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import yaml

from medialift.books import book_rows
from medialift.books.bandwidth import Bandwidth
from medialift.books.book_work import BookWork
from medialift.books.breaker import Breaker
from medialift.books.calibre import Calibre
from medialift.books.calibre_file import DATABASE
from medialift.books.calibre_rows import Book
from medialift.books.committing import Pen
from medialift.books.description import Words
from medialift.books.known import Known, ServerSources
from medialift.books.links import Transfer
from medialift.books.means import SAFETY, Down, Means, Rules
from medialift.books.server.api import Server
from medialift.books.server.session import Session
from medialift.books.server.socket import TaskSocket
from medialift.books.speed import Meter, Upload
from medialift.books.uploads import Uploads
from medialift.books.writes import Fenced
from medialift.diagnostics import traffic
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.text import redact
from medialift.queueing.crew import Backoff, Crew
from medialift.queueing.leases import Lease
from medialift.settings import BooksSettings

_log = logging.getLogger(__name__)
_REST_SECONDS = 3600.0
_LIBRARY_REST_SECONDS = 10.0
_SOCKET_PORT = 8080


class BooksHandler:
    """Works on books for one worker: one login, one socket, `parallel_uploads` files in flight.

    Args:
        settings: the section [books].
        rules: instead of those that follow from the settings.
        connect: makes the client of the server.
        recorder: keeps the traffic of each chunk of books while the batch debug log is on.
    """

    def __init__(
        self,
        settings: BooksSettings,
        *,
        rules: Rules | None = None,
        backoff: Backoff | None = None,
        connect: Callable[[BooksSettings], Server] | None = None,
        recorder: traffic.Recorder | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules or rules_of(settings)
        self._backoff = backoff or Backoff(30.0, 3600.0)
        self._connect = connect or client_of
        self._recorder = recorder
        self._meter = Meter()
        self._slots = asyncio.Semaphore(_books_at_once(settings.parallel_uploads))
        self._parallel = settings.parallel_uploads
        self._calibre: Calibre | None = None
        self._server: Server | None = None
        self._pen: Pen | None = None
        self._beside: set[asyncio.Task[Any]] = set()
        self._in_flight: dict[int, None] = {}
        self._means: Means
        self._known: Known

    async def open(self, crew: Crew) -> None:
        """Log in, look at the library, and find out what the server knows.

        Raises:
            Permanent: a person has to change something: the password, the library's place, the transfer.
            Transient: the server or the library is away.
        """
        crew.phase("logging in")
        settings = self._settings
        await self.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.attend, crew)
        library = self._library()
        if not await asyncio.to_thread((library / DATABASE).exists):
            # The plan was made from it, so it is not a wrong name: its disk or share is away.
            raise Transient("The library is away", str(library), "Look at its mount")
        transfer = Transfer(settings.transfer, settings.server_books)
        await asyncio.to_thread(transfer.check, library)
        self._calibre = await asyncio.to_thread(Calibre.open, library)
        self._server = server = self._connect(settings)
        known = await server.vocabulary()
        words = Words(
            known, settings.default_language, read_map(settings.language_map), read_map(settings.genre_map)
        )
        name = await crew.transaction(
            lambda connection: book_rows.server_name(connection, settings.collection, settings.server)
        )
        secret = settings.server_database
        sources = ServerSources(secret) if secret.get_secret_value() else None
        self._known = Known(crew.database.engine, name, server, sources)
        self._pen = await Pen(crew.database.engine).__aenter__()
        self._means = Means(
            name=name,
            server=server,
            pen=self._pen,
            words=words,
            uploads=Uploads(
                server,
                highest=await self._known.highest_upload(),
                data=settings.server_books,
                of_file=sources.upload_of if sources else None,
            ),
            breaker=Breaker(server.healthy),
            bandwidth=Bandwidth(settings.bandwidth),
            sending=asyncio.Semaphore(self._parallel),
            describing=asyncio.Semaphore(_tasks_at_once(self._parallel)),
            transfer=transfer,
            held=crew.held,
            rules=self._rules,
            random=Random(),  # noqa: S311  it keeps workers apart, and guards nothing
            sleep=lambda seconds: _sleep(seconds, crew.draining),
            highest_ebook=await server.highest_ebook(),
            library_there=lambda: (library / DATABASE).exists(),
            moved=lambda count: crew.progress(moved=count),
        )
        self._begin(self._learn())

    async def close(self) -> None:
        """Leave the server, the ledger and the library."""
        for task in list(self._beside):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task
        if self._server is not None:
            await self._server.close()
        if self._pen is not None:
            await self._pen.__aexit__()
        if self._calibre is not None:
            await asyncio.to_thread(self._calibre.close)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
        self._server = self._pen = self._calibre = None

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        """Bring these books. Those that are not begun when the worker ends or the server is down are left."""
        if self._recorder is None or not leases:
            await self._work(leases, crew)
            return
        first, settings = leases[0], self._settings
        job = f"books-{settings.collection}-{first.item_id}-{first.token}"
        pace = {"parallel_uploads": self._parallel, "batch": len(leases), "timeout": settings.timeout}
        with self._recorder.recording(job, label=f"{len(leases)} books from {first.key}", settings=pace):
            await self._work(leases, crew)

    async def _work(self, leases: list[Lease], crew: Crew) -> None:
        breaker = self._means.breaker
        if breaker.open:
            self._rest(crew)
            return
        try:
            books, rows = await self._read(leases, crew)
        except MedialiftError as error:
            # Nothing is wrong with these books; the library is away, or its database is.
            _log.warning("the library cannot be read now: %s", error)
            crew.rest(_LIBRARY_REST_SECONDS, str(error))
            return
        await self._adjust(crew)
        crew.phase("bringing books", item=self._oldest)
        running: set[asyncio.Task[None]] = set()
        for lease in leases:
            slots = self._slots
            await slots.acquire()
            if crew.draining.is_set() or breaker.open:
                slots.release()
                break
            task = asyncio.create_task(
                self._one(lease, books.get(int(lease.key)), rows.get(lease.item_id, {}), crew)
            )
            running.add(task)
            task.add_done_callback(lambda _, slots=slots: slots.release())  # type: ignore[misc]
            if breaker.half_open:
                await asyncio.wait({task})
        if running:
            await asyncio.wait(running)
        await self._after(running, crew)

    async def _after(self, running: set[asyncio.Task[None]], crew: Crew) -> None:
        for task in running:
            task.result()
        if self._means.breaker.open:
            self._rest(crew)
            return
        with suppress(Transient):
            # What others sent meanwhile has numbers too: the search for a lost one begins above them.
            uploads = self._means.uploads
            uploads.saw(await self._known.note(len(running), uploads.highest))
            if self._known.due:
                self._begin(self._learn())

    async def _one(
        self, lease: Lease, book: Book | None, rows: Mapping[str, Mapping[str, Any]], crew: Crew
    ) -> None:
        """Work on one book until it is done, or its lease is lost."""
        if not crew.held(lease):
            return
        with traffic.about(lease.key):
            await self._until_done_or_lost(lease, book, rows, crew)

    async def _until_done_or_lost(
        self, lease: Lease, book: Book | None, rows: Mapping[str, Mapping[str, Any]], crew: Crew
    ) -> None:
        work = BookWork(
            self._means,
            lease,
            book,
            rows,
            now=lambda: self._book(int(lease.key)),
            delay=self._backoff.after,
            wanted=lambda: not (crew.draining.is_set() or crew.cancelled(lease)),
        )
        going = asyncio.create_task(work.run())
        lost = asyncio.create_task(crew.lost(lease).wait())
        self._in_flight[lease.item_id] = None
        crew.current_item = self._oldest
        try:
            await asyncio.wait({going, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not going.done():
                _log.warning("the lease on book %s is lost: it is left as it is", lease.key)
                going.cancel()
                await asyncio.wait({going})
        finally:
            lost.cancel()
            going.cancel()
            self._in_flight.pop(lease.item_id, None)
            crew.current_item = self._oldest
        self._tell(work, going, lease, crew)
        broken = None if going.cancelled() else going.exception()
        if broken is not None and not isinstance(broken, Fenced | MedialiftError):
            # What nobody thought of is this book's matter: those beside it do not pay for it.
            _log.error("the work on book %s broke", lease.key, exc_info=broken)
            told = Transient("The work on it broke", redact(repr(broken)), "See the worker's log")
            await crew.fail(lease, told, delay=self._backoff.after(lease.attempts))

    @property
    def _oldest(self) -> int | None:
        """Of the books in flight the one that was begun first: when one hangs, it is that in the end."""
        return next(iter(self._in_flight), None)

    def _tell(self, work: BookWork, going: asyncio.Task[None], lease: Lease, crew: Crew) -> None:
        slow = sum(
            self._meter.uploaded(Upload(int(lease.key), one.format, one.size, one.seconds))
            for one in work.brought
        )
        over = not going.cancelled() and going.exception() is None
        crew.progress(
            items=int(work.ended),
            files=len(work.brought),
            bytes=sum(one.size for one in work.brought),
            rows=int(over),
            slow=slow,
        )
        if over:
            crew.has_ended(lease, counts=work.ended)
        elif not going.cancelled() and isinstance(error := going.exception(), Fenced | MedialiftError):
            # Its lease is lost, or is given back.
            _log.warning("book %s is left as it is: %s", lease.key, str(error) or "its lease is lost")

    async def _read(
        self, leases: list[Lease], crew: Crew
    ) -> tuple[dict[int, Book], Mapping[int, dict[str, Mapping[str, Any]]]]:
        """The books as they are in Calibre now, and what the ledger has of their files."""
        assert self._calibre is not None  # noqa: S101  it is open
        ids, items = [int(lease.key) for lease in leases], [lease.item_id for lease in leases]
        books = await asyncio.to_thread(self._calibre.books, ids)
        rows = await crew.transaction(lambda connection: book_rows.rows_of(connection, items))
        return {book.id: book for book in books}, rows

    async def _book(self, number: int) -> Book | None:
        assert self._calibre is not None  # noqa: S101  it is open
        found = await asyncio.to_thread(self._calibre.books, [number])
        return found[0] if found else None

    async def _adjust(self, crew: Crew) -> None:
        """Take over how the pipeline is to run now."""
        control, settings = crew.control, self._settings
        parallel = control.parallel or settings.parallel_uploads
        if parallel != self._parallel:
            self._parallel, self._slots = parallel, asyncio.Semaphore(_books_at_once(parallel))
            self._means.sending = asyncio.Semaphore(parallel)
            self._means.describing = asyncio.Semaphore(_tasks_at_once(parallel))
        whole = settings.bandwidth if control.bandwidth is None else control.bandwidth
        if whole:
            workers = await crew.transaction(
                lambda connection: book_rows.workers_of(connection, settings.collection)
            )
            self._means.bandwidth.share(whole, workers)
        else:
            self._means.bandwidth.rate = 0

    def _rest(self, crew: Crew) -> None:
        """Claim nothing until the server answers again."""
        if crew.resting:
            return
        _log.warning("the book server is down, waiting until it answers: %s", self._means.breaker.why)
        crew.rest(_REST_SECONDS, "the book server is down")
        crew.phase("waiting for the book server")
        self._begin(self._until_up(crew))

    async def _until_up(self, crew: Crew) -> None:
        while not crew.draining.is_set():
            if await self._means.breaker.wait(crew.draining):
                _log.warning("the book server answers again")
                crew.work_on()
                return

    async def _learn(self) -> None:
        try:
            learnt = await self._known.learn()
            if learnt:
                _log.info("learnt of %d files that the book server has", learnt)
        except MedialiftError as error:
            _log.warning("what the book server has could not be learnt: %s", error)

    def _begin(self, work: Any) -> None:
        """Do something beside the books."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _library(self) -> Path:
        if self._settings.library is None:
            raise Permanent("No library is named", "books.library", "Set it to the folder with metadata.db")
        return self._settings.library


def rules_of(settings: BooksSettings) -> Rules:
    """The rules that follow from the settings."""
    return Rules(attempts=settings.attempts, largest=settings.max_upload - SAFETY)


def client_of(settings: BooksSettings) -> Server:
    """A client of the server; nothing is sent yet."""
    if not settings.user:
        raise Permanent("Nobody is named to log in to the book server", "books.user", "Set user and password")
    session = Session(
        settings.server,
        settings.user,
        settings.password,
        timeout=settings.timeout,
    )
    address = settings.socket or f"ws://{_host(settings.server)}:{_SOCKET_PORT}/ws"
    return Server(session, TaskSocket(address, session.token), timeout=settings.timeout)


def read_map(path: Path | None) -> dict[str, str]:
    """A person's map of words, from YAML or JSON.

    Raises:
        Permanent: the file is not there, or holds something else.
    """
    if path is None:
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Permanent("The map of words cannot be read", f"{path}: {error}", "Correct the file") from error
    if not isinstance(found, dict):
        raise Permanent(
            "The map of words is none", str(path), "Write lines such as `sci-fi: Science Fiction`"
        )
    return {str(word).strip().lower(): str(meaning) for word, meaning in found.items()}


def _books_at_once(parallel: int) -> int:
    """Books that are worked on: while one is read or written down, others are with the server."""
    return 4 * parallel


def _tasks_at_once(parallel: int) -> int:
    """Metadata tasks asked of the server at once: its time for one is counted from then on."""
    return 2 * parallel


def _host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


async def _sleep(seconds: float, draining: asyncio.Event) -> None:
    """Wait before another attempt.

    Raises:
        Down: the worker is to end, so there is none.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(draining.wait(), seconds)
        raise Down("The worker ends", "", "The book is given back")
