"""What a host says about itself: versions, settings without secrets, mounts, units, room, processes."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

import medialift
from medialift import settings
from medialift.diagnostics.part import Part, Source
from medialift.errors import MedialiftError
from medialift.foundation import process
from medialift.foundation.process import Completed
from medialift.mounts import mountinfo
from medialift.mounts.probe import probe
from medialift.settings import Loaded

RCLONE = "/opt/rclone/bin/rclone"
UNITS = ("plex*", "docker.service", "rclone-*", "medialift-*")
_PROGRAM_SECONDS = 15.0

Run = Callable[[Sequence[str], float], Completed]
"""Runs a program within so many seconds: `run`, or a test's own."""


def run(argv: Sequence[str], timeout: float) -> Completed:
    """A program of this host, run to its end or killed after `timeout` seconds."""
    return process.run(argv, timeout=timeout)


@dataclass(frozen=True)
class Here:
    """The host that is asked.

    Attributes:
        loaded: its settings, or the error with which they could not be read.
        rclone: the program that mounts.
    """

    loaded: Loaded | MedialiftError
    run: Run = run
    rclone: str = RCLONE

    @property
    def settings(self) -> settings.Settings:
        """Its settings; the defaults where they could not be read."""
        return self.loaded.settings if isinstance(self.loaded, Loaded) else settings.Settings()


def about(here: Here) -> list[Source]:
    """What is asked quickly, on every host."""
    return [
        Source("host/settings.json", lambda _left: _settings(here)),
        Source("host/versions.txt", partial(_versions, here)),
        Source("host/mounts.txt", lambda _left: _mounts()),
        Source("host/units.txt", partial(_units, here)),
        Source("host/disk.txt", partial(_disk, here)),
        Source("host/processes.txt", partial(_processes, here)),
    ]


def probes(here: Here) -> list[Source]:
    """A probe of every mount point of the settings: it may take as long as mounts.deadline for each."""
    return [
        Source(f"host/probe{str(point).replace('/', '-')}.json", partial(_probe, here, point))
        for point in here.settings.mounts.points
    ]


def doctor(here: Here) -> list[Source]:
    """What the doctor finds. It is a program of its own: a check that hangs must not hang the collection."""
    return [Source("host/doctor.json", partial(_doctor, here), at_most=120.0)]


def _settings(here: Here) -> Iterator[Part]:
    if isinstance(here.loaded, MedialiftError):
        raise here.loaded
    told = {one.name: {"value": one.value, "from": one.origin} for one in settings.explain(here.loaded)}
    yield _json("host/settings.json", {"file": str(here.loaded.file), "settings": told})


def _versions(here: Here, left: float) -> Iterator[Part]:
    told = {
        "medialift": medialift.__version__,
        "Python": sys.version.split()[0],
        "kernel": platform.release(),
        "machine": platform.machine(),
        "rclone": _first(here, [here.rclone, "version"], left),
        "Docker": _first(here, ["docker", "version", "--format", "{{.Server.Version}}"], left),
        "systemd": _first(here, ["systemctl", "--version"], left),
        "Plex": _plex(here.settings.plex.url, left),
    }
    yield Part("host/versions.txt", "".join(f"{name}: {version}\n" for name, version in told.items()))


def _mounts() -> Iterator[Part]:
    # Read, not asked for: a look at a dead mount hangs, the kernel's own table does not.
    lines = mountinfo.MOUNTINFO.read_text().splitlines()
    there = [line for line in lines if " - fuse" in line]
    yield Part("host/mounts.txt", "\n".join(there or ["no FUSE mount"]) + "\n")


def _units(here: Here, left: float) -> Iterator[Part]:
    argv = ["systemctl", "list-units", "--all", "--plain", "--no-pager", "--full", *UNITS]
    yield _answer("host/units.txt", here, argv, left)


def _disk(here: Here, left: float) -> Iterator[Part]:
    given = here.settings
    folders = (Path("/"), given.plex.data, given.plex.workspace, given.jobs.folder)
    # One by one: a folder on a dead mount must not cost the figures of the others.
    yield Part("host/disk.txt", "".join(_told(here, ["df", "-hT", str(one)], left) + "\n" for one in folders))


def _processes(here: Here, left: float) -> Iterator[Part]:
    # Without arguments, which others may have put secrets into. State D tells a reader of a dead mount.
    argv = ["ps", "-eo", "pid,ppid,stat,etimes,rss,wchan:32,comm"]
    yield _answer("host/processes.txt", here, argv, left)


def _probe(here: Here, point: Path, left: float) -> Iterator[Part]:
    wanted = here.settings.mounts
    verdict = probe(point, sample=wanted.samples, deadline=min(wanted.deadline, left))
    yield _json(f"host/probe{str(point).replace('/', '-')}.json", verdict.to_dict())


def _doctor(here: Here, left: float) -> Iterator[Part]:
    program = Path(sys.executable).parent / "medialift"
    # Exit code 1: it found something. What it printed is the answer either way.
    said = here.run([str(program), "--json", "doctor"], left)
    yield Part("host/doctor.json", said.out or said.err)


def _plex(url: str, left: float) -> str:
    try:
        answer = httpx.get(f"{url}/identity", timeout=min(5.0, left), trust_env=False)
    except httpx.HTTPError as error:
        return f"it does not answer at {url} ({type(error).__name__})"
    return answer.text.strip().replace("\n", " ")[:400]


def _first(here: Here, argv: Sequence[str], left: float) -> str:
    return (_told(here, argv, left).splitlines() or [""])[0]


def _told(here: Here, argv: Sequence[str], left: float) -> str:
    """What a program printed, or why it printed nothing."""
    try:
        return _said(here, argv, left)
    except MedialiftError as error:
        return str(error)


def _answer(name: str, here: Here, argv: Sequence[str], left: float) -> Part:
    said = _run(here, argv, left)
    return Part(name, said.out) if said.ok else Part(name, missing=_refusal(said))


def _said(here: Here, argv: Sequence[str], left: float) -> str:
    said = _run(here, argv, left)
    return said.out if said.ok else _refusal(said)


def _run(here: Here, argv: Sequence[str], left: float) -> Completed:
    return here.run(argv, max(1.0, min(_PROGRAM_SECONDS, left)))


def _refusal(said: Completed) -> str:
    return f"{' '.join(said.argv)}: {(said.err or said.out).strip()}"


def _json(name: str, value: Any) -> Part:
    return Part(name, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
