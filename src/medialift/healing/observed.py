"""What is seen of a worker at one moment, and what is thought of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf


@dataclass(frozen=True)
class Observed:
    """A worker as the ledger knows it; every age in seconds, by the database's clock.

    Attributes:
        name: as the ledger has it, such as books@1; the same after each restart.
        life: tells one start of this worker from a later one.
        state: running, draining, paused or gone, as it said of itself last.
        resting: why it claims nothing now, in its own words ("the book server is down"); "" when it works.
        uptime: since it started.
        silence: since its last sign of life.
        idle: since its last progress of any kind (items, files, bytes, rows read); None: none in this life.
        phase_age: since it came into this phase.
        held: items that are leased to it.
        waiting: items of its queue that are ready and due: work that it could take.
        queue_rests: why its whole queue rests (paused, outside of its hours); "" when it does not.
        lives: how many times it started in the last ten minutes, this one included; counted from the last
            life on that did anything, that was told to end, or that a remedy ended.
        again: attempts at its current item, or at the item it holds, that were lost or put off so far.
        free: since when it could work without a break: neither it nor its queue rested, and it was never
            out of the ledger's reach. What it did not do before is not held against it.
        due: since when there has been work for it, whenever it was looked: an item that it held, or one that
            waited. An item that comes and goes does not make it younger.
        ending: it ends, or has ended, because it was told to.
        moved: bytes that it read and sent, also for files that are not done; `bytes` are those of done ones.
    """

    name: str
    host: str
    pipeline: str
    collection: str
    pid: int
    life: str
    phase: str
    state: str
    resting: str
    uptime: float
    silence: float
    idle: float | None
    phase_age: float
    items: int
    files: int
    bytes: int
    rows_read: int
    current_item: int | None
    held: int
    waiting: int
    queue_rests: str
    lives: int = 1
    again: int = 0
    free: float = inf
    due: float = inf
    ending: bool = False
    moved: int = 0

    @property
    def progress(self) -> tuple[int, int, int, int, int]:
        """What counts as progress: any of these grew."""
        return (self.items, self.files, self.bytes, self.rows_read, self.moved)


class Trouble(StrEnum):
    """The ways in which a worker is not well."""

    NO_PROGRESS = "no_progress"
    """It has finished items before, and none for too long although there is work."""
    NOT_STARTING = "not_starting"
    """It is still initialising or discovering, without progress, for too long."""
    NO_ACTIVITY = "no_activity"
    """It is in another phase, has finished nothing yet, and shows no activity."""
    SILENT = "silent"
    """No sign of life although its process should run."""
    CRASH_LOOP = "crash_loop"
    """It ends and is started again, over and over, without progress between."""


@dataclass(frozen=True)
class Verdict:
    """What is thought of a worker now.

    Attributes:
        trouble: None when it is well, too young to tell, at rest, or has nothing to do.
        why: one sentence for people, with the figures.
        since: seconds for which it has been so.
        limit: the threshold in seconds that was crossed; 0 when none was.
    """

    trouble: Trouble | None
    why: str
    since: float = 0.0
    limit: float = 0.0

    @property
    def stuck(self) -> bool:
        return self.trouble is not None
