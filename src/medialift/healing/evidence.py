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
    """Free space of a file system that the pipeline writes to, or that holds the ledger, in bytes."""

    path: str
    free: int
    total: int


@dataclass(frozen=True)
class Evidence:
    """All that was found about one worker at one moment. What could not be found says so in `missing`.

    Attributes:
        log: its newest lines, secrets redacted, the newest last.
        patterns: errors that repeat in them, the most frequent first.
        items: {"first": key, "last": key, "current": key, "attempts": n} of the items that it holds.
        stack: of its process, one line per frame and thread; () when none could be taken.
        files: paths that its process has open.
        process: {"rss", "cpu_seconds", "read_bytes", "write_bytes", "threads", "open_files", "state"}.
        memory_limit: bytes that its service may use; None without a limit.
        blocked: seconds for which the ledger's database has made it wait for a lock; 0.0 when it has not.
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
    missing: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For the history: JSON's types only."""
        return asdict(self)
