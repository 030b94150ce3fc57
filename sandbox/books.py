"""The machines of the books: a server with MyBookshelf2 and the ledger, and a second one with workers only.

Each has a copy of the same Calibre library, as two machines that mount one share would see it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from medialift.cloud import cloudinit
from medialift.errors import Permanent
from medialift.foundation.atomic import write_text

from .keys import key_pair
from .machines import Machine, UserData, remove
from .settings import BOOKS_NAME, BOOKS_WORKER_NAME, CLOUD_IMAGE, LABEL, Settings

LIBRARY = "/srv/calibre"
"""Where the library is on both machines."""


@dataclass(frozen=True)
class _Wanted:
    name: str
    hostname: str
    address: str


def _machines(settings: Settings) -> Iterator[_Wanted]:
    yield _Wanted(BOOKS_NAME, "books", settings.books)
    yield _Wanted(BOOKS_WORKER_NAME, "books-worker", settings.books_worker)


def start(settings: Settings) -> list[Machine]:
    """Have both running, reachable by `settings.ssh_key` and listed in `settings.known_hosts_books`.

    Raises:
        Transient: one did not come up in time.
        Permanent: Docker or cloud-init failed.
    """
    user_key = key_pair(settings, settings.ssh_key.name)
    known, machines = [], []
    for wanted in _machines(settings):
        host_key = key_pair(settings, f"{wanted.hostname}_host_ed25519")
        known.append(host_key.known_hosts(wanted.address))
        seed = UserData(
            instance_id=wanted.hostname,
            hostname=wanted.hostname,
            content=cloudinit.render(
                hostname=wanted.hostname, host_key=host_key, authorized_keys=[user_key.public], extra={}
            ),
        )
        machines.append(
            Machine.start(
                wanted.name,
                wanted.address,
                seed,
                image=CLOUD_IMAGE,
                labels={LABEL: "books"},
                settings=settings,
            )
        )
    write_text(settings.known_hosts_books, "\n".join(known) + "\n")
    for machine in machines:
        machine.wait_for_ssh()
        machine.wait_for_boot()
    return machines


def stop(settings: Settings) -> None:
    """Remove both with their disks. No fault when they are gone already."""
    for wanted in _machines(settings):
        remove(wanted.name, settings)


def reset(settings: Settings) -> list[Machine]:
    """Both as on the first day, with the host keys they had."""
    stop(settings)
    return start(settings)


def bring_library(folder: Path, settings: Settings) -> None:
    """Put a copy of this Calibre library onto both machines, in the place of the one that is there.

    Raises:
        Permanent: it could not be copied.
    """
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda wanted: _copy(folder, wanted.name), _machines(settings)))


def _copy(folder: Path, machine: str) -> None:
    # Times stay: they are part of what a book's files are known by.
    packed = subprocess.Popen(
        ["tar", "--directory", folder, "--create", "--owner=0", "--group=0", "."], stdout=subprocess.PIPE
    )
    assert packed.stdout is not None
    unpacked = subprocess.run(
        [
            *("docker", "exec", "--interactive", machine, "sh", "-c"),
            f"rm -rf {LIBRARY} && mkdir -p {LIBRARY} && tar --directory {LIBRARY} --extract",
        ],
        stdin=packed.stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    packed.stdout.close()
    if packed.wait() != 0 or unpacked.returncode != 0:
        raise Permanent(f"The library could not be copied ({unpacked.stderr.strip()})", machine)
