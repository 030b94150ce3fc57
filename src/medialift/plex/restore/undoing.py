"""Put the library from before back: after a failure, after a crash, or because a person asks for it."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import Clock, SystemClock
from medialift.plex import database as facts
from medialift.plex.restore import ballast, history, moves, serving, staging
from medialift.plex.restore.history import Imported, Pending
from medialift.plex.restore.home import Home
from medialift.plex.restore.layout import LibraryFolder

READY_SECONDS = 900.0

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Recovered:
    """What was put right.

    Attributes:
        outcome: "nothing" (all was well), "restarted" (Plex had been stopped for an import that did not
            begin), "put back" (the old library), or "completed" (the new library was verified already).
        name: of the import that had been cut short.
    """

    outcome: str
    name: str = ""

    @property
    def changed(self) -> bool:
        return self.outcome != "nothing"


@dataclass(frozen=True)
class RolledBack:
    """`undone`: the import that was taken back; None when there was none to take back."""

    undone: Imported | None
    kept: Path | None = None

    @property
    def changed(self) -> bool:
        return self.undone is not None


@contextmanager
def exclusively(data: LibraryFolder) -> Iterator[None]:
    """Hold the library's lock: one import or rollback at a time.

    Raises:
        Transient: another one is under way.
        Permanent: there is no such folder.
    """
    if not data.path.is_dir():
        raise Permanent("Plex's data folder is not there", str(data.path), "Check plex.data")
    data.prepare()
    with (data.ours / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Transient(
                "Another import or rollback of this library is under way", str(data.path), "Wait for its end"
            ) from error
        yield


def recover(
    home: Home, *, ready: float = READY_SECONDS, clock: Clock | None = None, stop: Event | None = None
) -> Recovered:
    """Put right what an interrupted import or rollback left, and start Plex if it ran before. Once is enough.

    Raises:
        Permanent, Transient, Unsafe: it could not be put right; nothing was made worse, call it again.
    """
    if not home.data.ours.is_dir():
        return Recovered("nothing")
    with exclusively(home.data):
        return recover_held(home, ready=ready, clock=clock or SystemClock(), stop=stop or Event())


def recover_held(home: Home, *, ready: float, clock: Clock, stop: Event) -> Recovered:
    """`recover` for who holds the lock."""
    pending = history.read_pending(home.data)
    if pending is None:
        staging.discard_all(home.data)
        return Recovered("nothing")
    if pending.step == "verified":
        complete(home.data, pending, at=_iso(clock))
        _start(home, pending)
        return Recovered("completed", pending.name)
    moved = pending.step != "stopping"
    put_back(home, pending, ready=ready, clock=clock, stop=stop)
    return Recovered("put back" if moved else "restarted", pending.name)


def complete(data: LibraryFolder, pending: Pending, *, at: str) -> None:
    """Turn a verified import into history."""
    ballast.release(data)
    history.add_import(data, Imported(pending.name, pending.archive, pending.source, at))
    history.clear_pending(data)
    staging.discard_all(data)


def put_back(
    home: Home,
    pending: Pending,
    *,
    ready: float,
    clock: Clock,
    stop: Event,
    tell: Tell = lambda _done: None,
) -> None:
    """Bring the old library back from whatever step was reached, start Plex, and see that it serves it."""
    data = home.data
    ballast.release(data)
    if pending.step != "stopping":
        if home.service.running():
            home.service.stop()
        rollback = data.rollback(pending.name)
        history.write_pending(data, replace(pending, step="undoing"))
        moves.undo(moves.read(rollback), data, data.ours / pending.into, rollback, tell=tell)
    sections = facts.sections(data.library)
    _start(home, pending)
    if pending.by_hand:
        history.note_rollback(data, pending.name)
    # First forgotten, then tidied up: a second undo would find its files gone.
    history.clear_pending(data)
    staging.discard_all(data)
    _remove_emptied(data.rollback(pending.name))
    if pending.was_running:
        serving.prove_old(home, sections, at_most=ready, clock=clock, stop=stop)


def rollback(
    home: Home,
    *,
    ready: float = READY_SECONDS,
    clock: Clock | None = None,
    stop: Event | None = None,
    tell: Tell = lambda _done: None,
) -> RolledBack:
    """Take the last import back: the library from before it serves again.

    What was imported, with all that happened in it since, is kept in `.medialift/undone-<name>`.

    Raises:
        Permanent: the library from before is not there any more.
        Unsafe, Transient: Plex does not serve it.
    """
    clock, stop = clock or SystemClock(), stop or Event()
    with exclusively(home.data):
        recover_held(home, ready=ready, clock=clock, stop=stop)
        current = history.read_history(home.data).current
        if current is None:
            return RolledBack(None)
        kept = home.data.rollback(current.name)
        if not kept.is_dir():
            raise Permanent(
                "The library from before the import is not there any more",
                str(kept),
                "Keep more rollbacks (plex.keep_rollbacks); Plex's own dated backups may help",
            )
        undone = home.data.undone(current.name)
        if undone.exists():
            shutil.rmtree(undone)  # of an earlier rollback of an import of the same name
        undone.mkdir(mode=0o700)
        pending = Pending(
            name=current.name,
            archive=current.archive,
            source=current.source,
            step="undoing",
            was_running=home.service.running(),
            into=undone.name,
            by_hand=True,
        )
        history.write_pending(home.data, pending)
        put_back(home, pending, ready=ready, clock=clock, stop=stop, tell=tell)
        return RolledBack(current, undone)


def prune(data: LibraryFolder, keep: int) -> list[str]:
    """Remove all but the newest `keep` rollbacks, and undone imports likewise; names of what went."""
    removed = []
    order = [one.name for one in history.read_history(data).imports]
    for kind in ("rollback-", "undone-"):
        there = [folder for folder in data.ours.glob(f"{kind}*") if folder.is_dir()]
        # What history does not know (an older one whose file was lost) is the oldest of all.
        rank = {name: number for number, name in enumerate(order)}
        there.sort(key=lambda folder: rank.get(folder.name.removeprefix(kind), -1))
        for folder in there[: max(0, len(there) - keep)]:
            shutil.rmtree(folder)
            removed.append(folder.name)
    return removed


def _start(home: Home, pending: Pending) -> None:
    if pending.was_running and not home.service.running():
        home.service.start()


def _remove_emptied(folder: Path) -> None:
    """Remove a rollback that was put back. What still holds a file stays: it is somebody's."""
    (folder / moves.LIST).unlink(missing_ok=True)
    for parent, _folders, files in os.walk(folder, topdown=False):
        if not files and not any(Path(parent).iterdir()):
            Path(parent).rmdir()


def _iso(clock: Clock) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now()))
