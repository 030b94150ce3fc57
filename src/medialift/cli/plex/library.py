"""The commands that move a library: its paths, its archives, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medialift.cli import job, session
from medialift.cli.session import BadInput, user_input
from medialift.foundation.units import format_size, parse_duration
from medialift.plex import installation, restore
from medialift.plex import remap as remapping
from medialift.plex.export_job import ExportOptions, HostExport
from medialift.plex.kinds import EXPORT, IMPORT
from medialift.plex.paths import PathMap
from medialift.plex.restore import job as restore_job


def export(
    context: typer.Context,
    to: Annotated[
        list[str] | None,
        typer.Option(help="Folder or s3://bucket/prefix; repeatable. Else the settings' store."),
    ] = None,
    kind: Annotated[str, typer.Option(help="reference (from home) or burst (from the cloud).")] = "reference",
    mode: Annotated[
        str, typer.Option(help="online copies from an idle Plex, stopped stops it first.")
    ] = "online",
    contents: Annotated[
        list[str] | None, typer.Option(help="databases, metadata, media; repeatable. Else all.")
    ] = None,
    label: Annotated[str, typer.Option(help="An archive of this label is not made twice.")] = "",
    previews: Annotated[bool, typer.Option(help="With the preview thumbnails (.bif).")] = True,
    plex_version: Annotated[str, typer.Option(help="Of a Plex that does not answer.")] = "",
    dry_run: Annotated[bool, typer.Option(help="Only say what would be made.")] = False,
) -> None:
    """Export the library as one verified archive, streamed to where it goes."""
    run = session.of(context)
    arguments = {
        "destinations": to or [],
        "kind": kind,
        "mode": mode,
        **({"contents": contents} if contents else {}),
        "label": label,
        "previews": previews,
        "plex_version": plex_version,
    }
    with user_input():
        host = HostExport(ExportOptions.of(arguments), run.settings)
    if dry_run:
        told = host.forecast()
        size = format_size(told["content_bytes"])
        run.face.result(
            told,
            lambda: run.face.line(
                f"{told['files']} files, {size}, would go to {', '.join(told['archives'])}"
            ),
        )
        return
    job.conclude(run, job.here(run, job.stamped("export"), EXPORT, arguments))


def import_archive(
    context: typer.Context,
    archive: Annotated[
        str, typer.Argument(help="Key of the store, full path of a file, or newest.")
    ] = "newest",
    accept_loss: Annotated[
        bool, typer.Option(help="Go on although views or ratings made here since the export are lost.")
    ] = False,
    accept_deletions: Annotated[
        bool,
        typer.Option(help="Also from the quarantine, if it is there only for deletions that are meant."),
    ] = False,
    wait: Annotated[str, typer.Option(help="Longest wait until nobody is watching.")] = "4h",
    again: Annotated[bool, typer.Option(help="Even though this archive was rolled back by hand.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Only say what would happen.")] = False,
) -> None:
    """Swap a burst's library in: verified before and after, rolled back by itself if it does not serve."""
    run = session.of(context)
    with user_input():
        arguments = {
            "archive": archive,
            "accept_loss": accept_loss,
            "accept_deletions": accept_deletions,
            "wait": parse_duration(wait),
            "again": again,
        }
    if dry_run:
        told = restore.predict(
            restore.connect(run.settings),
            restore_job.source(run.settings, arguments),
            restore_job.options(run.settings, arguments),
        )
        does = "would be imported" if told.changed else "nothing would be done"
        run.face.result(told.to_dict(), lambda: run.face.line(f"{does}: {told.reason}"))
        return
    job.conclude(run, job.here(run, job.stamped("import"), IMPORT, arguments))


def rollback(context: typer.Context) -> None:
    """Take the last import back: the library from before serves again."""
    run = session.of(context)
    job.conclude(run, job.here(run, job.stamped("rollback"), IMPORT, {"state": "rolled_back"}))


def remap(
    context: typer.Context,
    path_map: Annotated[
        Path | None, typer.Option("--map", help="JSON or YAML file; else plex.path_map.")
    ] = None,
    inverse: Annotated[bool, typer.Option(help="The way back.")] = False,
    library: Annotated[Path | None, typer.Option(help="A library database, instead of this host's.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only count what would change.")] = False,
) -> None:
    """Move the paths in a library to where the media are now. Plex must be stopped."""
    run = session.of(context)
    file = path_map or run.settings.plex.path_map
    if file is None:
        raise BadInput("No map of paths is named", "", "Give --map, or set plex.path_map in the settings")
    with user_input():
        paths = PathMap.load(file)
    plan = remapping.plan(
        library or installation.database(run.settings), paths.inverse() if inverse else paths
    )
    applied = None if dry_run else remapping.apply(plan)

    def show() -> None:
        run.face.table(
            ["what", "from", "to", "rows #"],
            [(f"{one.table}.{one.column}", one.old, one.new, one.rows) for one in plan.rows],
        )
        if plan.guids_left:
            run.face.line(f"{plan.guids_left} file:// guids stay: this database has old triggers")
        run.face.line(f"{plan.changes} values {'would change' if dry_run else 'changed'}")
        if applied and applied.backup:
            run.face.line(f"The library as it was: {applied.backup}")

    value = {**plan.to_dict(), "dry_run": dry_run, "applied": applied.to_dict() if applied else None}
    run.face.result(value, show)
