"""What a person does without the queue: converting what lies anywhere, and letting a book pass."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

from medialift.audiobooks import convert_stage, delivery, inbox, publishing, stages
from medialift.audiobooks.book import Book, Refused
from medialift.audiobooks.convert_stage import Done, Order
from medialift.audiobooks.holding import holding
from medialift.audiobooks.stages import DELIVER, TAG, key_of
from medialift.audiobooks.workshop import Workshop
from medialift.errors import MedialiftError, Permanent
from medialift.queueing import doorbell, events
from medialift.queueing.database import Database
from medialift.settings import Settings

_BY_HAND = "by-hand"

Tell = Callable[[str, str, float], object]


def convert(shop: Workshop, path: Path, *, tell: Tell, stop: Event) -> dict[str, Any]:
    """Convert the books at a path, one after the other, each with all cores: see `operations.convert`."""
    places = (shop.settings.work, shop.settings.converted, _BY_HAND)
    publishing.sweep(*places, {name for name in publishing.attempts(*places) if not _lives(name)})
    path = path.absolute()
    found = inbox.understand(path, path.parent, shop.settings)
    books = [one for one in found if isinstance(one, Book)]
    refused = [one for one in found if isinstance(one, Refused)]
    done: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for book in books:
        if stop.is_set():
            break
        try:
            done.append(_shown(_converted(shop, book, tell, stop)))
        except (MedialiftError, OSError) as error:
            failed.append({"key": book.key, "error": _told(error)})
    return {
        "changed": bool(done),
        "books": done,
        "refused": [{"key": one.key, "why": one.why, "hint": one.hint, "tree": one.tree} for one in refused],
        "failed": failed,
    }


def approve(
    settings: Settings, database: Database, name: str, *, destinations: Any = (), by: str = ""
) -> bool:
    """Let a book pass, and have it delivered; whether it was held before: see `operations.approve`."""
    audiobooks = settings.audiobooks
    folder = audiobooks.converted / name
    if not audiobooks.destinations:
        raise Permanent("There is no library to deliver to", name, "See [audiobooks.destinations.NAME]")
    with holding(audiobooks, key_of(DELIVER, name)):
        manifest = delivery.approve(
            folder, audiobooks, by=by or events.somebody(), now=time.time(), destinations=destinations
        )
    if all(
        (record := manifest.deliveries.get(one)) is not None and record.state == "delivered"
        for one in destinations or audiobooks.destinations
    ):
        return False
    with database.engine.begin() as connection:
        stages.passed(connection, audiobooks.collection, TAG, name)
        stages.enter(
            connection,
            audiobooks.collection,
            DELIVER,
            name,
            priority=stages.priority_of(DELIVER, audiobooks.tagging),
            bytes=manifest.conversion.size,
        )
        events.record(connection, what="approve", subject=key_of(DELIVER, name), who=by)
        doorbell.ring(connection, stages.PIPELINE, audiobooks.collection, job_size=1)
    return True


def _converted(shop: Workshop, book: Book, tell: Tell, stop: Event) -> Done:
    step = [""]

    def next_step(words: str) -> None:
        step[0] = words
        tell(book.key, words, 0.0)

    attempt = f"{_BY_HAND}.{os.getpid()}.{uuid4().hex[:8]}"
    cores = shop.settings.cores or len(os.sched_getaffinity(0))
    return convert_stage.convert(
        Order(book, "", attempt, cores=cores),
        shop.means,
        stop=stop,
        step=next_step,
        tell=lambda share: tell(book.key, step[0], share),
    )


def _lives(attempt: str) -> bool:
    """Whether the process of an attempt by hand goes on."""
    return Path("/proc", attempt.split(".")[1]).exists()


def _shown(done: Done) -> dict[str, Any]:
    conversion = done.manifest.conversion
    return {
        "key": done.book.key,
        "name": done.manifest.name,
        "folder": str(done.folder),
        "file": str(done.file),
        "kind": conversion.kind,
        "how": conversion.why,
        "seconds": conversion.seconds,
        "took": conversion.took,
        "chapters": len(conversion.chapters),
        "problems": list(done.problems),
    }


def _told(error: MedialiftError | OSError) -> dict[str, str]:
    if isinstance(error, MedialiftError):
        return error.to_dict()
    return Permanent(error.strerror or repr(error), str(error.filename or "")).to_dict()
