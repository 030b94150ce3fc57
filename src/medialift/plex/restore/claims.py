"""What an archive's manifest claims, in the shape that an import compares it in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medialift.errors import Permanent, Unsafe
from medialift.plex.database import WatchState
from medialift.plex.manifest import Manifest
from medialift.plex.paths import PathMap

_HINT = "Use another archive, or export again"


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
class Claims:
    """A manifest, understood.

    Attributes:
        schema_version: the newest migration of the database.
        reference: what people had done at home when the burst took its copy; None for a burst from scratch.
    """

    kind: str
    plex_version: str
    schema_version: int
    sections: tuple[SectionClaim, ...]
    path_map: PathMap
    reference: WatchState | None

    @classmethod
    def of(cls, manifest: Manifest) -> Claims:
        """Understand a manifest.

        Raises:
            Unsafe: it lacks something, or its path map is wrong.
        """
        try:
            watched = (manifest.reference or {}).get("watch_state")
            return cls(
                kind=manifest.kind,
                plex_version=manifest.plex_version,
                schema_version=int(manifest.schema["max_version"]),
                sections=tuple(_section(section) for section in manifest.sections),
                path_map=PathMap.of(manifest.path_map.get("forward") or {}),
                reference=WatchState(str(watched["digest"]), int(watched["settings"]), int(watched["views"]))
                if watched
                else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise Unsafe("The archive's manifest is incomplete", str(error), _HINT) from error
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
