"""Names of records: `job_{id}_{when it began}.json`, and `.jsonl` as long as the job goes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from medialift.errors import Permanent

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAME = re.compile(
    r"job_(?P<job>[A-Za-z0-9][A-Za-z0-9._-]{0,99})_(?P<at>\d{8}T\d{6}\.\d{6}Z)\.(?P<end>jsonl?)"
)


@dataclass(frozen=True)
class Named:
    """What the name of a record says."""

    job: str
    started: datetime
    open: bool

    @property
    def file(self) -> str:
        """The name itself."""
        return name_of(self.job, self.started, open=self.open)

    @property
    def closed(self) -> str:
        """Its name when its job is over."""
        return name_of(self.job, self.started)


def check(job: str) -> str:
    """The id itself.

    Raises:
        Permanent: it is none, so no record can have it.
    """
    if not _ID.fullmatch(job) or ".." in job:
        shown = job if len(job) <= 100 else f"{job[:100]}…"
        raise Permanent("This is no id of a job", repr(shown), "Take one that `batch-debug status` lists")
    return job


def id_of(words: str) -> str:
    """An id that is like these words: what no name may have becomes a dash."""
    made = re.sub(r"[^A-Za-z0-9._-]+", "-", words).replace("..", ".").strip("._-")[:100]
    return made or "job"


def name_of(job: str, started: datetime, *, open: bool = False) -> str:
    """The name of the file of a record."""
    return f"job_{job}_{started.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}.{'jsonl' if open else 'json'}"


def parsed(name: str) -> Named | None:
    """What a file's name says; None when it is not the name of a record."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        at = datetime.strptime(found["at"], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Named(found["job"], at, found["end"] == "jsonl")
