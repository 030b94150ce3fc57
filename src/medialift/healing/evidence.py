"""The evidence about a stuck worker: what a diagnosis is made from, and what is kept in the history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from medialift.healing.observed import Observed, Verdict


@dataclass(frozen=True)
class Pattern:
    """An error that the log repeats: its line without numbers and names, how often, and one example."""

    text: str
    count: int
    example: str


@dataclass(frozen=True)
class ServerHealth:
    """How the server of a pipeline answers: `latency` in seconds, None when it does not answer."""

    name: str
    ok: bool
    latency: float | None = None
    why: str = ""


@dataclass(frozen=True)
class MountHealth:
    """What the probe says of a mount point that the pipeline reads: the states of `mounts.verdict`."""

    path: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class DiskSpace:
    """Free space of a file system that the pipeline writes to, or that holds the ledger, in bytes.

    `files_free`: files that can still be made there; None where there is no limit.
    """

    path: str
    free: int
    total: int
    files_free: int | None = None


@dataclass(frozen=True)
class KnobNow:
    """A setting that may be changed: what it is for this worker now, and its bounds, both included.

    `fixed`: it was set for all workers by hand; setting it for one of them changes nothing.
    """

    now: float
    lowest: float
    highest: float
    fixed: bool = False


@dataclass(frozen=True)
class Evidence:
    """All that was found about one worker at one moment. What could not be found says so in `missing`.

    Attributes:
        log: its newest lines, secrets redacted, the newest last.
        patterns: errors that repeat in them, the most frequent first.
        items: of the items that it holds {"first": key, "last": key, "held": n}; of the one that it works on
            {"current": key, "attempts": n, "lost": n}, and of one that keeps coming back to it and stands out
            {"repeating": key, "repeating_lost": n, "repeating_again": n}. Lost: its worker ended with it;
            attempts and again count those that were put off too. {"before": key}: at which an earlier life of
            the worker was when it was found stuck.
        stack: of its process, one line per frame and thread; () when none could be taken.
        files: paths that its process has open.
        process: {"rss", "cpu_seconds", "read_bytes", "write_bytes", "threads", "open_files", "state"}, what
            it did while it was looked at {"looked", "busy", "wanted", "moved"} (seconds; shares of one
            processor that it had, and that it had or waited for; bytes of disks), where its threads wait
            within the kernel {"waits": [name]}, and the host's memory {"host_total", "host_available"}.
            Of one that has ended only {"state": "gone"}.
        memory_limit: bytes that its service may use; None without a limit.
        blocked: seconds for which the ledger's database has made it wait for a lock; 0.0 when it has not.
        blocker: who holds that lock: "itself", or what the database knows of the other session.
        knobs: what a CONFIG_FIX could change of its settings.
        pressure: what the host's pressure was when it was last measured: `pressure.Pressure` as a dict.
        missing: {what: why it could not be collected}.
    """

    worker: Observed
    verdict: Verdict
    log: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    items: Mapping[str, Any] = field(default_factory=dict)
    stack: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    process: Mapping[str, Any] = field(default_factory=dict)
    memory_limit: int | None = None
    mounts: tuple[MountHealth, ...] = ()
    server: ServerHealth | None = None
    disks: tuple[DiskSpace, ...] = ()
    blocked: float = 0.0
    blocker: str = ""
    knobs: Mapping[str, KnobNow] = field(default_factory=dict)
    pressure: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For the history: JSON's types only."""
        return asdict(self)
