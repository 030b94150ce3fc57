"""What a report is made of: the inputs that a run leaves behind, and the report itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from medialift.foundation.text import redact

Outcome = Literal["ok", "failed", "skipped", "running"]


class _Part(BaseModel):
    # Values come out of templates as strings ("12", "True"): pydantic casts them, or refuses.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True)


class _Line(_Part):
    # Lines are taken as a run's result has them, with more in them than a report tells.
    model_config = ConfigDict(frozen=True, extra="ignore")


class PhaseLine(_Line):
    """One phase of the run. `started` is seconds since the epoch; None when only its length is known."""

    name: str
    seconds: float = Field(ge=0)
    outcome: Outcome = "ok"
    started: float | None = None


class LossLine(_Line):
    """Something that a scan took away: its title, one of its files, and what the store said of it."""

    title: str
    file: str = ""
    verdict: Literal["believed", "merged", "false", "unknown"]
    why: str = ""

    @property
    def said(self) -> str:
        """The verdict for people."""
        return {
            "believed": "gone",
            "merged": "its file lives on in another item",
            "false": "still there",
            "unknown": f"could not be told: {self.why}",
        }[self.verdict]


class DeletionsLine(_Line):
    """What a scan took away from a section, by what the store said of it, in items.

    Attributes:
        undone: false ones that a further scan took back.
        files: lost files of items that live on.
        accepted: a person's word was needed, and was given.
        named: the first of all of them.
    """

    believed: int = Field(0, ge=0)
    false: int = Field(0, ge=0)
    undone: int = Field(0, ge=0)
    unknown: int = Field(0, ge=0)
    merged: int = Field(0, ge=0)
    files: int = Field(0, ge=0)
    accepted: bool = False
    named: tuple[LossLine, ...] = ()

    @property
    def told(self) -> str:
        """ "3 gone from the store, 1 undone"; "" when nothing was lost."""
        numbers = (
            (self.believed, "gone from the store" + (", accepted" if self.accepted else "")),
            (self.merged, "merged with another"),
            (self.false, "FALSE: the store has them"),
            (self.unknown, "not to be looked up"),
            (self.undone, "false and undone"),
            (self.files, "lost files of items that live on"),
        )
        return ", ".join(f"{number} {what}" for number, what in numbers if number)


class SectionLine(_Line):
    """One section of the library: its leaves (films, episodes, tracks, photos) before and after."""

    name: str
    type: str
    items_before: int = Field(ge=0)
    items_after: int = Field(ge=0)
    newly_deleted: int = Field(0, ge=0)
    deletions: DeletionsLine = DeletionsLine.model_validate({})


class InstanceLine(_Part):
    """The machine that did the work, and what it cost in EUR."""

    id: str
    destroyed: bool
    seconds: float = Field(ge=0)
    cost_eur: float = Field(ge=0)
    commercial_type: str = ""
    zone: str = ""
    started: float | None = None
    hourly_eur: float | None = Field(None, ge=0)
    budget_eur: float | None = Field(None, gt=0)


class ArchiveLine(_Part):
    """The archive that the run made."""

    bytes: int = Field(ge=0)
    sha256: str
    members: int = Field(ge=0)
    key: str = ""
    quarantined: bool = False
    reasons: tuple[str, ...] = ()
    acceptable: bool = False


class LogsLine(_Line):
    """The logs of the machine: where they are, and why they are not everywhere they should be.

    `file` is a path relative to the report, `url` an address in the store; "" where they are not.
    """

    file: str = ""
    url: str = ""
    bytes: int = Field(0, ge=0)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @field_validator("problems")
    @classmethod
    def _without_secrets(cls, problems: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(redact(one) for one in problems)


class ImportLine(_Part):
    """How the way home ended."""

    outcome: Outcome
    rolled_back: bool = False


class ReadLine(_Line):
    """One real read through the mount: when (seconds since the epoch), how long, whether bytes came."""

    at: float
    seconds: float = Field(ge=0)
    ok: bool = True


class Failure(_Part):
    """The three sentences of an error."""

    what: str
    subject: str = ""
    hint: str = ""
    kind: str = "error"

    @field_validator("what", "subject", "hint")
    @classmethod
    def _without_secrets(cls, text: str) -> str:
        # It may quote any program, and the report travels.
        return redact(text)


class ReportInputs(_Part):
    """What a run leaves behind for its report. Everything may be missing: a run can end at any point.

    In a file, `journals` are paths relative to it, and `run` is the result of a plex-run: their phases and
    mount reads are added to `phases` and `mount_reads`.
    """

    title: str = "Plex burst"
    library: str = ""
    mode: Literal["delta", "scratch", ""] = ""
    outcome: Literal["ok", "failed"] | None = None
    error: Failure | None = None
    phases: tuple[PhaseLine, ...] = ()
    sections: tuple[SectionLine, ...] = ()
    instance: InstanceLine | None = None
    archive: ArchiveLine | None = None
    logs: LogsLine | None = None
    imported: ImportLine | None = Field(None, alias="import")
    mount_reads: tuple[ReadLine, ...] = ()
    journals: tuple[Path, ...] = ()


class Report(_Part):
    """The finished report."""

    title: str
    library: str
    mode: str
    outcome: Literal["ok", "failed"]
    error: Failure | None
    phases: tuple[PhaseLine, ...]
    sections: tuple[SectionLine, ...]
    instance: InstanceLine | None
    archive: ArchiveLine | None
    logs: LogsLine | None
    imported: ImportLine | None
    reads: tuple[ReadLine, ...]

    @property
    def seconds(self) -> float:
        """From the first phase's start to the last one's end; without starts, the sum of the phases."""
        placed = [phase for phase in self.phases if phase.started is not None]
        if not placed:
            return sum(phase.seconds for phase in self.phases)
        first = min(phase.started or 0.0 for phase in placed)
        return max((phase.started or 0.0) + phase.seconds for phase in placed) - first

    @property
    def overspent(self) -> bool:
        """Whether the instance cost more than was planned."""
        instance = self.instance
        return bool(instance and instance.budget_eur is not None and instance.cost_eur > instance.budget_eur)

    def to_dict(self) -> dict[str, Any]:
        """report.json: exactly outcome, phases, sections, instance, archive and import.

        What a run never came to (an archive, an import) is null.
        """
        return {
            "outcome": self.outcome,
            "phases": [
                {"name": phase.name, "seconds": round(phase.seconds, 3), "outcome": phase.outcome}
                for phase in self.phases
            ],
            "sections": [section.model_dump(exclude={"deletions"}) for section in self.sections],
            "instance": self.instance
            and self.instance.model_dump(include={"id", "destroyed", "seconds", "cost_eur"}),
            "archive": self.archive and self.archive.model_dump(include={"bytes", "sha256", "members"}),
            "import": self.imported and self.imported.model_dump(),
        }
