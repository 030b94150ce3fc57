"""What is mounted on a host, from the text of its /proc/self/mountinfo.

Roles decide by it whether a mount point is free, ours or somebody else's. They never ask the mount point
itself: `stat` and `file` fail on a mount whose program died, and hang on one whose program is stuck.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

# See filter_plugins/units.py.
sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))

from medialift.mounts import mountinfo


def mount_at(text: str, path: str) -> dict[str, Any]:
    """The mount seen at this very path, `{mountpoint, filesystem, source, device, options, propagates}`.

    Empty when nothing is mounted there.
    """
    return _plain(mountinfo.at(path, mountinfo.parse(text)))


def mount_over(text: str, path: str) -> dict[str, Any]:
    """The mount that a path lies on, in the same form."""
    return _plain(mountinfo.over(path, mountinfo.parse(text)))


def _plain(mount: mountinfo.Mount | None) -> dict[str, Any]:
    if mount is None:
        return {}
    return {**asdict(mount), "mountpoint": str(mount.mountpoint), "options": list(mount.options)}


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"medialift_mount_at": mount_at, "medialift_mount_over": mount_over}
