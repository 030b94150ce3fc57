"""What an archive of a library says of itself, and how the right one is found again.

The manifest is the archive's first member. Its copy beside the archive, the sidecar, is written last, after
the archive was read back and found good: an archive without one is not an archive.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from medialift.errors import Permanent, Unsafe
from medialift.plex.data_folder import Content
from medialift.plex.places import Place

FORMAT = 1
Kind = Literal["reference", "burst"]
QUARANTINE = "quarantine"

SUFFIX = ".tar.zst"
SIDECAR_SUFFIX = ".json"

_TIME = "%Y%m%dT%H%M%SZ"
_NAME = re.compile(r"(?P<library>[a-z0-9][a-z0-9_-]*)-(?P<at>\d{8}T\d{6}Z)\.tar\.zst")
_T = TypeVar("_T")
_HINT = "Use another archive, or export again"


@dataclass(frozen=True)
class Manifest:
    """What is in an archive.

    Attributes:
        kind: "reference" is taken from home before a burst, "burst" comes back from one.
        created: ISO 8601 in UTC.
        machine: sha256 of the server's machine identifier, not the identifier.
        schema: {max_version, triggers} of the library's database.
        sections: [{id, name, type, locations, items, episodes_or_tracks, deleted, sonic}]; of a burst also
            `believed_deleted`, items that may be missing since the store confirmed that their media are gone.
        path_map: {"forward": {home's path: the cloud's}}; {} when the paths are the same.
        watch_state: {digest, settings, views} of the database in the archive.
        reference: of a burst, what it was made from: {sha256, created, watch_state}.
        label: what the person who asked for it called it.
    """

    kind: Kind
    library: str
    created: str
    plex_version: str
    machine: str
    contents: tuple[Content, ...]
    schema: Mapping[str, Any] = field(default_factory=dict)
    sections: tuple[Mapping[str, Any], ...] = ()
    path_map: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    watch_state: Mapping[str, Any] = field(default_factory=dict)
    reference: Mapping[str, Any] | None = None
    label: str = ""
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = asdict(self)
        return {"format": told.pop("format"), **told, "contents": list(self.contents)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Manifest:
        """Read it back; what a later medialift added to this format is passed over.

        Raises:
            Unsafe: it is of a newer format, or malformed.
        """
        if not told:
            raise Unsafe("The archive has no manifest", "", "It is from the original system: name it by hand")
        version = told.get("format")
        if not isinstance(version, int) or version > FORMAT:
            raise Unsafe(
                "The archive was made by a newer medialift", f"format {version}", "Update medialift first"
            )
        return _parsed(_MANIFEST, told)


@dataclass(frozen=True)
class ArchiveFacts:
    """An archive's size in bytes and its sha256, and how many members of how many bytes are in it."""

    bytes: int
    sha256: str
    members: int
    content_bytes: int


@dataclass(frozen=True)
class Sidecar:
    """The manifest and what was proven of the archive.

    Attributes:
        reasons: why it is quarantined.
        acceptable: of a quarantined one, whether nothing is wrong with it but that nobody said that so many
            deletions, each of them confirmed by the store, are meant.
    """

    manifest: Manifest
    archive: ArchiveFacts
    quarantined: bool = False
    reasons: tuple[str, ...] = ()
    acceptable: bool = False

    def to_json(self) -> bytes:
        """The manifest's keys, and besides them `archive`, `quarantined`, `reasons` and `acceptable`."""
        told = {
            **self.manifest.to_dict(),
            "archive": asdict(self.archive),
            "quarantined": self.quarantined,
            "reasons": list(self.reasons),
            "acceptable": self.acceptable,
        }
        return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Sidecar:
        """Read it back.

        Raises:
            Unsafe: it is malformed or of a newer format.
        """
        try:
            told = json.loads(content)
            facts = {key: told.pop(key) for key in ("archive", "quarantined", "reasons")}
            # An archive from before there was such a thing is not.
            acceptable = told.pop("acceptable", False) is True
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise Unsafe("The description beside the archive is malformed", "", _HINT) from error
        return cls(
            Manifest.from_dict(told),
            _parsed(_FACTS, facts["archive"]),
            bool(facts["quarantined"]),
            tuple(map(str, facts["reasons"])),
            acceptable,
        )


@dataclass(frozen=True)
class Found:
    """An archive in its place, described and of the right size."""

    place: Place
    name: str
    sidecar: Sidecar

    @property
    def url(self) -> str:
        return self.place.locate(self.name)

    def open(self) -> BinaryIO:
        """The archive from its beginning; close it."""
        return self.place.open(self.name)


@dataclass(frozen=True)
class PassedOver:
    """An archive that must not be used, and why."""

    name: str
    reason: str


def archive_name(kind: Kind, library: str, created: datetime, *, quarantined: bool = False) -> str:
    """`reference/home-20261121T031500Z.tar.zst`, or below `quarantine/`."""
    folder = QUARANTINE if quarantined else kind
    return f"{folder}/{library}-{created.astimezone(UTC).strftime(_TIME)}{SUFFIX}"


def created_of(name: str) -> datetime | None:
    """When the archive of this name was made; None when this is no archive's name."""
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return datetime.strptime(match["at"], _TIME).replace(tzinfo=UTC) if match else None


def load(place: Place, name: str) -> Found:
    """The archive of this name, quarantined or not.

    Raises:
        Permanent: there is no such archive, or it has no description.
        Unsafe: its description is malformed, or its size is not what the description says.
    """
    size = place.size(name)
    if size is None:
        raise Permanent("There is no such archive", place.locate(name), "Check its name")
    if place.size(name + SIDECAR_SUFFIX) is None:
        raise Unsafe(
            "The archive was never verified: there is no description beside it", place.locate(name), _HINT
        )
    sidecar = Sidecar.from_json(place.read(name + SIDECAR_SUFFIX))
    if size != sidecar.archive.bytes:
        raise Unsafe(
            "The archive is truncated or was replaced",
            f"{place.locate(name)} has {size} bytes and should have {sidecar.archive.bytes}",
            _HINT,
        )
    return Found(place, name, sidecar)


def usable(place: Place, kind: Kind, library: str) -> Iterator[Found | PassedOver]:
    """The archives of a library, newest first: those that may be used, and why the others may not.

    They are looked at one after another, as they are asked for.
    """
    names = [name for name in place.names(f"{kind}/{library}-") if _is_of(name, library)]
    for name in sorted(names, reverse=True):
        try:
            found = load(place, name)
        except (Unsafe, Permanent) as error:
            yield PassedOver(name, str(error))
            continue
        # One that was put back by hand from the quarantine is still one.
        yield PassedOver(name, "it is quarantined") if found.sidecar.quarantined else found


def newest(place: Place, kind: Kind, library: str) -> Found:
    """The newest archive that may be used. Quarantined ones never are.

    Raises:
        Permanent: there is none; the reasons of those that were passed over are in the hint.
    """
    reasons = []
    for candidate in usable(place, kind, library):
        if isinstance(candidate, Found):
            return candidate
        reasons.append(f"{candidate.name}: {candidate.reason}")
    raise Permanent(
        f"There is no usable {kind} archive of the library '{library}'",
        place.url,
        "; ".join(reasons) or "Export one first",
    )


def labelled(place: Place, kind: Kind, library: str, label: str) -> Found | None:
    """The newest usable archive that was given this label."""
    for candidate in usable(place, kind, library):
        if isinstance(candidate, Found) and candidate.sidecar.manifest.label == label:
            return candidate
    return None


def _is_of(name: str, library: str) -> bool:
    match = _NAME.fullmatch(name.rpartition("/")[2])
    return match is not None and match["library"] == library


_MANIFEST = TypeAdapter(Manifest)
_FACTS = TypeAdapter(ArchiveFacts)


def _parsed(adapter: TypeAdapter[_T], told: Any) -> _T:
    try:
        return adapter.validate_python(told)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(str(part) for part in wrong["loc"])
        raise Unsafe(
            "The description of the archive is malformed", f"{place}: {wrong['msg']}", _HINT
        ) from None
