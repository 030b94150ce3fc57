"""Moving and copying what must not be lost: never over anything, and removed only when a copy is proven.

Within a file system a move is a rename. Between two it is: copy beside the target under a name of our own,
read the copy back from the disk and compare, publish it, take the source out of its place by rename, and
only then remove what the copy holds. A crash at any point leaves the source whole or the copy proven, and
`resume` completes what was left.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medialift.audiobooks.listing import OWN, shown
from medialift.errors import Transient
from medialift.foundation.atomic import sync_folder, write_json

_CHUNK = 1 << 20
_COPYING, _REMOVING, _LIST = f"{OWN}copying-", f"{OWN}removing-", f"{OWN}removing.json"
_NAME_BYTES = 255
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)

Allowed = Callable[[Path], bool]
"""Whether what is about to be removed, at this path, is still what it was."""


@dataclass(frozen=True)
class Copied:
    """One file of a copy: its size, and the time (ns) that its source had."""

    size: int
    modified: int


def free_name(folder: Path, name: str, ending: str = "") -> Path:
    """A path in the folder where nothing is: the name, or "name (2)", "name (3)", … before its ending.

    Names are cut so that they fit into the 255 bytes that file systems allow.
    """
    stem, number = name.removesuffix(ending), 1
    while True:
        tail = f" ({number}){ending}" if number > 1 else ending
        path = folder / f"{cut(stem, _NAME_BYTES - len(os.fsencode(tail)))}{tail}"
        if not os.path.lexists(path):
            return path
        number += 1


def cut(name: str, limit: int) -> str:
    """The name in at most so many bytes, no letter cut in two."""
    raw = os.fsencode(name)
    return name if len(raw) <= limit else raw[:limit].decode(errors="ignore").rstrip()


def move(
    source: Path, target: Path, *, allowed: Allowed = lambda _path: True, stays: Sequence[str] = ()
) -> Path:
    """Move a file, folder or link to `target`, or to a numbered name beside it; where it is now.

    Args:
        allowed: is asked about the source where nobody looks for it any more, before anything of it is
            removed or published. When it says no, the source is put back.
        stays: files of a folder, as paths below it, that are left in their place.

    Raises:
        Transient: the source changed meanwhile, or a copy differs from it: nothing is removed.
        OSError: as the file systems say.
    """
    resume(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        return _move_link(source, target)
    if source.lstat().st_dev == target.parent.stat().st_dev:
        with suppress(_CrossesFileSystems):
            return _rename(source, target, allowed, stays)
    return _copy_and_remove(source, target, allowed, stays)


def copy(source: Path, target: Path, *, skip: Callable[[str], bool] = lambda _name: False) -> Path:
    """Copy a file or folder to `target` or a numbered name beside it, proven; where the copy is.

    A link is copied as what it leads to. Times are kept.

    Raises:
        Transient: the source changed meanwhile, or the copy differs from it.
        OSError: as the file systems say.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    made, _ = _proven_copy(source, target, skip, follow=True)
    return _published(made, target)


def remove(source: Path, *, allowed: Allowed = lambda _path: True, stays: Sequence[str] = ()) -> None:
    """Remove a file, a folder or a link for good; a link only itself.

    Args:
        allowed, stays: as `move` has them.

    Raises:
        Transient: `allowed` said no; it is where it was.
    """
    resume(source)
    if source.is_symlink() or not source.is_dir():
        if not allowed(source):
            raise _changed(source)
        source.unlink()
        return
    _remove_folder(source, None, allowed, stays)


def resume(source: Path) -> None:
    """Complete what a crash left of a move or removal of this source: it is gone then, or in its place again.

    Only to be called while nobody else moves it.
    """
    hidden = _hidden(source)
    if not os.path.lexists(hidden):
        return
    if hidden.is_dir() and not hidden.is_symlink():
        _remove_listed(hidden, source)
    else:
        _put_back(hidden, source)


def remove_empty(folder: Path, *, up_to: Path) -> None:
    """Remove a folder that is empty, and those above it that are so then; never `up_to` itself."""
    while folder != up_to and folder.is_relative_to(up_to):
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent


def same_content(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes."""
    return one.stat().st_size == other.stat().st_size and _digest(one) == _digest(other)


class _CrossesFileSystems(Exception):
    """A rename that cannot be one: mounts of one file system, overlays, quotas by project."""


def _rename(source: Path, target: Path, allowed: Allowed, stays: Sequence[str]) -> Path:
    """Rename to a free name: first out of sight, so that what is judged is what is moved."""
    _make_links_absolute(source)
    hidden = _hidden(source)
    source.rename(hidden)
    try:
        if not allowed(hidden):
            raise _changed(source)
        _leave(hidden, source, stays)
        return _published(hidden, target)
    except BaseException as error:
        if os.path.lexists(hidden):
            _put_back(hidden, source)
        if isinstance(error, OSError) and error.errno == errno.EXDEV:
            raise _CrossesFileSystems from None
        raise


def _move_link(source: Path, target: Path) -> Path:
    """A link moves as one that leads to the same place, whatever it was relative to."""
    leads_to = source.resolve()
    while True:
        free = free_name(target.parent, target.name, "" if leads_to.is_dir() else target.suffix)
        try:
            free.symlink_to(leads_to)
        except FileExistsError:
            continue
        source.unlink()
        return free


def _copy_and_remove(source: Path, target: Path, allowed: Allowed, stays: Sequence[str]) -> Path:
    made, copied = _proven_copy(source, target, _nothing, follow=False, stays=stays)
    try:
        if not allowed(source):
            raise _changed(source)
    except BaseException:
        _delete(made)
        raise
    published = _published(made, target)
    if source.is_dir():
        _remove_folder(source, copied, allowed, stays)
    elif _as_copied(source, copied[""]) and allowed(source):
        source.unlink()
    else:
        raise _changed(source)
    return published


def _proven_copy(
    source: Path, target: Path, skip: Callable[[str], bool], *, follow: bool, stays: Sequence[str] = ()
) -> tuple[Path, dict[str, Copied]]:
    """A copy beside the target under a name of our own, and what it holds: {path below source: …}.

    Args:
        follow: links are copied as what they lead to; else as links that lead to the same place.
    """
    # Named after the source: what lies there is of a process that died, since nobody else copies it now.
    made = target.with_name(f"{_COPYING}{_digest_of(str(source))}")
    _delete(made)
    try:
        if not source.is_dir():
            return made, {"": _proven_file(source, made)}
        copied = {}
        for folder, names in _walk(source, skip, follow=follow):
            below = folder.relative_to(source)
            (made / below).mkdir()
            for name in names:
                if (within := (below / name).as_posix()) not in stays:
                    copied[within] = _proven_entry(folder / name, made / below / name, follow)
        for folder, _ in _walk(made):
            sync_folder(folder)
        with suppress(OSError):
            shutil.copystat(source, made)
        return made, copied
    except BaseException:
        _delete(made)
        raise


def _proven_entry(source: Path, target: Path, follow: bool) -> Copied:
    if source.is_symlink() and not follow:
        target.symlink_to(source.resolve())
        return _copied(source)
    return _proven_file(source, target)


def _proven_file(source: Path, target: Path) -> Copied:
    """Copy one file, then read the copy back from the disk and compare.

    Raises:
        Transient: the source changed while it was read, or the copy is not what was read.
    """
    told = hashlib.sha256()
    with source.open("rb") as reading, target.open("xb") as writing:
        before = os.fstat(reading.fileno())
        while chunk := reading.read(_CHUNK):
            told.update(chunk)
            writing.write(chunk)
        writing.flush()
        os.fsync(writing.fileno())
        # Else the comparison would read what was just written, from memory.
        os.posix_fadvise(writing.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        after = os.fstat(reading.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise _changed(source)
    if target.stat().st_size != after.st_size or _digest(target) != told.digest():
        raise Transient("A copy is not what was copied", shown(target), "Look at the disk that it lies on")
    with suppress(OSError):  # a file system that keeps no times or modes
        shutil.copystat(source, target)
    return Copied(after.st_size, after.st_mtime_ns)


def _published(made: Path, target: Path) -> Path:
    """Give what is made its name, or the next free one; never over anything."""
    while True:
        free = free_name(target.parent, target.name, "" if made.is_dir() else target.suffix)
        try:
            if made.is_dir():
                made.rename(free)  # the kernel replaces no folder that has something in it
            else:
                _publish_file(made, free)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR) and os.path.lexists(free):
                continue  # somebody else took the name a moment ago
            raise
        sync_folder(free.parent)
        return free


def _publish_file(made: Path, free: Path) -> None:
    try:
        os.link(made, free)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        # No hard links here: the name is taken by an empty file of our own, which is then replaced.
        free.touch(exist_ok=False)
        try:
            made.rename(free)
        except BaseException:
            free.unlink()
            raise
    else:
        made.unlink()


def _remove_folder(
    source: Path, copied: dict[str, Copied] | None, allowed: Allowed, stays: Sequence[str]
) -> None:
    """Take a folder out of its place, then remove what it may lose.

    Args:
        copied: what is proven elsewhere; None: everything that is in it now may go, but what stays.
    """
    hidden = _hidden(source)
    source.rename(hidden)
    try:
        there = {path.relative_to(hidden).as_posix(): path for path in _files(hidden)}
        if copied is None:
            copied = {name: _copied(path) for name, path in there.items() if name not in stays}
        goes = {name: path for name, path in there.items() if name not in stays}
        if not all(_as_copied(path, copied.get(name)) for name, path in goes.items()) or not allowed(hidden):
            raise _changed(source)
        _leave(hidden, source, stays)
        # From here on a crash is completed by `resume`: the list says what may go.
        write_json(hidden / _LIST, {name: [one.size, one.modified] for name, one in copied.items()})
    except BaseException:
        _put_back(hidden, source)
        raise
    _remove_listed(hidden, source)


def _leave(hidden: Path, source: Path, stays: Sequence[str]) -> None:
    """Have these files of a folder that is out of sight in its place again."""
    for name in stays:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (hidden / name).rename(source / name)


def _make_links_absolute(source: Path) -> None:
    """Links within a folder lead to the same place wherever it is."""
    if not source.is_dir():
        return
    for path in _files(source):
        if path.is_symlink() and not path.readlink().is_absolute():
            made = path.with_name(f"{_COPYING}{_digest_of(str(path))}")
            made.unlink(missing_ok=True)
            made.symlink_to(path.resolve())
            made.rename(path)


def _files(top: Path) -> Iterator[Path]:
    return (folder / name for folder, names in _walk(top) for name in names)


def _remove_listed(hidden: Path, source: Path) -> None:
    """Remove what the list in a folder names; what it does not name is put back where it was."""
    listed: dict[str, list[int]] = {}
    # Without a list it was taken out of its place, and nothing was decided: back it goes.
    with suppress(FileNotFoundError, ValueError):
        listed = json.loads((hidden / _LIST).read_text())
    for name, (size, modified) in listed.items():
        if _as_copied(hidden / name, Copied(size, modified)):
            (hidden / name).unlink()
    if any(_files(hidden)):
        _put_back(hidden, source)
    else:
        shutil.rmtree(hidden)


def _put_back(hidden: Path, source: Path) -> None:
    """Give what is out of sight its name again, together with what has come into its place meanwhile."""
    if hidden.is_dir():
        for path in [hidden / _LIST, *hidden.glob(f".{_LIST}.*.part")]:
            path.unlink(missing_ok=True)
    if source.is_dir() and hidden.is_dir() and not hidden.is_symlink():
        for path in list(_files(source)):
            back = hidden / path.relative_to(source)
            if not os.path.lexists(back):
                back.parent.mkdir(parents=True, exist_ok=True)
                path.rename(back)
        for folder, _ in sorted(_walk(source), reverse=True):
            with suppress(OSError):
                folder.rmdir()
    hidden.rename(free_name(source.parent, source.name, "" if hidden.is_dir() else source.suffix))


def _nothing(_name: str) -> bool:
    return False


def _walk(
    top: Path, skip: Callable[[str], bool] = _nothing, *, follow: bool = False
) -> Iterator[tuple[Path, list[str]]]:
    """Folders from the top, and the names of all that is no folder in each; a link is one only to follow."""
    with os.scandir(top) as entries:
        found = [entry for entry in entries if not skip(entry.name) and not _is_list(entry.name)]
    folders = {entry.name for entry in found if entry.is_dir(follow_symlinks=follow)}
    yield top, sorted(entry.name for entry in found if entry.name not in folders)
    for name in sorted(folders):
        yield from _walk(top / name, skip, follow=follow)


def _is_list(name: str) -> bool:
    """Whether it is the list of what may go, or what a crash left of writing it."""
    return name == _LIST or (name.startswith(f".{_LIST}.") and name.endswith(".part"))


def _hidden(source: Path) -> Path:
    # Not the name itself, which may be as long as a name can be.
    return source.with_name(f"{_REMOVING}{_digest_of(source.name)}")


def _digest_of(name: str) -> str:
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def _copied(path: Path) -> Copied:
    found = path.lstat()
    return Copied(found.st_size, found.st_mtime_ns)


def _as_copied(path: Path, copied: Copied | None) -> bool:
    try:
        return copied is not None and _copied(path) == copied
    except FileNotFoundError:
        return False


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _changed(path: Path) -> Transient:
    return Transient(
        "It changed while it was worked on, so nothing of it is removed",
        shown(path),
        "It is looked at again when it is quiet",
    )
