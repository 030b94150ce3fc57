"""What a monitor is to do with one mount, and where its files are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from medialift.errors import MedialiftError, Permanent
from medialift.foundation import atomic
from medialift.mounts import metrics, monitor
from medialift.mounts.probe import DEADLINE_SECONDS, RCLONE, SAMPLE

FOLDER = Path("/var/lib/medialift/mounts")
JOBS = Path("/var/lib/medialift/jobs")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("A path must be absolute: it starts with /")
    return value


def _loopback(value: str) -> str:
    if value:
        try:
            metrics.loopback(value)
        except MedialiftError as error:
            raise ValueError(f"{error.what}. {error.hint}") from error
    return value


AbsoluteText = Annotated[str, AfterValidator(_absolute)]


class RemoteOptions(BaseModel):
    """The store behind the mount, for comparing with it: see `medialift.mounts.remote.Remote`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rclone: AbsoluteText
    config: AbsoluteText
    remote: str = Field(min_length=1)
    options: list[str] = []


class WatchOptions(BaseModel):
    """How a mount is monitored. All times are in seconds.

    Attributes:
        mountpoint, roots, sample, deadline, filesystem, source, remote: as for `probe`.
        allow_empty: a mount that lists nothing is well, as that of a new bucket is.
        every, grace, threshold: as for `Monitor`.
        unit: the systemd unit that mounts it. Needed to recover.
        recover: bring it back when it failed. Otherwise it is only told.
        consumers: systemd units that read through it. They are stopped before a recovery and started again
            when the mount is healthy.
        jobs_folder: while a job of this folder runs, nothing is recovered: a run does so itself.
        metrics_file: a further place for the metrics, such as node_exporter's textfile folder.
        listen: address of this host's own at which the metrics are served; empty for none.
        keep: size in bytes at which the history begins anew; the one before is kept.
    """

    # A misspelt option must be an error: taken silently, it would leave the default in force.
    model_config = ConfigDict(extra="forbid", frozen=True)

    mountpoint: AbsoluteText
    roots: list[AbsoluteText] = []
    sample: int = Field(default=SAMPLE, ge=1)
    deadline: float = Field(default=DEADLINE_SECONDS, gt=0)
    filesystem: str = RCLONE
    source: str = ""
    remote: RemoteOptions | None = None
    allow_empty: bool = False
    every: float = Field(default=monitor.EVERY_SECONDS, gt=0)
    grace: float = Field(default=monitor.GRACE_SECONDS, ge=0)
    threshold: int = Field(default=monitor.THRESHOLD, ge=1)
    unit: str = ""
    recover: bool = False
    consumers: list[str] = []
    jobs_folder: AbsoluteText = str(JOBS)
    metrics_file: str = ""
    listen: Annotated[str, AfterValidator(_loopback)] = ""
    keep: int = Field(default=4_000_000, ge=10_000)

    @model_validator(mode="after")
    def _recoverable(self) -> WatchOptions:
        if self.recover and not self.unit:
            raise ValueError("To recover a mount, its unit must be named (unit)")
        return self

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> WatchOptions:
        """The options from plain values.

        Raises:
            Permanent: one is wrong or unknown; each is named.
        """
        try:
            return cls.model_validate(dict(given))
        except ValidationError as error:
            wrong = [
                ": ".join(
                    filter(None, (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")))
                )
                for one in error.errors(include_input=False, include_url=False)
            ]
            raise Permanent(
                "An option of the monitor is wrong", "; ".join(wrong).rstrip("."), "Correct it"
            ) from None


@dataclass(frozen=True)
class Place:
    """The files of one monitor, in a folder of its own below `folder`.

    Raises:
        Permanent: the name is none: small letters, digits, _ and - make one.
    """

    name: str
    folder: Path = FOLDER

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise Permanent(
                "This is no name of a mount", repr(self.name), "Use small letters, digits, _ and -"
            )

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.folder / self.name

    @property
    def options(self) -> Path:
        """What it is to do, for the process that does it."""
        return self.path / "watch.json"

    @property
    def state(self) -> Path:
        return self.path / "state.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.prom"

    @property
    def lock(self) -> Path:
        """Held for as long as it runs; its text is the process's number."""
        return self.path / "lock"

    def read_options(self) -> WatchOptions:
        """What it is to do.

        Raises:
            Permanent: nobody told, or it is damaged.
        """
        try:
            told = self.options.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Permanent(
                "No monitor of this name is set up",
                self.name,
                "Apply the role 'rclone_mount' with rclone_mount_monitor, or use the module mount_monitor",
            ) from None
        try:
            return WatchOptions.model_validate_json(told)
        except ValidationError:
            raise Permanent(
                "What the monitor is to do cannot be read", str(self.options), "Set it up again"
            ) from None

    def write_options(self, options: WatchOptions) -> None:
        """Tell what it is to do, from its next start on."""
        self.path.mkdir(parents=True, exist_ok=True)
        atomic.write_json(self.options, options.model_dump(mode="json"))


def names(folder: Path = FOLDER) -> list[str]:
    """The monitors that are set up."""
    return sorted(path.parent.name for path in folder.glob("*/watch.json"))
