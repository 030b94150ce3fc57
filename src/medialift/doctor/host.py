"""The host that is looked at: its settings, its programs, its files. Tests pass in another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import httpx

from medialift.foundation.process import Runner, runner
from medialift.foundation.waiting import Clock, SystemClock
from medialift.settings import Loaded, Settings

# One check must not hold up the others: a program that does not answer by then is a finding.
PROGRAM_SECONDS = 30.0
REQUEST_SECONDS = 10.0


@dataclass(frozen=True)
class Host:
    """Where the checks look."""

    loaded: Loaded
    run: Runner = field(default_factory=lambda: runner(timeout=PROGRAM_SECONDS))
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=REQUEST_SECONDS))
    clock: Clock = field(default_factory=SystemClock)
    root: Path = Path("/")

    @property
    def settings(self) -> Settings:
        """The settings."""
        return self.loaded.settings
