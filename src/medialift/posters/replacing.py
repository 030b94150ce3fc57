"""A picture of Jellyfin replaced by another: uploaded, or put back.

1. The server is asked what it has. If that is what it is to have, nothing is sent: so an attempt after one
   whose answer was lost looks before it sends again.
2. What it has is kept, on the disk and in the ledger, before anything is changed.
3. The new one is sent. When no answer comes, the server is asked what it has.
4. It counts as done when the server gives back just these bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from medialift.errors import Permanent, Unsafe
from medialift.posters import folder as folders
from medialift.posters import picture, records
from medialift.posters.answers import Broken, Missing, Stopped, Unsure, Unusable
from medialift.posters.outcome import Outcome
from medialift.posters.records import Kept
from medialift.posters.task import Means, Task

THERE = "the server has it already"
_LOOKS = (0.2, 1.0, 3.0)
"""Seconds before each look for a change that no answer came to: a slow server still stores it."""


@dataclass(frozen=True)
class _Wanted:
    """What the server is to have. Without a hash: no picture."""

    body: bytes = b""
    format: str = ""
    sha256: str = ""


async def upload(task: Task, means: Means) -> Outcome:
    """Put the picture of a file in the place of the server's.

    Raises:
        MedialiftError: what the server has is what it had, or it is not known; another attempt looks.
    """
    body, found = await asyncio.to_thread(folders.read_source, Path(task.source), means.largest)
    return await _replace(task, means, _Wanted(body, found.format, found.sha256))


async def restore(task: Task, means: Means) -> Outcome:
    """Put back what the server had.

    Raises:
        Permanent: it was never kept. Unsafe: what was kept is not what it was.
    """
    if not task.to:
        return await _replace(task, means, _Wanted())
    kept: Kept | None = await means.ledger(
        lambda connection: records.kept(connection, means.collection, task.id, task.image, task.to)
    )
    if kept is None:
        raise Permanent("This picture was never kept", f"{task.id} {task.to[:16]}", "Nothing to be done")
    body = await asyncio.to_thread(means.folder.kept, kept.path, kept.sha256)
    return await _replace(task, means, _Wanted(body, kept.format or "jpeg", kept.sha256))


async def _replace(task: Task, means: Means, wanted: _Wanted) -> Outcome:
    now = await _has(task, means)
    if _same(now, wanted):
        return Outcome(skipped=THERE, result={"sha256": wanted.sha256})
    replaced = await _keep(task, means, now)
    if not means.held():
        raise Stopped("The picture is another worker's now", task.id)
    how = await _change(task, means, wanted)
    means.moved(len(wanted.body))
    return Outcome(
        result={
            "how": how,
            "sha256": wanted.sha256,
            "size": len(wanted.body),
            "format": wanted.format,
            "replaced": replaced,
        },
        bytes=len(wanted.body),
    )


async def _has(task: Task, means: Means) -> bytes | None:
    """The server's picture; None: it has none."""
    try:
        return await means.jellyfin.picture(task.id, task.image)
    except Missing:
        return None
    except Unusable as error:
        # It is larger than is read here, so it could not be kept.
        raise Unsafe(
            "The picture that would be replaced cannot be kept", f"{task.id}: {error.subject}", error.what
        ) from error


async def _keep(task: Task, means: Means, now: bytes | None) -> str:
    """Keep what is there; its hash, "" for none."""
    if now is None:
        found = Kept()
    else:
        path = await asyncio.to_thread(means.folder.keep, task.id, task.image, now)
        found = Kept(picture.digest(now), len(now), picture.format_of(now) or "", path)
    await means.ledger(
        lambda connection: records.keep(connection, means.collection, task.id, task.image, task.batch, found)
    )
    return found.sha256


async def _change(task: Task, means: Means, wanted: _Wanted) -> str:
    """Send it, and see that it is there: how that went."""
    jellyfin, lost = means.jellyfin, None
    try:
        if wanted.sha256:
            await jellyfin.upload(task.id, task.image, wanted.body, wanted.format)
        else:
            await jellyfin.delete(task.id, task.image)
    except Unsure as error:
        lost = error
    looks = _LOOKS if lost else _LOOKS[:1]
    for number, seconds in enumerate(looks):
        if lost or number:
            await means.wait(seconds)
        if _same(await _has(task, means), wanted):
            return "found after an answer was lost" if lost else "sent"
    if lost:
        raise lost
    raise Broken(
        "Jellyfin took a picture and gives another one",
        f"{task.id} {task.image}",
        "See whether its folder of metadata can be written, and its log",
    )


def _same(now: bytes | None, wanted: _Wanted) -> bool:
    return (picture.digest(now) if now is not None else "") == wanted.sha256
