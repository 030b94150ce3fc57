"""Background services: processes that outlive the command that started them.

A service is known by marks in its environment (its name, and a fingerprint of what it was started from),
read from /proc. No pid is ever remembered, so none can be stale: a process is signalled only when it
carries the mark of that service at that moment, and an interrupted `up` leaves nothing that `down` cannot
find.

A machine holds one sandbox: a service that another checkout started is replaced.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from medialift.errors import Permanent
from medialift.foundation.waiting import wait_until

from .settings import Settings

_NAME = "MEDIALIFT_SANDBOX_SERVICE"
_FINGERPRINT = "MEDIALIFT_SANDBOX_FINGERPRINT"


@dataclass(frozen=True)
class Service:
    """One process.

    Args:
        name: unique in the sandbox; also the name of its log file.
        argv: what to run. It must stay in the foreground and must not detach.
        healthy: asked until it says True; then the service is up.
        sources: files or folders of code; when their content changes the service is started anew.
        environment: added to the environment.
        without: variables whose names start so are kept from it.
        patience: seconds it may take to become healthy.
        grace: seconds that a running one may take to answer before it counts as hung, and then to end.
    """

    name: str
    argv: tuple[str, ...]
    healthy: Callable[[], bool]
    sources: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    patience: float = 30
    grace: float = 10

    @property
    def fingerprint(self) -> str:
        """A digest of what it is started from."""
        digest = hashlib.sha256(repr((self.argv, sorted(self.environment.items()))).encode())
        for source in self.sources:
            for path in sorted(source.rglob("*.py")) if source.is_dir() else [source]:
                digest.update(f"\0{path}\0".encode() + path.read_bytes())
        return digest.hexdigest()[:16]


def answers(url: str) -> Callable[[], bool]:
    """A health check: does anything answer there, with a status below 500?"""

    def ask() -> bool:
        try:
            return httpx.get(url, timeout=2, trust_env=False).status_code < 500
        except httpx.HTTPError:  # not listening yet
            return False

    return ask


def start(service: Service, settings: Settings) -> bool:
    """Have it running and healthy; returns whether it had to be started.

    One that was started from anything else, or does not answer any more, is replaced.

    Raises:
        Permanent: it ended or was not healthy in time; the end of its log is in the message.
    """
    running = _processes(service.name)
    as_wanted = [process.fingerprint for process in running] == [service.fingerprint]
    # A busy machine answers late, and to replace a store loses what is in it: no hurry.
    if as_wanted and wait_until(service.healthy, at_most=service.grace, every=0.2):
        return False
    stop(service.name, service.grace)
    if service.healthy():
        raise Permanent(
            "Something that is not the sandbox's answers in the place of this service",
            service.name,
            "Stop the program that holds its port",
        )
    log = log_file(service.name, settings)
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(service.without or ("\0",))
    }
    marks = {_NAME: service.name, _FINGERPRINT: service.fingerprint}
    with log.open("wb") as out:
        process = subprocess.Popen(
            service.argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=settings.root,
            env=kept | dict(service.environment) | marks,
            start_new_session=True,
        )
    ended = False

    def settled() -> bool:
        nonlocal ended
        ended = process.poll() is not None
        return ended or service.healthy()

    if not wait_until(settled, at_most=service.patience, every=0.05) or ended:
        stop(service.name)
        tail = log.read_text(encoding="utf-8", errors="replace")[-1500:].strip()
        state = (
            f"ended with {process.returncode}" if ended else f"did not answer within {service.patience:.0f} s"
        )
        raise Permanent(f"The service {state} ({tail or 'it printed nothing'})", service.name, f"See {log}")
    return True


def stop(name: str, at_most: float = 10) -> bool:
    """End this service: SIGTERM, then SIGKILL after `at_most` seconds. False when it did not run."""
    found = _processes(name)
    for process in found:
        _signal(process.pid, name, signal.SIGTERM)
    if not wait_until(lambda: not _processes(name), at_most=at_most, every=0.05):
        for process in _processes(name):
            _signal(process.pid, name, signal.SIGKILL)
        wait_until(lambda: not _processes(name), at_most=5, every=0.05)
    return bool(found)


def running() -> list[str]:
    """The names of the services that run on this machine, sorted."""
    return sorted({process.name for process in _processes(None)})


def log_file(name: str, settings: Settings) -> Path:
    return settings.state / "services" / f"{name}.log"


@dataclass(frozen=True)
class _Process:
    pid: int
    name: str
    fingerprint: str


def _processes(name: str | None) -> list[_Process]:
    """The leaders of the services' sessions; their children have the marks too, but are theirs to end."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            process = _read(int(entry.name))
            if process is not None and name in (None, process.name):
                found.append(process)
    return found


def _read(pid: int) -> _Process | None:
    try:
        if os.getsid(pid) != pid:
            return None
        content = Path(f"/proc/{pid}/environ").read_bytes()
        state = (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[0]
        )
    except OSError:  # it ended meanwhile, or is another user's: not a service of ours either way
        return None
    environment = dict(part.split(b"=", 1) for part in content.split(b"\0") if b"=" in part)
    name = environment.get(_NAME.encode())
    if name is None or state == "Z":
        return None
    return _Process(pid, name.decode(), environment.get(_FINGERPRINT.encode(), b"").decode())


def _signal(pid: int, name: str, number: signal.Signals) -> None:
    # A pid descriptor is of one process for ever: between the look and the signal no other takes its place.
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        process = _read(pid)
        if process is not None and process.name == name:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)
