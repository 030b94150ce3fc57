"""Whether the intake can do its work: folders, disk space, ffmpeg, the database, services, credentials.

What is needed makes it ready or not; what is only wished for (a catalogue that answers) is told beside it.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from medialift.audiobooks import programs
from medialift.errors import MedialiftError
from medialift.foundation.units import format_size
from medialift.queueing.crew import AWAY, gone
from medialift.queueing.database import Database
from medialift.settings import Settings

_SECONDS = 10.0
"""A check that takes longer has failed: a mount that hangs never answers."""
_ENDPOINT_SECONDS = 5.0
_KEPT_SECONDS = 300.0
_READ, _WRITE = os.R_OK | os.X_OK, os.R_OK | os.W_OK | os.X_OK


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `needed`: without it nothing can be done."""

    name: str
    ok: bool
    detail: str = ""
    needed: bool = True


@dataclass(frozen=True)
class Health:
    """How it is. live: the service itself goes on. ready: all that is needed is there."""

    live: bool
    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        return self.live and all(check.ok for check in self.checks if check.needed)

    def to_dict(self) -> dict[str, Any]:
        """{ok, live, ready, checks: [{name, ok, detail, needed}]}."""
        return {
            "ok": self.ready and all(check.ok for check in self.checks),
            "live": self.live,
            "ready": self.ready,
            "checks": [asdict(check) for check in self.checks],
        }


@dataclass
class Checks:
    """Looks at everything; answers of services of others are kept for five minutes.

    Attributes:
        beside: why each of the service's own threads does not do what it should; "" when it does.
    """

    settings: Settings
    database: Database | None
    beside: Callable[[], Mapping[str, str]] = dict
    live: Callable[[], bool] = lambda: True
    _kept: dict[str, tuple[float, Check]] = field(default_factory=dict)

    def look(self) -> Health:
        """All checks, at once; none is waited for longer than ten seconds."""
        pool = ThreadPoolExecutor(16, thread_name_prefix="check")
        try:
            asked: dict[str, tuple[Future[Check], bool]] = {
                name: (pool.submit(check, name), needed) for name, needed, check in self._all()
            }
            wait([future for future, _ in asked.values()], timeout=_SECONDS)
            checks = [_answer(name, future, needed) for name, (future, needed) in asked.items()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        checks += [Check(name, not why, why) for name, why in self.beside().items()]
        return Health(self.live(), tuple(checks))

    def _all(self) -> Iterator[tuple[str, bool, Callable[[str], Check]]]:
        audiobooks = self.settings.audiobooks
        for name, path, mode in _folders(self.settings):
            yield f"folder {name}", True, lambda one, path=path, mode=mode: _folder(one, path, mode)  # type: ignore[misc]
        for name, path in (("work", audiobooks.work), ("converted", audiobooks.converted)):
            yield f"space {name}", True, lambda one, path=path: _space(one, path, audiobooks.free_space)  # type: ignore[misc]
        yield "ffmpeg", True, self._ffmpeg
        yield "database", True, self._database
        for name, url in self._endpoints():
            yield f"service {name}", False, lambda one, url=url: self._endpoint(one, url)  # type: ignore[misc]
        for name, secret in self._credentials():
            yield f"credentials {name}", False, lambda one, secret=secret: _credential(one, secret)  # type: ignore[misc]

    def _ffmpeg(self, name: str) -> Check:
        def ask() -> Check:
            try:
                found = programs.found()
                known = programs.encoders(found)
            except MedialiftError as error:
                return Check(name, False, str(error))
            codec = "libfdk_aac" if "libfdk_aac" in known else "aac"
            return Check(name, codec in known, f"{found.ffmpeg} with {codec}")

        return self._keep(name, ask)

    def _database(self, name: str) -> Check:
        if self.database is None:
            return Check(name, False, "There is none")
        try:
            with self.database.engine.connect() as connection:
                connection.execute(text("select 1"))
            self.database.check()
        except AWAY as error:
            return Check(name, False, str(gone(error)))
        except MedialiftError as error:
            return Check(name, False, str(error))
        return Check(name, True)

    def _endpoints(self) -> Iterator[tuple[str, str]]:
        tagging = self.settings.audiobooks.tagging
        if tagging.mode != "off" and "audible" in tagging.providers:
            ending = {"us": "com", "uk": "co.uk", "au": "com.au", "jp": "co.jp", "br": "com.br"}
            address = tagging.audible_url.replace("{tld}", ending.get(tagging.region, tagging.region))
            yield "audible", f"{address}/1.0/catalog/products?num_results=1&keywords=book"
            yield "audnexus", str(tagging.audnexus_url)
        for name, destination in self.settings.audiobooks.destinations.items():
            if destination.rescan_url:
                yield f"{destination.rescan} of {name}", str(destination.rescan_url)

    def _endpoint(self, name: str, url: str) -> Check:
        def ask() -> Check:
            try:
                answer = httpx.get(url, timeout=_ENDPOINT_SECONDS, follow_redirects=False)
            except httpx.HTTPError as error:
                return Check(name, False, f"{type(error).__name__}", needed=False)
            # Any answer of its own says that it is there; what it thinks of this question does not matter.
            said = f"it answers with {answer.status_code}"
            return Check(name, answer.status_code < 500, said, needed=False)

        return self._keep(name, ask)

    def _credentials(self) -> Iterator[tuple[str, Path]]:
        audiobooks = self.settings.audiobooks
        if audiobooks.tagging.token_file is not None:
            yield "audible", audiobooks.tagging.token_file
        for name, destination in audiobooks.destinations.items():
            if destination.rescan_token_file is not None:
                yield name, destination.rescan_token_file

    def _keep(self, name: str, ask: Callable[[], Check]) -> Check:
        at, kept = self._kept.get(name, (0.0, None))
        if kept is not None and kept.ok and time.monotonic() - at < _KEPT_SECONDS:
            return kept
        answer = ask()
        self._kept[name] = (time.monotonic(), answer)
        return answer


def _folders(settings: Settings) -> Iterator[tuple[str, Path, int]]:
    audiobooks = settings.audiobooks
    # What is kept stays where it is; else the sources leave the inbox.
    yield "inbox", audiobooks.inbox, _READ if audiobooks.on_complete == "keep" else _WRITE
    yield "converted", audiobooks.converted, _WRITE
    yield "work", audiobooks.work, _WRITE
    if audiobooks.on_complete == "archive":
        yield "archive", audiobooks.archive, _WRITE
    if audiobooks.backup:
        yield "backup", audiobooks.backup_folder, _WRITE
    if audiobooks.move_failed:
        yield "failed", audiobooks.failed, _WRITE


def _folder(name: str, path: Path, mode: int) -> Check:
    try:
        next(path.iterdir(), None)
    except OSError as error:
        return Check(name, False, f"{path}: {error.strerror}")
    if not os.access(path, mode):
        return Check(name, False, f"{path}: it may not be {'written' if mode == _WRITE else 'read'}")
    return Check(name, True, str(path))


def _space(name: str, path: Path, wanted: int) -> Check:
    try:
        free = shutil.disk_usage(path).free
    except OSError as error:
        return Check(name, False, f"{path}: {error.strerror}")
    return Check(name, free >= wanted, f"{format_size(free)} of {path} are free")


def _credential(name: str, path: Path) -> Check:
    try:
        mode = path.stat().st_mode
        empty = not path.read_bytes().strip()
    except OSError as error:
        return Check(name, False, f"{path}: {error.strerror}", needed=False)
    if empty:
        return Check(name, False, f"{path}: it is empty", needed=False)
    if stat.S_IMODE(mode) & 0o077:
        return Check(name, False, f"{path}: others may read it; its mode should be 0600", needed=False)
    return Check(name, True, str(path), needed=False)


def _answer(name: str, future: Future[Check], needed: bool) -> Check:
    if not future.done():
        return Check(name, False, f"no answer within {_SECONDS:g} s", needed)
    error = future.exception()
    return future.result() if error is None else Check(name, False, repr(error), needed)
