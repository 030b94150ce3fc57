"""Failures: which pass by themselves, when to try again, and where a book goes that a person must look at."""

from __future__ import annotations

import errno
import json
import os
import ssl
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx
import psycopg
import sqlalchemy.exc

from medialift.audiobooks import moving, sources
from medialift.audiobooks.book import Book
from medialift.audiobooks.listing import shown
from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.atomic import write_json, write_text
from medialift.foundation.text import redact
from medialift.foundation.units import format_size
from medialift.settings import AudiobooksSettings

LONGEST_DELAY = 3600.0
INFO = "FAILED_INFO.txt"
_RECORD = ".medialift-failed.json"
_STAMP = "%Y-%m-%d_%H%M%S"


class Verdict(StrEnum):
    """What an error means for the next try."""

    TRANSIENT = "transient"
    """It may pass by itself."""
    PERMANENT = "permanent"
    """A person must act."""
    UNKNOWN = "unknown"
    """Nobody foresaw it: tried once more, then it counts as permanent."""


# The table, from the particular to the general: the first class that fits decides.
TABLE: tuple[tuple[type[BaseException], Verdict], ...] = (
    (Transient, Verdict.TRANSIENT),
    (Permanent, Verdict.PERMANENT),
    (Unsafe, Verdict.PERMANENT),
    (subprocess.TimeoutExpired, Verdict.TRANSIENT),
    (MemoryError, Verdict.TRANSIENT),
    (ssl.SSLCertVerificationError, Verdict.PERMANENT),
    (TimeoutError, Verdict.TRANSIENT),
    (ConnectionError, Verdict.TRANSIENT),
    (httpx.InvalidURL, Verdict.PERMANENT),
    (httpx.UnsupportedProtocol, Verdict.PERMANENT),
    (httpx.TransportError, Verdict.TRANSIENT),
    (psycopg.OperationalError, Verdict.TRANSIENT),
    (sqlalchemy.exc.OperationalError, Verdict.TRANSIENT),
    (sqlalchemy.exc.InterfaceError, Verdict.TRANSIENT),
    (UnicodeError, Verdict.PERMANENT),
)
# What the kernel says. What is in neither of both is unknown.
PASSING = frozenset({
    # Full or used up for now.
    errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOBUFS,
    # A disk or a mount that is away, or comes back.
    errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EBUSY, errno.ETIMEDOUT,
    errno.EREMOTEIO, errno.ESHUTDOWN, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.EINTR, errno.ETXTBSY,
    # A file that left while it was looked at: the next look says whether the book did.
    errno.ENOENT,
    # Rights are mended by people while the intake goes on: it is said, and tried again.
    errno.EACCES, errno.EPERM,
})  # fmt: skip
LASTING = frozenset({
    errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY,
    errno.EFBIG, errno.EINVAL, errno.EILSEQ, errno.ENOEXEC, errno.ENOTSUP,
})  # fmt: skip


def classify(error: BaseException) -> Verdict:
    """What an error means: by its class, and of the system's errors by their number."""
    for kind, verdict in TABLE:
        if isinstance(error, kind):
            return verdict
    if isinstance(error, OSError):
        if error.errno in PASSING:
            return Verdict.TRANSIENT
        if error.errno in LASTING:
            return Verdict.PERMANENT
    return Verdict.UNKNOWN


def delay(tries: int, base: float) -> float:
    """Seconds to wait after so many tries that failed: base, twice that, four times, … an hour at most."""
    return min(LONGEST_DELAY, base * 2.0 ** min(max(0, tries - 1), 32))


def next_try(error: BaseException, tries: int, settings: AudiobooksSettings) -> float | None:
    """Seconds until a conversion is tried again after `tries` that failed; None when it is not."""
    verdict = classify(error)
    most = {Verdict.TRANSIENT: settings.max_retries, Verdict.UNKNOWN: min(1, settings.max_retries)}
    if not settings.retry_transient or tries > most.get(verdict, 0):
        return None
    return delay(tries, settings.retry_base)


def put_aside(book: Book, error: BaseException, tries: int, settings: AudiobooksSettings, now: float) -> Path:
    """Move a book that failed for good into a folder of the failed, with a text that says all; that folder.

    May be called again after a crash, with the same `now`. Where books that failed are not to be moved, it
    stays, and its own place is returned.

    Args:
        tries: how often it was tried.
        now: seconds since the epoch; part of the folder's name.

    Raises:
        Transient: it changed meanwhile: then it is another book, and starts anew.
        OSError: as the file systems say.
    """
    if not settings.move_failed:
        return book.root
    stamp = datetime.fromtimestamp(now, UTC).strftime(_STAMP)
    folder = settings.failed / f"{stamp} {moving.cut(book.name, 200)}"
    number = 1
    while folder.exists() and _record(folder).get("key") != book.key:
        number += 1
        folder = settings.failed / f"{stamp} {moving.cut(book.name, 200)} ({number})"
    folder.mkdir(parents=True, exist_ok=True)
    write_json(
        folder / _RECORD,
        {
            "key": book.key,
            "name": book.root.name,
            "beside": [path.name for path in book.extras if path.parent == book.root.parent],
        },
    )
    write_text(folder / INFO, _info(book, error, tries, settings, now))
    try:
        sources.move_aside(book, folder, settings)
    except BaseException:
        if not os.path.lexists(folder / book.root.name):
            for name in (INFO, _RECORD):
                (folder / name).unlink(missing_ok=True)
            with suppress(OSError):
                folder.rmdir()
        raise
    return folder


def bring_back(aside: Path, target: Path) -> Path:
    """Move a book from the folder that `put_aside` returned to its place in the inbox again; where it is.

    Raises:
        Permanent: something lies in its place, or the book is not in that folder.
        OSError: as the file systems say.
    """
    record = _record(aside)
    held = aside / str(record.get("name", ""))
    if not record or not os.path.lexists(held):
        raise Permanent(
            "There is no book in this folder", shown(aside), "Move its files to the inbox yourself"
        )
    if os.path.lexists(target):
        raise Permanent("Something lies in the book's place", shown(target), "Move that away, and try again")
    for name in record.get("beside", ()):
        if os.path.lexists(aside / name):
            moving.move(aside / name, target.with_name(name))
    moved = moving.move(held, target)
    for name in (INFO, _RECORD):
        (aside / name).unlink(missing_ok=True)
    with suppress(OSError):
        aside.rmdir()
    return moved


def find(key: str, settings: AudiobooksSettings) -> Path | None:
    """The newest folder of the failed that holds the book of this key; None when there is none."""
    try:
        folders = sorted(settings.failed.iterdir(), reverse=True)
    except FileNotFoundError:
        return None
    return next((folder for folder in folders if _record(folder).get("key") == key), None)


def _record(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / _RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _info(book: Book, error: BaseException, tries: int, settings: AudiobooksSettings, now: float) -> str:
    told = isinstance(error, MedialiftError)
    what = error.what if isinstance(error, MedialiftError) else f"{type(error).__name__}: {error}"
    subject = error.subject if isinstance(error, MedialiftError) else ""
    hint = error.hint if isinstance(error, MedialiftError) else "See the log of the intake"
    verdict = classify(error)
    meaning = {
        Verdict.TRANSIENT: "it might have passed by itself, and did not",
        Verdict.PERMANENT: "it will not pass by itself",
        Verdict.UNKNOWN: "nobody foresaw it, and a second try ended alike",
    }[verdict]
    when = datetime.fromtimestamp(now, UTC).isoformat(" ", "seconds")
    place = shown(book.root)
    lines = [
        f"This audiobook could not be made: {shown(book.name)}",
        "",
        f"What happened:  {what}",
        *([f"To what:        {subject}"] if subject else []),
        *([f"What to do:     {hint}"] if told and hint else [f"See also:       {hint}"]),
        f"Kind:           {verdict} ({meaning})",
        f"Tries:          {tries}",
        f"Failed at:      {when}",
        f"Came from:      {place}",
        f"Key:            {shown(book.key)}",
        f"Audio files:    {len(book.parts)} with {format_size(book.bytes)}, not changed in any way",
        *([f"Backup:         below {shown(settings.backup_folder)}"] if settings.backup else []),
        "",
        "How to recover:",
        "  1. Do what is said above: replace what is broken, add what is missing, rename what is unclear.",
        "  2. Then either run",
        f"       medialift audiobooks retry {_quoted(book.key)}",
        "     which moves it back and starts it again with all its tries,",
        f"     or move {shown(book.root.name)} from this folder back to",
        f"       {place}",
        "     yourself; changed files start again by themselves.",
        "  3. This text and its folder may be deleted then.",
        "",
    ]
    return redact("\n".join(lines))


def _quoted(key: str) -> str:
    return "'" + key.replace("'", "'\\''") + "'"
