"""Workers in processes of their own, for tests that end them in the middle.

A process that has imported everything once, and begins a new one for each line that it is told: that takes a
hundredth of a second instead of two. A line is JSON, answered by the number of the new process; what it is to
do is the matter of the module that serves (`tests.intake_worker`, `tests.poster_worker`), but for `log`, the
file that it says things in. `{wait: number}` is answered by how that process ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


class Hands:
    """What begins processes that work.

    Args:
        module: it calls `serve` when it is run.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, line: dict[str, Any]) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def serve(work: Callable[[dict[str, Any]], object]) -> None:
    """Answer lines until there are no more; each new process does `work`."""
    for line in sys.stdin:
        given = json.loads(line)
        told = os.waitpid(given["wait"], 0)[1] if "wait" in given else _begin(work, given)
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()


def fill(filler: Path) -> None:
    """Leave no byte free on the disk that this file is on."""
    with suppress(OSError), filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def _begin(work: Callable[[dict[str, Any]], object], given: dict[str, Any]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(log, 2)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        work(given)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
