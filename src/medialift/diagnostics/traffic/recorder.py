"""Begins records while the switch is on, and sees to it that each is written at the end of its job."""

from __future__ import annotations

import logging
import os
import platform
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock, Timer
from typing import Any

from sqlalchemy import Engine

import medialift
from medialift.diagnostics.traffic import current, finishing, names
from medialift.diagnostics.traffic.record import Limits, Record
from medialift.diagnostics.traffic.redacting import Redactor
from medialift.queueing.crew import Crew
from medialift.settings import DiagnosticsSettings

_log = logging.getLogger(__name__)
VARIABLE = "MEDIALIFT_BATCH_DEBUG"
_WRITING_SECONDS = 10.0
_YES, _NO = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")


class Recorder:
    """The records of one pipeline in one process.

    Args:
        expected: statuses that are answers and no failures here, such as 404 where it means "none yet".
        secrets: values that are masked wherever they turn up: `settings.secrets(…)`.
        about: more that each record tells, such as {"collection": "calibre"}.
        on: says whether the switch is on; `attend` has it follow a worker's.
    """

    def __init__(
        self,
        settings: DiagnosticsSettings,
        *,
        pipeline: str,
        expected: Iterable[int] = (),
        secrets: Iterable[str] = (),
        about: Mapping[str, Any] | None = None,
        on: Callable[[], bool] = lambda: False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._pipeline = settings, pipeline
        self._expected, self._secrets = frozenset(expected), tuple(secrets)
        self._about, self._wall = dict(about or {}), wall
        self._switched, self._always = on, settings.batch_debug or by_environment()
        self._engine: Engine | None = None
        self._worker = ""
        self._open: dict[str, tuple[Record, Timer | None]] = {}
        self._timers: list[Timer] = []
        self._lock = Lock()
        self._tidied = float("-inf")

    @property
    def on(self) -> bool:
        """Whether a job that begins now is recorded."""
        return self._always or self._switched()

    def attend(self, crew: Crew) -> None:
        """Follow the switch as this worker hears of it, and keep the records in its ledger too.

        Records that a process of before left behind are made whole. It reads the disk: to be called in a
        thread.
        """
        self._switched = lambda: crew.debugging
        self._engine, self._worker = crew.database.engine, crew.name
        finishing.settle(self._settings, self._engine)

    @contextmanager
    def recording(
        self, job: str, *, label: str = "", linger: float = 0.0, settings: Mapping[str, Any] | None = None
    ) -> Iterator[Record | None]:
        """All requests of the block, by clients that are watched, go into the record of this job.

        Blocks of one job may follow one another and overlap; they share one record. Without a request there
        is none.

        Args:
            job: its id; what no file name may have becomes a dash.
            label: what it is, for people.
            linger: seconds after the last block in which another one goes on with the same record.
            settings: how requests are made: interval, concurrency, session.

        Yields:
            The record; None while the switch is off.
        """
        if not self.on:
            yield None
            return
        record = self._entered(names.id_of(job), label)
        if settings:
            record.note(settings=dict(settings))
        try:
            with current.within(record):
                yield record
        finally:
            self._left(record, linger)

    def close(self) -> None:
        """Write what is not written yet; for the end of the process."""
        with self._lock:
            left, self._open = list(self._open.values()), {}
            timers = list(self._timers)
        for record, timer in left:
            if timer is not None:
                timer.cancel()
            self._finish(record)
        for timer in timers:
            timer.join(_WRITING_SECONDS)  # it may be writing one just now

    def _entered(self, job: str, label: str) -> Record:
        with self._lock:
            record, timer = self._open.get(job, (None, None))
            if timer is not None:
                timer.cancel()
            if record is None or not record.open:
                record = self._made(job, label)
            record.users += 1
            self._open[job] = record, None
            return record

    def _left(self, record: Record, linger: float) -> None:
        with self._lock:
            record.users -= 1
            if record.users or self._open.get(record.job, (None, None))[0] is not record:
                return
            # Writing it takes the disk and the ledger their time, which is not the job's.
            timer = Timer(linger, self._over, (record,))
            timer.daemon = True
            timer.name = "traffic"
            self._timers = [one for one in self._timers if one.is_alive()]
            self._timers.append(timer)
            self._open[record.job] = record, timer
            timer.start()

    def _over(self, record: Record) -> None:
        with self._lock:
            if record.users or self._open.get(record.job, (None, None))[0] is not record:
                return
            del self._open[record.job]
        self._finish(record)

    def _finish(self, record: Record) -> None:
        try:
            finishing.finish(record, self._engine)
            if time.monotonic() - self._tidied > 3600:
                self._tidied = time.monotonic()
                self._tidy()
        except Exception as error:
            # Whatever it was, it is not the work's fault, and not to be its end.
            _log.warning("the record of %s is lost: %s", record.job, error)

    def _tidy(self) -> None:
        if self._engine is None:
            finishing.forget(self._settings)
            return
        with self._engine.begin() as connection:
            finishing.forget(self._settings, connection)

    def _made(self, job: str, label: str) -> Record:
        settings = self._settings
        about = {
            "pipeline": self._pipeline,
            "worker": self._worker,
            "host": socket.gethostname(),
            "label": label,
            **self._about,
            "medialift": medialift.__version__,
            "python": platform.python_version(),
        }
        return Record(
            job,
            {name: value for name, value in about.items() if value != ""},
            settings.folder,
            Redactor(self._secrets),
            Limits(settings.body_bytes, settings.file_bytes),
            self._expected,
            self._wall,
        )


def by_environment() -> bool:
    """Whether MEDIALIFT_BATCH_DEBUG asks for records of every job."""
    said = os.environ.get(VARIABLE, "").strip().lower()
    if said not in (*_YES, *_NO):
        _log.warning("%s is neither on nor off, so it is taken for off: %r", VARIABLE, said[:20])
    return said in _YES
