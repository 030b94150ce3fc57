"""The commands that move a library: its paths, its archives, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.plex import installation
from medialift.plex import remap as remapping
from medialift.plex.paths import PathMap


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
