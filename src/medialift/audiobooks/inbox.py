"""The inbox: what lies in it, which books are ready, which are refused, and which are still on their way."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from medialift.audiobooks import listing, structure
from medialift.audiobooks.book import Book, Refused
from medialift.audiobooks.listing import File, Folder, Reading, Trouble, shown
from medialift.audiobooks.natural import natural_key
from medialift.audiobooks.structure import Rules
from medialift.audiobooks.tree import tree
from medialift.errors import Permanent, Transient
from medialift.mounts import mountinfo
from medialift.settings import AudiobooksSettings

# A download that has not moved for so long will not end by itself: that is said.
ABANDONED_SECONDS = 86_400.0
_FSTAB = Path("/etc/fstab")
_MOUNT_GONE = "Mount it again; what is known of its books is kept, and it is looked at again by itself"


@dataclass(frozen=True)
class Waiting:
    """A book that is not ready: why, and the time (epoch, s) before which it cannot be."""

    key: str
    root: Path
    why: str
    until: float


@dataclass(frozen=True)
class Scan:
    """One look into the inbox, in natural order.

    Attributes:
        books: understood, quiet for the wait time, and found by the match filter.
        refused: not understood, and quiet as well: nothing is refused while it is copied.
        waiting: something of them changes, or a download is not finished.
    """

    books: tuple[Book, ...] = ()
    refused: tuple[Refused, ...] = ()
    waiting: tuple[Waiting, ...] = ()


@dataclass
class Memory:
    """What earlier looks saw: keeps a file that grows behind a wrong clock from being taken.

    With a memory a book is ready when two looks, `wait` apart, saw the same; without one its times alone say
    it. It also knows where the file system of the inbox was mounted.
    """

    seen: dict[str, tuple[int, float]] = field(default_factory=dict)
    mount: PurePosixPath | None = None


def scan(settings: AudiobooksSettings, *, now: float, memory: Memory | None = None) -> Scan:
    """Look into the inbox once.

    Args:
        now: seconds since the epoch.
        memory: of the looks before; it is written to. The first look with one calls every book waiting,
            unless `wait` is 0.

    Raises:
        Transient: the inbox is not there, cannot be read, or is no longer mounted. Nothing follows from what
            is not seen then.
        Permanent: the match filter is no regular expression.
    """
    match = _filter(settings.match)
    entries = _entries(settings, memory)
    found = structure.understand_all(entries, settings.inbox, _rules(settings))
    nodes: dict[Path, Folder | File] = {}
    for entry in entries:
        nodes[entry.path] = entry
        for folder in entry.below() if isinstance(entry, Folder) else ():
            nodes[folder.path] = folder
            nodes |= {file.path: file for file in folder.files}
    look = _Look(settings, now, memory)
    books, refused, waiting = [], [], []
    for one in sorted(found, key=lambda what: natural_key(what.key)):
        if not match.search(one.key):
            continue
        held = look.held(one, nodes[one.root])
        if isinstance(held, Waiting):
            waiting.append(held)
        elif isinstance(held, Refused):
            refused.append(held)
        else:
            books.append(held)
    if memory is not None:
        memory.seen = {key: memory.seen[key] for key in look.looked_at}
    return Scan(tuple(books), tuple(refused), tuple(waiting))


def understand(root: Path, relative_to: Path, settings: AudiobooksSettings) -> list[Book | Refused]:
    """The books at one path, wherever it is, without waiting for quiet.

    Args:
        relative_to: the folder that keys are relative to, above `root`.

    Raises:
        Permanent: nothing is there, or it is neither a folder nor a file with audio.
    """
    entry = listing.read(root, _reading(settings, inside=root))
    found = [] if entry is None else structure.understand(entry, relative_to, _rules(settings))
    if not found:
        raise Permanent(
            "There is no audiobook here" if root.exists() else "There is nothing at this path",
            shown(root),
            f"Name a folder with audio files, or a file that ends in {', '.join(settings.audio_types)}",
        )
    return found


def reading(settings: AudiobooksSettings) -> Reading:
    """How these settings read a folder."""
    return _reading(settings)


def again(book: Book, settings: AudiobooksSettings) -> Book | None:
    """The same book as it lies there now; None when it is gone or no longer understood as one book.

    Only what lies at its root counts: what came beside it meanwhile, and what series that makes it one of, is
    not looked at.

    Raises:
        OSError: its file system does not answer.
    """
    base = settings.inbox if book.root.is_relative_to(settings.inbox) else book.root.parent
    entry = listing.read(book.root, _reading(settings, inside=book.root), by_name=False)
    found = [] if entry is None else structure.understand(entry, base, _rules(settings))
    return next((one for one in found if isinstance(one, Book) and one.root == book.root), None)


class _Look:
    """What is quiet at this moment."""

    def __init__(self, settings: AudiobooksSettings, now: float, memory: Memory | None) -> None:
        self._settings, self._now, self._memory = settings, now, memory
        self.looked_at: set[str] = set()

    def held(self, one: Book | Refused, node: Folder | File) -> Book | Refused | Waiting:
        """Itself when it is ready, else that it waits; refused when what it waits for will not come."""
        wait = self._settings.wait
        changed = listing.newest(node, self._now)
        # A time ahead of ours says only that a clock is wrong, when there is a memory to say the rest.
        quiet_from = (changed if changed <= self._now else 0.0 if self._memory else self._now) + wait
        if half := _half(node):
            name = shown(half.path.name)
            if self._now - changed < ABANDONED_SECONDS:
                return Waiting(one.key, one.root, f"{name} is not finished", self._now + wait)
            return _abandoned(one, node, name)
        if self._memory is not None:
            quiet_from = max(quiet_from, self._unchanged_since(self._memory, one.key, node) + wait)
        if self._now < quiet_from:
            return Waiting(one.key, one.root, "Something of it changed a moment ago", quiet_from)
        return one

    def _unchanged_since(self, memory: Memory, key: str, node: Folder | File) -> float:
        files = [node] if isinstance(node, File) else list(node.all_files())
        state = hash(tuple((str(file.path), file.size, file.modified) for file in files))
        before, since = memory.seen.get(key, (None, self._now))
        if before != state:
            since = self._now
        memory.seen[key] = (state, since)
        self.looked_at.add(key)
        return since


def _half(node: Folder | File) -> File | None:
    if isinstance(node, File):
        return None
    return next((file for one in node.below() for file in one.unfinished), None)


def _abandoned(one: Book | Refused, node: Folder | File, name: str) -> Refused:
    return Refused(
        key=one.key,
        root=one.root,
        why=f"{name} was left unfinished a day ago or more",
        tree=tree(node),
        hint="Finish this download or copy, or remove the file if the book is whole without it",
        fingerprint=structure.fingerprint([(one.fingerprint, 0), (name, 0)]),
    )


def _entries(settings: AudiobooksSettings, memory: Memory | None) -> Sequence[Folder | File]:
    inbox, reading = settings.inbox, _reading(settings)
    try:
        mount = _mounted(inbox, memory)
        found = [_read(path, reading) for path in sorted(inbox.iterdir())]
        if any(trouble.away for one in found for trouble in _troubles(one)):
            # One bad folder, or everything? In the latter case nothing follows from what was seen.
            _ = list(inbox.iterdir()), inbox.stat()
    except PermissionError:
        raise Transient(
            "The inbox may not be read", shown(inbox), "Give the user of the intake the right to read it"
        ) from None
    except OSError as error:
        raise Transient(f"The inbox cannot be read ({_words(error)})", shown(inbox), _MOUNT_GONE) from error
    if memory is not None:
        memory.mount = mount
    return [one for one in found if one is not None]


def _read(path: Path, reading: Reading) -> Folder | File | None:
    try:
        return listing.read(path, reading)
    except OSError as error:
        return Folder(path, troubles=(listing.unreadable(path, error),))


def _troubles(one: Folder | File | None) -> Iterator[Trouble]:
    if isinstance(one, Folder):
        for folder in one.below():
            yield from folder.troubles


def _mounted(inbox: Path, memory: Memory | None) -> PurePosixPath | None:
    """Where the file system of the inbox is mounted; None when that cannot be known.

    Raises:
        Transient: one is to be mounted there, by /etc/fstab or as it was before, and is not: the folder below
            a mount is no empty inbox.
        OSError: the inbox is not there.
    """
    inbox.stat()
    try:
        among = mountinfo.mounts()
    except OSError:
        return None
    real = inbox.resolve()
    now = mountinfo.over(real, among)
    place = PurePosixPath("/") if now is None else now.mountpoint
    wanted = [one for one in _wanted_by_fstab() if PurePosixPath(real).is_relative_to(one)]
    if memory is not None and memory.mount is not None:
        wanted.append(memory.mount)
    for one in wanted:
        if one != PurePosixPath("/") and mountinfo.at(Path(one), among) is None:
            raise Transient("The file system of the inbox is not mounted", shown(str(one)), _MOUNT_GONE)
    return place


def _wanted_by_fstab() -> list[PurePosixPath]:
    try:
        lines = [line.split() for line in _FSTAB.read_text().splitlines()]
    except OSError:
        return []
    # fstab(5): what, where, type, options; a blank in a path is written as its number.
    return [
        PurePosixPath(fields[1].replace("\\040", " "))
        for fields in lines
        if len(fields) > 3 and not fields[0].startswith("#") and "noauto" not in fields[3].split(",")
    ]


def _filter(match: str) -> re.Pattern[str]:
    try:
        return re.compile(match)
    except re.error as error:
        raise Permanent(
            f"The match filter is no regular expression ({error})", match, "Change audiobooks.match"
        ) from None


def _rules(settings: AudiobooksSettings) -> Rules:
    return Rules(_audio(settings), settings.multi_disc, settings.series)


def _reading(settings: AudiobooksSettings, inside: Path | None = None) -> Reading:
    own = (
        settings.converted,
        settings.archive,
        settings.backup_folder,
        settings.failed,
        settings.work,
    )
    return Reading(
        ignore=settings.ignore,
        audio=_audio(settings),
        leave_out=frozenset(folder for folder in own if inside is None or not inside.is_relative_to(folder)),
    )


def _audio(settings: AudiobooksSettings) -> frozenset[str]:
    return frozenset(one.lower() for one in settings.audio_types)


def _words(error: OSError) -> str:
    return "it is not there" if error.errno == errno.ENOENT else (error.strerror or "no answer").lower()
