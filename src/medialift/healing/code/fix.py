"""What is kept of each edit, in a file of its own: the difference, the reason, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from medialift.foundation import atomic


class State(StrEnum):
    """What became of an edit."""

    REFUSED = "refused"
    """No worker ever had it."""
    TRIAL = "trial"
    """One worker, the canary, is to run with it, and nobody knows yet whether that helps."""
    DISCARDED = "discarded"
    """The canary did not recover with it."""
    IN_FORCE = "in_force"
    """The canary recovered, and `current` names the release with it."""
    REPLACED = "replaced"
    """Another release came after it."""
    REVERTED = "reverted"
    """Somebody took it back."""


FAILED = (State.DISCARDED, State.REVERTED)


@dataclass(frozen=True)
class Fix:
    """One edit.

    Attributes:
        number: counts the edits of this host.
        worker: whose trouble it is for, and who is its canary.
        base, release: names of the release that was copied, and of the copy; "" when there is none.
        before, after: hashes of the module's text.
        diff: as people read it; "" when it could not be applied.
        explanation, by: the decision's.
        why: why it is in this state.
        at: seconds since the epoch at which it came into this state; `made`: at which it was proposed.
        checks: what the self-test said: {check: why it failed, "" when it did not}.
    """

    number: int
    pipeline: str
    worker: str
    module: str
    explanation: str
    by: str
    made: float
    at: float
    state: State = State.REFUSED
    why: str = ""
    base: str = ""
    release: str = ""
    before: str = ""
    after: str = ""
    diff: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON, for the history."""
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Fix:
        """From what `to_dict` gave; what is not known is left out."""
        known = {one.name for one in fields(cls)}
        given = {name: value for name, value in told.items() if name in known}
        return cls(**{**given, "state": State(told["state"])})


@dataclass(frozen=True)
class Kept:
    """The edits of this host."""

    folder: Path

    def all(self) -> list[Fix]:
        """Every one, the newest first.

        Raises:
            OSError, ValueError: a file of them cannot be read.
        """
        files = self.folder.glob("*.json") if self.folder.is_dir() else ()
        found = [Fix.of(json.loads(file.read_text(encoding="utf-8"))) for file in files]
        return sorted(found, key=lambda one: one.number, reverse=True)

    def keep(self, fix: Fix) -> Fix:
        """Write one down, for good or until it is written again."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        atomic.write_json(self.folder / f"{fix.number:06d}.json", fix.to_dict(), mode=0o600)
        return fix
