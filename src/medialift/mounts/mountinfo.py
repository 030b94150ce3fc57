"""What the kernel says is mounted: read from /proc, since asking a dead mount itself can hang."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class Mount:
    """One line of /proc/self/mountinfo (proc_pid_mountinfo(5)).

    Attributes:
        mountpoint: where it is seen.
        filesystem: its type, "fuse.rclone" for a mount of rclone's.
        source: what is mounted, "media:bucket" for one of rclone's.
        device: "major:minor"; the minor names a FUSE connection below /sys/fs/fuse/connections.
        propagates: whether it is shared or a slave, so that a container may bind it with `rslave` and see
            what is mounted below it later.
    """

    mountpoint: PurePosixPath
    filesystem: str
    source: str
    device: str
    options: tuple[str, ...]
    propagates: bool = False

    @property
    def read_only(self) -> bool:
        """Whether it was mounted read-only."""
        return "ro" in self.options


def mounts(path: Path = MOUNTINFO) -> tuple[Mount, ...]:
    """Everything mounted, in the kernel's order: of two at the same place the later one is seen."""
    return parse(path.read_text())


def parse(text: str) -> tuple[Mount, ...]:
    """The mounts in the text of a mountinfo file, as one reads it from another host."""
    return tuple(_mount(line) for line in text.splitlines())


def at(mountpoint: Path | str, among: Sequence[Mount]) -> Mount | None:
    """The mount seen at this very place, or None.

    A mount whose program died is still there, though `os.path.ismount` says no: a new one would be refused.
    """
    wanted = PurePosixPath(mountpoint)
    found = [mount for mount in among if mount.mountpoint == wanted]
    return found[-1] if found else None


def over(path: Path | str, among: Sequence[Mount]) -> Mount | None:
    """The mount that a path lies on: the one with the longest mountpoint above it."""
    wanted = PurePosixPath(path)
    found = [m for m in among if m.mountpoint == wanted or m.mountpoint in wanted.parents]
    longest = max((len(m.mountpoint.parts) for m in found), default=0)
    return next((m for m in reversed(found) if len(m.mountpoint.parts) == longest), None)


def _mount(line: str) -> Mount:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    before, _, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    return Mount(
        mountpoint=PurePosixPath(_unescape(fields[4])),
        filesystem=_unescape(rest[0]),
        source=_unescape(rest[1]),
        device=fields[2],
        options=tuple(fields[5].split(",")),
        propagates=any(field.startswith(("shared:", "master:")) for field in fields[6:]),
    )


def _unescape(text: str) -> str:
    """The kernel writes space, tab, newline and backslash as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), text)
