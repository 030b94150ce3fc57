"""The monitor of a mount as a service: it probes, publishes what it finds, and brings back what failed.

It recovers only what a recovery can mend and nobody else is mending: not while a job of this host runs (a run
of Plex recovers its own mounts, and an import has stopped Plex for reasons of its own), not while another
recovery goes on, and not when the store itself does not answer, since then a new mount would read no better.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from threading import Event

from medialift.errors import MedialiftError, Transient
from medialift.foundation import jobs
from medialift.foundation import locks as file_locks
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock
from medialift.mounts import locks, published
from medialift.mounts.consumers import Consumers
from medialift.mounts.history import History
from medialift.mounts.metrics import Metrics, served
from medialift.mounts.monitor import Monitor, Observation
from medialift.mounts.probe import DEGRADED, EMPTY, HEALTHY, HUNG, Verdict, probe
from medialift.mounts.program import MountProgram, SystemdUnit
from medialift.mounts.published import Published
from medialift.mounts.recovery import Recovery, Step, Times, recover
from medialift.mounts.remote import Remote
from medialift.mounts.watch_options import Place, WatchOptions

_log = logging.getLogger(__name__)

# After a recovery that failed the next one waits: first so long, then twice as long each time.
AGAIN_SECONDS, AGAIN_AT_MOST = 60.0, 3600.0


class Watch:
    """One monitored mount.

    Args:
        place: where its files are.
        options: what to do.
        stop: ends it at once, whatever it is doing.
        program, consumers: of systemd, unless told otherwise.
    """

    def __init__(
        self,
        place: Place,
        options: WatchOptions,
        *,
        stop: Event,
        clock: Clock | None = None,
        program: MountProgram | None = None,
        consumers: Consumers | None = None,
        times: Times | None = None,
        locks_folder: Path = locks.FOLDER,
        again: float = AGAIN_SECONDS,
    ) -> None:
        self._place, self._options, self._stop = place, options, stop
        self._clock = clock or SystemClock()
        self._program = program or SystemdUnit(options.unit)
        self._consumers = consumers or Consumers(options.consumers, clock=self._clock)
        self._times, self._locks, self._again = times or Times(), locks_folder, again
        self._history = History(place.history, options.keep)
        self._metrics = Metrics(place.name)
        self._monitor = Monitor(
            self._probe,
            every=options.every,
            grace=options.grace,
            threshold=options.threshold,
            clock=self._clock,
            stop=stop,
            tell=self._told,
        )
        self._wait, self._not_before = again, float("-inf")
        self.now = Published(place.name, options.mountpoint)

    def run(self) -> None:
        """Monitor until told to stop.

        Raises:
            Transient: a monitor of this mount runs already.
            Permanent: the address of the metrics is taken.
        """
        with running_alone(self._place, self._stop), ExitStack() as stack:
            before = published.read(self._place.state)
            self.now = replace(
                # What was stopped for a recovery still waits for the mount, whoever stopped it.
                Published(self._place.name, self._options.mountpoint) if before is None else before,
                mountpoint=self._options.mountpoint,
                recovering=False,
                failed=False,
                failures=0,
                pid=os.getpid(),
                started_at=self._clock.now(),
                release=version("medialift"),
            )
            self._publish("started", release=self.now.release)
            if self._options.listen:
                port = stack.enter_context(served(self._metrics, self._options.listen))
                self._publish("serving", port=port)
            try:
                self._monitor.run()
            finally:
                self.now = replace(self.now, recovering=False, pid=0)
                self._publish("stopped")

    def _probe(self, stop: Event) -> Verdict:
        given = self._options
        found = probe(
            given.mountpoint,
            (),
            given.roots,
            sample=given.sample,
            deadline=given.deadline,
            filesystem=given.filesystem,
            source=given.source,
            remote=self._remote(),
            stop=stop,
            clock=self._clock,
        )
        if found.state == EMPTY and given.allow_empty:
            return replace(found, state=HEALTHY)
        return found

    def _remote(self) -> Remote | None:
        given = self._options.remote
        if given is None:
            return None
        return Remote(
            Path(given.rclone),
            Path(given.config),
            given.remote,
            Path(self._options.mountpoint),
            tuple(given.options),
        )

    def _told(self, one: Observation) -> None:
        verdict = one.verdict
        self._metrics.observed(one)
        same = verdict.state == self.now.state
        self.now = replace(
            self.now,
            state=verdict.state,
            reason=verdict.reason,
            at=one.at,
            seconds=round(one.seconds, 4),
            since=self.now.since if same else one.at,
            failures=one.failures,
            in_grace=one.in_grace,
            failed=one.failed,
            last_success=one.at if verdict.healthy else self.now.last_success,
            note="" if verdict.healthy else self.now.note,
        )
        if not same:
            because = f": {verdict.reason}" if verdict.reason else ""
            _log.warning("%s is %s%s", verdict.mountpoint, verdict.state, because)
        self._publish("probe", **{k: v for k, v in one.to_dict().items() if k not in ("at", "mountpoint")})
        if verdict.healthy:
            self._wait, self._not_before = self._again, float("-inf")
            self._resume()
        elif one.failed and self._options.recover:
            self._mend(verdict)

    def _mend(self, verdict: Verdict) -> None:
        """Recover the mount, or note why not."""
        if self._clock.monotonic() < self._not_before:
            return
        against = self._against(verdict)
        if against:
            if against != self.now.note:
                self.now = replace(self.now, note=against)
                self._publish("not recovered", reason=against)
            return
        self.now = replace(self.now, recovering=True, note="")
        self._publish("recovery", outcome="started")
        try:
            done = self._recover()
        except Stopped:
            raise
        except MedialiftError as error:
            self._ended(ok=False)
            self.now = replace(self.now, note=str(error))
            self._publish("recovery", outcome="failed", error=error.to_dict())
            _log.error("%s could not be recovered: %s", verdict.mountpoint, error)
            self._not_before = self._clock.monotonic() + self._wait
            self._wait = min(2 * self._wait, AGAIN_AT_MOST)
            return
        self._ended(ok=True)
        self._monitor.anew()
        found = done.verdict
        self.now = replace(
            self.now,
            state=found.state,
            reason=found.reason,
            since=self._clock.now(),
            failures=0,
            failed=False,
            last_success=self._clock.now(),
            recovered_at=self._clock.now(),
        )
        self._publish("recovery", outcome="ok", seconds=round(done.seconds, 3))
        _log.warning("%s was recovered in %.1f s", verdict.mountpoint, done.seconds)

    def _ended(self, *, ok: bool) -> None:
        self._metrics.recovered(ok=ok)
        self.now = replace(
            self.now,
            recovering=False,
            recoveries=self.now.recoveries + ok,
            recovery_failures=self.now.recovery_failures + (not ok),
        )

    def _recover(self) -> Recovery:
        return recover(
            self._program,
            mountpoint=self._options.mountpoint,
            stop_consumers=self._stop_consumers,
            probe=self._probe,
            resume=self._resume,
            clock=self._clock,
            stop=self._stop,
            times=self._times,
            filesystem=self._options.filesystem,
            tell=self._stepped,
            locks=self._locks,
        )

    def _against(self, verdict: Verdict) -> str:
        """Why the mount must not, or need not, be recovered now; empty when it should be."""
        running = jobs.running(Path(self._options.jobs_folder))
        if running:
            return f"The job {running[0]} runs, and looks after its mounts itself"
        if locks.busy(self._options.mountpoint, self._locks):
            return "Another recovery of it goes on"
        remote = self._remote()
        if remote is None or verdict.state not in (DEGRADED, HUNG) or not verdict.reads:
            return ""
        try:
            remote.cat(
                verdict.reads[0].path, 0, 1, self._options.deadline, clock=self._clock, stop=self._stop
            )
        except Stopped:
            raise
        except Transient as error:
            return f"The store itself does not answer: {error.hint or error.what}"
        except MedialiftError as error:  # it cannot be asked, so nothing speaks against a recovery
            _log.error("The store behind %s cannot be asked: %s", self._options.mountpoint, error)
        return ""

    def _stop_consumers(self) -> None:
        """Stop what runs, having written down what: whoever finds the mount healthy starts it again."""
        found = [*self.now.waiting, *self._consumers.running()]
        self.now = replace(self.now, waiting=tuple(dict.fromkeys(found)))
        try:
            self.now.write(self._place.state)
        except OSError as error:
            # Nobody would start them again if the monitor died now.
            raise Transient(
                "What is stopped for a recovery cannot be written down",
                str(self._place.state),
                f"Make it writable ({error.strerror})",
            ) from error
        self._consumers.stop(self._stop)

    def _resume(self) -> None:
        """Start what waits for the mount, unless a job runs: it may have reasons to want it stopped."""
        if not self.now.waiting or jobs.running(Path(self._options.jobs_folder)):
            return
        units = list(self.now.waiting)
        try:
            self._consumers.start(units)
        except MedialiftError as error:  # tried again after the next probe: the watch goes on meanwhile
            self.now = replace(self.now, note=str(error))
            self._publish("not resumed", error=error.to_dict())
            _log.error("%s", error)
            return
        self.now = replace(self.now, waiting=())
        self._publish("resumed", units=units)

    def _stepped(self, step: Step) -> None:
        told = {key: value for key, value in step.to_dict().items() if key != "at"}
        self._publish("step", **told)

    def _publish(self, event: str, **told: object) -> None:
        """Write history, state and metrics. A full disk must not end the watch over a mount."""
        for write in (
            lambda: self._history.add(self._clock.now(), event, told),
            lambda: self.now.write(self._place.state),
            lambda: self._metrics.write(self._place.metrics),
            *self._elsewhere(),
        ):
            try:
                write()
            except OSError as error:
                _log.error("What the monitor found could not be written: %s", error)

    def _elsewhere(self) -> list[Callable[[], None]]:
        given = self._options.metrics_file
        return [lambda: self._metrics.write(Path(given))] if given else []


@contextmanager
def running_alone(place: Place, stop: Event) -> Iterator[None]:
    """Hold the monitor's lock for the length of the block.

    Raises:
        Transient: another one holds it.
    """
    place.path.mkdir(parents=True, exist_ok=True)
    with file_locks.alone(place.lock, stop=stop) as held:
        if not held:
            raise Transient(
                "A monitor of this mount runs already", place.name, "Stop that one, or leave it to it"
            )
        yield


def runner_of(place: Place) -> int:
    """The process that monitors it; 0 when none does."""
    return file_locks.holder(place.lock)
