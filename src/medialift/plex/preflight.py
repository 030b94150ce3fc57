"""Everything about a burst that can be checked before money is spent, and what follows from it.

It runs on the controller: the store answers to the keys given, the buckets are there, the reference is whole
and says which Plex and which sections there are, the path map covers them, the disk is large enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medialift.cloud import objects
from medialift.cloud.objects import Store
from medialift.errors import Permanent, Unsafe
from medialift.foundation.units import format_size, parse_size
from medialift.plex import manifest, preferences, scratch
from medialift.plex.manifest import Found
from medialift.plex.paths import PathMap
from medialift.plex.places import StorePlace
from medialift.plex.scan import Times
from medialift.plex.selection import choose
from medialift.plex.server import Section

# The instance holds the unpacked library, its working copy while it is remapped and exported, and what the
# scan adds; images and the system come on top.
DISK_FACTOR = 3
DISK_BASE = 8_000_000_000

_MOVING = ("", "latest", "public", "beta", "plexpass")


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        archive: bucket and prefix of the archives.
        media_bucket: the bucket that the burst reads.
        root: where Plex in the cloud sees that bucket, as an absolute path (`/cloud/media`).
        reference: name of the reference archive; "" for the newest.
        path_map: {home's prefix: the cloud's}, or the path of a JSON or YAML file that holds it.
        sections: names; none for all.
        scratch_sections: the sections that a scratch burst makes.
        plex_version: "" takes that of the reference.
        disk: bytes of the instance's disk; 0 when it is not known.
        times, settings: of the run, which would else refuse them on a machine that is paid for.
    """

    store: Store
    archive: tuple[str, str]
    media_bucket: str
    root: str
    library: str = "home"
    mode: Literal["delta", "scratch"] = "delta"
    reference: str = ""
    path_map: Mapping[str, str] | str = field(default_factory=dict)
    sections: Sequence[str] = ()
    photo: bool = False
    scratch_sections: Sequence[Any] = ()
    plex_version: str = ""
    disk: int = 0
    times: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What the burst will do: see `to_dict`."""

    plex_version: str
    reference: Found | None
    path_map: Mapping[str, str]
    chosen: tuple[str, ...]
    skipped: Mapping[str, str]
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """{plex_version, reference: {url, name, created, sha256, bytes, content_bytes, watch_state}|null,
        run, path_map, sections, skipped: {name: reason}, warnings}.

        `run` names this burst: the same reference gives the same name, so a rerun finds its own jobs.
        """
        told = None
        run = "scratch"
        if self.reference is not None:
            sidecar = self.reference.sidecar
            told = {
                "url": self.reference.url,
                "name": self.reference.name,
                "created": sidecar.manifest.created,
                "sha256": sidecar.archive.sha256,
                "bytes": sidecar.archive.bytes,
                "content_bytes": sidecar.archive.content_bytes,
                "watch_state": dict(sidecar.manifest.watch_state),
            }
            run = sidecar.archive.sha256[:12]
        return {
            "plex_version": self.plex_version,
            "reference": told,
            "run": run,
            "path_map": dict(self.path_map),
            "sections": list(self.chosen),
            "skipped": dict(self.skipped),
            "warnings": list(self.warnings),
        }


def request(options: Mapping[str, Any]) -> Request:
    """The request from plain options, as a module has them; see library/plex_preflight.py."""
    return Request(
        store=Store(
            str(options["endpoint"]),
            str(options["region"]),
            str(options["access_key"]),
            str(options["secret_key"]),
        ),
        archive=(str(options["archive_bucket"]), str(options["archive_prefix"])),
        media_bucket=str(options["media_bucket"]),
        root=str(options["root"]),
        library=str(options["library"]),
        mode=options["mode"],
        reference=str(options["reference"]),
        path_map=options["path_map_file"] or options["path_map"] or {},
        sections=tuple(options["sections"]),
        photo=bool(options["photo"]),
        scratch_sections=tuple(options["scratch_sections"]),
        plex_version=str(options["plex_version"]),
        disk=parse_size(options["disk"]) if options["disk"] else 0,
        times=dict(options.get("times") or {}),
        settings=dict(options.get("settings") or {}),
    )


def plan(request: Request) -> Plan:
    """Check all of it; nothing is changed anywhere.

    Raises:
        Permanent: wrong credentials, no such bucket, section or reference, a malformed path map or section
            list, a version that moves, a disk that is too small, a limit of time that there is not.
        Unsafe: the reference is not whole.
        Transient: the store does not answer.
    """
    Times.of(request.times)
    preferences.lockdown(overrides=request.settings)
    bucket, prefix = request.archive
    objects.check(request.store, request.media_bucket, write=False)
    objects.check(request.store, bucket, write=True, prefix=prefix)
    if request.mode == "scratch":
        return _scratch(request)
    place = StorePlace(request.store, bucket, prefix)
    if request.reference:
        found = manifest.load(place, request.reference)
        meant = found.sidecar.manifest
        if (meant.kind, meant.library) != ("reference", request.library):
            raise Unsafe(
                f"This archive is no reference of the library '{request.library}'",
                f"{found.url}: {meant.kind} of '{meant.library}'",
                "Name one that plex_export.yml made, or none for the newest",
            )
        if found.sidecar.quarantined:
            raise Unsafe("The reference is quarantined", found.url, "; ".join(found.sidecar.reasons))
    else:
        found = manifest.newest(place, "reference", request.library)
    told = found.sidecar.manifest
    if request.plex_version and request.plex_version != told.plex_version:
        raise Unsafe(
            "The burst would run another Plex than home, and home could not open what it makes",
            f"{request.plex_version}, where home had {told.plex_version}",
            "Leave the version out, or export the reference again after home's update",
        )
    sections = [
        _section(str(one["id"]), str(one["name"]), str(one["type"]), tuple(map(str, one["locations"])))
        for one in told.sections
    ]
    selection = choose(sections, list(request.sections) or None, photo=request.photo)
    paths = _path_map(request.path_map)
    unseen = {
        section.name: [location for location in section.locations if not _seen(paths, location, request.root)]
        for section in sections
    }
    for section in selection.chosen:
        if unseen[section.name]:
            raise Permanent(
                "A section lies where the cloud cannot see it",
                f"{section.name}: {', '.join(unseen[section.name])}",
                f"Add it to the path map: the bucket is seen at {request.root}, or leave the section out",
            )
    warnings = [
        f"{one.section.name}: it is not worked on, and its media would not be seen in the cloud"
        for one in selection.skipped
        if unseen[one.section.name]
    ]
    _disk(request.disk, found.sidecar.archive.content_bytes)
    return Plan(
        told.plex_version,
        found,
        paths.to_dict(),
        tuple(one.name for one in selection.chosen),
        {one.section.name: one.reason for one in selection.skipped},
        tuple(warnings),
    )


def _scratch(request: Request) -> Plan:
    specs = scratch.parse(request.scratch_sections)
    if not specs:
        raise Permanent(
            "A scratch burst needs the sections that it shall make",
            "none were given",
            "List them: {name: Movies, type: movie, locations: [/cloud/media/Movies]}",
        )
    if request.plex_version in _MOVING:
        raise Permanent(
            "A scratch burst needs the exact version of Plex that home runs",
            request.plex_version or "none was given",
            "Give it as the image's tag, such as 1.43.4.10903-2f8b9b1b5",
        )
    sections = [
        _section(str(number), spec.name, spec.type, spec.locations) for number, spec in enumerate(specs, 1)
    ]
    selection = choose(sections, list(request.sections) or None, photo=request.photo)
    for section in selection.chosen:
        for location in section.locations:
            if not _below(location, request.root):
                raise Permanent(
                    "A section lies where the cloud cannot see it",
                    f"{section.name}: {location}",
                    f"Locations are below {request.root}, where the bucket is",
                )
    _disk(request.disk, 0)
    return Plan(
        request.plex_version,
        None,
        _path_map(request.path_map).to_dict(),
        tuple(one.name for one in selection.chosen),
        {one.section.name: one.reason for one in selection.skipped},
        (),
    )


def _section(key: str, name: str, kind: str, locations: tuple[str, ...]) -> Section:
    return Section(
        key,
        name,
        kind,
        agent="",
        scanner="",
        language="",
        locations=locations,
        refreshing=False,
        scanned_at=0,
    )


def _path_map(given: Mapping[str, str] | str) -> PathMap:
    if isinstance(given, str):
        return PathMap.load(Path(given))
    return PathMap.of(given)


def _seen(paths: PathMap, location: str, root: str) -> bool:
    return _below(paths.map(location), root)


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _disk(disk: int, content: int) -> None:
    needed = DISK_BASE + DISK_FACTOR * content
    if disk and disk < needed:
        raise Permanent(
            "The disk of the instance is too small",
            f"{format_size(disk)}; a library of {format_size(content)} needs {format_size(needed)}",
            "Give it a larger root volume",
        )
