"""Put home's library into an empty Plex in the cloud: verified, and with the cloud's paths."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medialift.errors import Unsafe
from medialift.foundation.atomic import write_json
from medialift.foundation.journal import Journal
from medialift.foundation.sqlite import users
from medialift.plex import database as facts
from medialift.plex.manifest import Manifest
from medialift.plex.paths import PathMap
from medialift.plex.restore import checks, moves, staging
from medialift.plex.restore.claims import Claims
from medialift.plex.restore.layout import FreeSpace, LibraryFolder, free_space, refuse_small_disk
from medialift.plex.restore.source import ArchiveSource
from medialift.plex.restore.staging import Integrity
from medialift.plex.restore.undoing import exclusively

# How much larger than a `.tar.gz` its content can be expected to be: databases compress well.
_GZIP_FACTOR = 5
_NAME = "injected"


@dataclass(frozen=True)
class Injected:
    """What was injected. `manifest` is {} for an archive of the old kind."""

    changed: bool
    archive: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    sections: tuple[facts.SectionFacts, ...] = ()
    remap: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """{changed, outcome, archive, manifest, sections, remap}."""
        return {
            "changed": self.changed,
            "outcome": "injected" if self.changed else "unchanged",
            "archive": self.archive,
            "manifest": dict(self.manifest),
            "sections": [section.to_dict() for section in self.sections],
            "remap": dict(self.remap),
        }


def inject(
    source: ArchiveSource,
    data: LibraryFolder,
    *,
    integrity: Integrity,
    owner: tuple[int, int],
    journal: Journal,
    paths: PathMap | None = None,
    plex_version: str = "",
    reserve: int = 0,
    free: FreeSpace = free_space,
    tell: Callable[[int], None] = lambda _done: None,
) -> Injected:
    """Unpack, verify, remap forward, check, and put in place. Plex must not run yet.

    The same archive again changes nothing; an interrupted injection starts anew.

    Args:
        paths: home's paths to the cloud's; None takes the map of the archive's manifest.
        plex_version: refuse an archive of another version; "" takes any.
        tell: called after each rename with the number of renames done.

    Raises:
        Unsafe: the archive is damaged, quarantined or of another version; a library with sections is here
            already; Plex has it open.
        Permanent: the disk is too small, there is no such archive.
    """
    with exclusively(data):
        sidecar = source.sidecar()
        before = _marker(data)
        if before and sidecar is not None and before["archive"] == sidecar.archive.sha256:
            return Injected(
                False,
                sidecar.archive.sha256,
                before["manifest"],
                tuple(facts.sections(data.library)),
                before["remap"],
            )
        with journal.phase("check the archive") as phase:
            rollback, folder = data.rollback(_NAME), data.staging(_NAME)
            # An injection that was cut short: what was here before comes back.
            if rollback.is_dir():
                moves.undo(moves.read(rollback), data, folder, rollback)
                staging.discard(rollback)
            _refuse_occupied(data)
            if sidecar is not None:
                _admit(Claims.of(sidecar.manifest), plex_version, sidecar.quarantined, sidecar.reasons)
            content = sidecar.archive.content_bytes if sidecar else source.size() * _GZIP_FACTOR
            refuse_small_disk(data.path, content, reserve, free)
            phase.end(source.name)
        with journal.phase("unpack and verify the archive") as phase:
            staged = staging.unpack(source, folder, sidecar=sidecar)
            phase.end(f"{staged.verified.members} files", content_bytes=staged.verified.content_bytes)
        with journal.phase("prove and remap the library") as phase:
            told = staged.verified.manifest
            claims = Claims.of(Manifest.from_dict(told)) if told else None
            if claims is not None:
                _admit(claims, plex_version, False, ())
                checks.refuse_false_claims(claims, facts.sections(staged.library))
            forward = paths if paths is not None else claims.path_map if claims else PathMap()
            applied, guids = staging.prove(staged, forward, owner, integrity)
            phase.end(f"{applied.changes} paths", residue=applied.residue.to_dict(), guids_left=guids)
        with journal.phase("put the library in place"):
            steps = moves.plan(staged.folder, data)
            rollback.mkdir(mode=0o700)
            moves.write(steps, rollback)
            moves.perform(steps, data, staged.folder, rollback, owner, tell=tell)
            remap = {**applied.to_dict(), "guids_left": guids, "forward": forward.to_dict()}
            archive = staged.verified.sha256
            write_json(
                data.ours / f"{_NAME}.json",
                {"archive": archive, "manifest": dict(told), "remap": remap},
                mode=0o600,
            )
            staging.discard(rollback)
            staging.discard(folder)
        return Injected(True, archive, told, tuple(facts.sections(data.library)), remap)


def _marker(data: LibraryFolder) -> Mapping[str, Any] | None:
    """What was injected before, when the library is still there."""
    path = data.ours / f"{_NAME}.json"
    if not path.is_file() or not data.library.is_file():
        return None
    told: Mapping[str, Any] = json.loads(path.read_bytes())
    return told


def _refuse_occupied(data: LibraryFolder) -> None:
    if not data.library.exists():
        return
    who = users(data.library)
    if who:
        raise Unsafe("The library is open in another program", ", ".join(who), "Stop Plex first")
    sections = facts.sections(data.library)
    if sections:
        raise Unsafe(
            "There is a library with sections already",
            f"{data.path}: {', '.join(section.name for section in sections)}",
            "Inject into an empty Plex only; at home, import instead",
        )


def _admit(claims: Claims, plex_version: str, quarantined: bool, reasons: tuple[str, ...]) -> None:
    if quarantined:
        raise Unsafe("The archive is quarantined", "; ".join(reasons), "Use another archive")
    if plex_version and claims.plex_version != plex_version:
        raise Unsafe(
            "The archive is from another version of Plex",
            f"{claims.plex_version}, here is {plex_version}",
            "Use the image of exactly that version",
        )


def owner_of(folder: Path) -> tuple[int, int]:
    """uid and gid of a folder, for a data folder that has no library yet."""
    stat = folder.stat()
    return stat.st_uid, stat.st_gid
