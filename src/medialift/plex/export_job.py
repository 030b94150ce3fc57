"""The job kind "plex-export": an export of this host's Plex as a unit of its own, told by its journal.

Credentials and paths come from the settings of the host; a job's arguments hold no secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medialift import settings as configuration
from medialift.cloud.objects import Store
from medialift.errors import Permanent, Transient
from medialift.foundation import jobs, sqlite
from medialift.foundation.waiting import Clock, wait_until
from medialift.plex import installation
from medialift.plex.data_folder import CONTENTS, Content, DataFolder
from medialift.plex.export import Exported, ExportRequest, Means, export, forecast
from medialift.plex.manifest import Found, Kind, labelled
from medialift.plex.paths import PathMap
from medialift.plex.places import Place, place_of
from medialift.plex.scan import WORK
from medialift.plex.server import PlexServer
from medialift.plex.snapshot import Mode
from medialift.settings import Settings

# The version is asked of the server when the export runs.
_LATER = "told by the server"


class ExportOptions(BaseModel):
    """The arguments of an export.

    Attributes:
        library, data, work, keep_free: None takes those of the settings.
        destinations: s3://bucket/prefix or folders; none means the store of the settings.
        path_map: {home's path: the cloud's}, or a file; None takes that of the settings, {} means none.
        plex_version: needed only where Plex does not answer.
        idle_wait: seconds to wait for Plex to be idle, in mode online.
        config: the settings file; None for the usual one.

    The others are those of `ExportRequest`.
    """

    # A misspelt option must be an error: taken silently, it would leave the default in force.
    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind = "reference"
    library: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    destinations: list[str] = []
    mode: Mode = "online"
    contents: list[Content] = list(CONTENTS)
    path_map: dict[str, str] | Path | None = None
    reference: dict[str, Any] | None = None
    quarantine: list[str] = []
    acceptable: bool = False
    believed_deleted: dict[str, int] = {}
    keep_damaged: bool = False
    label: str = ""
    previews: bool = True
    level: int = Field(default=3, ge=1, le=19)
    plex_version: str = ""
    data: Path | None = None
    work: Path | None = None
    keep_free: int | None = Field(default=None, ge=0)
    idle_wait: float = Field(default=900.0, ge=0)
    config: Path | None = None

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> ExportOptions:
        """Check the arguments of a job.

        Raises:
            Permanent: an option is unknown or malformed; it is named.
        """
        try:
            return cls.model_validate(dict(arguments))
        except ValidationError as error:
            wrong = error.errors()[0]
            place = ".".join(str(part) for part in wrong["loc"])
            raise Permanent(
                "An option of the export is wrong", f"{place}: {wrong['msg']}", "Correct it"
            ) from None


class HostExport:
    """An export of this host, as its settings and the options tell: what both the job and its faces need."""

    def __init__(self, options: ExportOptions, settings: Settings | None = None) -> None:
        self.options = options
        self.settings = settings or configuration.load(options.config).settings
        self.data = DataFolder(options.data or self.settings.plex.data)
        self.library = options.library or self.settings.plex.library
        self.places = self._places()

    def already_there(self) -> tuple[Found, ...]:
        """The archive of this label, once for each destination; () when one lacks it, or without a label."""
        if not self.options.label:
            return ()
        kind, label = self.options.kind, self.options.label
        found = [labelled(place, kind, self.library, label) for place in self.places]
        there = tuple(one for one in found if one is not None)
        return there if len(there) == len(self.places) else ()

    def forecast(self) -> dict[str, Any]:
        """{archives, files, content_bytes} of what an export would make; nothing is touched."""
        return forecast(self.data, self.places, self._request(version=_LATER)).to_dict()

    def check(self) -> None:
        """Find what is wrong with the request before a job is made of it.

        Raises:
            Permanent: there is no library, an option contradicts another, or a destination refuses.
            Transient: a destination cannot be reached.
        """
        self.data.checked()
        self._request(version=_LATER)
        for place in self.places:
            place.check()

    def run(self, context: jobs.Context, *, server: PlexServer | None = None) -> Exported:
        """Export, with the means of this host."""
        server = server or installation.server(self.settings)
        request = self._request(version=_version(server) or self.options.plex_version)
        sqlite3 = installation.sqlite(self.settings)
        means = Means(
            journal=context.journal,
            check=sqlite3.integrity_check,
            service=installation.service(self.settings),
            idle=self._idle(server, context.clock, context.stop),
            clock=context.clock,
            stop=context.stop,
        )
        return export(self.data, self.places, request, means)

    def _places(self) -> tuple[Place, ...]:
        given = self.settings.store
        store = None
        if given.bucket or any(url.startswith("s3://") for url in self.options.destinations):
            store = Store.of(given)
        urls = self.options.destinations or ([f"s3://{given.bucket}/{given.prefix}"] if given.bucket else [])
        if not urls:
            raise Permanent(
                "The export has no destination",
                "",
                "Name a folder or s3://bucket/prefix, or set store.bucket",
            )
        return tuple(place_of(url, store) for url in urls)

    def _request(self, *, version: str) -> ExportRequest:
        options = self.options
        return ExportRequest(
            kind=options.kind,
            library=self.library,
            plex_version=version,
            mode=options.mode,
            contents=tuple(options.contents),
            path_map=self._path_map(),
            reference=options.reference,
            quarantine=tuple(options.quarantine),
            acceptable=options.acceptable,
            believed_deleted=options.believed_deleted,
            keep_damaged=options.keep_damaged,
            label=options.label,
            previews=options.previews,
            level=options.level,
            work=options.work or self.settings.plex.workspace,
            keep_free=self.settings.runtime.free_space if options.keep_free is None else options.keep_free,
        )

    def _path_map(self) -> dict[str, str]:
        given = self.options.path_map
        if isinstance(given, dict):
            return PathMap.of(given).to_dict() if given else {}
        file = given or self.settings.plex.path_map
        return PathMap.load(file).to_dict() if file else {}

    def _idle(self, server: PlexServer, clock: Clock, stop: Event) -> Callable[[], bool]:
        return lambda: wait_until(
            lambda: is_idle(server, self.data),
            at_most=self.options.idle_wait,
            every=2,
            clock=clock,
            stop=stop,
        )


def run_job(context: jobs.Context) -> dict[str, Any]:
    """The function of the job kind "plex-export".

    Returns:
        {changed, archives, bytes, sha256, members, content_bytes, quarantined, reasons, acceptable,
        manifest};
        `changed` is False when an archive of the given label was there already.
    """
    host = HostExport(ExportOptions.of(context.arguments))
    there = host.already_there()
    if there:
        return {"changed": False, **described(there)}
    return {"changed": True, **host.run(context).to_dict()}


def described(there: Sequence[Found]) -> dict[str, Any]:
    """An archive that is at every destination already, in the same words as one just made."""
    sidecar = there[0].sidecar
    return Exported(
        tuple(one.url for one in there),
        sidecar.archive,
        sidecar.manifest,
        sidecar.quarantined,
        sidecar.reasons,
        sidecar.acceptable,
    ).to_dict()


def is_idle(server: PlexServer, data: DataFolder) -> bool:
    """Whether nothing changes the library: no scan, no analysis, nobody watching; or no Plex at all.

    Raises:
        Permanent: the server refuses to tell.
    """
    try:
        server.identity()
    except Transient:
        return not sqlite.users(data.library)
    try:
        return not (
            any(section.refreshing for section in server.sections())
            or any(activity.type.startswith(WORK) for activity in server.activities())
            or server.watching()
        )
    except Transient:
        return False  # a server that cannot say what it does is not known to be idle


def _version(server: PlexServer) -> str:
    try:
        return server.identity().version
    except Transient:
        return ""
