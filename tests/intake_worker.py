"""The intake in processes of their own, for tests that end them in the middle.

A process that has imported everything once, and begins a new one for each line that it is told: that takes a
hundredth of a second instead of two. A line is JSON: {settings, mode: "once" | "run", log}, answered by the
number of the new process; or {wait: number}, answered by how it ended. Also in the first kind of line, each

    kill     the process ends itself there
    fill     the disk of `filler`, a file, is filled there
    pause    it waits there until the file `go` is there; the file `paused` says that it does
    deny     from there on this thread is root without root's right to read and write everything
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks import service
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.settings import Settings

_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2


def work(given: dict[str, Any]) -> None:
    """Do as one line says, in this process."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s", force=True)
    settings = Settings(**given["settings"])

    def step(stage: str, words: str) -> None:
        at = [stage, words]
        if at == given.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if at == given.get("fill"):
            fill(Path(given["filler"]))
        if at == given.get("deny"):
            bow()
        if at == given.get("pause"):
            Path(given["paused"]).touch()
            wait_until(Path(given["go"]).exists, at_most=60, every=0.05)

    with Database.open(settings.database) as database:
        if given["mode"] == "run":
            service.run(settings, database, step=step)
        else:
            service.once(settings, database, watch=lambda _status: None, stop=Event(), step=step)


def fill(filler: Path) -> None:
    """Leave no byte free on the disk that this file is on."""
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def bow() -> None:
    """Give up what lets root read and write everything (capset(2), version 3); it is this thread's only."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    held = (ctypes.c_uint32 * 6)()
    libc.capget(header, held)
    for at in range(3):
        held[at] &= ~(_CAP_DAC_OVERRIDE | _CAP_DAC_READ_SEARCH) & 0xFFFFFFFF
    if libc.capset(header, held):
        raise OSError(ctypes.get_errno(), "capset")


def begin(given: dict[str, Any]) -> int:
    """A new process that does as one line says; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(log, 2)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        work(given)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Answer lines until there are no more."""
    for line in sys.stdin:
        given = json.loads(line)
        told = os.waitpid(given["wait"], 0)[1] if "wait" in given else begin(given)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
