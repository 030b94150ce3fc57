"""The child that touches a mount: it may hang for ever, so nobody waits for it.

Run as a script of its own, with the standard library only. It reads one JSON object from its input
{"mountpoint", "files": [...], "roots": [...], "sample": n, "length": bytes, "seed": n or null} and writes
one JSON line per step: {"step": "list"} and then {"step": "read", "path"}, each first without and then,
once done, with "seconds" and, if it went wrong, "error" and "errno".
"""

from __future__ import annotations

import json
import os
import random
import sys
import time

# A root with millions of files is not walked to its end to choose a few of them.
WALK_LIMIT = 2000


def say(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def first_entry(folder: str) -> str | None:
    with os.scandir(folder) as entries:
        for entry in entries:
            return entry.name
    return None


def choose(roots: list[str], sample: int, dice: random.Random) -> list[str]:
    """Random files below the roots, found by going down in random order."""
    chosen: list[str] = []
    for root in roots:
        found: list[str] = []
        folders, seen = [root], 0
        while folders and len(found) < 4 * sample and seen < WALK_LIMIT:
            with os.scandir(folders.pop()) as listing:
                entries = list(listing)
            dice.shuffle(entries)
            seen += len(entries)
            folders += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            found += [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]
        chosen += dice.sample(found, min(sample, len(found)))
    return chosen


def read(path: str, length: int, dice: random.Random) -> int:
    """Read the head and a random range of a file; how many bytes came.

    The kernel is told to forget the file first: what it remembers says nothing about the store.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(handle).st_size
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        offsets = [0]
        if size > 2 * length:
            offsets.append(dice.randrange(length, size - length))
        got = 0
        for offset in offsets:
            expected = min(length, size - offset)
            content = os.pread(handle, length, offset)
            if len(content) < expected:
                raise OSError(5, f"{len(content)} bytes came instead of {expected}")
            got += len(content)
        return got
    finally:
        os.close(handle)


def main() -> None:
    asked = json.load(sys.stdin)
    dice = random.Random(asked["seed"])  # noqa: S311 - chance for sampling, not for secrets
    begun = time.monotonic()
    say(step="list", path=asked["mountpoint"])
    try:
        entry = first_entry(asked["mountpoint"])
        files = asked["files"]
        if len(files) > asked["sample"]:
            files = dice.sample(files, asked["sample"])
        files = files + choose(asked["roots"], asked["sample"], dice)
    except OSError as error:
        say(
            step="list",
            path=error.filename or asked["mountpoint"],
            seconds=time.monotonic() - begun,
            error=os.strerror(error.errno) if error.errno else str(error),
            errno=error.errno,
        )
        return
    say(step="list", path=asked["mountpoint"], seconds=time.monotonic() - begun, empty=entry is None)
    for path in files:
        begun = time.monotonic()
        say(step="read", path=path)
        try:
            got = read(path, asked["length"], dice)
        except OSError as error:
            say(
                step="read",
                path=path,
                seconds=time.monotonic() - begun,
                error=error.strerror or str(error),
                errno=error.errno,
            )
        else:
            say(step="read", path=path, seconds=time.monotonic() - begun, bytes=got)
    say(step="end")


if __name__ == "__main__":
    main()
