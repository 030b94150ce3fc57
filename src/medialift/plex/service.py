"""The Plex server as a unit of systemd, and the SQLite that only Plex has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medialift.errors import Permanent, Transient
from medialift.foundation.process import Runner, run, runner
from medialift.foundation.systemd import shown
from medialift.foundation.waiting import Clock, wait_until

# Plex writes its databases out when it stops: 120 s is what its image is given, more for a slow disk.
STOP_SECONDS = 180.0
START_SECONDS = 120.0
_INTEGRITY = "PRAGMA integrity_check;"

# A full check reads the whole database: about 20 s a GiB from a slow disk, so hours are never wrong.
CHECK_SECONDS = 4 * 3600.0

_patient = runner(timeout=CHECK_SECONDS)

NATIVE_SQLITE = "/usr/lib/plexmediaserver/Plex SQLite"


class Service(Protocol):
    """What an import or an export needs of it."""

    def running(self) -> bool: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...


@dataclass(frozen=True)
class PlexService:
    """Plex as a systemd unit: `plex.service` for a container, `plexmediaserver.service` for a package.

    `to_stop` and `to_start` are the seconds that it may take.
    """

    unit: str
    runner: Runner = run
    clock: Clock | None = None
    to_stop: float = STOP_SECONDS
    to_start: float = START_SECONDS

    def running(self) -> bool:
        """Whether it runs, starts or stops: in each case its databases may be open.

        Raises:
            Permanent: there is no such unit.
        """
        return self._state() not in ("inactive", "failed")

    def stop(self) -> None:
        """Stop it and see that it stopped.

        Raises:
            Permanent: there is no such unit, or systemd refuses.
            Transient: it still runs after `to_stop` seconds.
        """
        self._state()
        self.runner(["systemctl", "stop", "--no-block", self.unit]).checked("Plex could not be stopped")
        if not wait_until(lambda: not self.running(), at_most=self.to_stop, every=0.5, clock=self.clock):
            raise Transient(
                f"Plex did not stop within {self.to_stop:g} s", self.unit, "Look at its log, then try again"
            )

    def start(self) -> None:
        """Start it. It is not ready yet then: `PlexServer.wait_ready` waits for that.

        Raises:
            Permanent: there is no such unit, or it fails to start.
            Transient: it is not up after `to_start` seconds.
        """
        self._state()
        self.runner(["systemctl", "reset-failed", self.unit])
        self.runner(["systemctl", "start", "--no-block", self.unit]).checked("Plex could not be started")
        seen: list[str] = []

        def settled() -> bool:
            seen.append(self._state())
            return seen[-1] in ("active", "failed")

        wait_until(settled, at_most=self.to_start, every=0.5, clock=self.clock)
        if seen[-1] == "failed":
            raise Permanent("Plex failed to start", self.unit, f"Look at: journalctl -u {self.unit}")
        if seen[-1] != "active":
            raise Transient(
                f"Plex did not start within {self.to_start:g} s",
                f"{self.unit} is {seen[-1]}",
                f"Look at: journalctl -u {self.unit}",
            )

    def _state(self) -> str:
        hint = "Set plex.unit to the service that runs Plex"
        return shown(self.unit, "ActiveState", runner=self.runner, hint=hint) or "unknown"


@dataclass(frozen=True)
class PlexSqlite:
    """Plex's own SQLite: only it can check a library as a whole, since only it has its collation.

    Args:
        command: what runs it. `{folder}` in a word stands for the database's folder, which the command must
            show as `/v` inside its container; without one the database is given by its own path.
    """

    command: Sequence[str]
    runner: Runner = _patient

    @classmethod
    def native(cls, program: str = NATIVE_SQLITE, runner: Runner | None = None) -> PlexSqlite:
        """That of an installed package."""
        return cls((program,), runner) if runner else cls((program,))

    @classmethod
    def in_image(cls, image: str, owner: tuple[int, int], runner: Runner | None = None) -> PlexSqlite:
        """That of an image, as the user who owns the databases, without a network."""
        command = (
            *("docker", "run", "--rm", "--pull", "never", "--network", "none"),
            *("--user", f"{owner[0]}:{owner[1]}", "--volume", "{folder}:/v"),
            *("--entrypoint", NATIVE_SQLITE, image),
        )
        return cls(command, runner) if runner else cls(command)

    @classmethod
    def of_container(cls, container: str, owner: tuple[int, int], runner: Runner | None = None) -> PlexSqlite:
        """That of the image that a container was made from.

        Raises:
            Permanent: there is no such container.
        """
        ask = runner or run
        image = ask(["docker", "inspect", "--type", "container", "--format", "{{.Image}}", container])
        name = image.checked("Plex's container cannot be found", "Check plex.container").out.strip()
        return cls.in_image(name, owner, runner)

    def integrity_check(self, database: Path) -> tuple[str, ...]:
        """What is wrong with a database; empty when nothing is.

        Raises:
            Permanent: the check itself could not be run.
        """
        database = Path(database).absolute()
        folder = str(database.parent)
        inside = any("{folder}" in word for word in self.command)
        told = self.runner(
            [
                *(word.replace("{folder}", folder) for word in self.command),
                f"/v/{database.name}" if inside else str(database),
                _INTEGRITY,
            ]
        )
        lines = tuple(line.strip() for line in told.out.splitlines() if line.strip())
        if lines == ("ok",) and told.ok:
            return ()
        # A damaged file makes the shell fail too, with the reason in place of a list.
        reasons = lines or tuple(line.strip() for line in told.err.splitlines() if line.strip())
        if told.ok or any("malformed" in line or "not a database" in line for line in reasons):
            return reasons or ("it answered nothing",)
        told.checked("Plex SQLite could not be run")
        return reasons
