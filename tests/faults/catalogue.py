"""Every fault that a library has to survive: the rows of the table that the tests print."""

from __future__ import annotations

# What the store does, and the action of the sandbox's fault proxy that makes it do so.
STORE = {
    "refuses": "refuse",
    "resets": "reset",
    "throttles": "status503",
    "truncates": "truncate",
    "hangs": "hang",
}
WHEN = ("before", "during", "after")

MOUNT = ("hung", "stale", "empty", "replaced")


def store_fault(does: str, when: str) -> str:
    """The row of a store that does this, at that time of a scan."""
    return f"the store {does} {when} a scan"


def mount_fault(state: str) -> str:
    return f"the mount is {state}"


INSTANCE_MID_SCAN = "the instance is killed in the middle of a scan"
INSTANCE_MID_EXPORT = "the instance is killed in the middle of an export"
PLEX_MID_SCAN = "Plex is killed in the middle of a scan"
PLEX_AT_IMPORT = "Plex is killed at the import"
CONTROLLER = "the controller is killed"
IMPORT_KILLED = "the import is killed"
DISK_INSTANCE = "the instance's disk is full"
DISK_HOME = "home's disk is full"
ARCHIVE_TRUNCATED = "the archive is truncated"
ARCHIVE_ALTERED = "the archive is altered"
ARCHIVE_NEWER = "the archive is from a newer Plex"
CLOCK = "the clock jumps"
TWO_BURSTS = "two bursts run at once"

WORKER_KILLED = "a worker of the queue is killed"
WORKER_FROZEN = "a worker of the queue is frozen, and goes on later"
WORKER_DRAINED = "a worker of the queue is drained"
WORKER_FORGOTTEN = "a worker of the queue is removed from its table"
DATABASE_GONE = "the queue's database is gone for a while"
CONNECTIONS_CUT = "the queue's connections are cut"

FAULTS = (
    *(store_fault(does, when) for when in WHEN for does in STORE),
    *(mount_fault(state) for state in MOUNT),
    INSTANCE_MID_SCAN,
    INSTANCE_MID_EXPORT,
    PLEX_MID_SCAN,
    PLEX_AT_IMPORT,
    CONTROLLER,
    IMPORT_KILLED,
    DISK_INSTANCE,
    DISK_HOME,
    ARCHIVE_TRUNCATED,
    ARCHIVE_ALTERED,
    ARCHIVE_NEWER,
    CLOCK,
    TWO_BURSTS,
    WORKER_KILLED,
    WORKER_FROZEN,
    WORKER_DRAINED,
    WORKER_FORGOTTEN,
    DATABASE_GONE,
    CONNECTIONS_CUT,
)
