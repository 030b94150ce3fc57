"""What MyBookshelf2 has, by its API: each ebook that the ledger names is asked for its files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import groupby, islice
from typing import Protocol

from pydantic import SecretStr

from medialift.books.server import answers
from medialift.books.server.formats import mime_type
from medialift.books.server.session import Session
from medialift.books.server_comparison import Claimed, ServerComparison, Source

_AT_ONCE = 256
_IN_FLIGHT = 8
_Ebook = tuple[int | None, list[Claimed]]


class Reading(Protocol):
    """The two questions that are asked."""

    async def sources(self, ebook_id: int) -> tuple[answers.Source, ...] | None:
        """The files of an ebook; None when there is no such ebook."""
        ...

    async def has(self, content: Claimed) -> bool:
        """Whether the server has this content somewhere."""
        ...


class ServerApi:
    """The API of a server.

    Args:
        reading: opens what the questions are asked with.
    """

    order = "ebook"

    def __init__(self, reading: Callable[[], AbstractAsyncContextManager[Reading]]) -> None:
        self._reading = reading

    def compare(self, claimed: Iterator[Claimed], alone: Iterator[int]) -> ServerComparison:
        """Ask for every ebook of `claimed`, which come in the order of their ebooks, and for those alone.

        Raises:
            Transient: the server does not answer.
            Permanent: it does not let us in.
        """
        return asyncio.run(self._compare(claimed, alone))

    async def _compare(self, claimed: Iterator[Claimed], alone: Iterator[int]) -> ServerComparison:
        found = ServerComparison("API")
        async with self._reading() as reading:
            gate = asyncio.Semaphore(_IN_FLIGHT)

            async def within(ebook: _Ebook) -> None:
                async with gate:
                    await _look(reading, ebook, found)

            for ebooks in (_by_ebook(claimed), ((number, list[Claimed]()) for number in alone)):
                while some := list(islice(ebooks, _AT_ONCE)):
                    async with asyncio.TaskGroup() as group:
                        for one in some:
                            group.create_task(within(one))
        return found


def _by_ebook(claimed: Iterator[Claimed]) -> Iterator[_Ebook]:
    for number, files in groupby(claimed, key=lambda one: one.ebook_id):
        if number is not None:
            yield number, list(files)
        else:  # each of them is asked for by itself, and there may be very many
            yield from ((None, [one]) for one in files)


async def _look(reading: Reading, ebook: _Ebook, found: ServerComparison) -> None:
    number, claimed = ebook
    sources = None if number is None else await reading.sources(number)
    if sources is None:
        # Also an ebook that somebody merged with another: its content is somewhere else now.
        for one in claimed:
            found.count([one], [Source(one.sha1, one.size, None)] if await reading.has(one) else [])
        return
    if not sources:
        found.orphans += 1
        found.example("orphans", f"ebook {number}")
    claimed.sort(key=lambda one: one.content)
    for content, files in groupby(claimed, key=lambda one: one.content):
        same = list(files)
        found.count(
            same, [Source(content[0], content[1], one.id, number) for one in sources if _is(one, same)]
        )


def _is(source: answers.Source, claimed: list[Claimed]) -> bool:
    if source.sha1:
        return (source.sha1, source.size) == claimed[0].content
    # Some servers do not show hashes: then it is the number and the size.
    return source.size == claimed[0].size and any(one.source_id == source.id for one in claimed)


class _Asking:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def sources(self, ebook_id: int) -> tuple[answers.Source, ...] | None:
        return answers.sources(await self._session.get(f"/api/ebooks/{ebook_id}"))

    async def has(self, content: Claimed) -> bool:
        extension = content.format.lower()
        given = {
            "size": content.size,
            "hash": content.sha1,
            "mime_type": mime_type(extension),
            "extension": extension,
        }
        answer = await self._session.repeatable("POST", "/api/upload/check", json=given)
        try:
            return answers.checked(answer) is not None
        except (answers.TooLarge, answers.Unsupported):  # it says that before it looks for the content
            return False


def asking(
    url: str, user: str, password: SecretStr, *, timeout: float
) -> Callable[[], AbstractAsyncContextManager[Reading]]:
    """What opens a session with this server."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Reading]:
        session = Session(url, user, password, connections=_IN_FLIGHT, timeout=timeout)
        try:
            yield _Asking(session)
        finally:
            await session.close()

    return opened
