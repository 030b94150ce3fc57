"""The check of the whole way: from Calibre's database and files to ebooks on a server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from medialift.books import writes
from medialift.books.bandwidth import Bandwidth
from medialift.books.book_work import BookWork
from medialift.books.breaker import Breaker
from medialift.books.calibre import Calibre
from medialift.books.calibre_rows import Book, Planned
from medialift.books.description import Words
from medialift.books.links import Transfer
from medialift.books.means import Means, Rules
from medialift.books.selection import Selection, payload_of
from medialift.books.selftest.ledger import MemoryPen
from medialift.books.selftest.library import Sample, make
from medialift.books.selftest.pace import within_time
from medialift.books.selftest.server import LARGEST, PASSWORD, USER, BookServer
from medialift.books.selftest.words import GENRES, LANGUAGES
from medialift.books.server.api import Server
from medialift.books.server.session import Session
from medialift.books.server.socket import TaskSocket
from medialift.books.uploads import Uploads
from medialift.foundation.selftesting import Check, equal, true
from medialift.queueing.leases import Lease

_NAME = "the server of the self-test"
_LARGE = bytes(range(256)) * 6000  # more than is kept in memory: it goes as a stream
_TOLSTOY = {"Leo Tolstoy": "Tolstoy, Leo"}
BOOKS = (
    Sample(
        "War and Peace",
        _TOLSTOY,
        {"EPUB": b"an epub", "PDF": b"a pdf"},
        series=("Novels", 2.5),
        languages=("rus", "fra"),
        tags=("Fiction.Historical", "to read"),
    ),
    Sample("Pictures\x00 of\nall", {"Ann| B": "B, Ann", "Council": "Council"}, {"TXT": _LARGE}),
    Sample(
        "T" * 300,
        {f"{n} {'N' * 140}": f"{'N' * 140}, {n}" for n in range(4)},
        {"MOBI": b"a mobi"},
        ("S" * 300, 1),
    ),
    Sample("A Copy", {"Somebody Else": "Else, Somebody"}, {"EPUB": b"an epub"}),
    Sample("Gone", {"Nobody": "Nobody"}, {"EPUB": None}),
    Sample("No File", {"Nobody": "Nobody"}, {}),
    Sample("Outside", {"Nobody": "Nobody"}, {"TXT": None}, path="../../etc"),
    Sample("Odd", {"Nobody": "Nobody"}, {"XYZ": b"of no known kind"}),
    Sample("Too Large", {"Nobody": "Nobody"}, {"PDF": b"x" * (LARGEST + 1)}),
    # A second file for the first ebook: its title and one last name agree.
    Sample("War and Peace", {"Lev Tolstoy": "Tolstoy, Lev"}, {"TXT": b"a text"}, languages=("rus",)),
)
_BROUGHT = (("1", "EPUB"), ("1", "PDF"), ("2", "TXT"), ("3", "MOBI"), ("10", "TXT"))


def _reading(scratch: Path) -> None:
    library = make(scratch / "library", BOOKS)
    with Calibre.open(library) as calibre:
        planned = _planned(calibre, Selection())
        with_files = [number for number, book in enumerate(BOOKS, start=1) if book.files]
        equal("the books with files", [one.id for one in planned if one.formats], with_files)
        equal("the file's size by Calibre", planned[0].formats[0].size, len(b"an epub"))
        by_author = _planned(
            calibre, Selection.of({"authors": ["leo tolstoy"], "exclude": {"formats": "PDF"}})
        )
        equal("the books of an author", [one.id for one in by_author], [1])
        equal("without a format", [one.format for one in by_author[0].formats], ["EPUB"])
        (book,) = calibre.books([1])
        equal("the languages", book.languages, ("rus", "fra"))
        equal("the tags", set(book.tags), {"Fiction.Historical", "to read"})
        equal("the series", (book.series, book.series_index), ("Novels", 2.5))
        equal("the authors' names", [(one.first, one.last) for one in book.authors], [("Leo", "Tolstoy")])
        equal("the date that nobody knows", book.published, None)
        true("a change is seen", book.modified is not None and book.modified.year == 2020)
        equal("a file's place", book.formats[0].path, library / "Leo Tolstoy/1 (1)/file 1.epub")


def _planned(calibre: Calibre, selection: Selection) -> list[Planned]:
    return [one for page in calibre.pages(selection, size=3) for one in page]


def _bringing(scratch: Path) -> None:
    within_time(_journey(make(scratch / "library", BOOKS)))


async def _journey(library: Path) -> None:
    server, pen = BookServer(), MemoryPen()
    async with server.running():
        means = await _means(server, pen)
        with Calibre.open(library) as calibre:
            try:
                server.failing = 1  # a failure in passing costs no book
                await _bring(calibre, means)
                first = dict(server.requests)
                _agree(pen, server)
                await _bring(calibre, means)
            finally:
                await means.server.close()
    _right(server, pen)
    for request in ("POST /api/upload", "POST /api/ebooks"):
        equal(f"{request} when all is there already", server.requests[request] - first[request], 0)
    true("the breaker is closed", not means.breaker.open)


async def _means(server: BookServer, pen: MemoryPen) -> Means:
    session = Session(server.url, USER, SecretStr(PASSWORD), timeout=10)
    client = Server(session, TaskSocket(server.socket, session.token), timeout=10)
    return Means(
        name=_NAME,
        server=client,
        pen=pen,
        words=Words(await client.vocabulary(), "en"),
        uploads=Uploads(client),
        breaker=Breaker(client.healthy),
        bandwidth=Bandwidth(100_000_000),
        sending=asyncio.Semaphore(2),
        describing=asyncio.Semaphore(4),
        transfer=Transfer(),
        held=lambda _: True,
        rules=Rules(first_wait=0.01, largest=LARGEST - 4096),
        highest_ebook=await client.highest_ebook(),
    )


async def _bring(calibre: Calibre, means: Means) -> None:
    planned = [one for one in _planned(calibre, Selection()) if one.formats]
    books = {book.id: book for book in calibre.books([one.id for one in planned])}
    for token, one in enumerate(planned, start=1):
        lease = Lease(
            one.id, str(one.id), token, payload=payload_of(Selection()), fingerprint=one.fingerprint
        )
        await BookWork(
            means, lease, books[one.id], {}, now=_again(calibre, one.id), delay=lambda _: 1.0
        ).run()


def _again(calibre: Calibre, number: int) -> Any:
    async def read() -> Book | None:
        found = calibre.books([number])
        return found[0] if found else None

    return read


def _agree(pen: MemoryPen, server: BookServer) -> None:
    """Each file that counts as brought is a source of the ebook that is written down, byte by byte."""
    brought = {key: end for key, end in pen.files.items() if end.state == "uploaded"}
    equal("the files that were brought", sorted(brought), sorted(_BROUGHT))
    for (book, format), end in brought.items():
        content = BOOKS[int(book) - 1].files[format] or b""
        source = server.ebooks[end.ebook_id or 0].sources.get(end.source_id or 0)
        true(f"{format} of book {book} is on the server", source is not None and source.content == content)
        sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        equal("its hash as it is written down", end.file.sha1, sha1)


def _right(server: BookServer, pen: MemoryPen) -> None:
    ends = {key: (end.state, end.kind) for key, end in pen.files.items()}
    expected: Mapping[tuple[str, str], tuple[str, str | None]] = {
        ("1", "EPUB"): ("there", None),
        ("1", "PDF"): ("there", None),
        ("2", "TXT"): ("there", None),
        ("3", "MOBI"): ("there", None),
        ("4", "EPUB"): ("there", None),
        ("5", "EPUB"): ("skipped", "missing"),
        ("7", "TXT"): ("skipped", "missing"),
        ("8", "XYZ"): ("skipped", "unsupported"),
        ("9", "PDF"): ("skipped", "too large"),
        ("10", "TXT"): ("there", None),
    }
    equal("what became of the files", ends, dict(expected))
    states = {key: end.state for key, end in pen.items.items() if isinstance(end, writes.EndItem)}
    done = dict.fromkeys(("1", "2", "3", "4", "10"), "done")
    equal("what became of the books", states, {**done, **dict.fromkeys(("5", "7", "8", "9"), "skipped")})
    shelf = {ebook.meta["title"]: ebook for ebook in server.ebooks.values()}
    equal("the number of ebooks", (len(shelf), len(server.ebooks)), (3, 3))
    war = shelf["War and Peace"]
    equal(
        "the formats of an ebook", sorted(one.format for one in war.sources.values()), ["epub", "pdf", "txt"]
    )
    equal("its authors", war.meta["authors"], [{"last_name": "Tolstoy", "first_name": "Leo"}])
    equal("its language", war.meta["language"], {"id": LANGUAGES["ru"]})
    equal("its genres", war.meta["genres"], [{"id": GENRES["Historical Fiction"]}])
    equal("its series", (war.meta["series"], war.meta["series_index"]), ({"title": "Novels"}, 2))
    told = next(iter(war.sources.values())).proposed or {}
    equal(
        "what was proposed for its file", (told["title"], told["language"]), ("War and Peace", {"code": "ru"})
    )
    pictures = shelf["Pictures of all"]
    equal("a large file", [one.content for one in pictures.sources.values()], [_LARGE])
    names = [{"last_name": "B", "first_name": "Ann"}, {"last_name": "Council"}]
    equal("the authors of another", pictures.meta["authors"], names)
    true("the long one is cut", any(title[:20] == "T" * 20 and len(title) < 256 for title in shelf))


CHECKS = [
    Check("reading a Calibre library", _reading),
    Check("bringing books to a server", _bringing),
]
