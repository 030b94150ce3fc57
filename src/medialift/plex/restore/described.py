"""What an archive says of itself: its manifest, and the sidecar object that lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medialift.errors import Permanent, Unsafe
from medialift.plex.database import WatchState
from medialift.plex.paths import PathMap

FORMAT = 1
_HINT = "Export again, with the same version of medialift"


@dataclass(frozen=True)
class SectionClaim:
    """What the manifest claims of a section.

    Attributes:
        believed_deleted: items whose media were looked up in the store and are gone: they may be missing.
    """

    id: int
    name: str
    type: str
    items: int
    leaves: int
    deleted: int
    believed_deleted: int = 0


@dataclass(frozen=True)
class Manifest:
    """The manifest of an archive, checked.

    Attributes:
        reference: what people had done at home when the burst took its copy; None for a burst from scratch.
    """

    kind: str
    library: str
    created: str
    plex_version: str
    schema_version: int
    sections: tuple[SectionClaim, ...]
    path_map: PathMap
    reference: WatchState | None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Manifest:
        """Read a manifest.

        Raises:
            Unsafe: it is of a format that we do not know, or lacks something.
        """
        if told.get("format") != FORMAT:
            raise Unsafe(
                "The archive is of a format that we do not know",
                f"format {told.get('format')!r}",
                "Update medialift, or export again",
            )
        try:
            reference = told.get("reference") or {}
            watched = reference.get("watch_state")
            return cls(
                kind=str(told["kind"]),
                library=str(told["library"]),
                created=str(told["created"]),
                plex_version=str(told["plex_version"]),
                schema_version=int(told["schema"]["max_version"]),
                sections=tuple(_section(section) for section in told["sections"]),
                path_map=PathMap.of((told.get("path_map") or {}).get("forward") or {}),
                reference=WatchState(str(watched["digest"]), int(watched["settings"]), int(watched["views"]))
                if watched
                else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unsafe("The archive's manifest is incomplete", f"{error}", _HINT) from error
        except Permanent as error:
            raise Unsafe("The archive's path map is wrong", str(error), _HINT) from error


def _section(told: Mapping[str, Any]) -> SectionClaim:
    return SectionClaim(
        id=int(told["id"]),
        name=str(told["name"]),
        type=str(told["type"]),
        items=int(told["items"]),
        leaves=int(told["episodes_or_tracks"]),
        deleted=int(told["deleted"]),
        believed_deleted=int(told.get("believed_deleted", 0)),
    )


@dataclass(frozen=True)
class Sidecar:
    """The object beside an archive: its manifest again, its size and sha256, and whether it may be used."""

    manifest: Mapping[str, Any]
    sha256: str
    bytes: int
    members: int
    content_bytes: int
    quarantined: bool
    reasons: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, told: Mapping[str, Any], name: str) -> Sidecar:
        """Read a sidecar.

        Raises:
            Unsafe: it lacks something.
        """
        try:
            archive = told["archive"]
            return cls(
                manifest={
                    key: value
                    for key, value in told.items()
                    if key not in ("archive", "quarantined", "reasons")
                },
                sha256=str(archive["sha256"]),
                bytes=int(archive["bytes"]),
                members=int(archive["members"]),
                content_bytes=int(archive["content_bytes"]),
                # An archive that does not say it is good is not.
                quarantined=bool(told["quarantined"]),
                reasons=tuple(str(reason) for reason in told.get("reasons", ())),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unsafe(
                "The description beside the archive is incomplete", f"{name}: {error}", _HINT
            ) from error
