"""From evidence to a decision: the rules first, then a language model if one is enabled, else a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.pipeline import Pipeline

MEASURED = frozenset({Cause.MOUNT_DOWN, Cause.SERVER_DOWN, Cause.DISK_FULL, Cause.DATABASE_LOCKED})
"""Causes that a rule names because they were measured just now: there is nothing to ask anybody."""

DEFAULT = Decision(
    Cause.UNKNOWN,
    Remedy.RESTART,
    by="default",
    explanation="No rule knows this, so the worker is started anew",
)


class Refusal(Protocol):
    """Why there is no decision of a model: `model.answer.Refused`."""

    @property
    def why(self) -> str: ...


class Adviser(Protocol):
    """What may be asked besides the rules: `model.asking.Model`."""

    def decide(self, evidence: Evidence, pipeline: Pipeline) -> Decision | Refusal:
        """Raises Transient when the database does not answer."""
        ...


Rules = Callable[[Evidence], Decision | None]


@dataclass(frozen=True)
class Diagnosis:
    """Decides. Use it from one thread.

    Attributes:
        model: None: nobody is asked besides the rules.
    """

    rules: Rules
    model: Adviser | None = None

    def decide(self, evidence: Evidence, pipeline: Pipeline) -> Decision:
        """What is to be done. A model that says nothing, or nothing that it may, leaves it to the rules.

        Raises:
            Transient: the database does not answer.
        """
        rule = self.rules(evidence)
        if self.model is None or (rule is not None and rule.cause in MEASURED):
            return rule or DEFAULT
        said = self.model.decide(evidence, pipeline)
        if isinstance(said, Decision):
            return said
        return replace(rule or DEFAULT, rejected=said.why)
