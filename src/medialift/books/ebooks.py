"""The ebook that a file goes into: found on the server or made there, once; deleted when it stayed empty."""

from __future__ import annotations

import logging
from contextlib import suppress

from medialift.books.description import Description
from medialift.books.means import Means
from medialift.books.writes import DropClaims, DropEbook, Empty, ForgetEbook, NoteEbook, TakeEmptyEbooks
from medialift.errors import Transient
from medialift.queueing.leases import Lease

_log = logging.getLogger(__name__)


async def find_or_make(means: Means, lease: Lease, format: str, told: Description, mark: int) -> int:
    """The ebook's id. The claim on its identities is ours, so nobody else makes it meanwhile.

    It is always looked for first: an attempt before this one may have made it and not lived to tell.

    Args:
        mark: what has a higher number was made under the claim, and so by us.
    """
    found = await means.server.find_ebook(told.title, told.last_names)
    made = found is None or found > mark
    if found is None:
        means.guard(lease)
        found = await means.server.create_ebook(told.to_make())
    means.highest_ebook = max(means.highest_ebook, found)
    await means.pen.write(NoteEbook(means.name, lease, format, told.identities, found, made))
    return found


async def forget(means: Means, lease: Lease, ebook_id: int) -> None:
    """The server has this ebook no more."""
    await means.pen.write(ForgetEbook(means.name, lease, ebook_id))


async def remove_empty(means: Means, lease: Lease, told: Description) -> int:
    """Delete the ebooks that this book made and nothing went into; how many. For the end of a book.

    They are claimed meanwhile, so that no other book goes into them. One that cannot be deleted (somebody
    rated it), or that somebody else put a file into, stays.
    """
    empty: Empty = (await means.pen.write(TakeEmptyEbooks(means.name, lease))).outcome
    removed = 0
    for ebook_id in empty.ebooks:
        gone = await _deleted(means, lease, ebook_id)
        await means.pen.write(DropEbook(means.name, lease, ebook_id, kept=not gone))
        removed += gone
    if empty.above is not None:
        found = await means.server.find_ebook(told.title, told.last_names)
        if found is not None and found > empty.above:
            removed += await _deleted(means, lease, found)
        await means.pen.write(DropClaims(means.name, lease))
    return removed


async def _deleted(means: Means, lease: Lease, ebook_id: int) -> bool:
    """Delete an ebook if it is empty; whether it is gone."""
    sources = await means.server.sources(ebook_id)
    gone = sources is None
    if sources == ():
        means.guard(lease)
        # Of a lost answer nobody knows: then it counts as there, and whoever comes next looks.
        with suppress(Transient):
            gone = await means.server.delete_ebook(ebook_id)
    if not gone:
        _log.warning("ebook %d of the book server could not be deleted, or is not empty", ebook_id)
    return gone
