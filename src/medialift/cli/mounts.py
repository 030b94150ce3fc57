"""`medialift mounts`: do the mounts really read?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.foundation.units import format_duration, parse_duration
from medialift.mounts.probe import RCLONE
from medialift.mounts.probe import probe as probe_mount

app = typer.Typer(no_args_is_help=True, help="Mounts: do their files really read?")


@app.command()
def check(
    context: typer.Context,
    points: Annotated[
        list[Path] | None, typer.Argument(help="Mount points; without any, those of the settings.")
    ] = None,
    file: Annotated[list[str] | None, typer.Option(help="A file that should be there; repeatable.")] = None,
    root: Annotated[list[str] | None, typer.Option(help="A folder to read samples of; repeatable.")] = None,
    deadline: Annotated[str | None, typer.Option(help="Longest it may take, such as 20s.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Files to read per root.")] = None,
    any_filesystem: Annotated[bool, typer.Option(help="A plain folder will do: for tests.")] = False,
) -> None:
    """Read random bytes of random files: names and sizes come from a cache, bytes do not."""
    run = session.of(context)
    places = points or list(run.settings.mounts.points)
    if not places:
        raise BadInput("No mount point is named", "", "Name one, or set mounts.points in the settings")
    with user_input():
        seconds = run.settings.mounts.deadline if deadline is None else parse_duration(deadline)
    verdicts = [
        probe_mount(
            place,
            file or (),
            root or (),
            deadline=seconds,
            sample=samples or run.settings.mounts.samples,
            filesystem="" if any_filesystem else RCLONE,
        )
        for place in places
    ]

    def show() -> None:
        for verdict in verdicts:
            slowest = max((read.seconds for read in verdict.reads), default=0.0)
            run.face.line(
                f"{verdict.mountpoint}: {verdict.state}"
                + (f", {verdict.reason}" if verdict.reason else "")
                + (
                    f" ({len(verdict.reads)} reads, slowest {format_duration(slowest)})"
                    if verdict.reads
                    else ""
                )
            )

    run.face.result([verdict.to_dict() for verdict in verdicts], show)
    if not all(verdict.healthy for verdict in verdicts):
        raise typer.Exit(session.FAILED)
