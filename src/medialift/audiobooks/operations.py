"""What a person, a playbook or the API can do with the intake; the commands call only this.

Every function takes the settings and gives a dict for JSON. `changed` says whether anything was written.
`status` is how it stands afterwards, as `Status.to_dict` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks import (
    by_hand,
    metadata,
    metrics_import,
    opening,
    programs,
    retrying,
    service,
)
from medialift.audiobooks import metrics as figures
from medialift.audiobooks import status as standing
from medialift.audiobooks.chapters import editing
from medialift.audiobooks.chapters.editing import Edited
from medialift.audiobooks.health import Checks
from medialift.audiobooks.retrying import Retried
from medialift.audiobooks.status import Status
from medialift.errors import Permanent
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database
from medialift.settings import AudiobooksSettings, Settings

Watch = Callable[[Status], object]


def run(settings: Settings) -> dict[str, Any]:
    """Be the service until told to end (SIGTERM drains): watch the inbox, work, answer /health.

    To be called in the main thread. {why, items, files, bytes, …}: how the worker ended.

    Raises:
        Permanent: the settings are wrong (all faults at once), a program is missing, or another service has
            this name.
        Transient: the database stayed away too long.
    """
    with Database.open(settings.database) as database:
        return service.run(settings, database).to_dict()


def once(
    settings: Settings,
    *,
    watch: Watch = lambda _status: None,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Take what lies in the inbox, do all that can be done now, and end. What may work later is left.

    {changed, found, added, refused: [{key, why, hint, tree}], ended: {why, items, …}, finished, status}.
    `found`: books in the inbox; `added`: those that were new or had changed.

    Args:
        watch: is told every second or so how it stands.
        stop: drains: what is in flight is finished, the rest is left.

    Raises:
        Permanent: the settings are wrong, or a program is missing.
        Transient: the inbox or the database is away.
    """
    with _open(settings) as database:
        try:
            done = service.once(settings, database, watch=watch, stop=stop or Event())
        except AWAY as error:
            raise gone(error) from error
        return {**done, **_stands(settings, database)}


def status(settings: Settings) -> dict[str, Any]:
    """How it stands: {changed: False, finished, status}."""
    with _open(settings) as database:
        return {"changed": False, **_stands(settings, database)}


def look(settings: Settings) -> Status:
    """How it stands, as an object: for those who show it again and again."""
    with _open(settings) as database, database.transaction() as connection:
        return standing.status(connection, settings.audiobooks.collection)


def metrics(settings: Settings) -> bytes:
    """All figures in Prometheus' text format."""
    with _open(settings) as database, database.transaction() as connection:
        return figures.exposition(connection, settings.audiobooks.collection)


def retry(settings: Settings, keys: Sequence[str] = (), *, every: bool = False) -> dict[str, Any]:
    """Take up again what failed, waits or is done: {changed, count, moved_back, finished, status}.

    Args:
        keys: a book's path in the inbox, its folder's name in converted, or a key such as tag/NAME. A book
            that was moved to the failed folder is moved back into the inbox.
        every: everything that failed, instead.

    Raises:
        Permanent: nothing is named; a key is not known; the place in the inbox is taken.
    """
    with _open(settings) as database:
        done = retrying.retry(settings.audiobooks, database, keys, every=every)
        return {
            "changed": bool(done.count),
            "count": done.count,
            "moved_back": list(done.moved_back),
            **_stands(settings, database),
        }


def as_it_is(settings: Settings, name: str) -> dict[str, Any]:
    """Have a book that is still to be converted taken without conversion: {changed, count, moved_back,
    finished, status}. What would have to be encoded fails then.

    Args:
        name: its path in the inbox.

    Raises:
        Permanent: it is not known, or is converted already.
        Transient: somebody works on it.
    """
    return _conversion(settings, name, retrying.without_conversion)


def reprocess(settings: Settings, name: str) -> dict[str, Any]:
    """Make a book again from its sources, which come back from the archive or the failed folder:
    {changed, count, moved_back, finished, status}. What was made of them before is replaced.

    Args:
        name: its path in the inbox, or its folder's name in converted.

    Raises:
        Permanent: it is not known; its sources are not there any more; its place in the inbox is taken.
        Transient: somebody works on it.
    """
    return _conversion(settings, name, retrying.from_scratch)


def _conversion(
    settings: Settings, name: str, do: Callable[[AudiobooksSettings, Database, int], Retried]
) -> dict[str, Any]:
    audiobooks = settings.audiobooks
    with _open(settings) as database:
        done = do(audiobooks, database, retrying.conversion_of(audiobooks, database, name))
        return {
            "changed": bool(done.count),
            "count": done.count,
            "moved_back": list(done.moved_back),
            **_stands(settings, database),
        }


def import_metrics(settings: Settings, path: Path) -> dict[str, Any]:
    """Take over the figures of an auto-m4b's metrics.json, once: {changed, conversions, finished, status}.

    Raises:
        Permanent: the file cannot be read, or is something else.
    """
    found = metrics_import.read(path)
    with _open(settings) as database:
        with database.transaction() as connection:
            changed = metrics_import.write(connection, settings.audiobooks.collection, found)
        return {"changed": changed, "conversions": len(found.runs), **_stands(settings, database)}


def convert(
    settings: Settings,
    path: Path,
    *,
    tell: Callable[[str, str, float], object] = lambda _key, _words, _share: None,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Convert what lies at a path, by hand: no ledger is needed, and the sources are left as they are.

    {changed, books: [{key, name, folder, file, kind, how, seconds, took, chapters, problems}],
    refused: [{key, why, hint, tree}], failed: [{key, error: {kind, what, subject, hint}}]}.

    Args:
        path: a file, a book's folder, or a folder of books.
        tell: is told which book is at which step, and how far its conversion is, 0 to 1.

    Raises:
        Permanent: there is nothing at the path; the settings are wrong; a program is missing.
    """
    opening.refuse_wrong(settings, ledger=False, port=False)
    with opening.plugins(settings) as plugins, closing(opening.workshop(settings, plugins)) as shop:
        return by_hand.convert(shop, path, tell=tell, stop=stop or Event())


def tag(
    settings: Settings,
    name: str,
    *,
    override: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Tag a converted book now: {changed, name, state, changes: [{field, old, new}], needs_person: [str],
    confidence, why, candidates: [...], next_action, problems}.

    Args:
        name: of its folder in converted.
        override: what a person says of the book: {"asin": …} or any field; kept in its manifest.
        dry_run: only tell what would be changed.

    Raises:
        Permanent: there is no such book; the catalogue knows nothing of it; its file is wrong.
        Transient: a service does not answer; somebody works on the book.
    """
    with opening.plugins(settings) as plugins, closing(opening.workshop(settings, plugins)) as shop:
        tagged = shop.tag(name, override=override, dry_run=dry_run, stop=stop)
        if not dry_run:
            with _open(settings) as database, database.transaction() as connection:
                shop.tagged_by_hand(connection, tagged)
    manifest = tagged.manifest
    return {
        "changed": bool(tagged.diff) if dry_run else tagged.written,
        "name": manifest.name,
        "state": tagged.state,
        "changes": [change.model_dump() for change in tagged.diff],
        "needs_person": list(tagged.needs_person),
        "confidence": manifest.tagging.confidence,
        "why": manifest.tagging.why,
        "candidates": [one.model_dump(mode="json") for one in manifest.tagging.candidates],
        "next_action": manifest.next_action,
        "problems": list(tagged.problems),
    }


def approve(
    settings: Settings, name: str, *, destinations: Sequence[str] = (), by: str = ""
) -> dict[str, Any]:
    """Let a book that is held go to its libraries: {changed, name, destinations, finished, status}.

    Args:
        name: of its folder in converted.
        destinations: libraries it is approved for; empty: all.
        by: who says so; empty: this user.

    Raises:
        Permanent: there is no such book, or no such library.
    """
    with _open(settings) as database:
        changed = by_hand.approve(settings, database, name, destinations=destinations, by=by)
        wanted = list(destinations or settings.audiobooks.destinations)
        return {"changed": changed, "name": name, "destinations": wanted, **_stands(settings, database)}


def health(settings: Settings) -> dict[str, Any]:
    """What /health tells: {ok, live, ready, checks: [{name, ok, needed, detail}]}; seconds at most."""
    with Database.open(settings.database) as database:
        return Checks(settings, database).look().to_dict()


def flush_cache(settings: Settings, asin: str = "") -> dict[str, Any]:
    """Forget kept answers of the catalogues, of one book or all: {changed, count}."""
    count = metadata.open_cache(settings.audiobooks.tagging).flush(asin=asin)
    return {"changed": bool(count), "count": count}


def export_chapters(book: Path, target: Path | None = None) -> dict[str, Any]:
    """The chapters of an M4B: {changed, book, target, chapters: [{start, end, title}]}; seconds.

    With a target they are written there: as a cue sheet when its name ends in .cue, else as chapters.txt.

    Raises:
        Permanent: it is no M4B, or cannot be read; the target cannot be written.
    """
    with _writing(target or book):
        return _chapters(editing.export(book, target, programs.found()), target)


def import_chapters(book: Path, source: Path, *, check: bool = False) -> dict[str, Any]:
    """Give an M4B the chapters of a chapters.txt or cue sheet; its sound stays as it is:
    {changed, book, target, chapters: [{start, end, title}]}.

    Raises:
        Permanent: one of both cannot be read, or the list does not fit the book.
    """
    with _writing(book):
        return _chapters(editing.imported(book, source, programs.found(), check=check), book)


def split_chapters(
    book: Path, *, longest: float, wanted: float, check: bool = False, stop: Event | None = None
) -> dict[str, Any]:
    """Split the long chapters of an M4B at silences: {changed, book, target, chapters}; lengths in seconds.

    Raises:
        Permanent: the book cannot be read.
    """
    needed = programs.found()
    with _writing(book):
        made = editing.split(book, needed, longest=longest, wanted=wanted, check=check, stop=stop)
    return _chapters(made, book)


def _chapters(edited: Edited, target: Path | None) -> dict[str, Any]:
    return {**edited.to_dict(), "target": str(target or "")}


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Permanent(
            "A file cannot be read or written", f"{path}: {error.strerror}", "Look at its folder"
        ) from error


@contextmanager
def _open(settings: Settings) -> Iterator[Database]:
    with Database.open(settings.database) as database:
        database.check()
        yield database


def _stands(settings: Settings, database: Database) -> dict[str, Any]:
    with database.transaction() as connection:
        now = standing.status(connection, settings.audiobooks.collection)
    return {"finished": now.finished, "status": now.to_dict()}
