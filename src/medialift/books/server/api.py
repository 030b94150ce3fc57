"""The calls of MyBookshelf2 that a migration makes, each with its traps in it.

None of them repeats a request that changes something. What a search finds is only a hint: titles and names
are compared here, exactly.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from medialift.books.server import answers
from medialift.books.server.answers import (
    Answer,
    Attached,
    Existing,
    Listed,
    ListedEbook,
    Source,
    Unauthorized,
    UploadRow,
)
from medialift.books.server.multipart import Envelope
from medialift.books.server.session import Session
from medialift.books.server.socket import TaskSocket
from medialift.diagnostics import traffic
from medialift.errors import Transient

_PAGE = 100
_PAGES = 5
# The server answers 500 to a search with more than 32 characters that are no letters or digits.
_WORDS_OF_A_SEARCH = 12
# It keeps what it is asked in an address, and addresses have an end.
_LONGEST_PREFIX = 200


@dataclass(frozen=True)
class Vocabulary:
    """What the server knows: {code: id} of its languages, {name: id} of its genres."""

    languages: Mapping[str, int]
    genres: Mapping[str, int]


@dataclass(frozen=True)
class Outgoing:
    """A file on its way: `chunks` gives its bytes, `size` of them, from the start, each time it is called."""

    name: str
    mime_type: str
    size: int
    chunks: Callable[[], AsyncIterator[bytes]]
    whole: bytes | None = None
    """All of it, for a small file that is in memory anyway."""


class Server:
    """One server, for one worker."""

    def __init__(self, session: Session, socket: TaskSocket, *, timeout: float = 120.0) -> None:
        self.session, self.socket = session, socket
        self._timeout = timeout

    async def close(self) -> None:
        await self.socket.close()
        await self.session.close()

    async def vocabulary(self) -> Vocabulary:
        languages = answers.named(await self.session.get("/api/languages"), "code")
        genres = answers.named(await self.session.get("/api/genres"), "name")
        return Vocabulary(languages, genres)

    async def healthy(self) -> bool:
        """Whether both halves of it answer: one that needs its database, and the one that takes tasks."""
        try:
            with traffic.unrecorded():
                answers.raise_for_status(await self.session.get("/api/languages"))
                await self.socket.open()
        except Transient:
            return False
        return True

    async def check(self, *, size: int, sha1: str, mime_type: str, extension: str) -> Existing | None:
        """Whether the server has this content; None when it has not and would take it.

        It compares hashes letter by letter, fails without one, and fails over any further key.

        Raises:
            TooLarge, Unsupported: it would not take it.
        """
        given = {"size": size, "hash": sha1.lower(), "mime_type": mime_type, "extension": extension}
        return answers.checked(await self.session.repeatable("POST", "/api/upload/check", json=given))

    async def upload(self, file: Outgoing) -> str | Existing:
        """Send a file; where the server keeps it, or that it has the content already.

        Raises:
            Lost, Broken: it may have arrived.
        """
        envelope = Envelope.of(file.name, file.mime_type)
        headers = envelope.headers(file.size)
        if file.whole is not None:
            content = envelope.head + file.whole + envelope.tail
            answer = await self.session.ask("POST", "/api/upload", content=content, headers=headers)
        else:
            answer = await self._stream(file, envelope, headers)
        return answers.uploaded(answer)

    async def _stream(self, file: Outgoing, envelope: Envelope, headers: Mapping[str, str]) -> Answer:
        token = await self.session.token()
        for fresh in (False, True):
            if fresh:
                token = await self.session.token(instead_of=token)
            body = envelope.around(file.chunks())
            answer = await self.session.send_stream("/api/upload", body, headers, token)
            if answer.status != 401:
                return answer
        raise Unauthorized("The book server does not take a token that it has just given", "POST /api/upload")

    async def describe(self, server_file: str, proposed: Mapping[str, Any]) -> int:
        """Have the server read an upload's metadata, ours in their place; the number of the row it makes.

        Raises:
            TaskFailed: it could not.
            Lost: it may have.
        """
        result = await self.socket.call("metadata", server_file, dict(proposed), timeout=self._timeout)
        return int(result)

    async def upload_row(self, number: int) -> UploadRow | None:
        """What a metadata task left; None when there is no such row, or none any more."""
        return answers.upload_row(await self.session.get(f"/api/uploads-meta/{number}"))

    async def find_ebook(self, title: str, last_names: Iterable[str]) -> int | None:
        """The oldest ebook with exactly this title and at least one author of these last names."""
        wanted = frozenset(last_names)
        listed = await self._beginning_with(title)
        found = _matching(listed.ebooks, title, wanted)
        if found is None and (listed.total > len(listed.ebooks) or "\\" in title):
            found = await self._searched(title, wanted)
        return found

    async def _beginning_with(self, title: str) -> Listed:
        """The first hundred ebooks whose title begins so, those with just this title before longer ones."""
        # A slash ends the part of the address that the server looks at.
        prefix = title.split("/")[0][:_LONGEST_PREFIX].rstrip() if "/" in title else title[:_LONGEST_PREFIX]
        if not prefix:
            return Listed(_PAGE, ())
        # It is a pattern of LIKE, in which a backslash takes the next character's meaning.
        pattern = prefix.replace("\\", "\\\\")
        # Blanks as %20: the server takes a plus for a plus.
        return answers.listed(await self.session.get(f"/api/ebooks/index/{quote(pattern, safe='')}"))

    async def _searched(self, title: str, last_names: frozenset[str]) -> int | None:
        words = re.findall(r"\w+", title)[:_WORDS_OF_A_SEARCH]
        names = [words_of[0] for name in sorted(last_names) if (words_of := re.findall(r"\w+", name))]
        for extra in names or [""]:
            query = " ".join([*words, extra]).strip()
            if not query:
                continue
            for page in range(1, _PAGES + 1):
                path = f"/api/search/{quote(query, safe='')}"
                answer = await self.session.get(path, page=page, page_size=_PAGE)
                if answer.status == 404:
                    break
                listed = answers.listed(answer)
                found = _matching(listed.ebooks, title, last_names)
                if found is not None:
                    return found
                if page * _PAGE >= listed.total:
                    break
        return None

    async def create_ebook(self, meta: Mapping[str, Any]) -> int:
        """Make an ebook; its id. Twice the same makes two.

        Raises:
            Refused: what is wrong with it.
            Lost, Broken: it may have been made.
        """
        return answers.created(await self.session.ask("POST", "/api/ebooks", json=dict(meta)))

    async def attach(self, ebook_id: int, upload_id: int) -> Attached | Existing | None:
        """Make an upload a source of an ebook; None when the one or the other is gone.

        Raises:
            Lost, Broken: it may have become one.
        """
        path = f"/api/ebooks/{ebook_id}/add-upload"
        return answers.attached(await self.session.ask("POST", path, json={"upload_id": upload_id}))

    async def sources(self, ebook_id: int) -> tuple[Source, ...] | None:
        """The files of an ebook; None when there is no such ebook."""
        return answers.sources(await self.session.get(f"/api/ebooks/{ebook_id}"))

    async def served(self, source_id: int) -> int | None:
        """How many bytes the server would give of a source; None when it fails over it."""
        return await self.session.peek(f"/api/download/{source_id}")

    async def ebooks_by_age(self, page: int, *, newest_first: bool = True) -> Listed:
        sort = "-created" if newest_first else "created"
        answer = await self.session.get("/api/ebooks", page=page, page_size=_PAGE, sort=sort)
        return Listed(0, ()) if answer.status == 404 else answers.listed(answer)

    async def highest_ebook(self) -> int:
        """The number of the newest ebook; 0 when there is none."""
        answer = await self.session.get("/api/ebooks", page=1, page_size=1, sort="-created")
        listed = Listed(0, ()) if answer.status == 404 else answers.listed(answer)
        return max((one.id for one in listed.ebooks), default=0)

    async def delete_ebook(self, ebook_id: int) -> bool:
        """Delete an ebook of ours; whether it is gone. One that somebody rated cannot be deleted."""
        answer = await self.session.ask("DELETE", f"/api/ebooks/{ebook_id}")
        return answer.status == 404 or answer.status < 300


def _matching(ebooks: Iterable[ListedEbook], title: str, last_names: frozenset[str]) -> int | None:
    return min((one.id for one in ebooks if one.title == title and one.last_names & last_names), default=None)
