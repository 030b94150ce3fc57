"""What is to be done about a stuck worker, who says so, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Remedy(StrEnum):
    """The remedies, from the mildest on."""

    WAIT = "wait"
    """Nothing is done to the worker: what ails it is elsewhere, and it goes on when that is mended."""
    RESTART = "restart"
    CONFIG_FIX = "config_fix"
    CODE_FIX = "code_fix"
    SCALE_DOWN = "scale_down"
    """One worker fewer: they are in each other's way."""
    ESCALATE = "escalate"
    """No remedy of ours helps: pause it and tell people at once."""


class Cause(StrEnum):
    """Root causes that the rules, or a model, can name."""

    MOUNT_DOWN = "mount_down"
    SERVER_DOWN = "server_down"
    DISK_FULL = "disk_full"
    SAME_ITEM = "same_item"
    DATABASE_LOCKED = "database_locked"
    MEMORY = "memory"
    DISK_PRESSURE = "disk_pressure"
    HUNG = "hung"
    """It waits for something that never comes: a lock of its own, a socket without a time limit."""
    CRASH = "crash"
    CONFIGURATION = "configuration"
    CODE = "code"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Decision:
    """One decision.

    Attributes:
        confidence: 0 to 1; of a rule 1.
        by: "rule NAME", "model NAME", or "default" when neither had anything to say.
        settings: for CONFIG_FIX: {setting: value}, checked against the pipeline's allow-list and bounds.
        module: for CODE_FIX: the module to edit, as the pipeline's allow-list has it.
        item: for SAME_ITEM: the key of the item, to be put aside when a restart does not help; "": none.
        explanation: for people; what a model wrote is redacted and cut.
        rejected: why a model's answer was not followed; "" when it was, or none was asked.
    """

    cause: Cause
    remedy: Remedy
    by: str
    explanation: str
    confidence: float = 1.0
    settings: Mapping[str, int | float] = field(default_factory=dict)
    module: str = ""
    item: str = ""
    rejected: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
