"""`medialift mounts`: do the mounts really read, and what is done about those that do not?"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Annotated, Any

import typer

from medialift.cli import session
from medialift.cli.session import BadInput, user_input
from medialift.errors import Permanent
from medialift.foundation.signals import stoppable
from medialift.foundation.units import format_duration, parse_duration
from medialift.mounts import published
from medialift.mounts.consumers import Consumers
from medialift.mounts.history import History
from medialift.mounts.probe import RCLONE, Verdict
from medialift.mounts.probe import probe as probe_mount
from medialift.mounts.program import SystemdUnit
from medialift.mounts.recovery import Step
from medialift.mounts.recovery import recover as recover_mount
from medialift.mounts.remote import Remote
from medialift.mounts.watch import Watch, runner_of
from medialift.mounts.watch_options import FOLDER, Place, WatchOptions, names

app = typer.Typer(
    no_args_is_help=True,
    help="Mounts: do their files really read, and what is done about those that do not?",
)

# Mount points are taken as text: as paths they would be looked at (stat) before any command begins, and on a
# mount that hangs that never comes back.
Folder = Annotated[Path, typer.Option(help="Folder of the monitors' files.")]
Name = Annotated[str, typer.Argument(help="Name of the mount.")]
Names = Annotated[list[str] | None, typer.Argument(help="Names of mounts; without any, all.")]
Deadline = Annotated[str | None, typer.Option(help="Longest it may take, such as 20s.")]
Samples = Annotated[int | None, typer.Option(min=1, help="Files to read per root.")]
AnyFilesystem = Annotated[bool, typer.Option(help="A plain folder will do: for tests.")]


@app.command()
def probe(
    context: typer.Context,
    points: Annotated[
        list[str] | None, typer.Argument(help="Mount points; without any, those of the settings.")
    ] = None,
    file: Annotated[list[str] | None, typer.Option(help="A file that should be there; repeatable.")] = None,
    root: Annotated[list[str] | None, typer.Option(help="A folder to read samples of; repeatable.")] = None,
    deadline: Deadline = None,
    samples: Samples = None,
    any_filesystem: AnyFilesystem = False,
    source: Annotated[str, typer.Option(help="What must be mounted, such as medialift-media.")] = "",
    remote: Annotated[
        str, typer.Option(help="Compare with the store itself, named as store:bucket/prefix.")
    ] = "",
    rclone: Annotated[Path, typer.Option(help="rclone's program, with --remote.")] = Path(
        "/opt/rclone/bin/rclone"
    ),
    rclone_config: Annotated[Path, typer.Option(help="rclone's configuration, with --remote.")] = Path(
        "/etc/rclone/media.conf"
    ),
) -> None:
    """Read random bytes of random files: names and sizes come from a cache, bytes do not."""
    run = session.of(context)
    places = [Path(point) for point in points or ()] or list(run.settings.mounts.points)
    if not places:
        raise BadInput("No mount point is named", "", "Name one, or set mounts.points in the settings")
    with user_input():
        seconds = run.settings.mounts.deadline if deadline is None else parse_duration(deadline)
    stop = Event()
    verdicts = stoppable(
        lambda: [
            probe_mount(
                place,
                file or (),
                root or (),
                deadline=seconds,
                sample=samples or run.settings.mounts.samples,
                filesystem="" if any_filesystem else RCLONE,
                source=source,
                remote=Remote(rclone, rclone_config, remote, place) if remote else None,
                stop=stop,
            )
            for place in places
        ],
        stop,
    )

    def show() -> None:
        for verdict in verdicts:
            run.face.line(_said(verdict))

    run.face.result([verdict.to_dict() for verdict in verdicts], show)
    if not all(verdict.healthy for verdict in verdicts):
        raise typer.Exit(session.FAILED)


@app.command()
def monitor(
    name: Name,
    folder: Folder = FOLDER,
    recover: Annotated[
        bool | None,
        typer.Option("--recover/--report-only", help="Bring it back when it fails; else as it was set up."),
    ] = None,
) -> None:
    """Probe a mount until told to stop: what the systemd unit medialift-mount-monitor@NAME calls."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(levelname)s %(message)s",
        handlers=[logging.StreamHandler(sys.stderr)],
    )
    with user_input():
        place = Place(name, folder)
        options = place.read_options()
        if recover is not None:
            options = WatchOptions.of({**options.model_dump(), "recover": recover})
    stop = Event()
    stoppable(Watch(place, options, stop=stop).run, stop)


@app.command()
def recover(
    context: typer.Context,
    point: Annotated[str, typer.Argument(help="Mount point.")],
    unit: Annotated[str, typer.Option(help="The systemd unit that mounts it.")] = "rclone-media.service",
    consumer: Annotated[
        list[str] | None,
        typer.Option(help="A unit that reads through it, stopped meanwhile; repeatable."),
    ] = None,
    deadline: Deadline = None,
    samples: Samples = None,
) -> None:
    """Take a mount down, whatever state it is in, and bring it back. What reads goes on once it does."""
    run = session.of(context)
    with user_input():
        seconds = run.settings.mounts.deadline if deadline is None else parse_duration(deadline)
    stop = Event()
    consumers = Consumers(consumer or ())
    stopped: list[str] = []

    def stop_consumers() -> None:
        stopped[:] = consumers.running()
        consumers.stop(stop)

    def told(step: Step) -> None:
        state = "" if step.ok else " failed"
        note = f" ({step.note})" if step.note else ""
        run.face.note(f"{step.name}:{state} {format_duration(step.seconds)}{note}")

    def resume() -> None:
        consumers.start(stopped)
        stopped.clear()

    try:
        done = stoppable(
            lambda: recover_mount(
                SystemdUnit(unit),
                mountpoint=point,
                stop_consumers=stop_consumers,
                probe=lambda stop: probe_mount(
                    point, deadline=seconds, sample=samples or run.settings.mounts.samples, stop=stop
                ),
                resume=resume,
                stop=stop,
                tell=told,
            ),
            stop,
        )
    finally:
        if stopped:
            run.face.note(f"Stopped and not started again: {', '.join(stopped)}")
    run.face.result(
        done.to_dict(),
        lambda: run.face.line(f"{done.mountpoint}: healthy again after {format_duration(done.seconds)}"),
    )


@app.command()
def state(context: typer.Context, name: Names = None, folder: Folder = FOLDER) -> None:
    """What the monitors found last. Exit code 1 when a mount is not healthy or not monitored."""
    run = session.of(context)
    found = {}
    for place in _places(name, folder):
        told = published.read(place.state)
        found[place.name] = {"running": runner_of(place) > 0, **(told.to_dict() if told else {})}
    run.face.result(
        found,
        lambda: run.face.table(
            ["mount", "monitor", "state", "since", "last healthy", "recoveries #", "why"],
            [
                (
                    one,
                    "runs" if told["running"] else "does not run",
                    told.get("state", "unknown"),
                    _when(told.get("since")),
                    _when(told.get("last_success")),
                    told.get("recoveries", 0),
                    ". ".join(filter(None, (told.get("reason"), told.get("note")))),
                )
                for one, told in found.items()
            ],
        ),
    )
    if not all(told["running"] and told.get("state") == "healthy" for told in found.values()):
        raise typer.Exit(session.FAILED)


@app.command()
def history(
    context: typer.Context,
    name: Name,
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest lines.")] = 50,
    folder: Folder = FOLDER,
) -> None:
    """What happened to a mount: its probes, its recoveries and their steps."""
    run = session.of(context)
    (place,) = _places([name], folder)
    lines = History(place.history).last(limit)
    run.face.result(
        lines,
        lambda: run.face.table(
            ["when", "event", "what"],
            [(_when(line["at"]), line["event"], _told(line)) for line in lines],
        ),
    )


def _said(verdict: Verdict) -> str:
    slowest = max((read.seconds for read in verdict.reads), default=0.0)
    reads = f" ({len(verdict.reads)} reads, slowest {format_duration(slowest)})" if verdict.reads else ""
    named = f"; not as they should be: {', '.join(verdict.differing)}" if verdict.differing else ""
    reason = f", {verdict.reason}" if verdict.reason else ""
    return f"{verdict.mountpoint}: {verdict.state}{reason}{reads}{named}"


def _told(line: dict[str, Any]) -> str:
    """The rest of a history's line in a few words."""
    if line["event"] == "probe":
        reason = f": {line['reason']}" if line.get("reason") else ""
        return f"{line['state']}{reason} ({len(line.get('reads', ()))} reads)"
    error = line.get("error")
    parts = [str(line[key]) for key in ("step", "outcome", "reason", "note") if line.get(key)]
    if isinstance(error, dict):
        parts += [f"{error.get('what')}: {error.get('subject')}"]
    if "seconds" in line:
        parts += [format_duration(float(line["seconds"]))]
    return ", ".join(parts)


def _places(wanted: list[str] | None, folder: Path) -> list[Place]:
    known = names(folder)
    for name in wanted or ():
        if name not in known:
            raise BadInput(
                "No monitor of this name is set up",
                name,
                f"There are: {', '.join(known)}" if known else "None is set up on this host",
            )
    if not known:
        raise Permanent(
            "No mount is monitored on this host", str(folder), "Apply the role 'rclone_mount' to monitor one"
        )
    return [Place(name, folder) for name in wanted or known]


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
