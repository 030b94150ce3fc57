"""A worker as a process that can be told to fail: to hang, crash, spin, leak, lose its mount or its server.

`python -m tests.healing_worker URL NAME BEHAVIOUR`: the file BEHAVIOUR holds a list of what it does, one
entry for each life, the last one for all later lives too. An entry is {"do": one of the methods of `Acting`}
with what that needs, and {"after": items that it finishes before}. It is built on the real worker of the
queue: its heartbeats go on, its leases are renewed, and SIGTERM drains it, as long as what it does lets it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from medialift.books import speed
from medialift.errors import Transient
from medialift.queueing.database import Database, of_worker
from medialift.queueing.leases import Lease
from medialift.queueing.worker import Crew, Pace, Worker

PARALLEL = "HEALING_TEST_PARALLEL"
"""What a CONFIG_FIX sets in tests."""
SECONDS = 0.05
QUICK = Pace(
    batch=4,
    job_size=20,
    concurrency=1,
    attempts=1000,
    backoff_first=0.05,
    backoff_longest=0.1,
    lease=30.0,
    margin=3.0,
    heartbeat=0.3,
    poll=0.2,
    report=0.2,
    stalled=30.0,
)
_log = logging.getLogger("worker")


class Acting:
    """Works on its items one after the other, until it does what it was told to do."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told, self.kept = told, bytearray()
        self.act = getattr(self, told["do"])
        self.finished = 0

    async def open(self, crew: Crew) -> None:
        crew.phase("logging in")
        if self.told["do"] in ("crash", "hang_at_start", "slow_start"):
            await self.act(None, crew)
        crew.phase("working")

    async def close(self) -> None:
        """Nothing is open."""

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        for lease in leases:
            if crew.draining.is_set() or not crew.held(lease):
                return
            crew.phase("working", item=lease.item_id)
            if self.finished >= self.told.get("after", 0):
                await self.act(lease, crew)
            else:
                await self.well(lease, crew)

    # -- what it can be told to do -----------------------------------------------------------------------

    async def well(self, lease: Lease, crew: Crew) -> None:
        """It finishes the item."""
        await asyncio.sleep(self.told.get("seconds", SECONDS))
        await self._finish(lease, crew)

    async def slow(self, lease: Lease, crew: Crew) -> None:
        """One item takes very long; its bytes go on."""
        until = time.monotonic() + self.told.get("seconds", 600.0)
        while time.monotonic() < until and not crew.draining.is_set():
            await asyncio.sleep(SECONDS)
            crew.progress(bytes=1000)

    async def slow_start(self, _lease: Lease | None, crew: Crew) -> None:
        """It reads for very long before it begins; its rows go on."""
        crew.phase("discovering")
        until = time.monotonic() + self.told.get("seconds", 600.0)
        while time.monotonic() < until and not crew.draining.is_set():
            await asyncio.sleep(SECONDS)
            crew.progress(rows=10)

    async def hang(self, _lease: Lease, _crew: Crew) -> None:
        """Its event loop waits for what never comes: it hears no SIGTERM either."""
        _log.warning("hangs")
        threading.Event().wait()

    async def stall(self, _lease: Lease, crew: Crew) -> None:
        """It waits for what never comes, and still ends when it is told to."""
        _log.warning("stalls")
        await crew.draining.wait()

    async def hang_at_start(self, _lease: Lease | None, crew: Crew) -> None:
        """It never gets beyond its beginning."""
        crew.phase(self.told.get("phase", "logging in"))
        _log.warning("hangs at its start")
        threading.Event().wait()

    async def crash(self, _lease: Lease | None, _crew: Crew) -> None:
        """It ends without a word."""
        _log.error("RuntimeError: cannot begin")
        os._exit(1)

    async def crash_at(self, lease: Lease, crew: Crew) -> None:
        """One item ends its process whenever it is at it."""
        if lease.key == self.told["key"]:
            _log.error("Segmentation fault at item %s", lease.key)
            os._exit(1)
        await self.well(lease, crew)

    async def spin(self, lease: Lease, crew: Crew) -> None:
        """One item (or whichever it is) never gets on: it is tried again and again within the worker."""
        while lease.key == self.told.get("key", lease.key) and not crew.draining.is_set():
            _log.error("ValueError: item %s has no title", lease.key)
            await asyncio.sleep(SECONDS)
        if not crew.draining.is_set():
            await self.well(lease, crew)

    async def put_off(self, lease: Lease, crew: Crew) -> None:
        """One item is put off each time, and comes back before all others."""
        if lease.key != self.told["key"]:
            await asyncio.sleep(SECONDS)
            return
        await asyncio.sleep(SECONDS)
        await crew.fail(lease, Transient("The title is locked", lease.key), delay=0.0)

    async def leak(self, lease: Lease, crew: Crew) -> None:
        """It takes memory until there is little left, and does nothing more; with less at once it works."""
        if PARALLEL in os.environ:
            return await self.well(lease, crew)
        self.kept += b"x" * self.told["bytes"]
        _log.warning("takes %d bytes", len(self.kept))
        await crew.draining.wait()
        return None

    async def faulty(self, lease: Lease, crew: Crew) -> None:
        """It hangs as long as its release has a fault: a module of it lacks a certain text."""
        if self.told["without"] not in Path(speed.__file__).read_text(encoding="utf-8"):
            await self.stall(lease, crew)
        else:
            await self.well(lease, crew)

    async def read(self, lease: Lease, crew: Crew) -> None:
        """It reads a file for each item, as from a mount, and waits in the kernel when that hangs."""
        with Path(self.told["file"]).open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read(8192)
        await self.well(lease, crew)

    async def ask(self, lease: Lease, crew: Crew) -> None:
        """It asks its server for each item, without a breaker: again and again, until it answers."""
        while not crew.draining.is_set():
            try:
                await asyncio.to_thread(_asked, self.told["url"])
            except OSError as error:
                _log.warning("The server does not answer: %s", error)
                await asyncio.sleep(SECONDS)
            else:
                await self.well(lease, crew)
                return

    async def ask_once(self, lease: Lease, crew: Crew) -> None:
        """It asks its server for each item, and never comes back from an answer that is none."""
        try:
            await asyncio.to_thread(_asked, self.told["url"])
        except OSError as error:
            _log.warning("The server does not answer: %s", error)
            threading.Event().wait()
        await self.well(lease, crew)

    async def ask_with_breaker(self, lease: Lease, crew: Crew) -> None:
        """It asks its server for each item, and rests while that does not answer."""
        try:
            await asyncio.to_thread(_asked, self.told["url"])
        except OSError:
            crew.rest(0.5, "the server is down")
            await crew.give_back([lease])
            return
        await self.well(lease, crew)

    async def locked(self, lease: Lease, crew: Crew) -> None:
        """It writes what another session holds a lock on."""
        await crew.transaction(_write_what_is_locked, lease=lease)
        await self.well(lease, crew)

    async def _finish(self, lease: Lease, crew: Crew) -> None:
        if await crew.finish(lease, "done", {"by": crew.name}):
            self.finished += 1
            crew.progress(items=1, files=lease.weight, bytes=lease.bytes)
            _log.info("finished %s", lease.key)


def _asked(url: str) -> None:
    # This host's proxy is for the world.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=2) as answer:
        answer.read()


def _write_what_is_locked(connection: Connection) -> None:
    connection.execute(text("update lockable set number = number + 1"))


def told_for_this_life(file: Path) -> dict[str, Any]:
    """What it does in this life; each call is one more life."""
    lives = file.with_suffix(".lives")
    with lives.open("a", encoding="utf-8") as all_lives:
        all_lives.write(f"{os.getpid()}\n")
    life = len(lives.read_text(encoding="utf-8").splitlines())
    entries = json.loads(file.read_text(encoding="utf-8"))
    return dict(entries[min(life, len(entries)) - 1])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("behaviour", type=Path)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    told = told_for_this_life(given.behaviour)
    if told["do"] == "nothing":  # it never gets as far as the ledger
        threading.Event().wait()
    if told["do"] == "broken":
        raise SystemExit("ImportError: this release is broken")
    with Database(given.url, name=of_worker(given.name)) as database:
        Worker(database, Acting(told), given.name, "books", "calibre", QUICK).run_alone()
    return 0


if __name__ == "__main__":
    sys.exit(main())
