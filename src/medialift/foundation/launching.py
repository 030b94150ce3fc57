"""Starting a job for whoever asked for it: as a systemd unit or as a process, never the same one twice."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medialift.errors import Permanent
from medialift.foundation import jobs
from medialift.foundation.process import Runner
from medialift.foundation.waiting import Clock

SYSTEMD, PROCESS = "systemd", "process"


def launch(folder: Path, supervisor: str, runner: Runner) -> bool:
    """Start a submitted job; False when it runs already or ended well.

    Args:
        supervisor: SYSTEMD, or PROCESS where there is no systemd.

    Raises:
        Permanent: there is no such job, or systemd refuses to start it.
    """
    if supervisor == SYSTEMD:
        return jobs.start(folder, runner)
    program = Path(sys.executable).parent / "medialift"
    return jobs.start_detached(folder, [str(program), "job", "run"])


def joined_or_new(parent: Path, kind: str, arguments: Mapping[str, Any], clock: Clock) -> Path:
    """The job of this kind and these arguments that has not ended, or else a new one, not started yet.

    Raises:
        Permanent: two were asked for in the same microsecond, or a job's folder is damaged.
    """
    wanted = json.loads(json.dumps(dict(arguments)))
    for there in sorted(parent.glob(f"{kind}-*")):
        if jobs.state(there).state in (jobs.WAITING, jobs.RUNNING) and jobs.arguments(there) == wanted:
            return there
    stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%S%fZ")
    made = parent / f"{kind}-{stamp}"
    if not jobs.submit(made, kind, arguments):
        raise Permanent("A job of this name is there already", made.name, "Start again")
    return made
