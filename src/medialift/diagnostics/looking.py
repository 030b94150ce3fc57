"""The child that reads files for a collection: one may lie on a dead mount, so nobody waits for it.

Run as a script of its own, with the standard library only. It reads one JSON object from its input
{"patterns": [...], "kept": bytes, "most": files, "skip": [paths]} and writes JSON lines: {"step": "look",
"pattern"}, {"step": "open", "path"}, and then one of {"step": "failed", "path", "error"} and {"step": "file",
"path", "size", "bytes"}, the latter followed by that many bytes: the newest ones of the file.
"""

from __future__ import annotations

import glob
import json
import os
import stat
import sys
from typing import Any


def say(**line: object) -> None:
    sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")
    sys.stdout.buffer.flush()


def regular(pattern: str, skip: set[str], most: int) -> list[str]:
    """The files that a pattern matches; of too many the newest, in order of their names."""
    found = []
    for path in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - the pattern is absolute
        say(step="open", path=path)
        try:
            facts = os.lstat(path)
        except OSError:
            continue  # it went away while we looked
        if stat.S_ISREG(facts.st_mode) and path not in skip:
            found.append((facts.st_mtime, path))
    if not found:
        tell_why(pattern)
    if len(found) > most:
        say(step="failed", path=pattern, error=f"{len(found) - most} older files are left out")
    return sorted(path for _, path in sorted(found)[-most:])


def tell_why(pattern: str) -> None:
    """Nothing matches: that is no news where there is nothing, but it is where nobody can look."""
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)  # noqa: PTH120 - a start of some milliseconds, without pathlib
    try:
        os.listdir(folder) if folder != pattern else os.lstat(folder)  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        say(step="failed", path=folder, error=str(error.strerror))


def read(path: str, kept: int) -> tuple[int, bytes]:
    """A file's size and its newest bytes."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - kept))
        return size, file.read(kept)


def run(asked: dict[str, Any]) -> None:
    skip = set(asked["skip"])
    for pattern in asked["patterns"]:
        say(step="look", pattern=pattern)
        for path in regular(pattern, skip, asked["most"]):
            skip.add(path)
            say(step="open", path=path)
            try:
                size, content = read(path, asked["kept"])
            except OSError as error:
                say(step="failed", path=path, error=str(error.strerror))
                continue
            say(step="file", path=path, size=size, bytes=len(content))
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    run(json.load(sys.stdin))
    say(step="end")
