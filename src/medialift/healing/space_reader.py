"""The child that asks for the free space of a folder, which may lie on a dead mount: nobody waits for it.

Run as a script of its own, with the standard library only: the folder is its input. It writes one JSON
object: {"free", "total", "files_free"} or {"error"}. It bears the name of the readers that probe mounts, so
that `medialift.mounts.orphans` finds it when it is stuck.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# That of medialift.mounts.reader: a script on its own cannot import it.
NAME = "mount-reader"


def main() -> None:
    Path("/proc/self/comm").write_text(NAME)
    try:
        told = os.statvfs(sys.stdin.read())
    except OSError as error:
        print(json.dumps({"error": error.strerror}))
        return
    size = told.f_frsize or told.f_bsize
    # Btrfs and others have no limit of their own, and say 0 of 0.
    files = told.f_favail if told.f_files else None
    # Space and files for everybody, without what is kept for root: a worker is not root.
    answer = {"free": told.f_bavail * size, "total": told.f_blocks * size, "files_free": files}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
