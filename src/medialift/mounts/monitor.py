"""Probing a mount again and again: one probe at a time, and a failure is several in a row.

The loop runs in its caller's thread and holds no lock, least of all while a probe is out: whoever wants to
know how the mount stands reads the last standing, which is replaced as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import Clock, SystemClock
from medialift.mounts.probe import Verdict

EVERY_SECONDS = 60.0
GRACE_SECONDS = 120.0
THRESHOLD = 3

Probe = Callable[[Event], Verdict]
"""Probes once. Raises Stopped, at once, when the event is set; nothing else."""


@dataclass(frozen=True)
class Observation:
    """One probe and what follows from it.

    Attributes:
        at: when it began, seconds since the epoch.
        seconds: how long it took.
        verdict: what the mount was.
        failures: probes in a row, this one included, that found it ill and counted.
        in_grace: it was found ill, but that does not count yet.
        failed: the threshold was reached, so the mount is given up until it is recovered.
    """

    at: float
    seconds: float
    verdict: Verdict
    failures: int
    in_grace: bool
    failed: bool

    def to_dict(self) -> dict[str, Any]:
        """{at, seconds, failures, in_grace, failed, mountpoint, state, reason, reads, …}."""
        return {
            **self.verdict.to_dict(),
            "at": round(self.at, 3),
            "seconds": round(self.seconds, 4),
            "failures": self.failures,
            "in_grace": self.in_grace,
            "failed": self.failed,
        }


@dataclass(frozen=True)
class Standing:
    """How a monitored mount stands now.

    Attributes:
        verdict: the last one; None before the first probe has ended.
        failures: probes in a row that found it ill and counted.
        failed: the threshold was reached, or the monitor itself broke: nothing may rely on the mount.
        ever_healthy: it was healthy at least once since the monitor began, or was told to begin anew.
    """

    verdict: Verdict | None = None
    failures: int = 0
    failed: bool = False
    ever_healthy: bool = False


class Monitor:
    """Probes until it is stopped.

    Args:
        probe: called with `stop`; never two at a time.
        every: seconds from the end of one probe to the beginning of the next.
        grace: seconds from the beginning in which an ill mount does not count, so that it may come up. The
            first healthy probe ends them.
        threshold: how many failures in a row make it failed. Single ones happen on a sound mount.
        stop: ends the loop at once, also while a probe is out.
        tell: called in the loop's thread after each probe, with the standing already replaced.
    """

    def __init__(
        self,
        probe: Probe,
        *,
        every: float = EVERY_SECONDS,
        grace: float = GRACE_SECONDS,
        threshold: int = THRESHOLD,
        clock: Clock | None = None,
        stop: Event,
        tell: Callable[[Observation], None] = lambda _observation: None,
    ) -> None:
        self._probe, self._every, self._grace, self._threshold = probe, every, grace, threshold
        self._clock, self._stop, self._tell = clock or SystemClock(), stop, tell
        self._standing = Standing()
        self._since = self._clock.monotonic()

    @property
    def state(self) -> Standing:
        """How the mount stands; from any thread, without waiting."""
        return self._standing

    def anew(self) -> None:
        """Count from nothing, with a new grace: after a recovery. For `tell`, in the loop's thread."""
        self._since = self._clock.monotonic()
        self._standing = Standing(self._standing.verdict)

    def run(self) -> None:
        """Probe until `stop` is set.

        Raises:
            Exception: whatever else `probe` or `tell` raise. The standing is then failed for good: a monitor
                that broke must not be taken for a mount that is well.
        """
        self._since = self._clock.monotonic()
        try:
            while not self._stop.is_set():
                self._tell(self._observe())
                self._clock.sleep(self._every, self._stop)
        except Stopped:
            if not self._stop.is_set():
                self._standing = replace(self._standing, failed=True)
                raise
        except BaseException:
            self._standing = replace(self._standing, failed=True)
            raise

    def _observe(self) -> Observation:
        at, begun = self._clock.now(), self._clock.monotonic()
        verdict = self._probe(self._stop)
        ended = self._clock.monotonic()
        before = self._standing
        # The grace is over for a probe that ends after it: one that hangs through it counts.
        in_grace = not verdict.healthy and not before.ever_healthy and ended - self._since < self._grace
        failures = 0 if verdict.healthy else before.failures + (not in_grace)
        self._standing = Standing(
            verdict,
            failures,
            failed=failures >= self._threshold,
            ever_healthy=before.ever_healthy or verdict.healthy,
        )
        return Observation(at, ended - begun, verdict, failures, in_grace, self._standing.failed)
