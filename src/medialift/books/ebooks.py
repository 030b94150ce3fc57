"""The ebook that a file goes into: found on the server or made there, once; deleted when it stayed empty."""

from __future__ import annotations

import logging
from contextlib import suppress

from medialift.books.description import Description
from medialift.books.means import Means
from medialift.books.writes import DropEbook, ForgetEbook, NoteEbook, TakeEmptyEbooks
from medialift.errors import Transient
from medialift.queueing.leases import Lease

_log = logging.getLogger(__name__)


async def find_or_make(means: Means, lease: Lease, format: str, told: Description) -> int:
    """The ebook's id. The claim on its identities is ours, so nobody else makes it meanwhile.

    It is always looked for first: an attempt before this one may have made it and not lived to tell.
    """
    found = await means.server.find_ebook(told.title, told.last_names)
    made = found is None
    if found is None:
        means.guard(lease)
        found = await means.server.create_ebook(told.to_make())
    await means.pen.write(NoteEbook(means.name, lease, format, told.identities, found, made))
    return found


async def forget(means: Means, lease: Lease, ebook_id: int) -> None:
    """The server has this ebook no more."""
    await means.pen.write(ForgetEbook(means.name, lease, ebook_id))


async def remove_empty(means: Means, lease: Lease) -> int:
    """Delete the ebooks that this book made and nothing went into; how many. For the end of a book.

    They are claimed meanwhile, so that no other book goes into them. One that cannot be deleted (somebody
    rated it), or that somebody else put a file into, stays.
    """
    removed = 0
    empty: list[int] = (await means.pen.write(TakeEmptyEbooks(means.name, lease))).outcome
    for ebook_id in empty:
        sources = await means.server.sources(ebook_id)
        gone = sources is None
        if sources == ():
            means.guard(lease)
            gone = False
            # A lost answer: the next look at it says whether it is gone.
            with suppress(Transient):
                gone = await means.server.delete_ebook(ebook_id)
        if not gone:
            _log.warning("ebook %d of the book server could not be deleted, or is not empty", ebook_id)
        await means.pen.write(DropEbook(means.name, lease, ebook_id, kept=not gone))
        removed += gone
    return removed
