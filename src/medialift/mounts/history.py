"""What happened to a mount: JSON lines, in two files at most, so that they never fill a disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.foundation.text import redact

# Two files of this size are about a week of probes, one a minute.
KEEP_BYTES = 4_000_000


@dataclass(frozen=True)
class History:
    """Appends to `path`; when that is full it becomes `path` + ".1", and the one before is forgotten.

    A line is {"at": seconds since the epoch, "event": …, …}. Each is one write: a reader never sees half of
    one, and what a crash tore is skipped by readers and ended by the next line.
    """

    path: Path
    keep: int = KEEP_BYTES

    @property
    def older(self) -> Path:
        """The file of the lines before."""
        return self.path.with_name(self.path.name + ".1")

    def add(self, at: float, event: str, told: Mapping[str, Any] | None = None) -> None:
        """Append one line. A secret in an error's text is masked: the history travels with the logs.

        Raises:
            OSError: it cannot be written.
        """
        line = json.dumps({"at": round(at, 3), "event": event, **(told or {})}, ensure_ascii=False)
        content = (redact(line) + "\n").encode()
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                content = b"\n" + content
            os.write(handle, content)
        finally:
            os.close(handle)
        if size + len(content) >= self.keep:
            self.path.replace(self.older)

    def last(self, number: int) -> list[dict[str, Any]]:
        """The newest lines, oldest of them first."""
        found: list[dict[str, Any]] = []
        for path in (self.path, self.older):
            if len(found) < number:
                found = _lines(path)[-(number - len(found)) :] + found
        return found if number else []


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in content.splitlines():
        try:
            told = json.loads(line)
        except ValueError:  # torn by a crash
            continue
        if isinstance(told, dict):
            found.append(told)
    return found
