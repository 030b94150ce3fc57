"""The media server itself: its settings, library, queue of scans, activities and butler; no HTTP in here."""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread

from sandbox.plex import account, schema
from sandbox.plex.activities import Activities
from sandbox.plex.butler import Butler
from sandbox.plex.library import Library
from sandbox.plex.pace import Pace
from sandbox.plex.preferences import Preferences
from sandbox.plex.scanner import Job, Scan
from sandbox.plex.switches import Switches

SECRETS = re.compile(r"(X-Plex-Token=|claim-|token=)[\w-]+", re.I)
STATISTICS_EVERY = 10.0


@dataclass(frozen=True)
class Settings:
    """What an installation is: where its data lie, which build it is, and where plex.tv answers."""

    data: Path
    version: str = schema.NEW_VERSION
    plex_tv: str = "http://172.30.77.1:8480"
    pace: Pace = field(default_factory=Pace)
    triggers: schema.Triggers | None = None
    quiet: bool = False

    @property
    def generation(self) -> schema.Generation:
        """What this build expects of a database; its version decides unless `triggers` says otherwise."""
        return schema.GENERATIONS[self.triggers] if self.triggers else schema.generation_of(self.version)


class MediaServer:
    """A running server. `start` opens the library; `stop` closes it as a clean shutdown does.

    Raises:
        DatabaseRefusedError: the library is damaged or newer than this build.
    """

    def __init__(self, settings: Settings, switches: Switches | None = None) -> None:
        self.settings = settings
        self.pace = settings.pace
        self.version = settings.version
        self.switches = switches or Switches()
        self.preferences = Preferences(settings.data / "Preferences.xml")
        self.activities = Activities()
        self.stopping = Event()
        self.started_at = time.monotonic()
        self.malformed = False
        self._jobs: queue.Queue[Job] = queue.Queue()
        self._waiting: list[Job] = []
        self._current: Job | None = None
        self._refreshing: dict[int, int] = {}
        self._lock = Lock()
        self._log_path = settings.data / "Logs" / "Plex Media Server.log"
        for name in (
            "Logs",
            "Cache",
            "Metadata",
            "Media/localhost",
            "Codecs",
            "Crash Reports",
            "Diagnostics",
        ):
            (settings.data / name).mkdir(parents=True, exist_ok=True)
        self.library = Library(settings.data, settings.generation)
        self.butler = Butler(self)

    def start(self) -> None:
        """Begin to work on queued scans, and to write statistics as a real server does while idle."""
        (self.settings.data / "plexmediaserver.pid").write_text(f"{os.getpid()}\n")
        Thread(target=self._work, name="scan-queue", daemon=True).start()
        Thread(target=self._keep_statistics, name="statistics", daemon=True).start()
        self.log(f"Plex Media Server v{self.version} is up, claimed: {self.preferences.claimed}")

    def stop(self) -> None:
        """Stop as on SIGTERM: quickly, and with nothing left in the WAL."""
        self.stopping.set()
        with self.switches.changed:
            self.switches.changed.notify_all()
        # Whoever holds the library finishes its transaction first; nobody begins another.
        self.library.lock.acquire()
        try:
            if not self.malformed:
                self.library.close()
        finally:
            self.library.lock.release()
        (self.settings.data / "plexmediaserver.pid").unlink(missing_ok=True)
        self.log("Plex Media Server has stopped")

    def die(self) -> None:
        """End at once, as a crash does: the WAL stays."""
        os.kill(os.getpid(), signal.SIGKILL)

    @property
    def starting_phase(self) -> float:
        """0.0 just started … 1.0 usable."""
        if self.pace.starting_up <= 0:
            return 1.0
        return min(1.0, (time.monotonic() - self.started_at) / self.pace.starting_up)

    def claim(self, token: str) -> None:
        """Claim this server with a claim token.

        Raises:
            ClaimRefusedError: plex.tv did not take the token.
        """
        identifier = self.preferences.get("ProcessedMachineIdentifier")
        owner = account.exchange(self.settings.plex_tv, token, identifier)
        self.preferences.put(
            PlexOnlineToken=owner.token,
            PlexOnlineUsername=owner.username,
            PlexOnlineMail=owner.email,
            PlexOnlineHome="0",
        )
        self.log("The server has been claimed")

    def queue(self, job: Job) -> None:
        """Queue a scan. The answer to the caller is the same whether it will ever run or not."""
        with self._lock:
            for waiting in self._waiting:
                if (waiting.section, waiting.path, waiting.force) == (job.section, job.path, job.force):
                    return
            self._waiting.append(job)
        self._jobs.put(job)

    def cancel(self, section: int) -> None:
        """Cancel a section's scan, unreliably: one that has only just begun does not hear it."""
        if self.switches["ignore_cancel"]:
            return
        with self._lock:
            for job in [job for job in self._waiting if job.section == section]:
                job.cancelled.set()
            current = self._current
        if (
            current is not None
            and current.section == section
            and time.monotonic() - current.started > self.pace.quiet
        ):
            current.cancelled.set()

    def is_refreshing(self, section: int) -> bool:
        with self._lock:
            return self._refreshing.get(section, 0) > 0

    @contextmanager
    def refreshing_section(self, section: int) -> Iterator[None]:
        """`refreshing="1"` on a section while the block runs."""
        with self._lock:
            self._refreshing[section] = self._refreshing.get(section, 0) + 1
        try:
            yield
        finally:
            with self._lock:
                self._refreshing[section] -= 1

    def spoil_database(self) -> None:
        """From now on the library is malformed, on disk and for every request."""
        if not self.malformed:
            self.library.spoil()
            self.malformed = True
            self.log("database disk image is malformed")

    def log(self, line: str) -> None:
        """Write to the server's log file and to the container's; tokens are masked."""
        text = SECRETS.sub(r"\1xxxxxxxxxxxxxxxxxxxx", line)
        stamped = f"{time.strftime('%b %d, %Y %H:%M:%S')} INFO - {text}"
        with self._log_path.open("a", encoding="utf-8", errors="replace") as file:
            file.write(stamped + "\n")
        if not self.settings.quiet:
            sys.stdout.write(stamped.encode("utf-8", "replace").decode("utf-8") + "\n")
            sys.stdout.flush()

    def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            if self.stopping.wait(self.pace.queued):
                return
            with self._lock:
                self._waiting.remove(job)
                self._current = job
            job.started = time.monotonic()
            try:
                if not job.cancelled.is_set():
                    scan = Scan(self, job)
                    scan.refresh_metadata() if job.force else scan.run()
            except Exception as failed:
                # As a real server: an error ends the scan, which nobody is told; only the log knows.
                self.log(f"Scan of section {job.section} ended early: {failed!r}")
            finally:
                with self._lock:
                    self._current = None

    def _keep_statistics(self) -> None:
        while True:
            if not self.malformed:
                with self.library.writing() as con:
                    con.execute(
                        "INSERT INTO statistics_resources(timespan, at, host_cpu_utilization) "
                        "VALUES(6, ?, 1.5)",
                        (int(time.time()),),
                    )
            if self.stopping.wait(STATISTICS_EVERY):
                return
