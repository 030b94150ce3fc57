"""Where a process is: the stack of each of its threads, taken by py-spy from outside.

The process is not held up for it: one that is paused while its stack is read would miss its heartbeats, and
one that waits in the kernel cannot be paused at all. A stack that is torn because the process ran on
meanwhile is that of one which is not stuck.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medialift.errors import Permanent
from medialift.foundation.process import Runner, runner

SECONDS = 15.0
_LINES = 400
PROGRAM = Path(sys.executable).parent / "py-spy"


def taken(pid: int, run: Runner | None = None, program: Path = PROGRAM) -> tuple[str, ...]:
    """The threads of a Python process, each with its frames below it, the innermost first.

    Raises:
        Permanent: py-spy is not there, may not look, or the process is none of Python's or has ended.
        Transient: it took too long.
    """
    run = run or runner(timeout=SECONDS)
    said = run([str(program), "dump", "--nonblocking", "--json", "--pid", str(pid)])
    told = said.checked("The stack of a process cannot be read").out
    try:
        threads = json.loads(told)
        return tuple(_lines(threads)[:_LINES])
    except (ValueError, TypeError, KeyError) as error:
        raise Permanent("What py-spy says of a process cannot be read", str(pid)) from error


def innermost(stack: Sequence[str], *, within: str = "") -> str:
    """The frame in which the main thread is, or its innermost frame of files below `within`; "" without."""
    main = False
    for line in stack:
        if not line.startswith(" "):
            main = "MainThread" in line
        elif main and (not within or f"({within}" in line):
            return line.strip()
    return ""


def _lines(threads: Sequence[dict[str, Any]]) -> list[str]:
    lines = []
    for thread in threads:
        name = thread.get("thread_name") or "without a name"
        doing = "runs" if thread["active"] else "waits"
        holds = ", holds the interpreter" if thread["owns_gil"] else ""
        lines.append(f"Thread {thread['os_thread_id']} ({name}) {doing}{holds}")
        for frame in thread["frames"]:
            file = frame["short_filename"] or frame["filename"]
            lines.append(f"    {frame['name']} ({file}:{frame['line']})")
    return lines
