"""`medialift support-bundle`: everything that somebody who helps would ask for, in one file, no secrets."""

from __future__ import annotations

import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from medialift import settings
from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.diagnostics import bundle, logs
from medialift.diagnostics.host import Here
from medialift.diagnostics.part import Limits
from medialift.foundation import process
from medialift.foundation.units import format_size, parse_duration, parse_size

app = typer.Typer(add_completion=False)
_JOURNAL_SECONDS = 60.0


@app.command()
def support_bundle(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder that it is written into.")] = Path(),
    at_most: Annotated[str, typer.Option(help="Longest it may take.")] = "5m",
    size: Annotated[str, typer.Option(help="Most that is collected, before it is packed.")] = "256 MB",
    also: Annotated[
        list[str] | None, typer.Option(help="Pattern of further files, as an absolute path; repeatable.")
    ] = None,
) -> None:
    """Collect logs, journals, versions, mounts and findings of this host in one file, without its secrets.

    What cannot be collected is told in its place. Nothing is sent anywhere.
    """
    run = session.of(context)
    with user_input():
        limits = Limits(whole=parse_size(size), seconds=parse_duration(at_most))
    for pattern in also or ():
        if not pattern.startswith("/"):
            raise BadInput("A pattern must be absolute", pattern, "It starts with /")
    with run.config_for_jobs():
        # Settings that are wrong are a reason to ask for help, not to refuse it.
        loaded = logs.load()
        made = bundle.make(
            Here(loaded),
            settings.file_in_use(),
            name=_name(),
            folder=out.absolute(),
            limits=limits,
            runner=process.runner(timeout=_JOURNAL_SECONDS),
            also=also or (),
        )

    def show() -> None:
        run.face.table(
            ["part", "size #", "missing because"],
            [(part.name, format_size(part.bytes), part.missing) for part in made.parts],
        )
        run.face.line(f"{made.path}: {format_size(made.written.bytes)}, secrets masked")

    run.face.result({**made.to_dict(), "parts": [part.to_dict() for part in made.parts]}, show)


def _name() -> str:
    host = re.sub(r"[^a-z0-9-]+", "-", platform.node().lower()).strip("-") or "host"
    return f"medialift-support-{host}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
