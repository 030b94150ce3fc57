"""One file on its way into the server, from whichever step it is at; `migrate.py` tells the steps."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from medialift.books import contents, ebooks
from medialift.books.calibre_rows import Format
from medialift.books.contents import Content, Missing
from medialift.books.description import Description
from medialift.books.means import Down, Held, Means, too_large
from medialift.books.server.answers import Attached, Existing, Lost, Source
from medialift.books.server.api import Outgoing
from medialift.books.server.formats import mime_type
from medialift.books.server.socket import TaskFailed
from medialift.books.writes import Busy, ClaimContent, ClaimEbook, FileFacts, NoteSent, Ours, Present
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.queueing.leases import Lease

_RESUMED = ("sent", "described")
# A file may lose its upload, or its ebook, now and then; one that does so each time has another trouble.
_ROUNDS = 4
_ASK_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Landed:
    """Where a file is on the server. `ours`: we brought it, now or before."""

    ours: bool
    source_id: int | None = None
    ebook_id: int | None = None
    remark: str | None = None


class FileWork:
    """Brings one file of one book.

    Args:
        before: its row in the ledger; None when there is none.

    Attributes:
        known_ebook: where other files of this book went.
    """

    def __init__(
        self,
        means: Means,
        lease: Lease,
        file: Format,
        told: Description,
        *,
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self._means, self._lease, self._told = means, lease, told
        self.file = file
        self.known_ebook: int | None = None
        self._content: Content | None = None
        self._before = before or {}
        self._claimed = False
        self._server_file: str | None = None
        self._mark = 0
        self._upload_id: int | None = None
        self._ebook_id: int | None = None
        # Until then a metadata task may run that was called, by us or an earlier life, and did not answer.
        self._called_until = 0.0
        # Whether something may have been done on the server that we do not know of: then look first.
        self._unsure = False
        self._was_ours = False

    @property
    def went_for_an_ebook(self) -> bool:
        """Whether an ebook may have been made for it, now or before."""
        return self._was_ours or self._upload_id is not None

    @property
    def facts(self) -> FileFacts:
        """The file as it is written down, as far as it is known."""
        found, path = self._content, contents.shown(self.file.path)
        if found is None:
            return FileFacts(self.file.format, path, self.file.size)
        return FileFacts(self.file.format, path, found.size, found.mtime_ns, found.sha1 or None)

    async def bring(self) -> Landed:
        """Bring it, trying again what fails in passing.

        Raises:
            Held: its content or its ebook is in another worker's hands.
            Fenced: the lease is lost.
            Down: the server is down.
            MedialiftError: it cannot be brought, now (Transient) or as it is (Permanent).
        """
        landed: Landed = await self._means.patiently(self._lease.item_id, self._once)
        return landed

    async def link(self, landed: Landed) -> str | None:
        """Replace the server's copy by a link, if that is how files are brought; why it was not, or None."""
        means, content = self._means, self._content
        if not means.transfer.links or content is None or landed.source_id is None or not landed.ebook_id:
            return None
        try:
            listed = await means.server.sources(landed.ebook_id) or ()
            location = next((one.location for one in listed if one.id == landed.source_id), "")
            if not location:
                raise Permanent(
                    "The server does not say where it keeps the file", f"source {landed.source_id}"
                )
            source = landed.source_id
            await means.transfer.replace(
                content.path, location, content.sha1, served=lambda: means.server.served(source)
            )
        except MedialiftError as error:
            means.warn(f"{self.file.path.name} stays a copy: {error}")
            return f"stays a copy: {error}"
        return None

    async def _once(self) -> Landed:
        try:
            content = await self._read()
            if not self._claimed:
                there = await self._claim(content)
                if there is not None:
                    return there
            for _ in range(_ROUNDS):
                landed = await self._onwards(content)
                if landed is not None:
                    self._means.breaker.succeeded()
                    return landed
        except Transient:
            self._unsure = True
            raise
        raise Permanent(
            "The book server loses what is sent to it",
            self._name(content),
            "Look at the server's log and disk",
        )

    async def _read(self) -> Content:
        """The content; hashed once, unless the file changes."""
        found = self._content
        try:
            content = await asyncio.to_thread(self._read_now)
        except Missing as error:
            if not await asyncio.to_thread(self._means.library_there):
                # A library that is not mounted has no book missing.
                raise Down(
                    "The library is away", contents.shown(self.file.path), "Look at its mount"
                ) from error
            raise
        if found is not None and content is not found:
            # What was claimed and sent is another content than the one that is there now.
            self._claimed, self._server_file, self._upload_id, self._ebook_id = False, None, None, None
        self._content = content
        if not content.sha1:
            raise too_large(self.file.path, content.size, self._means.rules.largest)
        return content

    def _read_now(self) -> Content:
        path, found = self.file.path, self._content
        looked = contents.look(path)
        if found is not None and (looked.size, looked.mtime_ns) == (found.size, found.mtime_ns):
            return found
        if looked.size > self._means.rules.largest:
            return Content(path, looked.size, looked.mtime_ns, "")
        return contents.read(path, moved=self._means.moved)

    async def _claim(self, content: Content) -> Landed | None:
        """Step (a); where the content is if it need not be sent."""
        claim = ClaimContent(self._means.name, self._lease, self.facts, self._name(content))
        outcome = (await self._means.pen.write(claim)).outcome
        if isinstance(outcome, Busy):
            raise Held
        if isinstance(outcome, Present):
            if outcome.age <= self._means.trusted_seconds or await self._look(content) is not None:
                row = self._before
                ours = row.get("state") == "uploaded" and row.get("sha1") == content.sha1
                if row.get("step") == "claimed":
                    await self._means.uploads.clear(row["upload_name"])
                return Landed(ours, outcome.source_id, outcome.ebook_id)
            claim = ClaimContent(self._means.name, self._lease, self.facts, self._name(content), anew=True)
            outcome = (await self._means.pen.write(claim)).outcome
            if not isinstance(outcome, Ours):
                raise Held
        self._claimed = True
        self._resume(content, outcome.adopted)
        return None

    def _resume(self, content: Content, adopted: Mapping[str, Any] | None) -> None:
        """Go on where an earlier attempt at the same content was, of this book or of another."""
        row = self._before
        if adopted is not None:
            row = {"sha1": content.sha1, "size": content.size, "ebook_id": None, **adopted}
        if row.get("sha1") == content.sha1 and row.get("size") == content.size:
            self._unsure = row.get("step") not in ("", None)
            if row.get("step") in _RESUMED:
                self._was_ours = row.get("step") == "described"
                self._server_file, self._mark = row["server_file"], row["upload_mark"] or 0
                self._upload_id, self._ebook_id = row["upload_id"], row["ebook_id"]
                self._called_until = time.monotonic() + self._means.rules.task_seconds - row["age"]

    async def _onwards(self, content: Content) -> Landed | None:
        """Steps (b) to (f); None when something that was there is gone, so that it goes back a step."""
        if self._server_file is None:
            there = await self._send(content)
            if there is not None:
                return there
        if self._upload_id is None and not await self._describe():
            return None
        if self._ebook_id is None:
            self._ebook_id = await self._ebook()
        return await self._attach(content)

    async def _send(self, content: Content) -> Landed | None:
        """Steps (b) and (c); where the content is if the server has it."""
        name = self._name(content)
        if await self._look(content) is not None:
            if self._unsure:
                await self._means.uploads.clear(name)
            return Landed(self._was_ours)
        if self._unsure:
            self._server_file = await self._means.uploads.on_disk(name, content.size, content.sha1)
        if self._server_file is None:
            if content.whole is not None:
                await self._means.bandwidth.spend(content.size)
            async with self._means.sending:
                self._means.guard(self._lease)
                sent = await self._means.server.upload(self._outgoing(content, name))
            if isinstance(sent, Existing):
                return Landed(False, sent.source_id, sent.ebook_id)
            self._server_file = sent
        self._mark = self._means.uploads.highest
        await self._means.pen.write(
            NoteSent(self._means.name, self._lease, self.file.format, self._server_file, self._mark)
        )
        self._unsure = False
        return None

    async def _describe(self) -> bool:
        """Step (d); False when the server has not got the upload any more."""
        assert self._server_file is not None  # noqa: S101  step (c) is done
        if self._unsure:
            self._upload_id = await self._row_of_earlier_call(self._server_file)
        if self._upload_id is None:
            try:
                async with self._means.describing:
                    self._upload_id = await self._call_task(self._server_file)
            except TaskFailed as error:
                if not _is_gone(error):
                    raise
                self._server_file, self._unsure = None, False
                return False
        self._means.uploads.saw(self._upload_id)
        return True

    async def _call_task(self, server_file: str) -> int:
        self._means.guard(self._lease)
        began = time.monotonic()
        try:
            return await self._means.server.describe(server_file, self._told.proposed())
        except Lost:
            # It may run still, and leave its row later: a second call would leave a second one.
            self._called_until = began + self._means.rules.task_seconds
            raise

    async def _row_of_earlier_call(self, server_file: str) -> int | None:
        """The row of a call whose answer never came; one that may be running still is waited for."""
        while True:
            found = await self._means.uploads.row_of(server_file, self._mark)
            left = self._called_until - time.monotonic()
            if found is not None or left <= 0:
                return found
            await self._means.sleep(min(left, _ASK_AGAIN_SECONDS))

    async def _ebook(self) -> int:
        """Step (e): which ebook it goes into."""
        means, identities = self._means, self._told.identities
        claim = ClaimEbook(
            means.name,
            self._lease,
            self.file.format,
            self._upload_id or 0,
            identities,
            means.highest_ebook,
            self.known_ebook,
        )
        outcome = (await means.pen.write(claim)).outcome
        if isinstance(outcome, Busy):
            raise Held
        if isinstance(outcome, Present) and outcome.ebook_id is not None:
            return outcome.ebook_id
        mark = outcome.mark if isinstance(outcome, Ours) else means.highest_ebook
        return await ebooks.find_or_make(means, self._lease, self.file.format, self._told, mark)

    async def _attach(self, content: Content) -> Landed | None:
        """Step (f); None when the upload or the ebook is gone."""
        assert self._ebook_id is not None  # noqa: S101  step (e) is done
        means, ebook = self._means, self._ebook_id
        if self._unsure:
            found = await self._where(content, ebook)
            if found is not None:
                return found
            self._unsure = False
        means.guard(self._lease)
        self._was_ours = True
        try:
            answer = await means.server.attach(ebook, self._upload_id or 0)
        except MedialiftError:
            self._unsure = True
            raise
        if isinstance(answer, Attached):
            return Landed(True, answer.source_id, ebook)
        if isinstance(answer, Existing):
            # Of the same ebook: ours, from an attempt that is forgotten. Of another: somebody else's.
            return Landed(answer.ebook_id == ebook, answer.source_id, answer.ebook_id)
        found = await self._where(content, ebook)
        if found is not None:
            return found
        if await means.server.sources(ebook) is None:
            await ebooks.forget(means, self._lease, ebook)
            self._ebook_id = self.known_ebook = None
        else:
            self._server_file = self._upload_id = None
        return None

    async def _where(self, content: Content, ebook: int) -> Landed | None:
        """Where the content is, if the server has it; ours when it is in our ebook."""
        if await self._look(content) is None:
            return None
        listed = await self._means.server.sources(ebook) or ()
        mine = next((one for one in listed if _same(one, content, self.file.format)), None)
        return Landed(True, mine.id, ebook) if mine else Landed(False)

    async def _look(self, content: Content) -> Existing | None:
        return await self._means.server.check(
            size=content.size,
            sha1=content.sha1,
            mime_type=mime_type(self._extension),
            extension=self._extension,
        )

    @property
    def _extension(self) -> str:
        return re.sub(r"[^a-z0-9]", "", self.file.format.lower()) or "bin"

    def _name(self, content: Content) -> str:
        """The name of the upload, by which what we left on the server can be recognised."""
        return f"book-{self._lease.key}-{content.sha1[:16]}.{self._extension}"

    def _outgoing(self, content: Content, name: str) -> Outgoing:
        def chunks() -> AsyncIterator[bytes]:
            return self._moving(self._means.bandwidth.limited(content.chunks()))

        return Outgoing(name, mime_type(self._extension), content.size, chunks, content.whole)

    async def _moving(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same pieces; how many bytes went is told when the next piece is asked for."""
        async for chunk in chunks:
            yield chunk
            self._means.moved(len(chunk))


def _is_gone(error: TaskFailed) -> bool:
    said = error.subject.lower()
    return "exist" in said or "readable" in said or "no such file" in said


def _same(source: Source, content: Content, format: str) -> bool:
    if source.sha1:
        return source.sha1 == content.sha1 and source.size == content.size
    # Some versions of the server do not show the hash.
    return source.size == content.size and source.format == format.lower()
