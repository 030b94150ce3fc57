"""The machine: settings file, Docker, FUSE, rclone, mounts, disk, units."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from medialift.doctor.finding import FAIL, OK, SKIPPED, WARN, Finding
from medialift.doctor.host import Host
from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration, format_size
from medialift.mounts import mountinfo
from medialift.mounts.probe import probe as probe_mount
from medialift.settings import exposure

RCLONE = Path("opt/rclone/bin/rclone")
JOB_UNIT = "medialift-job@.service"


def settings_file(host: Host) -> Iterator[Finding]:
    """Is there one, and can only its owner read it?"""
    file = host.loaded.file
    if not host.loaded.file_found:
        yield Finding(
            "settings file",
            WARN,
            f"There is no {file}: defaults count",
            "Apply the role 'runtime', or write one: medialift config example",
        )
    elif reason := exposure(file):
        yield Finding("settings file", FAIL, f"{file}: {reason}", f"chmod 600 {file}")
    else:
        yield Finding("settings file", OK, f"{file} is readable by its owner only")


def docker(host: Host) -> Iterator[Finding]:
    """Does the engine answer?"""
    if not host.settings.plex.container:
        yield Finding("Docker", SKIPPED, "Plex runs without a container here")
        return
    told = _told(host, ["docker", "version", "--format", "{{.Server.Version}}"])
    if told is None:
        yield Finding(
            "Docker",
            FAIL,
            "The engine does not answer",
            "Apply the role 'docker'; then: systemctl status docker",
        )
    else:
        yield Finding("Docker", OK, f"The engine answers: version {told}")


def fuse(host: Host) -> Iterator[Finding]:
    """Can a FUSE mount be made?"""
    if not host.settings.mounts.points:
        yield Finding("FUSE", SKIPPED, "No mount is asked for")
        return
    device = host.root / "dev/fuse"
    if not device.exists():
        yield Finding("FUSE", FAIL, "There is no /dev/fuse", "Load the module: modprobe fuse")
    elif _told(host, ["fusermount3", "-V"]) is None:
        yield Finding("FUSE", FAIL, "fusermount3 is missing", "apt-get install fuse3")
    else:
        yield Finding("FUSE", OK, "/dev/fuse and fusermount3 are there")


def rclone(host: Host) -> Iterator[Finding]:
    """Is the pinned rclone there?"""
    if not host.settings.mounts.points:
        yield Finding("rclone", SKIPPED, "No mount is asked for")
        return
    told = _told(host, [str(host.root / RCLONE), "version"])
    if told is None:
        yield Finding("rclone", FAIL, f"{host.root / RCLONE} does not run", "Apply the role 'rclone_mount'")
    else:
        yield Finding("rclone", OK, told.splitlines()[0])


def mounts(host: Host) -> Iterator[Finding]:
    """Do the mounts read, and do containers see them come back after a restart?"""
    there = mountinfo.mounts()
    for point in host.settings.mounts.points:
        verdict = probe_mount(
            point,
            sample=host.settings.mounts.samples,
            deadline=host.settings.mounts.deadline,
            clock=host.clock,
        )
        name = f"mount {point}"
        if not verdict.healthy:
            yield Finding(
                name,
                FAIL,
                f"It is {verdict.state}: {verdict.reason}",
                f"Look at its unit: systemctl status 'rclone-*'; then: medialift mounts probe {point}",
            )
            continue
        slowest = max(read.seconds for read in verdict.reads)
        yield Finding(name, OK, f"{len(verdict.reads)} files read, the slowest in {format_duration(slowest)}")
        for path in verdict.differing:
            yield Finding(
                f"{name}, a file",
                WARN,
                f"It cannot be read, though others can: {path}",
                "Look at the object in the store: it is damaged, refused, or gone",
            )
        parent = mountinfo.over(point.parent, there)
        if parent is None or not parent.propagates:
            yield Finding(
                f"{name}, propagation",
                FAIL,
                f"{point.parent} does not propagate mounts: containers keep a dead one after a restart",
                "mount --make-rshared / (systemd does so at boot), then start the containers again",
            )
        else:
            yield Finding(f"{name}, propagation", OK, f"{point.parent} propagates mounts into containers")
    if not host.settings.mounts.points:
        yield Finding("mounts", SKIPPED, "No mount is asked for")


def disk(host: Host) -> Iterator[Finding]:
    """Is there room where archives and databases are written?"""
    need = host.settings.runtime.free_space
    seen: set[int] = set()
    for folder in (host.settings.plex.data, host.settings.plex.workspace, host.settings.jobs.folder):
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if place.stat().st_dev in seen:
            continue
        seen.add(place.stat().st_dev)
        room = os.statvfs(place)
        free = room.f_bavail * room.f_frsize
        if free < need:
            yield Finding(
                f"disk of {folder}",
                FAIL,
                f"{format_size(free)} are free, {format_size(need)} must be",
                "Make room, or lower runtime.free_space",
            )
        else:
            yield Finding(f"disk of {folder}", OK, f"{format_size(free)} are free")


def units(host: Host) -> Iterator[Finding]:
    """Does systemd know Plex and the jobs?"""
    for unit, role in ((host.settings.plex.unit, "plex"), (JOB_UNIT, "runtime")):
        # A template is loaded only as one of its instances.
        name = unit.replace("@.", "@doctor.")
        told = _told(host, ["systemctl", "show", "--property=LoadState", "--value", name])
        if told is None:
            yield Finding(
                f"unit {unit}", FAIL, "systemd does not answer", "Jobs need a host that runs systemd"
            )
        elif told != "loaded":
            yield Finding(f"unit {unit}", FAIL, f"systemd says: {told}", f"Apply the role '{role}'")
        else:
            yield Finding(f"unit {unit}", OK, "systemd has loaded it")


def _told(host: Host, argv: list[str]) -> str | None:
    """What a program printed; None when it is missing, fails or does not answer."""
    try:
        done = host.run(argv)
    except MedialiftError:
        return None
    return done.out.strip() if done.ok else None
