"""One picture out of Jellyfin into the folder.

What lies there and is of this version is not asked for again. What somebody changed there is left, unless it
was said that it may be replaced; and whatever is replaced is kept.
"""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

from medialift.posters import picture, records
from medialift.posters.answers import Stopped
from medialift.posters.names import ENDINGS
from medialift.posters.outcome import Outcome
from medialift.posters.picture import Picture
from medialift.posters.records import Known
from medialift.posters.task import Means, Task

THERE = "it is here already"
CHANGED_HERE = "a file that somebody changed here is in its way: say that it may be replaced"


async def download(task: Task, means: Means) -> Outcome:
    """Bring it.

    Raises:
        MedialiftError: as the client and the folder do; nothing was changed here.
    """
    known: Known | None = await means.ledger(
        lambda connection: records.known(connection, means.collection, task.id, task.image)
    )
    folder = means.folder
    same = known is not None and task.tag != "" and known.tag == task.tag
    if known and same and await asyncio.to_thread(folder.holds, known.path, known.sha256, known.size):
        return Outcome(skipped=THERE, result={"path": known.path, "sha256": known.sha256})
    body = await means.jellyfin.picture(task.id, task.image)
    means.moved(len(body))
    if not means.held():
        raise Stopped("The picture is another worker's now", task.id)
    return await asyncio.to_thread(_put, task, means, known, body)


def _put(task: Task, means: Means, known: Known | None, body: bytes) -> Outcome:
    folder, sha256 = means.folder, picture.digest(body)
    format = picture.format_of(body) or "jpeg"
    old = known.path if known else ""
    path = _path(old, format) if old else folder.place(task.name, task.id, task.image, format)
    lies = folder.hash(path) or (folder.hash(old) if old else "")
    if lies and lies != sha256:
        ours = known is not None and lies == known.sha256
        if not ours and not task.replace:
            return Outcome(skipped=CHANGED_HERE, result={"path": path})
    for before in dict.fromkeys((path, old)):
        if before and folder.hash(before) not in ("", sha256):
            folder.put_aside(before, task.id, task.image)
    found = folder.write(path, body)
    if old and old != path:
        folder.remove(old)
    return _done(task, means, path, found, "unchanged" if lies == sha256 else "downloaded")


def _done(task: Task, means: Means, path: str, found: Picture, how: str) -> Outcome:
    return Outcome(
        result={"how": how, "path": path, **vars(found)},
        bytes=found.size,
        also=lambda connection: records.remember(
            connection, means.collection, task.id, task.image, task.tag, path, found
        ),
    )


def _path(path: str, format: str) -> str:
    """The same place, with the ending of this format: Jellyfin's picture may be of another one now."""
    return str(PurePosixPath(path).with_suffix(ENDINGS[format]))
