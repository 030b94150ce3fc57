"""The child that touches a mount: it may hang for ever, so nobody waits for it.

Run as a script of its own, with the standard library only. It reads one JSON object from its input:
{"mountpoint", "length": bytes, "head": bool, "seed": n, "avoid": [path], "groups": [{"files": [path],
"roots": [folder], "number": n}]}. Of each group `number` files are read: of the files named, and when those
are too few, of those found below the roots. A file without content is passed over: to read nothing proves
nothing.

It writes one JSON line per step: {"step": "list", "path"}, {"step": "walk", "path": folder} and {"step":
"read", "path"}, each first without and then, once done, with "seconds" and, if it went wrong, "error" and
"errno". A listing tells whether it is "empty", a walk how many "files" it found, a read its "device"
("major:minor") and what came: "pieces": [{"offset", "length", "sha256"}].
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

# The name under which it is listed (at most 15 characters), so that it is found when it is stuck.
NAME = "mount-reader"
# A root with millions of files is not walked to its end to choose a few of them.
WALK_LIMIT = 2000
# The kernel reads whole pages: a range that begins within one would make it read one more.
PAGE = 4096


def say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def step(name: str, path: str, work: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Do one thing, and tell that it begins and how it ended; None when there was nothing to do."""
    say(step=name, path=path)
    begun = time.monotonic()
    try:
        told = work()
    except OSError as error:
        told = {"error": error.strerror or str(error), "errno": error.errno, "path": error.filename or path}
    if told is not None:
        say(**{"step": name, "path": path, "seconds": time.monotonic() - begun, **told})
    return told


def listed(folder: str) -> dict[str, Any]:
    with os.scandir(folder) as entries:
        return {"empty": next(entries, None) is None}


def walk(root: str, number: int, dice: random.Random, found: list[str]) -> dict[str, Any]:
    """Find some files below a root, going down in random order."""
    folders, seen = [root], 0
    while folders and len(found) < 4 * number and seen < WALK_LIMIT:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except FileNotFoundError:
            if folder == root:
                raise
            continue  # it was taken away since its parent was listed
        dice.shuffle(entries)
        seen += len(entries)
        folders += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
        found += [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
    dice.shuffle(found)
    return {"files": len(found)}


def offsets(size: int, length: int, head: bool, dice: random.Random) -> list[int]:
    """Where a file of so many bytes is read: at a random place, and at its head if that is asked for.

    The random place keeps clear of the beginning and the end where it can: those are what Plex reads of every
    file, and so what rclone's cache holds of it.
    """
    if size <= 2 * length:
        return [0]
    edge = max(length, size // 20)
    place = dice.randrange(edge, max(edge + 1, size - edge - length)) // PAGE * PAGE
    return [0, place] if head else [place]


def read(path: str, length: int, head: bool, dice: random.Random) -> dict[str, Any] | None:
    """Read ranges of a file; None when it has no content.

    The kernel is told to forget the file first, since what it remembers says nothing about the store, and not
    to read ahead, since that is paid for.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        about = os.fstat(handle)
        if about.st_size == 0:
            return None
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_RANDOM)
        pieces = []
        for offset in offsets(about.st_size, length, head, dice):
            expected = min(length, about.st_size - offset)
            content = os.pread(handle, length, offset)
            if len(content) < expected:
                raise OSError(5, f"{len(content)} bytes came instead of {expected}")
            pieces.append(
                {"offset": offset, "length": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            )
        device = f"{os.major(about.st_dev)}:{os.minor(about.st_dev)}"
        return {"device": device, "pieces": pieces}
    finally:
        os.close(handle)


class Unlistable(Exception):
    """A root cannot be listed; that was told."""


def candidates(group: dict[str, Any], dice: random.Random) -> Iterator[str]:
    """The files named, and then those found below the roots.

    Raises:
        Unlistable.
    """
    yield from group["files"]
    for root in group["roots"]:
        found: list[str] = []
        if "error" in (step("walk", root, partial(walk, root, group["number"], dice, found)) or ()):
            raise Unlistable
        yield from found


def read_some(group: dict[str, Any], asked: dict[str, Any], done: set[str], dice: random.Random) -> None:
    """Read as many files as the group asks for; whatever was read before is `done`."""
    left = group["number"]
    for path in candidates(group, dice):
        if path not in done:
            done.add(path)
            told = step("read", path, partial(read, path, asked["length"], asked["head"], dice))
            left -= told is not None
        if left <= 0:
            return


def main() -> None:
    Path("/proc/self/comm").write_text(NAME)
    asked = json.load(sys.stdin)
    dice = random.Random(asked["seed"])  # noqa: S311 - chance for sampling, not for secrets
    there = step("list", asked["mountpoint"], partial(listed, asked["mountpoint"]))
    if there is None or "error" in there:
        return
    done = set(asked["avoid"])
    try:
        for group in asked["groups"]:
            read_some(group, asked, done, dice)
    except Unlistable:
        return
    say(step="end")


if __name__ == "__main__":
    main()
