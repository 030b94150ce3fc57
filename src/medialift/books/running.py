"""Several workers here until everything is done, or for a while: started, watched, drained.

Each is a process of its own (`working`). A supervisor runs beside them, so that what a dead one held is given
back also where no service does that.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from medialift.books import status as standing
from medialift.books.options import Options
from medialift.books.status import Status
from medialift.errors import MedialiftError, Transient, from_dict
from medialift.foundation.waiting import Clock, SystemClock
from medialift.queueing.crew import AWAY
from medialift.queueing.database import Database
from medialift.queueing.supervisor import Supervisor
from medialift.settings import Settings

# A look at a large ledger takes seconds: it is never looked at for more than a tenth of the time.
_LOOK_SECONDS, _LOOK_SHARE = 1.0, 10.0
_TICK_SECONDS = 0.2
_BEGUN_AGAIN = 5


@dataclass
class _Hand:
    """One worker's process, and what it said."""

    number: int
    line: str
    say: Callable[[str], object]
    begun: int = 0
    told: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    _readers: list[Thread] = field(default_factory=list)

    def start(self) -> None:
        self.begun += 1
        self.told = {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "medialift.books.working"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A terminal's Ctrl-C is for whoever watches: it is passed on, once.
            start_new_session=True,
        )
        assert self.process.stdin is not None  # noqa: S101  a pipe, above
        with suppress(BrokenPipeError):
            self.process.stdin.write(self.line)
            self.process.stdin.flush()
        self._readers = [
            Thread(target=reader, args=(self.process,), daemon=True) for reader in (self._hear, self._pass_on)
        ]
        for reader in self._readers:
            reader.start()

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def died(self) -> bool:
        """It ended and did not say how."""
        if self.runs:
            return False
        for reader in self._readers:
            reader.join(5)
        return not self.told

    def drain(self) -> None:
        if self.process is not None and self.runs:
            self.process.terminate()

    def end(self) -> None:
        """At once, if it is there still; what it held is given back when its leases end."""
        if self.process is not None:
            if self.runs:
                self.process.kill()
                self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
                with suppress(BrokenPipeError):
                    if pipe is not None:
                        pipe.close()

    def _hear(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            with suppress(ValueError):
                self.told = json.loads(line)

    def _pass_on(self, process: subprocess.Popen[str]) -> None:
        for line in process.stderr or ():
            self.say(f"worker {self.number}: {line.rstrip()}")


def run(
    options: Options,
    database: Database,
    settings: Settings,
    *,
    watch: Callable[[Status], object],
    say: Callable[[str], object],
    stop: Event,
    at_once: Event | None = None,
    clock: Clock | None = None,
) -> list[dict[str, Any]]:
    """Have `options.workers` workers work; how each ended.

    Args:
        stop: drains them: what is in flight is finished, the rest is given back.
        at_once: kills them.

    Raises:
        Permanent, Transient: what a worker could not work for; the others are drained before.
    """
    hands = [
        _Hand(number, json.dumps(told, default=str) + "\n", say)
        for number, told in enumerate(_told(options), 1)
    ]
    with _supervised(database, settings):
        try:
            for hand in hands:
                hand.start()
            _Watching(options, database, settings, hands, watch, say, clock or SystemClock()).until(
                stop, at_once or Event()
            )
        finally:
            for hand in hands:
                hand.end()
    failed = [from_dict(hand.told["error"]) for hand in hands if "error" in hand.told]
    if failed:
        raise failed[0]
    return [hand.told["ended"] for hand in hands if "ended" in hand.told]


def _told(options: Options) -> list[dict[str, Any]]:
    """What each worker is told; the bound on the books is shared out."""
    many = options.workers if options.items is None else min(options.workers, options.items)
    shares: list[int | None] = [None] * many
    if options.items is not None:
        shares = [options.items // many + (number < options.items % many) for number in range(many)]
    return [
        {
            "options": options.for_workers(),
            "name": number,
            "bounds": {"items": share, "seconds": options.seconds, "until_done": True},
        }
        for number, share in enumerate(shares, 1)
    ]


@dataclass
class _Watching:
    """From the start of the workers to the end of the last."""

    options: Options
    database: Database
    settings: Settings
    hands: list[_Hand]
    watch: Callable[[Status], object]
    say: Callable[[str], object]
    clock: Clock
    _look_at: float = 0.0
    _draining: bool = False

    def until(self, stop: Event, at_once: Event) -> None:
        while self._begin_again() or any(hand.runs for hand in self.hands):
            if at_once.is_set():
                return
            if stop.is_set() or any("error" in hand.told for hand in self.hands):
                self._drain()
            self._look()
            self.clock.sleep(_TICK_SECONDS, at_once)
        self._look(now=True)
        if not self._draining and all(hand.died for hand in self.hands):
            raise Transient("The workers died", f"{len(self.hands)} of them", "Look at what they said")

    def _begin_again(self) -> bool:
        """Start those that died anew; whether there was one."""
        # Their shares of a bound are not known any more, so it would be exceeded.
        if self._draining or self.options.items is not None:
            return False
        dead = [hand for hand in self.hands if hand.died and hand.begun <= _BEGUN_AGAIN]
        for hand in dead:
            self.say(f"Worker {hand.number} died: it is started again")
            hand.start()
        return bool(dead)

    def _drain(self) -> None:
        if not self._draining:
            self._draining = True
            for hand in self.hands:
                hand.drain()

    def _look(self, *, now: bool = False) -> None:
        if not now and self.clock.monotonic() < self._look_at:
            return
        began = time.monotonic()
        with suppress(*AWAY, MedialiftError), self.database.engine.connect() as connection:
            self.watch(standing.status(connection, self.settings.books.collection))
        took = time.monotonic() - began
        self._look_at = self.clock.monotonic() + max(_LOOK_SECONDS, took * _LOOK_SHARE)


@contextmanager
def _supervised(database: Database, settings: Settings) -> Iterator[None]:
    ended = Event()
    workers = settings.workers
    supervisor = Supervisor(database, every=workers.sweep, silence=workers.lease)
    thread = Thread(target=supervisor.run, args=(ended,), name="supervisor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(10)
