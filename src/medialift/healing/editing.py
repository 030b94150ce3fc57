"""CODE_FIX: a model writes an edit, it is judged and tested, and one worker tries it before all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from medialift.errors import MedialiftError, Permanent
from medialift.healing.code.codefix import CodeFixes
from medialift.healing.code.fix import State
from medialift.healing.decision import Decision
from medialift.healing.diagnosis import Refusal
from medialift.healing.evidence import Evidence
from medialift.healing.pipeline import Pipeline


class Writer(Protocol):
    """What writes edits: `model.asking.Model`."""

    def edit(self, evidence: Evidence, module_text: str, decision: Decision) -> str | Refusal:
        """Search/replace blocks as plain text. Raises Transient when the database does not answer."""
        ...


@dataclass(frozen=True)
class Proposal:
    """What came of an edit before any worker had it.

    Attributes:
        release: with the edit, for the canary; None: it is refused.
        why: it is refused, or what was tried.
        detail: the diff and the checks, for the history.
    """

    release: Path | None
    why: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Editing:
    """Edits of the code on this host; safe to use from several threads.

    Attributes:
        writer: None: nothing new is written, and what is there can still be taken back.
    """

    fixes: CodeFixes
    writer: Writer | None = None
    _one_at_a_time: Lock = field(default_factory=Lock)

    def propose(self, worker: str, decision: Decision, evidence: Evidence, pipeline: Pipeline) -> Proposal:
        """Have an edit written, judged and tested: with the self-test it takes minutes.

        Raises nothing: whatever goes wrong is why it is refused.
        """
        try:
            with self._one_at_a_time:
                text = self._written(decision, evidence, pipeline)
                fix = self.fixes.propose(pipeline, worker, decision, text)
        except MedialiftError as error:
            return Proposal(None, str(error), {"module": decision.module, **error.to_dict()})
        release = self.fixes.releases.folder / fix.release if fix.state is State.TRIAL else None
        return Proposal(release, fix.why, fix.to_dict())

    def release_for(self, worker: str) -> Path | None:
        """The release that a worker is to have at its next start; None: whichever its unit names."""
        return self.fixes.release_for(worker)

    def accept(self) -> Mapping[str, Any]:
        """The canary recovered: `current` names its release from now on. What there is to know of it.

        Raises:
            Permanent: nothing is on trial, or another release was installed meanwhile.
            Transient: another process is at the releases.
        """
        return self.fixes.take_over().to_dict()

    def discard(self, why: str) -> Mapping[str, Any]:
        """The canary did not recover: what is on trial is thrown away, if anything is.

        Raises:
            Transient: another process is at the releases.
        """
        return self.fixes.discard(why).to_dict() if self.fixes.on_trial() is not None else {}

    def clear(self) -> None:
        """Remove the files of edits that nothing needs any more.

        Raises:
            Transient: another process is at the releases.
        """
        self.fixes.prune()

    def _written(self, decision: Decision, evidence: Evidence, pipeline: Pipeline) -> str:
        if self.writer is None or not self.fixes.enabled:
            raise Permanent("Edits of the code are turned off", "healing.code_fixes")
        module = self.fixes.source(pipeline, decision.module)
        said = self.writer.edit(evidence, module, decision)
        if isinstance(said, str):
            return said
        raise Permanent(f"There is no edit: {said.why}", decision.module)
