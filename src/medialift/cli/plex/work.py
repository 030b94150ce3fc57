"""The commands that let Plex work: scan, run, and the report of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, Any

import typer
import yaml

import medialift.plex.report as reports
from medialift.cli import job, session
from medialift.cli.session import BadInput, Session, user_input
from medialift.foundation import jobs
from medialift.foundation.process import run as run_program
from medialift.mounts.check import RCLONE
from medialift.plex import installation
from medialift.plex.preferences import HOME, LOCKDOWN
from medialift.plex.run import KIND, Request

Sections = Annotated[list[str] | None, typer.Option("--section", help="Name of a section; repeatable.")]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", help="CONTAINER_PATH=HOST_PATH of a mount; repeatable."),
]
Photo = Annotated[bool, typer.Option(help="Photo sections too.")]
AnyFilesystem = Annotated[bool, typer.Option(help="The media may lie in plain folders.")]


def scan(
    context: typer.Context,
    section: Sections = None,
    root: Roots = None,
    photo: Photo = False,
    analyze: Annotated[bool, typer.Option(help="Analyse the media after the scan.")] = False,
    any_filesystem: AnyFilesystem = False,
) -> None:
    """Scan sections of this host's Plex, each after its mount was proved to read, and compare.

    Of the server's settings only autoEmptyTrash is touched: it is switched off.
    """
    run = session.of(context)
    arguments = _here(run, section, root, photo, any_filesystem) | {
        "analyze": analyze,
        "sonic": False,
        "settings": dict.fromkeys(set(LOCKDOWN) - set(HOME)),
    }
    _in_this_process(run, f"scan-{datetime.now(UTC):%Y%m%dT%H%M%SZ}", arguments)


def run(
    context: typer.Context,
    name: Annotated[
        str, typer.Option(help="Name of the job; the same name finds the same run again.")
    ] = "plex-run",
    arguments: Annotated[
        Path | None, typer.Option(help="JSON or YAML file with the arguments of the run; options below win.")
    ] = None,
    section: Sections = None,
    root: Roots = None,
    photo: Photo = False,
    any_filesystem: AnyFilesystem = False,
    here: Annotated[bool, typer.Option(help="Run in this process instead of a systemd unit.")] = False,
    detach: Annotated[bool, typer.Option(help="Start it and leave.")] = False,
) -> None:
    """The whole run on an instance: claim, lock down, scan, analyse, sonic-analyse, compare.

    It runs as a systemd unit: Ctrl-C leaves, the run goes on, the same command attaches to it again.
    """
    this = session.of(context)
    given = _here(this, section, root, photo, any_filesystem)
    wanted = {**given, **_read(arguments)} if arguments else given
    wanted |= {"sections": section} if section else {}
    if here:
        _in_this_process(this, name, wanted)
        return
    folder = _submit(this, name, wanted)
    jobs.start(folder, run_program)
    if detach:
        this.face.result({"job": name}, lambda: this.face.line(f"Started: medialift job follow {name}"))
        return
    job.follow(context, name)


def report(
    context: typer.Context,
    inputs: Annotated[list[Path], typer.Argument(help="What the run left for its report; later files add.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html and report.json.")] = Path(),
) -> None:
    """Write report.html and report.json."""
    this = session.of(context)
    with user_input():
        told = reports.build(reports.load_inputs(inputs))
    page, data = reports.write(told, out)
    this.face.result(told.to_dict(), lambda: this.face.line(f"{told.outcome}: {page} and {data}"))


def _here(
    this: Session, sections: list[str] | None, roots: list[str] | None, photo: bool, any_filesystem: bool
) -> dict[str, Any]:
    """The arguments of a run on this host, as the settings tell of it."""
    plex = this.settings.plex
    return {
        "server": {"url": plex.url, "preferences": str(installation.preferences(this.settings))},
        "database": str(installation.database(this.settings)),
        "blobs": str(installation.blobs(this.settings)),
        "sections": sections or None,
        "photo": photo,
        "roots": dict(_pair(item) for item in roots or ()),
        "container": ["docker", "exec", plex.container] if plex.container else [],
        "mount_type": "" if any_filesystem else RCLONE,
    }


def _in_this_process(this: Session, name: str, arguments: dict[str, Any]) -> None:
    """Run a job here, telling what its journal says, and show how it ended."""
    folder = _submit(this, name, arguments)
    ended = Event()
    with this.face.telling() as tell:
        teller = Thread(
            target=lambda: jobs.follow(folder, at_most=float("inf"), every=0.5, tell=tell, stop=ended)
        )
        jobs.request(folder)
        teller.start()
        try:
            jobs.execute(folder, job.REGISTRY)
        finally:
            # It leaves by itself when the job has ended, having told every line.
            if not jobs.state(folder).ended:
                ended.set()
            teller.join()
    job.conclude(this, jobs.state(folder))


def _submit(this: Session, name: str, arguments: dict[str, Any]) -> Path:
    with user_input():
        Request.of(arguments)
    folder = this.settings.jobs.folder / name
    jobs.submit(folder, KIND, arguments)
    return folder


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        told = json.loads(text) if file.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadInput("The arguments of the run cannot be read", str(file), str(error)) from error
    if not isinstance(told, dict):
        raise BadInput("The arguments of the run are not a mapping", str(file), "Write names and values")
    return told


def _pair(item: str) -> tuple[str, str]:
    inside, equals, outside = item.partition("=")
    if not equals or not inside.startswith("/") or not outside.startswith("/"):
        raise BadInput("This is not CONTAINER_PATH=HOST_PATH", item, "Such as /cloud/media=/mnt/cloud/media")
    return inside, outside
