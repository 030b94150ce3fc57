"""The commands that let Plex work: scan, run, and the report of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

import medialift.plex.report as reports
from medialift.cli import job, session
from medialift.cli.session import BadInput, Session, user_input
from medialift.mounts.probe import RCLONE
from medialift.plex import installation, kinds
from medialift.plex.preferences import HOME, LOCKDOWN
from medialift.plex.run import Request
from medialift.plex.work import Job

Sections = Annotated[list[str] | None, typer.Option("--section", help="Name of a section; repeatable.")]
Roots = Annotated[
    list[str] | None,
    typer.Option("--root", help="PLEX_PATH=HOST_PATH of a mount; repeatable."),
]
Arguments = Annotated[
    Path | None, typer.Option(help="JSON or YAML file with arguments of the run, such as its time limits.")
]
Photo = Annotated[bool, typer.Option(help="Photo sections too.")]
Store = Annotated[
    list[str] | None,
    typer.Option(help="BUCKET or BUCKET/PREFIX that the mount shows, or PLEX_PATH=BUCKET; repeatable."),
]
AcceptDeletions = Annotated[
    bool, typer.Option(help="Deletions that the store confirms are meant, however many they are.")
]
AnyFilesystem = Annotated[bool, typer.Option(help="The media may lie in plain folders.")]


def scan(
    context: typer.Context,
    section: Sections = None,
    root: Roots = None,
    photo: Photo = False,
    analyze: Annotated[bool, typer.Option(help="Analyse the media after the scan.")] = False,
    any_filesystem: AnyFilesystem = False,
    store: Store = None,
    accept_deletions: AcceptDeletions = False,
    arguments: Arguments = None,
) -> None:
    """Scan sections of this host's Plex, each after its mount was proved to read, and compare.

    Of the server's settings only autoEmptyTrash is touched: it is switched off.
    """
    run = session.of(context)
    wanted = _wanted(run, arguments, section, root, photo, any_filesystem, store, accept_deletions) | {
        "analyze": analyze,
        "sonic": False,
        "settings": dict.fromkeys(set(LOCKDOWN) - set(HOME)),
    }
    with user_input():
        Request.of(wanted)
    job.conclude(run, job.here(run, job.stamped("scan"), kinds.RUN, wanted))


def run(
    context: typer.Context,
    name: Annotated[
        str, typer.Option(help="Name of the job; the same name finds the same run again.")
    ] = "plex-run",
    arguments: Arguments = None,
    section: Sections = None,
    root: Roots = None,
    photo: Photo = False,
    any_filesystem: AnyFilesystem = False,
    store: Store = None,
    accept_deletions: AcceptDeletions = False,
    claim_file: Annotated[
        Path | None, typer.Option(help="A file that holds the claim token, or will soon.")
    ] = None,
    here: Annotated[bool, typer.Option(help="Run in this process instead of a systemd unit.")] = False,
    detach: Annotated[bool, typer.Option(help="Start it and leave.")] = False,
) -> None:
    """The whole run on an instance: claim, lock down, scan, analyse, sonic-analyse, compare.

    It runs as a systemd unit: Ctrl-C leaves, the run goes on, the same command attaches to it again. A claim
    token may come from --claim-file, MEDIALIFT_CLAIM_TOKEN, or with an account's MEDIALIFT_ACCOUNT_TOKEN.
    """
    this = session.of(context)
    wanted = _wanted(this, arguments, section, root, photo, any_filesystem, store, accept_deletions)
    wanted |= {"claim": {"file": str(claim_file)}} if claim_file and here else {}
    with user_input():
        Request.of(wanted)
    if here:
        job.conclude(this, job.here(this, name, kinds.RUN, wanted))
        return
    Job(this.settings.jobs.folder / name).start(wanted, _claim_secrets(claim_file))
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


def _wanted(
    this: Session,
    file: Path | None,
    sections: list[str] | None,
    roots: list[str] | None,
    photo: bool,
    any_filesystem: bool,
    stores: list[str] | None,
    accept_deletions: bool,
) -> dict[str, Any]:
    """The arguments of a run on this host: the settings', the file's over them, the options' over both."""
    plex = this.settings.plex
    return {
        "server": {"url": plex.url, "preferences": str(installation.preferences(this.settings))},
        "database": str(installation.database(this.settings)),
        "blobs": str(installation.blobs(this.settings)),
        "container": ["docker", "exec", plex.container] if plex.container else [],
        "mount_type": RCLONE,
        **(_read(file) if file else {}),
        **({"sections": sections} if sections else {}),
        **({"roots": dict(_pair(item) for item in roots)} if roots else {}),
        **({"photo": True} if photo else {}),
        **({"mount_type": ""} if any_filesystem else {}),
        **({"store": [_store(item) for item in stores]} if stores else {}),
        **({"accept_deletions": True} if accept_deletions else {}),
    }


def _store(item: str) -> dict[str, str]:
    root, _, place = item.rpartition("=")
    bucket, _, prefix = place.partition("/")
    return {"root": root, "bucket": bucket, "prefix": prefix}


def _claim_secrets(file: Path | None) -> dict[str, str]:
    return {
        "claim_token": os.environ.get("MEDIALIFT_CLAIM_TOKEN", ""),
        "claim_file": str(file or ""),
        "account_token": os.environ.get("MEDIALIFT_ACCOUNT_TOKEN", ""),
    }


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
        raise BadInput("This is not PLEX_PATH=HOST_PATH", item, "Such as /cloud/media=/mnt/cloud/media")
    return inside, outside
