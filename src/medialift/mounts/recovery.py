"""Bringing a mount back, in the one order that leaves no reader stuck and no library harmed.

Stop what reads → SIGTERM rclone → SIGKILL after a grace → detach until the kernel lists the mount no more →
start → probe → let what reads go on. Detaching first would leave readers inside the kernel for as long as
rclone lives; letting them go on before the probe would show Plex an empty folder, and it would delete all.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from medialift.errors import Transient, Unsafe
from medialift.foundation.child import Child, Late
from medialift.foundation.holding import Process, process
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock, wait_until
from medialift.mounts import mountinfo
from medialift.mounts.locks import FOLDER, held
from medialift.mounts.probe import EMPTY, FOREIGN, RCLONE, Verdict
from medialift.mounts.program import MountProgram as MountProgram
from medialift.mounts.program import SystemdUnit as SystemdUnit

ANOTHER, CONSUMERS, TERMINATE, KILL = "wait for another", "stop consumers", "terminate", "kill"
DETACH, START, PROBE, RESUME = "detach", "start", "probe", "resume"
_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Times:
    """Limits of the steps, in seconds.

    Attributes:
        terminate: what SIGTERM is given, before SIGKILL. A tuned rclone ends at once.
        kill: what a killed process may take to vanish.
        detach: until the kernel lists no mount there.
        start: until it lists one again. rclone may be started anew by systemd several times in it.
        settle: until the mount reads, the probes included.
        between: from one of these probes to the next.
        another: how long another recovery of the same mount is waited for.
    """

    terminate: float = 10.0
    kill: float = 10.0
    detach: float = 20.0
    start: float = 90.0
    settle: float = 180.0
    between: float = 2.0
    another: float = 600.0


@dataclass(frozen=True)
class Step:
    """A step that was taken: when it began (seconds since the epoch), how long it took, how it ended."""

    name: str
    at: float
    seconds: float
    ok: bool = True
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """{step, at, seconds, ok, note}."""
        return {
            "step": self.name,
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 3),
            "ok": self.ok,
            "note": self.note,
        }


@dataclass(frozen=True)
class Recovery:
    """A mount that was brought back: the steps in order, and the probe that found it healthy."""

    mountpoint: str
    steps: tuple[Step, ...]
    verdict: Verdict

    @property
    def seconds(self) -> float:
        """All steps together."""
        return sum(step.seconds for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """{mountpoint, seconds, steps: [{step, at, seconds, ok, note}], verdict}."""
        return {
            "mountpoint": self.mountpoint,
            "seconds": round(self.seconds, 3),
            "steps": [step.to_dict() for step in self.steps],
            "verdict": self.verdict.to_dict(),
        }


def recover(
    program: MountProgram,
    *,
    mountpoint: Path | str,
    stop_consumers: Callable[[], None],
    probe: Callable[[Event], Verdict],
    resume: Callable[[], None],
    clock: Clock | None = None,
    stop: Event | None = None,
    times: Times | None = None,
    filesystem: str = RCLONE,
    tell: Callable[[Step], None] = lambda _step: None,
    locks: Path = FOLDER,
) -> Recovery:
    """Take a mount down, whatever state it is in, and bring it back.

    Only one recovery of a mount goes on at a time on this host. A second one waits for the first, and when
    the mount is healthy by then, it is content.

    Args:
        program: what serves the mount.
        stop_consumers: stops what reads through the mount, and comes back only when it has stopped. If it
            raises, nothing has been touched.
        probe: as for a Monitor.
        resume: lets what reads go on. Only called when the mount was found healthy.
        stop: ends the recovery at once. The mount may then be down, and is for the next recovery to bring up.
        filesystem: only a mount of this type is taken down.
        tell: called with each step when it has ended, also when it failed.
        locks: folder of the locks.

    Raises:
        Stopped: `stop` was set.
        Unsafe: something else is mounted there, or the mount came back as something else or empty.
        Transient: it could not be taken down, did not come up, or does not read; what reads stays stopped.
        MedialiftError: what `stop_consumers`, `resume` and `program` raise.
    """
    work = _Work(
        program,
        Path(mountpoint),
        clock or SystemClock(),
        stop or Event(),
        times or Times(),
        filesystem,
        tell,
    )
    work.begin()
    with work.step(CONSUMERS):
        stop_consumers()
    with _alone(work, locks) as had_to_wait:
        if not (had_to_wait and (verdict := probe(work.stop)).healthy):
            work.take_down()
            work.bring_up()
            verdict = work.proved(probe)
        with work.step(RESUME):
            resume()
    return Recovery(str(mountpoint), tuple(work.steps), verdict)


class _Work:
    """The steps, each told with its seconds."""

    def __init__(
        self,
        program: MountProgram,
        mountpoint: Path,
        clock: Clock,
        stop: Event,
        times: Times,
        filesystem: str,
        tell: Callable[[Step], None],
    ) -> None:
        self.program, self.mountpoint, self.clock, self.stop = program, mountpoint, clock, stop
        self.times, self._filesystem, self._tell = times, filesystem, tell
        self.steps: list[Step] = []
        self.note = ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.begin()
        at, begun, ok, self.note = self.clock.now(), self.clock.monotonic(), False, ""
        try:
            yield
            ok = True
        finally:
            self.steps.append(Step(name, at, self.clock.monotonic() - begun, ok, self.note))
            self._tell(self.steps[-1])
        self.begin()

    def begin(self) -> None:
        """Begin the next thing, unless told to stop, or what is mounted is none of ours."""
        if self.stop.is_set():
            raise Stopped(str(self.mountpoint))
        there = self._mount()
        if there is not None and there.filesystem != self._filesystem:
            raise Unsafe(
                f"The mount is somebody else's, a {there.filesystem} of {there.source}",
                str(self.mountpoint),
                "Unmount it yourself, if it does not belong there",
            )

    def until(self, done: Callable[[], bool], at_most: float) -> bool:
        """Whether it came true in time.

        Raises:
            Stopped: told to stop.
        """
        came = wait_until(done, at_most=at_most, every=_LOOK_SECONDS, clock=self.clock, stop=self.stop)
        if self.stop.is_set():
            raise Stopped(str(self.mountpoint))
        return came

    def take_down(self) -> None:
        with self.step(TERMINATE):
            before = [one for pid in self.program.pids() if (one := process(pid))]
            self.program.stop()
            ended = self.until(lambda: not self._alive(before), self.times.terminate)
            self.note = "" if before else "it did not run"
        if not ended:
            self._kill(before)
        with self.step(DETACH):
            if not self.until(self._detached, self.times.detach):
                raise Transient(
                    f"The mount could not be detached in {self.times.detach:g} s",
                    str(self.mountpoint),
                    f"Look at what holds it: fuser -vm {self.mountpoint}",
                )

    def _kill(self, before: Sequence[Process]) -> None:
        with self.step(KILL):

            def gone() -> bool:
                for pid in self._alive(before):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return not self._alive(before)

            if not self.until(gone, self.times.kill):
                raise Transient(
                    f"The program of the mount outlives SIGKILL ({', '.join(map(str, self._alive(before)))})",
                    str(self.mountpoint),
                    "Look at the kernel's log; if nothing helps, restart the machine",
                )

    def _alive(self, before: Sequence[Process]) -> list[int]:
        """Those of the processes from the beginning that are still there, and whatever serves it now."""
        left = (one.pid for one in before if process(one.pid) == one)
        return sorted({*self.program.pids(), *left})

    def bring_up(self) -> None:
        with self.step(START):
            self.program.start()
            if not self.until(lambda: self._mount() is not None, self.times.start):
                raise Transient(
                    f"The mount did not come up in {self.times.start:g} s",
                    str(self.mountpoint),
                    "Look at the log of its service",
                )

    def proved(self, probe: Callable[[Event], Verdict]) -> Verdict:
        with self.step(PROBE):
            until = self.clock.monotonic() + self.times.settle
            while not (verdict := probe(self.stop)).healthy:
                self.note = f"{verdict.state}: {verdict.reason}"
                if verdict.state in (FOREIGN, EMPTY):
                    raise Unsafe(
                        f"The mount came back {verdict.state}: {verdict.reason}",
                        str(self.mountpoint),
                        "Check the bucket and the prefix that it mounts",
                    )
                if self.clock.monotonic() >= until:
                    raise Transient(
                        f"The mount is {verdict.state} after it was recovered: {verdict.reason}",
                        str(self.mountpoint),
                        "Check whether the store itself answers, and its credentials",
                    )
                if self.clock.sleep(self.times.between, self.stop):
                    raise Stopped(str(self.mountpoint))
            self.note = ""
            return verdict

    def _mount(self) -> mountinfo.Mount | None:
        return mountinfo.at(self.mountpoint, mountinfo.mounts())

    def _detached(self) -> bool:
        """Detach once, if anything is there; whether nothing is any more. Mounts may lie on each other."""
        if self._mount() is None:
            return True
        words = ["fusermount3", "-uz", str(self.mountpoint)]
        # Never waited for, like a reader: what touches a dead mount may be stuck.
        with Child(words, b"", clock=self.clock, stop=self.stop) as child, suppress(Late):
            child.ended(self.clock.monotonic() + self.times.detach)
        return self._mount() is None


@contextmanager
def _alone(work: _Work, locks: Path) -> Iterator[bool]:
    """The mount's lock, for the length of the block; whether another recovery had to be waited for."""
    with held(work.mountpoint, locks) as taken:
        if taken():
            yield False
            return
        with work.step(ANOTHER):
            if not work.until(taken, work.times.another):
                raise Transient(
                    f"Another recovery of the mount has not ended in {work.times.another:g} s",
                    str(work.mountpoint),
                    "See what it does: medialift mounts history",
                )
        yield True
