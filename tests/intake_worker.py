"""The intake in processes of their own, for tests that end them in the middle: what `tests.hands` begins.

A line is {settings, mode: "once" | "run", log}, and of these what is to go wrong, each at a step:

    kill     the process ends itself there
    fill     the disk of `filler`, a file, is filled there
    pause    it waits there until the file `go` is there; the file `paused` says that it does
    deny     from there on this thread is root without root's right to read and write everything
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks import service
from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.settings import Settings
from tests.hands import fill, serve

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


if __name__ == "__main__":
    serve(work)
