"""Settings: one definition gives validation, `medialift config explain` and the table in the docs.

They are read from a TOML file (/etc/medialift/medialift.toml, mode 0600, or what MEDIALIFT_CONFIG names) and
from the environment, which wins: `[store] bucket` is MEDIALIFT_STORE__BUCKET. Secrets are `SecretStr`: they
never show in a repr, a log or `--json`.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from medialift.errors import Permanent
from medialift.foundation.hours import Hours
from medialift.foundation.units import parse_duration, parse_size

DEFAULT_FILE = Path("/etc/medialift/medialift.toml")
FILE_VARIABLE = "MEDIALIFT_CONFIG"
ENVIRONMENT_PREFIX = "MEDIALIFT_"
MASKED = "(set, not shown)"


def _size(value: object) -> int:
    try:
        return parse_size(value)  # type: ignore[arg-type]
    except Permanent as error:
        raise ValueError(str(error)) from error


def _duration(value: object) -> float:
    try:
        return parse_duration(value)  # type: ignore[arg-type]
    except Permanent as error:
        raise ValueError(str(error)) from error


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("An address starts with http:// or https:// and names a host")
    if parts.username or parts.password:
        raise ValueError("A name or password does not belong in the address: there are settings of their own")
    return value.rstrip("/")


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("A path must be absolute: it starts with /")
    return value


def _hours(value: str) -> str:
    try:
        Hours.parse(value)
    except Permanent as error:
        raise ValueError(str(error)) from error
    return value


def _socket_address(value: str) -> str:
    parts = urlsplit(value)
    if value and (parts.scheme not in ("ws", "wss") or not parts.hostname):
        raise ValueError("The address of a socket starts with ws:// or wss:// and names a host")
    if parts.username or parts.password or parts.query:
        raise ValueError("Only the address belongs here: no name, password or token")
    return value


def _database_address(value: SecretStr) -> SecretStr:
    # The value is secret, so nothing of it is told.
    address = value.get_secret_value()
    if address and not address.startswith(("postgresql://", "postgres://")):
        raise ValueError("The address of a database starts with postgresql://")
    return value


def _map_file(value: Path) -> Path:
    if value.suffix not in (".yml", ".yaml", ".json"):
        raise ValueError("A map is a file of YAML or JSON: its name ends in .yml, .yaml or .json")
    return _absolute(value)


Size = Annotated[int, BeforeValidator(_size)]
Duration = Annotated[float, BeforeValidator(_duration)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
HoursOfDay = Annotated[str, AfterValidator(_hours)]
SocketAddress = Annotated[str, AfterValidator(_socket_address)]
DatabaseAddress = Annotated[SecretStr, AfterValidator(_database_address)]
MapFile = Annotated[Path, AfterValidator(_map_file)]


class _Section(BaseModel):
    # A misspelt name must be an error: taken silently, it would leave the default in force.
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """The S3 store that keeps archives, journals and logs."""

    endpoint: WebAddress = Field(default="https://s3.fr-par.scw.cloud", description="address of the S3 store")
    region: str = Field(default="fr-par", min_length=1, description="region of the store")
    bucket: str = Field(
        default="", description="bucket of the archives, the logs and the reports; empty: no store"
    )
    prefix: str = Field(
        default="plex",
        description="keys start with it: PREFIX/reference/, PREFIX/burst/, PREFIX/quarantine/",
    )
    access_key: SecretStr = Field(default=SecretStr(""), description="access key of the store")
    secret_key: SecretStr = Field(default=SecretStr(""), description="secret key of the store")
    timeout: Duration = Field(
        default=60.0, gt=0, description="time without a byte after which a connection counts as dead"
    )
    patience: Duration = Field(
        default=180.0, gt=0, description="time over which a failing request is tried again"
    )


class PlexSettings(_Section):
    """The Plex Media Server of this host."""

    url: WebAddress = Field(
        default="http://127.0.0.1:32400", description="address of the server, by IP, not by name"
    )
    token: SecretStr = Field(default=SecretStr(""), description="its token; empty: read from Preferences.xml")
    unit: str = Field(default="plex.service", description="systemd unit that starts and stops it")
    data: AbsolutePath = Field(
        default=Path("/srv/plex/config/Library/Application Support/Plex Media Server"),
        description="its data folder on this host: the one that holds Preferences.xml",
    )
    library: str = Field(
        default="home",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="name of the library, part of the archives' names",
    )
    sqlite: tuple[str, ...] = Field(
        default=(),
        description="command that runs `Plex SQLite`, as a list; empty: found in the container's image or, "
        "for a native package, beside the server",
    )
    container: str = Field(default="plex", description="name of its container; empty for a native package")
    owner: str = Field(default="", description="user:group of its files; empty: as the files are now")
    path_map: AbsolutePath | None = Field(
        default=None,
        examples=["/etc/medialift/paths.yml"],
        description="file with the map from home's paths to the cloud's (JSON or YAML)",
    )
    account_url: WebAddress = Field(default="https://plex.tv", description="where claim tokens come from")
    stop_timeout: Duration = Field(
        default=180.0, gt=0, description="longest that it may take to stop: it writes its databases out then"
    )
    start_timeout: Duration = Field(
        default=120.0,
        gt=0,
        description="longest that its unit may take to start, before it is ready",
    )
    check_timeout: Duration = Field(
        default=14400.0, gt=0, description="longest that a full check of a database may take"
    )
    keep_rollbacks: int = Field(default=3, ge=1, description="how many earlier libraries an import keeps")
    workspace: AbsolutePath = Field(
        default=Path("/var/lib/medialift/work"), description="scratch folder for archives that are being read"
    )


class MountSettings(_Section):
    """The mounts that the media are read through."""

    points: tuple[AbsolutePath, ...] = Field(
        default=(), description="mount points that must be healthy, as a list"
    )
    deadline: Duration = Field(
        default=20.0, gt=0, description="longest that one read may take before it is hung"
    )
    samples: int = Field(default=4, ge=1, description="files read per check")


class NotifySettings(_Section):
    """Whom to tell, and of what."""

    urls: tuple[SecretStr, ...] = Field(
        default=(),
        description="Apprise addresses, such as ntfy://… or mailto://…; they hold tokens, so are secret",
    )
    events: tuple[
        Literal[
            "ended",
            "failed",
            "overspent",
            "stuck",
            "escalated",
            "code_fixed",
            "audiobook_done",
            "audiobook_failed",
            "audiobook_retry",
            "audiobook_needs_person",
            "audiobook_ready_for_tagging",
            "audiobook_tagged",
            "audiobook_tagging_failed",
        ],
        ...,
    ] = Field(
        default=(
            "ended",
            "failed",
            "overspent",
            "stuck",
            "escalated",
            "code_fixed",
            "audiobook_done",
            "audiobook_failed",
            "audiobook_needs_person",
            "audiobook_tagging_failed",
        ),
        description="events that are told",
    )
    events_of: Mapping[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="other events for single destinations, by the scheme or the start of their address: "
        '{mailto = ["failed"]}',
    )


class JobSettings(_Section):
    """Long work that runs on this host as systemd units."""

    folder: AbsolutePath = Field(default=Path("/var/lib/medialift/jobs"), description="one folder per job")


class CloudSettings(_Section):
    """The account in which instances are made. Needed on the controller only."""

    api_url: WebAddress = Field(default="https://api.scaleway.com", description="address of the cloud's API")
    zone: str = Field(
        default="fr-par-1", pattern=r"^[a-z]{2}-[a-z]{3}-\d$", description="zone of the instances"
    )
    project: str = Field(default="", description="id of the project; empty: SCW_DEFAULT_PROJECT_ID")
    organization: str = Field(
        default="", description="id of the organization; empty: SCW_DEFAULT_ORGANIZATION_ID"
    )
    access_key: SecretStr = Field(
        default=SecretStr(""), description="access key of the API; empty: SCW_ACCESS_KEY"
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""), description="secret key of the API; empty: SCW_SECRET_KEY"
    )


class DatabaseSettings(_Section):
    """The PostgreSQL that holds the ledger and the queue."""

    url: DatabaseAddress = Field(
        default=SecretStr(""),
        description="address of the database, such as postgresql://medialift:password@db.example/medialift; "
        "empty: postgresql:///medialift, which is this host's own, over its socket and without a password",
    )
    embedded: AbsolutePath | None = Field(
        default=None,
        examples=["/var/lib/medialift/postgresql"],
        description="data folder of a server of our own, started when it is needed and used instead of url: "
        "for tests and demos, never for a library that matters",
    )


class BooksSettings(_Section):
    """The Calibre library that goes into MyBookshelf2, and how."""

    library: AbsolutePath | None = Field(
        default=None, examples=["/srv/calibre"], description="Calibre's library: the folder with metadata.db"
    )
    collection: str = Field(
        default="calibre",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="name of this library in the ledger; two libraries need two names",
    )
    server: WebAddress = Field(default="http://127.0.0.1:6006", description="address of MyBookshelf2")
    socket: SocketAddress = Field(
        default="",
        examples=["ws://127.0.0.1:8080/ws"],
        description="address of its WebSocket; empty: ws://HOST:8080/ws, HOST being that of server",
    )
    user: str = Field(default="", description="name to log in with; it needs the right to upload")
    password: SecretStr = Field(default=SecretStr(""), description="password of this user")
    server_database: DatabaseAddress = Field(
        default=SecretStr(""),
        description="address of MyBookshelf2's own database, for learning faster what it has already; "
        "only read; empty: its API is asked",
    )
    parallel_uploads: int = Field(
        default=4, ge=1, le=64, description="files that one worker has in flight at a time"
    )
    batch: int = Field(default=50, ge=1, le=1000, description="books that one worker takes at once")
    max_upload: Size = Field(
        default=524_288_000,
        ge=8192,
        description="largest request that the server takes (its MAX_CONTENT_LENGTH); a file that is larger "
        "is skipped with this reason",
    )
    transfer: Literal["copy", "hardlink", "reflink", "symlink"] = Field(
        default="copy",
        description="what becomes of the bytes on the server's disk; all but copy need server_books",
    )
    server_books: AbsolutePath | None = Field(
        default=None,
        examples=["/srv/mybookshelf2"],
        description="the server's data folder (its DATA) as this host sees it, for transfers other than copy",
    )
    bandwidth: Size = Field(default=0, description="bytes per second of all workers together; 0: no limit")
    hours: HoursOfDay = Field(
        default="",
        examples=["22:00-06:30"],
        description="hours of the day in which books are uploaded, in local time; empty: always",
    )
    default_language: str = Field(
        default="en",
        pattern=r"^[a-z]{2,3}$",
        description="code of the language that a book gets whose own the server does not know",
    )
    language_map: MapFile | None = Field(
        default=None,
        examples=["/etc/medialift/languages.yml"],
        description="file with a map from Calibre's language codes to the server's (YAML or JSON), "
        "before the one that is built in",
    )
    genre_map: MapFile | None = Field(
        default=None,
        examples=["/etc/medialift/genres.yml"],
        description="file with a map from Calibre's tags to the server's genres (YAML or JSON), "
        "before the one that is built in",
    )
    attempts: int = Field(
        default=3,
        ge=1,
        description="attempts at a file, 2, 4, 8 s apart, before its book is put off; five times at most",
    )
    timeout: Duration = Field(
        default=120.0, gt=0, description="time without an answer after which a request counts as lost"
    )

    @model_validator(mode="after")
    def _transfer_has_its_folder(self) -> BooksSettings:
        if self.transfer != "copy" and self.server_books is None:
            raise ValueError(
                f"The transfer '{self.transfer}' needs server_books, the server's data folder here"
            )
        return self


class DestinationSettings(_Section):
    """A library that finished audiobooks are delivered to: [audiobooks.destinations.NAME]."""

    path: str = Field(
        min_length=1,
        description="its folder: an absolute path, REMOTE:path for rclone, HOST:path or a path for rsync",
    )
    transfer: Literal["copy", "hardlink", "rclone", "rsync"] = Field(
        default="copy", description="how a book gets there"
    )
    naming: str = Field(default="", description="its own naming template; empty: that of [audiobooks]")
    approve: bool = Field(
        default=False, description="hold every book until a person approves it for this library"
    )
    rescan: Literal["", "plex", "audiobookshelf", "jellyfin", "webhook"] = Field(
        default="", description="server that is told of a new book; empty: none"
    )
    rescan_url: WebAddress | Literal[""] = Field(default="", description="address of that server")
    rescan_library: str = Field(
        default="", description="id of its library or section; Jellyfin and a webhook need none"
    )
    rescan_token_file: AbsolutePath | None = Field(
        default=None,
        description="file with its token or key, mode 0600; a webhook's is sent as a bearer token",
    )
    rescan_path: str = Field(
        default="",
        pattern=r"^(/.*)?$",
        description="the library's folder as that server sees it, when it is another (Plex in a container)",
    )
    sidecars: tuple[Literal["cover", "description", "narrator", "metadata_json", "manifest"], ...] = Field(
        default=("cover",),
        description="files beside the book: cover.jpg, desc.txt, reader.txt, Audiobookshelf's metadata.json, "
        "the manifest",
    )
    timeout: Duration = Field(default=3600.0, gt=0, description="longest that one delivery may take")


class TaggingSettings(_Section):
    """How a converted audiobook is recognised and tagged."""

    mode: Literal["off", "at_once", "queued"] = Field(
        default="at_once",
        description="at_once: before the next book is begun; queued: when nothing is to be converted; off",
    )
    tagger: Literal["own", "beets"] = Field(default="own", description="what writes the tags")
    beet: str = Field(default="beet", min_length=1, description="the program beet, with beets-audible")
    providers: tuple[Literal["metadata_yml", "opf", "audible"], ...] = Field(
        default=("metadata_yml", "opf", "audible"),
        description="where metadata come from; the first one that says something of a field wins",
    )
    region: Literal["us", "uk", "de", "fr", "ca", "au", "it", "es", "in", "jp", "br"] = Field(
        default="us", description="Audible's shop that is asked first"
    )
    fallback_regions: tuple[
        Literal["us", "uk", "de", "fr", "ca", "au", "it", "es", "in", "jp", "br"], ...
    ] = Field(default=(), description="shops that are asked next, in this order")
    audible_url: str = Field(
        default="https://api.audible.{tld}",
        pattern=r"^https?://\S+$",
        description="address of Audible's catalogue; {tld} is the shop's ending, such as com or co.uk",
    )
    audnexus_url: WebAddress = Field(default="https://api.audnex.us", description="address of Audnexus")
    token_file: AbsolutePath | None = Field(
        default=None,
        examples=["/etc/medialift/audible.token"],
        description="file with a token that is sent to Audible, mode 0600; the catalogue needs none today",
    )
    requests_per_minute: int = Field(
        default=90, ge=1, le=100, description="requests to one service; Audnexus refuses more than 100"
    )
    cache: AbsolutePath = Field(
        default=Path("/var/lib/medialift/audiobooks/cache"), description="folder of answers that are kept"
    )
    cache_lifetime: Duration = Field(default=2_592_000.0, ge=0, description="how long an answer is kept")
    confidence: float = Field(
        default=0.85, ge=0, le=1, description="a match that is less sure waits for a person"
    )
    scheme: Literal["itunes", "freeform", "both"] = Field(
        default="both", description="MP4 atoms, freeform atoms, or both where a field has both"
    )
    timeout: Duration = Field(default=300.0, gt=0, description="longest that tagging one book may take")
    max_retries: int = Field(
        default=5, ge=0, description="tries after the first, apart from the conversion's"
    )
    retry_base: Duration = Field(
        default=60.0, gt=0, description="time before the second try; doubled each time, an hour at most"
    )


class AudiobooksSettings(_Section):
    """The intake of audiobooks: folders that are dropped into the inbox become one M4B each."""

    inbox: AbsolutePath = Field(default=Path("/srv/audiobooks/inbox"), description="folder that is watched")
    converted: AbsolutePath = Field(
        default=Path("/srv/audiobooks/converted"), description="folder of the finished books"
    )
    archive: AbsolutePath = Field(
        default=Path("/srv/audiobooks/archive"), description="folder that sources are moved to when done"
    )
    backup_folder: AbsolutePath = Field(
        default=Path("/srv/audiobooks/backup"), description="folder of copies that are made before anything"
    )
    failed: AbsolutePath = Field(
        default=Path("/srv/audiobooks/failed"), description="folder that failed books are moved to"
    )
    work: AbsolutePath = Field(
        default=Path("/var/lib/medialift/audiobooks/work"), description="scratch folder of conversions"
    )
    collection: str = Field(
        default="audiobooks",
        pattern=r"^[a-z0-9][a-z0-9_-]*$",
        description="name of this inbox in the ledger; two inboxes need two names",
    )
    wait: Duration = Field(
        default=5.0, ge=0, description="a book is taken when nothing of it changed for so long"
    )
    rescan: Duration = Field(
        default=10.0, gt=0, description="time between two looks, for folders that tell no changes (NFS, SMB)"
    )
    match: str = Field(
        default="", description="regular expression; only books whose path in the inbox it finds are taken"
    )
    ignore: tuple[str, ...] = Field(
        default=(".*", "@eaDir", "#recycle", "Thumbs.db", "desktop.ini", "*.part", "*.crdownload", "*.!qB"),
        description="names of files and folders that are not looked at, as patterns",
    )
    audio_types: tuple[str, ...] = Field(
        default=(".mp3", ".m4a", ".m4b", ".mp4", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma", ".wav"),
        description="endings of audio files",
    )
    multi_disc: bool = Field(
        default=True, description="join the discs of a book; off: such a book is refused"
    )
    series: bool = Field(
        default=True, description="take each book of a series' folder; off: such a folder is refused"
    )
    on_complete: Literal["archive", "delete", "keep"] = Field(
        default="archive", description="what becomes of the sources when the book is proven"
    )
    backup: bool = Field(default=True, description="copy the sources to backup_folder before anything")
    overwrite: bool = Field(
        default=False, description="replace a finished book of the same name; off: the new one gets a number"
    )
    move_failed: bool = Field(
        default=True, description="move books that failed for good to the failed folder"
    )
    convert: Literal["if_needed", "always"] = Field(
        default="if_needed",
        description="if_needed: an M4B that is right passes through, AAC parts are joined as they are",
    )
    encoder: Literal["auto", "aac", "libfdk_aac"] = Field(
        default="auto", description="auto: libfdk_aac where ffmpeg has it, else aac"
    )
    bitrate: int = Field(
        default=0, ge=0, le=512, description="kbit/s; 0: the highest of the parts, at most 64 per channel"
    )
    sample_rate: int = Field(
        default=0, ge=0, le=96_000, description="Hz; 0: the highest of the parts, at most 48000"
    )
    channels: Literal[0, 1, 2] = Field(default=0, description="0: the most of the parts, 2 at most")
    filenames_as_chapters: bool = Field(
        default=False, description="chapters are named after the files, not after their tags"
    )
    audnexus_chapters: bool = Field(
        default=True, description="chapter titles of Audnexus are taken when the runtime agrees"
    )
    longest_chapter: Duration = Field(
        default=0.0, ge=0, description="a longer chapter is split at a silence; 0: never"
    )
    wanted_chapter: Duration = Field(
        default=900.0, gt=0, description="length of the pieces of a chapter that is split"
    )
    cores: int = Field(default=0, ge=0, description="processor cores to use; 0: all")
    parallel_books: int = Field(default=0, ge=0, description="books at once; 0: one per core")
    conversion_timeout: Duration = Field(
        default=86_400.0, gt=0, description="longest that one conversion may take"
    )
    max_retries: int = Field(default=3, ge=0, description="tries after the first one")
    retry_transient: bool = Field(default=True, description="try again after an error that may pass")
    retry_base: Duration = Field(
        default=60.0, gt=0, description="time before the second try; doubled each time, an hour at most"
    )
    free_space: Size = Field(
        default=500_000_000, description="bytes that stay free in work and converted beside what a book needs"
    )
    language: str = Field(
        default="",
        pattern=r"^([a-z]{2,3})?$",
        description="language of books that do not say; empty: unknown",
    )
    naming: str = Field(
        default="{author}/{series}/{number} - {title}",
        min_length=1,
        description="where a book lies in a library; a part without a value is left out with its separator",
    )
    series_padding: int = Field(default=2, ge=1, le=4, description="digits of a number within a series")
    hold: bool = Field(default=False, description="hold every tagged book until a person approves it")
    destinations: Mapping[str, DestinationSettings] = Field(
        default_factory=dict, description="libraries to deliver to: [audiobooks.destinations.NAME]"
    )
    plugins: tuple[str, ...] = Field(
        default=(), description="plug-ins: importable modules, or absolute paths of files"
    )
    plugin_timeout: Duration = Field(default=60.0, gt=0, description="longest that one plug-in may take")
    health_host: str = Field(default="127.0.0.1", description="address that /health and /metrics listen on")
    health_port: int = Field(default=8788, ge=0, le=65535, description="their port; 0: not served")
    rclone: str = Field(default="rclone", min_length=1, description="the program rclone")
    tagging: TaggingSettings = TaggingSettings()


class WorkerSettings(_Section):
    """The processes that take work from the ledger."""

    name: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._@:-]*$",
        description="name of this worker, one of its kind; empty: the host's name",
    )
    heartbeat: Duration = Field(default=10.0, gt=0, description="time between two signs of life")
    lease: Duration = Field(
        default=120.0, gt=0, description="time after which the work of a worker that is silent is given away"
    )
    sweep: Duration = Field(default=15.0, gt=0, description="time between two rounds of the supervisor")

    @model_validator(mode="after")
    def _lease_outlives_a_heartbeat(self) -> WorkerSettings:
        if self.lease < 2 * self.heartbeat:
            raise ValueError("A lease must last for two heartbeats at least: else it ends under live workers")
        return self


class StuckSettings(_Section):
    """How long a worker may go without progress; what is not given for a pipeline is as the default says."""

    progress: Duration | None = Field(
        default=None, gt=0, description="time without progress after which one that finished items is stuck"
    )
    starting: Duration | None = Field(
        default=None, gt=0, description="time without progress after which one that still starts is stuck"
    )
    activity: Duration | None = Field(
        default=None, gt=0, description="time without activity after which one in any other phase is stuck"
    )
    phases: Mapping[str, Duration] = Field(
        default_factory=dict, description="times for single phases, by their names, before all of the above"
    )


class ModelSettings(_Section):
    """A language model that may be asked what ails a worker. It decides within bounds only."""

    enabled: bool = Field(default=False, description="ask it at all; without it the rules decide")
    base_url: WebAddress = Field(
        default="https://api.openai.com/v1",
        description="address of an OpenAI-compatible API",
    )
    name: str = Field(default="", examples=["gpt-5-mini"], description="name of the model")
    key_file: AbsolutePath | None = Field(
        default=None,
        examples=["/etc/medialift/model.key"],
        description="file with its key, mode 0600; without it OPENAI_API_KEY of the environment; a local "
        "server may need none",
    )
    timeout: Duration = Field(default=60.0, gt=0, description="longest that an answer may take")
    confidence: float = Field(
        default=0.6, ge=0, le=1, description="answers that are less sure than this are not followed"
    )
    tokens_per_day: int = Field(
        default=200_000, ge=0, description="tokens that all questions of a day may take together"
    )
    answer_tokens: int = Field(default=2000, ge=200, description="tokens that one answer may take")


class ScalingSettings(_Section):
    """The number of workers by pressure; a pipeline without a target keeps its fixed number."""

    targets: Mapping[str, int] = Field(
        default_factory=dict, description="workers of each pipeline on this host when nothing is in their way"
    )
    lowest: int = Field(default=1, ge=1, description="workers of a pipeline that always remain")
    saturated: float = Field(
        default=0.9, gt=0, le=1, description="share of the time a disk is busy from which on it is saturated"
    )
    calm: float = Field(default=0.5, gt=0, le=1, description="below it there is room for one more worker")
    memory: float = Field(
        default=0.9, gt=0, le=1, description="share of the host's memory in use that counts as saturated"
    )
    latency: Duration = Field(
        default=10.0, gt=0, description="time for a simple answer of the server that counts as saturated"
    )
    down_cooldown: Duration = Field(default=300.0, gt=0, description="time between two steps down")
    up_cooldown: Duration = Field(default=600.0, gt=0, description="time after any step before one up")


class HealingSettings(_Section):
    """Watching the workers of this host, and repairing those that are stuck."""

    enabled: bool = Field(default=True, description="watch and repair; off: nothing is looked at or touched")
    repair: bool = Field(default=True, description="off: findings are told and kept, and nothing is touched")
    every: Duration = Field(default=60.0, gt=0, description="time between two rounds")
    floor: Duration = Field(default=600.0, ge=0, description="a worker that runs for less is never touched")
    progress: Duration = Field(
        default=300.0, gt=0, description="time without progress after which one that finished items is stuck"
    )
    starting: Duration = Field(
        default=1200.0, gt=0, description="time without progress after which one that still starts is stuck"
    )
    activity: Duration = Field(
        default=300.0, gt=0, description="time without activity after which one in any other phase is stuck"
    )
    silence: Duration = Field(
        default=180.0, gt=0, description="time without a sign of life after which its process is stuck"
    )
    crashes: int = Field(
        default=5, ge=2, description="starts within ten minutes without progress that make a crash loop"
    )
    pipelines: Mapping[str, StuckSettings] = Field(
        default_factory=dict, description="other times for single pipelines: [healing.pipelines.books]"
    )
    cooldown: Duration = Field(default=600.0, ge=0, description="time between two remedies of one worker")
    attempts: int = Field(default=3, ge=1, description="remedies that may fail before it is paused and told")
    verify: Duration = Field(
        default=120.0, gt=0, description="time after a remedy after which progress must be seen"
    )
    drain: Duration = Field(
        default=180.0, gt=0, description="longest that a worker may take to end before it is killed"
    )
    code_fixes: bool = Field(
        default=False, description="let the model propose edits of the code; each is tested first"
    )
    root: AbsolutePath = Field(
        default=Path("/opt/medialift"), description="folder of the installed releases, with `current` in it"
    )
    model: ModelSettings = ModelSettings()
    scaling: ScalingSettings = ScalingSettings()


class DashboardSettings(_Section):
    """The dashboard: its pages and its API."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="address that it listens on; while nobody may log in, a loopback one only",
    )
    port: int = Field(default=8790, ge=0, le=65535, description="its port; 0: any free one")
    base_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        examples=["/medialift"],
        description="path that a reverse proxy serves it under",
    )
    public_url: WebAddress | Literal[""] = Field(
        default="",
        examples=["https://media.example.org"],
        description="address that browsers use; https there makes the session's cookie secure",
    )
    proxy_addresses: tuple[str, ...] = Field(
        default=(),
        examples=[["127.0.0.1", "10.0.0.0/24"]],
        description="addresses and networks of reverse proxies whose headers are believed",
    )
    proxy_header: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9-]*$",
        examples=["Remote-User"],
        description="header in which such a proxy names who has logged in; empty: none is believed",
    )
    proxy_scope: Literal["read", "act", "admin"] = Field(
        default="read", description="what somebody may do whom a proxy names and who is no person here"
    )
    session_lifetime: Duration = Field(
        default=43_200.0,
        gt=0,
        description="time without use after which one logs in again; after seven times that in any case",
    )
    login_attempts: int = Field(
        default=5, ge=1, description="failed logins within login_window that are taken"
    )
    login_window: Duration = Field(default=300.0, gt=0, description="time in which failed logins are counted")
    listeners: int = Field(default=100, ge=1, description="browsers that are kept up to date at once")
    url: WebAddress | Literal[""] = Field(
        default="",
        examples=["https://media.example.org"],
        description="address of the dashboard that bursts of Plex are told to; empty: none is",
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="token of the scope act that they are told with"
    )
    token_file: AbsolutePath | None = Field(
        default=None,
        examples=["/etc/medialift/dashboard.token"],
        description="file with that token, readable by its owner only (0600), instead of token",
    )


class DiagnosticsSettings(_Section):
    """The record of a job's HTTP traffic (batch debug logging)."""

    folder: AbsolutePath = Field(
        default=Path("/var/lib/medialift-diagnostics"), description="one file per job that was recorded"
    )
    batch_debug: bool = Field(
        default=False,
        description="record every job, whatever the switch in the ledger says; MEDIALIFT_BATCH_DEBUG too",
    )
    body_bytes: Size = Field(default=2048, ge=0, description="bytes kept of the body of each error")
    file_bytes: Size = Field(
        default=100_000, ge=10_000, description="size of one job's record, beyond which only figures are kept"
    )
    keep: Duration = Field(default=604_800.0, gt=0, description="how long records are kept")


class PostersSettings(_Section):
    """Posters from Jellyfin."""

    url: WebAddress = Field(default="http://127.0.0.1:8096", description="address of Jellyfin")
    key_file: AbsolutePath | None = Field(
        default=None,
        examples=["/etc/medialift/jellyfin.key"],
        description="file with its API key, readable by its owner only (0600)",
    )
    folder: AbsolutePath = Field(
        default=Path("/srv/posters"), description="folder that posters are written to"
    )
    collection: str = Field(
        default="jellyfin", pattern=r"^[a-z0-9][a-z0-9_-]*$", description="name of this server in the ledger"
    )
    image: Literal["Primary", "Backdrop", "Logo", "Thumb", "Banner"] = Field(
        default="Primary", description="which picture of an item"
    )
    session: Literal["shared", "per_request"] = Field(
        default="shared", description="one HTTP session for all requests, or a new one for each"
    )
    interval: Duration = Field(default=0.1, ge=0, description="time between the starts of two requests")
    concurrency: int = Field(default=4, ge=1, le=64, description="posters in flight at once")
    timeout: Duration = Field(default=30.0, gt=0, description="longest that a request may take")
    max_retries: int = Field(
        default=5, ge=0, description="tries after the first one, of errors that may pass"
    )
    retry_base: Duration = Field(default=2.0, gt=0, description="time before the first of them; then doubled")
    max_bytes: Size = Field(default=50_000_000, ge=1, description="largest picture that is taken")


class RuntimeSettings(_Section):
    """How this program behaves."""

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="warning", description="what is logged"
    )
    free_space: Size = Field(
        default=2_000_000_000, description="bytes that must stay free where archives are unpacked"
    )


class Settings(BaseSettings):
    """All settings, in sections. Immutable."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    store: StoreSettings = StoreSettings()
    plex: PlexSettings = PlexSettings()
    mounts: MountSettings = MountSettings()
    notify: NotifySettings = NotifySettings()
    jobs: JobSettings = JobSettings()
    cloud: CloudSettings = CloudSettings()
    database: DatabaseSettings = DatabaseSettings()
    books: BooksSettings = BooksSettings()
    audiobooks: AudiobooksSettings = AudiobooksSettings()
    workers: WorkerSettings = WorkerSettings()
    healing: HealingSettings = HealingSettings()
    posters: PostersSettings = PostersSettings()
    diagnostics: DiagnosticsSettings = DiagnosticsSettings()
    dashboard: DashboardSettings = DashboardSettings()
    runtime: RuntimeSettings = RuntimeSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # What `load` passes in is the file: the environment stands above it. A .env file of whatever folder
        # a person happens to stand in never counts.
        return env_settings, init_settings


@dataclass(frozen=True)
class Loaded:
    """Settings with the file that they came from, for explanations."""

    settings: Settings
    file: Path
    file_found: bool
    file_values: Mapping[str, Any]
    environment_values: Mapping[str, Any]


@dataclass(frozen=True)
class Explained:
    """One setting: `store.bucket`, its value as it may be shown, where it came from and what it is for."""

    name: str
    value: Any
    default: Any
    origin: str
    kind: str
    documentation: str
    secret: bool
    variable: str


def load(file: Path | None = None) -> Loaded:
    """Read the settings.

    Args:
        file: the TOML file; None means what MEDIALIFT_CONFIG names, or else DEFAULT_FILE. Only DEFAULT_FILE
            may be absent: then the defaults and the environment count.

    Raises:
        Permanent: the file is absent, unreadable or no TOML, or a value is wrong; every wrong value is named.
    """
    asked_for = file or (file_in_use() if os.environ.get(FILE_VARIABLE) else None)
    path = asked_for or DEFAULT_FILE
    found, values = _read(path, required=asked_for is not None)
    environment: Mapping[str, Any] = {}
    try:
        environment = EnvSettingsSource(Settings)()
        settings = Settings(**values)
    except ValidationError as error:
        raise _wrong_values(error, path, environment) from None  # the cause would show the values
    except ValueError as error:  # a list or section in the environment that is not JSON
        raise Permanent(
            "A setting in the environment cannot be read",
            str(error),
            "Write lists and sections as JSON, such as MEDIALIFT_MOUNTS__POINTS='[\"/mnt/cloud/media\"]'",
        ) from None
    return Loaded(settings, path, found, values, environment)


def overriding(loaded: Loaded, given: Mapping[str, Mapping[str, Any]], *, origin: str = "") -> Settings:
    """The settings with values that one call gave, above those of the file and of the environment.

    Args:
        given: {section: {name: value}}, as in the file.
        origin: where they came from, for the message when one is wrong.

    Raises:
        Permanent: a value is wrong; every wrong value is named.
    """
    changed: dict[str, BaseModel] = {}
    for section, values in given.items():
        before: BaseModel = getattr(loaded.settings, section)
        try:
            changed[section] = type(before).model_validate({**dict(before), **values})
        except ValidationError as error:
            raise _wrong_values(error, Path(origin or "this call"), {}, section) from None
    return loaded.settings.model_copy(update=changed)


def file_in_use() -> Path:
    """The settings file that `load` reads when it is told none; it need not be there."""
    return Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)


def explain(loaded: Loaded) -> list[Explained]:
    """Every setting in order. Secrets are masked: whether one is set is shown, its value is not."""
    return [
        Explained(
            name=f"{section}.{name}",
            value=plain(getattr(within(loaded.settings, section), name)),
            default=plain(field.get_default(call_default_factory=True)),
            origin=_origin(loaded, section, name),
            kind=kind_of(field),
            documentation=field.description or "",
            secret=_is_secret(field),
            variable=_variable(section, name),
        )
        for section, name, field in fields()
    ]


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """(name, model) of every section, those within others too (healing.model), in the order of the
    definition."""
    for name, field in Settings.model_fields.items():
        yield from _sections(name, field)


def _sections(name: str, field: FieldInfo) -> Iterator[tuple[str, type[BaseModel]]]:
    if _is_section(field) and isinstance(field.annotation, type):
        yield name, field.annotation
        for inner, one in field.annotation.model_fields.items():
            yield from _sections(f"{name}.{inner}", one)


def families() -> Iterator[tuple[str, type[BaseModel]]]:
    """(name, model) of the sections that a person names and that may be there more than once:
    audiobooks.destinations.NAME."""
    for section, name, field in fields():
        inner = get_args(field.annotation)
        named = get_origin(field.annotation) is Mapping and isinstance(inner[1], type)
        if named and issubclass(inner[1], BaseModel):
            yield f"{section}.{name}.NAME", inner[1]


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """(section, name, field) of every setting, in the order of the sections."""
    for section, model in sections():
        for name, field in model.model_fields.items():
            if not _is_section(field):
                yield section, name, field


def within(settings: Settings, section: str) -> Any:
    """A section by its name, such as healing.model."""
    found: Any = settings
    for name in section.split("."):
        found = getattr(found, name)
    return found


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _variable(section: str, name: str) -> str:
    return ENVIRONMENT_PREFIX + "__".join(part.upper() for part in (*section.split("."), name))


def exposure(file: Path) -> str:
    """Why this settings file is open to others: a sentence, or "" when only its owner can read it."""
    mode = stat.S_IMODE(file.stat().st_mode)
    return f"It has mode {mode:04o}, so others can read the secrets in it" if mode & 0o077 else ""


def secrets(settings: Settings) -> list[str]:
    """The values of all secrets that are set: for `redact`, never to be shown."""
    found: list[str] = []
    for section, name, _ in fields():
        value = getattr(within(settings, section), name)
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, SecretStr) and item.get_secret_value():
                found.append(item.get_secret_value())
    return found


def _read(path: Path, *, required: bool) -> tuple[bool, dict[str, Any]]:
    try:
        return True, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise Permanent(
                "There is no such settings file",
                str(path),
                f"Make it, or correct --config or {FILE_VARIABLE}",
            ) from None
        return False, {}
    except (PermissionError, IsADirectoryError) as error:
        raise Permanent(
            "The settings file cannot be read",
            str(path),
            f"{error.strerror}: run as root, or correct its path",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Permanent(
            "The settings file is not valid TOML", str(path), f"Correct it: {error}"
        ) from None  # the text around may hold secrets


def _wrong_values(
    error: ValidationError, path: Path, environment: Mapping[str, Any], within: str = ""
) -> Permanent:
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        where = [*([within] if within else []), *(str(part) for part in problem["loc"])]
        name = ".".join(where)
        section = environment.get(where[0])
        in_environment = isinstance(section, Mapping) and (len(where) < 2 or where[1] in section)
        source = (
            ENVIRONMENT_PREFIX + "__".join(part.upper() for part in where[:2])
            if in_environment
            else str(path)
        )
        if problem["type"] == "extra_forbidden":
            lines.append(f"{name} (from {source}): there is no such setting{_nearest(where)}")
        else:
            message = problem["msg"].removeprefix("Value error, ").rstrip(".")
            lines.append(f"{name} (from {source}): {message}{_purpose(where)}")
    many = len(lines) > 1
    return Permanent(
        f"{len(lines)} settings are wrong" if many else "A setting is wrong",
        "; ".join(lines),
        "Correct them; `medialift config explain` shows what each is for"
        if many
        else "Correct it; `medialift config explain` shows what each is for",
    )


def _nearest(where: list[str]) -> str:
    known = (
        list(Settings.model_fields)
        if len(where) == 1
        else [
            name.rpartition(".")[2]
            for name in (*(f"{section}.{one}" for section, one, _ in fields()), *dict(sections()))
            if name.rpartition(".")[0] == ".".join(where[:-1])
        ]
    )
    close = difflib.get_close_matches(where[-1], known, n=1)
    return f", did you mean '{close[0]}'?" if close else f", there are: {', '.join(known)}"


def _purpose(where: list[str]) -> str:
    for section, name, field in fields():
        named = [*section.split("."), name]
        if where[: len(named)] == named:
            return f" (it is the {field.description})"
    return ""


def _origin(loaded: Loaded, section: str, name: str) -> str:
    if name in _given(loaded.environment_values, section):
        return f"environment {_variable(section, name)}"
    return str(loaded.file) if name in _given(loaded.file_values, section) else "default"


def _given(values: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """What was given for a section; nothing when it is not there."""
    found: Any = values
    for name in section.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def plain(value: Any) -> Any:
    """A value as JSON and TOML can hold it, secrets masked."""
    if isinstance(value, SecretStr):
        return MASKED if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, BaseModel):
        # Only what was set: the rest is as the section around it says.
        return {name: plain(getattr(value, name)) for name in sorted(value.model_fields_set)}
    return str(value) if isinstance(value, Path) else value


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def kind_of(field: FieldInfo) -> str:
    """What a person writes: text, number, size, duration, path, address, list, secret, or the choices."""
    if _is_secret(field):
        return "list of secrets" if get_origin(field.annotation) is tuple else "secret"
    marks = {id(getattr(mark, "func", None)): mark for mark in field.metadata}
    for function, word in (
        (_size, "size"),
        (_duration, "duration"),
        (_web_address, "address"),
        (_socket_address, "address"),
    ):
        if id(function) in marks:
            return word
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    if get_origin(annotation) is Mapping:
        return "table"
    if get_origin(annotation) is tuple:
        inner = get_args(annotation)[0]
        choices = " | ".join(map(str, get_args(inner))) if get_origin(inner) is Literal else ""
        return f"list of {choices}" if choices else "list"
    if annotation is Path or Path in _flat(annotation):
        return "path"
    if annotation is bool:
        return "true | false"
    return "number" if annotation in (int, float) else "text"


def _flat(annotation: Any) -> set[Any]:
    inner = get_args(annotation)
    return {annotation} | {found for part in inner for found in _flat(part)}
