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
BOOKS_WORKER_KILLED = "a worker is killed between two steps of a book"
BOOKS_WORKER_FROZEN = "a worker is frozen in a book and comes back"
BOOKS_SERVER_KILLED = "the book server is killed"
BOOKS_SERVER_SLOW = "the book server is slow"
BOOKS_SERVER_500 = "the book server answers 500"
BOOKS_SERVER_413 = "the book server answers 413"
BOOKS_SERVER_RESETS = "the book server resets connections"
BOOKS_ANSWER_LOST = "the book server's answers get lost"
BOOKS_SOCKET = "the book server's WebSocket breaks in a task"
BOOKS_TOKEN = "the book server's token expires"
BOOKS_DATABASE = "the ledger's database restarts under a migration"
BOOKS_CALIBRE = "Calibre changes its library during a migration"
BOOKS_DISK = "the library's disk gives errors"
BOOKS_CONTROLLERS = "two controllers start a migration at once"

WORKER_HANGS = "a worker hangs"
WORKER_CRASHES = "a worker ends and is started again and again"
WORKER_SPINS = "a worker spins on one item"
WORKER_LEAKS = "a worker leaks memory"
WORKER_MOUNT = "a worker loses its mount"
WORKER_SERVER = "a worker loses its server"
WORKER_DISK = "a worker's disk is full"
WORKER_NEVER_STARTS = "a worker never comes as far as the ledger"
HEALTHY_WATCHED = "a fleet that is well is watched by the healing"
HEALING_KILLED = "the healing ends in the middle of a remedy"
HEALING_TWICE = "two healings of one host"
HEALING_DATABASE = "the ledger is away under the healing"
HEALING_CLOCK = "a clock jumps under the healing"

AUDIOBOOKS_KILLED = "the intake of audiobooks is killed between two steps"
AUDIOBOOKS_DISK = "the disk of the intake of audiobooks is full at a step"
AUDIOBOOKS_INBOX = "the mount of the inbox vanishes"
AUDIOBOOKS_DENIED = "a file of an audiobook may not be read"
AUDIOBOOKS_DATABASE = "the ledger's database is gone while an audiobook is made"

POSTERS_KILLED = "a worker of posters is killed between two steps"
POSTERS_SERVER = "Jellyfin dies in a batch of posters"
POSTERS_ANSWER = "an answer of Jellyfin gets lost though it stored a picture"
POSTERS_DISK = "the disk of posters is full"
POSTERS_MOUNT = "the mount of posters vanishes"
POSTERS_DATABASE = "the ledger's database is gone in a batch of posters"

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
    BOOKS_WORKER_KILLED,
    BOOKS_WORKER_FROZEN,
    BOOKS_SERVER_KILLED,
    BOOKS_SERVER_SLOW,
    BOOKS_SERVER_500,
    BOOKS_SERVER_413,
    BOOKS_SERVER_RESETS,
    BOOKS_ANSWER_LOST,
    BOOKS_SOCKET,
    BOOKS_TOKEN,
    BOOKS_DATABASE,
    BOOKS_CALIBRE,
    BOOKS_DISK,
    BOOKS_CONTROLLERS,
    WORKER_HANGS,
    WORKER_CRASHES,
    WORKER_SPINS,
    WORKER_LEAKS,
    WORKER_MOUNT,
    WORKER_SERVER,
    WORKER_DISK,
    WORKER_NEVER_STARTS,
    HEALTHY_WATCHED,
    HEALING_KILLED,
    HEALING_TWICE,
    HEALING_DATABASE,
    HEALING_CLOCK,
    AUDIOBOOKS_KILLED,
    AUDIOBOOKS_DISK,
    AUDIOBOOKS_INBOX,
    AUDIOBOOKS_DENIED,
    AUDIOBOOKS_DATABASE,
    POSTERS_KILLED,
    POSTERS_SERVER,
    POSTERS_ANSWER,
    POSTERS_DISK,
    POSTERS_MOUNT,
    POSTERS_DATABASE,
)
