"""What is done when an attempt has ended and the ledger has taken its result: sources are put away, failed
books moved aside, people told. Each is one that may be done twice, so a crash in the middle does no harm."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

from sqlalchemy import Connection

from medialift.audiobooks import book_record, failures, notices, sources, todo
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.holding import holding
from medialift.audiobooks.listing import shown
from medialift.audiobooks.plugins import Plugins
from medialift.audiobooks.stages import CONVERT, TAG, key_of
from medialift.audiobooks.todo import Todo
from medialift.errors import MedialiftError, Transient, from_dict
from medialift.queueing.crew import AWAY
from medialift.queueing.database import Database
from medialift.settings import Settings

_log = logging.getLogger(__name__)
_LONGEST_DELAY = 3600.0
_FIRST_DELAY = 10.0
_PATIENCE_SECONDS = 1.0


@dataclass
class After:
    """Does what is due. One of them at a time is at it in a process; of several processes each may be.

    Attributes:
        send: tells people, instead of the destinations of the settings.
        step: is told (what, step) when something is begun, and when it is made and not yet written down.
    """

    settings: Settings
    database: Database
    plugins: Plugins
    send: Callable[[Mapping[str, Any]], object] | None = None
    step: Callable[[str, str], object] = lambda _what, _step: None

    def __post_init__(self) -> None:
        self._alone = Lock()

    def round(self, stop: Event | None = None) -> int:
        """Do what is due now; how many things were done. What cannot be done now is put off.

        Raises:
            OperationalError and the like (`queueing.crew.AWAY`): the database is away.
        """
        count = 0
        with self._alone:
            for one in self._read(lambda connection: todo.due(connection, self._collection)):
                if stop is not None and stop.is_set():
                    break
                count += self._try(one)
        return count

    def _try(self, one: Todo) -> bool:
        doing: dict[str, Callable[[Todo], bool]] = {
            "complete": self._complete,
            "put_aside": self._put_aside,
            "tell": self._tell,
        }
        try:
            self.step(one.what, "begun")
            return doing[one.what](one)
        except AWAY:
            raise
        except Exception as error:  # whatever it was, the others are done still
            said = hindrance(error)
            known = isinstance(error, MedialiftError | OSError)
            _log.warning("%s is put off: %s", one.what, said, exc_info=not known)
            delay = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0**one.tries)
            self._write(lambda connection: todo.later(connection, one, said, delay=delay))
            return False

    def _complete(self, one: Todo) -> bool:
        """The book is made and proven: its sources are put away as the settings say."""
        audiobooks = self.settings.audiobooks
        book = book_record.of_record(one.detail["book"], audiobooks.inbox)
        with holding(audiobooks, key_of(CONVERT, book.key), at_most=_PATIENCE_SECONDS):
            if not self._read(lambda connection: todo.still(connection, one)):
                return False
            kept = sources.complete(book, audiobooks, one.detail["order"])
            self.step(one.what, "made")
            left = audiobooks.on_complete != "keep"
            note = {"kept": kept}
            self._write(lambda connection: todo.done(connection, one, left=left, note=note))
        self._note_kept(one.detail["name"], kept)
        return True

    def _put_aside(self, one: Todo) -> bool:
        """The book failed for good: it is moved to where a person finds it, with the reason."""
        audiobooks = self.settings.audiobooks
        book = book_record.of_record(one.detail["book"], audiobooks.inbox)
        with holding(audiobooks, key_of(CONVERT, book.key), at_most=_PATIENCE_SECONDS):
            if not self._read(lambda connection: todo.still(connection, one)):
                return False
            error, at = from_dict(one.detail["error"]), float(one.detail["at"])
            moved = failures.put_aside(book, error, one.detail["tries"], audiobooks, at)
            self.step(one.what, "made")
            note = {"put_aside": str(moved)}
            self._write(lambda connection: todo.done(connection, one, left=True, note=note))
        return True

    def _tell(self, one: Todo) -> bool:
        detail = one.detail
        if detail["event"] == "audiobook_ready_for_tagging" and "name" in detail:
            self._tell_plugins(detail["name"])
        if self.send is not None:
            self.send(detail)
        else:
            for delivery in notices.send(detail, self.settings.notify):
                if not delivery.ok:
                    _log.warning("%s was not told: %s", delivery.destination, delivery.error)
        self._write(lambda connection: todo.done(connection, one, left=False))
        return True

    def _tell_plugins(self, name: str) -> None:
        folder = self.settings.audiobooks.converted / name
        try:
            manifest = manifests.read(folder)
        except (MedialiftError, OSError) as error:
            _log.warning("the plug-ins are not told of %s: %s", name, error)
            return
        for problem in self.plugins.ready_for_tagging(folder / manifest.conversion.file, manifest):
            _log.warning("%s: %s", name, problem)

    def _note_kept(self, name: str, kept: str) -> None:
        """Say in the manifest where the sources are. The ledger knows it too, so it may fail."""
        audiobooks = self.settings.audiobooks
        folder = audiobooks.converted / name
        try:
            with holding(audiobooks, key_of(TAG, name)):
                manifest = manifests.read(folder)
                told = manifest.sources.model_copy(update={"kept": kept})
                manifests.write(folder, manifest.changed(sources=told))
        except (MedialiftError, OSError) as error:
            _log.warning("the manifest of %s does not say where its sources are (%s): %s", name, kept, error)

    @property
    def _collection(self) -> str:
        return self.settings.audiobooks.collection

    def _read(self, what: Callable[[Connection], Any]) -> Any:
        with self.database.engine.connect() as connection:
            return what(connection)

    def _write(self, what: Callable[[Connection], object]) -> None:
        with self.database.engine.begin() as connection:
            what(connection)


def hindrance(error: Exception) -> str:
    """Why something could not be done, as people are told; of a right that is missing also how to give it."""
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM):
        return str(
            Transient(
                "The service may not move or remove what lies there",
                shown(error.filename or "a file"),
                "Give its user or its group the right to write in the folder that holds it (chown, chgrp)",
            )
        )
    return str(error) if isinstance(error, MedialiftError | OSError) else repr(error)
