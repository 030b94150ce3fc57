"""What a worker logged: the newest lines of its unit's journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from medialift.errors import Permanent
from medialift.foundation.process import Runner, runner

LINES = 500
_JOURNAL_SECONDS = 15.0
# How journalctl says that a unit never wrote a line (ENODATA).
_NOTHING = "No data available"
_NO_ENTRIES = "-- No entries --"
# More than any 500 lines of a log that is worth reading.
_TAIL_BYTES = 1 << 20


class LogSource(Protocol):
    """Where logs come from."""

    def newest(self, unit: str, lines: int = LINES) -> Sequence[str]:
        """The newest lines of a unit as it wrote them, the newest last; none when it never wrote any.

        Raises:
            MedialiftError: they cannot be read, or not in time.
        """
        ...


@dataclass(frozen=True)
class Journal:
    """systemd's journal, with what systemd itself says of the unit: that it was killed for want of memory."""

    run: Runner = field(default_factory=lambda: runner(timeout=_JOURNAL_SECONDS))

    def newest(self, unit: str, lines: int = LINES) -> Sequence[str]:
        said = self.run(
            [
                "journalctl",
                "--no-pager",
                "--quiet",
                "--output=short-iso",
                f"--lines={lines}",
                f"--unit={unit}",
            ]
        )
        if not said.ok and _NOTHING in said.err:
            return []
        told = said.checked("The journal cannot be read").out.splitlines()
        return [line for line in told if line.strip() != _NO_ENTRIES]


@dataclass(frozen=True)
class LogFiles:
    """Logs as files of a folder, `UNIT.log` each: where no systemd runs."""

    folder: Path

    def newest(self, unit: str, lines: int = LINES) -> Sequence[str]:
        path = self.folder / f"{unit}.log"
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _TAIL_BYTES))
                text = file.read(_TAIL_BYTES).decode(errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Permanent(f"A log cannot be read ({error.strerror})", str(path)) from error
        if size > _TAIL_BYTES:
            text = text.partition("\n")[2]
        return text.splitlines()[-lines:]
