"""The import, the rollback and the injection as a job of this host (kind "plex-import")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medialift.cloud.objects import Store
from medialift.errors import Permanent
from medialift.foundation.jobs import Context
from medialift.plex import installation
from medialift.plex.paths import PathMap
from medialift.plex.places import StorePlace
from medialift.plex.restore.home import Home, connect
from medialift.plex.restore.importing import Options, import_library
from medialift.plex.restore.injection import inject, owner_of
from medialift.plex.restore.layout import LibraryFolder
from medialift.plex.restore.source import NEWEST, ArchiveSource, find
from medialift.plex.restore.undoing import recover, rollback
from medialift.settings import Settings, load

ARGUMENTS = frozenset(
    {
        *("state", "archive", "accept_loss", "accept_deletions", "wait", "ready", "again"),
        *("path_map", "plex_version", "config"),
    }
)
STATES = ("present", "injected", "rolled_back", "recovered")


def run_job(context: Context) -> dict[str, Any]:
    """Do what the arguments say.

    Arguments: {state: present | injected | rolled_back | recovered (default present), archive: path, key
    or "newest", accept_loss, accept_deletions, wait and ready in seconds, again, path_map: {home: cloud} or
    its file's path, plex_version, config: the settings file}; only those that the state needs.
    """
    told = context.arguments
    settings = settings_of(told)
    state = state_of(told)
    if state == "injected":
        return _inject(context, settings)
    home = connect(settings)
    if state == "recovered":
        found = recover(home, clock=context.clock, stop=context.stop)
        return {"changed": found.changed, "outcome": found.outcome, "name": found.name}
    if state == "rolled_back":
        return roll_back(home, context)
    outcome = import_library(
        home,
        source(settings, told),
        options(settings, told),
        journal=context.journal,
        clock=context.clock,
        stop=context.stop,
    )
    return outcome.to_dict()


def settings_of(told: Mapping[str, Any]) -> Settings:
    """The settings of this host, from the file that the arguments name as `config` or the usual one."""
    return load(Path(told["config"]) if told.get("config") else None).settings


def state_of(told: Mapping[str, Any]) -> str:
    """What is wanted.

    Raises:
        Permanent: an argument is unknown, or there is no such state.
    """
    unknown = sorted(set(told) - ARGUMENTS)
    if unknown:
        # A misspelt argument must be an error: taken silently, it would leave the default in force.
        raise Permanent(
            "An option of the import is unknown",
            ", ".join(unknown),
            f"Choose from: {', '.join(sorted(ARGUMENTS))}",
        )
    state = str(told.get("state", "present"))
    if state not in STATES:
        raise Permanent("There is no such state of an import", state, f"Choose from: {', '.join(STATES)}")
    return state


def roll_back(home: Home, context: Context) -> dict[str, Any]:
    """{changed, outcome, name, archive, kept}."""
    with context.journal.phase("roll the import back") as phase:
        done = rollback(home, clock=context.clock, stop=context.stop)
        if done.undone is None:
            phase.skip("no import is in place")
            return {"changed": False, "outcome": "unchanged", "name": "", "archive": "", "kept": ""}
        phase.end(f"the library from before {done.undone.at} serves again")
        return {
            "changed": True,
            "outcome": "rolled back",
            "name": done.undone.name,
            "archive": done.undone.archive,
            "kept": str(done.kept or ""),
        }


def source(settings: Settings, told: Mapping[str, Any]) -> ArchiveSource:
    """The archive that the arguments mean, in the store of the settings."""
    here = settings.store
    return find(
        str(told.get("archive") or NEWEST),
        store=Store.of(settings.store) if here.bucket else None,
        bucket=here.bucket,
        prefix=here.prefix,
        library=settings.plex.library,
        kind="reference" if told.get("state") == "injected" else "burst",
    )


def store_place(settings: Settings) -> StorePlace:
    """The place in the store where this host's archives are.

    Raises:
        Permanent: no store is configured.
    """
    if not settings.store.bucket:
        raise Permanent("No store is configured", "store.bucket", "Set it, or name a file with its full path")
    return StorePlace(Store.of(settings.store), settings.store.bucket, settings.store.prefix)


def options(settings: Settings, told: Mapping[str, Any]) -> Options:
    """The options that the arguments name, and the settings for the rest."""
    plain = Options()
    return Options(
        accept_loss=bool(told.get("accept_loss", False)),
        accept_deletions=bool(told.get("accept_deletions", False)),
        wait=float(told.get("wait", plain.wait)),
        ready=float(told.get("ready", plain.ready)),
        keep=settings.plex.keep_rollbacks,
        reserve=settings.runtime.free_space,
        again=bool(told.get("again", False)),
    )


def _inject(context: Context, settings: Settings) -> dict[str, Any]:
    told = context.arguments
    paths = told.get("path_map")
    if isinstance(paths, str) and paths:
        mapped: PathMap | None = PathMap.load(Path(paths))
    elif paths:
        mapped = PathMap.of(paths)
    else:
        mapped = PathMap.load(settings.plex.path_map) if settings.plex.path_map else None
    data = LibraryFolder(settings.plex.data)
    if not data.path.is_dir():
        raise Permanent("Plex's data folder is not there", str(data.path), "Apply the role 'plex' first")
    return inject(
        source(settings, told),
        data,
        integrity=installation.sqlite(settings).integrity_check,
        owner=owner_of(data.path),
        journal=context.journal,
        paths=mapped,
        plex_version=str(told.get("plex_version", "")),
        reserve=settings.runtime.free_space,
    ).to_dict()
