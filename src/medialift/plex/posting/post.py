"""What one journal has to say of a burst."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from medialift.errors import Permanent
from medialift.foundation import journal
from medialift.foundation.journal import FAILED, OK, RUNNING, START, Entry, Phase
from medialift.plex.report import Report, build, load_inputs

IMPORT, LAST = "import", "destroy"
"""What home's part of a journal begins with, and what a burst ends with."""

_LONGEST_DATA = 15_000
_LONGEST_TEXT = 4_000
_MOST_READS = 10_000
Whose = Literal["controller", "home"]


@dataclass(frozen=True)
class Post:
    """What is to be told of a burst.

    Attributes:
        id: of the burst; of an import at home, which knows no other, its own until the burst is found.
        journal: whose lines these are.
        lines: {number, at, phase, event, outcome, seconds, data}, by their number in that journal.
        known: what is known of the burst besides: library, mode, zone, outcome, budget_eur, report.
        archive: of an import at home, the sha256 of what it imported: by it the burst is found.
    """

    id: str
    journal: Whose
    lines: Mapping[int, Mapping[str, Any]]
    known: Mapping[str, Any] = field(default_factory=dict)
    archive: str = ""

    def over(self, earlier: Post) -> Post:
        """This one, with what an earlier one says that this one does not."""
        return replace(
            self,
            lines={**earlier.lines, **self.lines},
            known={**earlier.known, **self.known},
            archive=self.archive or earlier.archive,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "journal": self.journal,
            "archive": self.archive,
            "known": dict(self.known),
            "lines": [dict(line) for _, line in sorted(self.lines.items())],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Post:
        """Read it back.

        Raises:
            KeyError, TypeError, ValueError: it was not written by `to_dict`.
        """
        lines = {int(line["number"]): dict(line) for line in told["lines"]}
        return cls(str(told["id"]), told["journal"], lines, dict(told["known"]), str(told["archive"]))


def of_burst(
    path: Path, *, library: str, inputs: Sequence[Path] = (), known: Mapping[str, Any] | None = None
) -> Post | None:
    """What the controller's journal says of its burst; None while it says nothing.

    Args:
        inputs: what the run left for its report, once it is over.
        known: what else is known: mode, zone, budget_eur; what is None is not.

    Raises:
        Permanent: the journal is damaged, or the inputs are wrong.
    """
    lines = journal.entries(path)
    if not lines:
        return None
    given = {
        "library": library,
        **{name: one for name, one in (known or {}).items() if one not in (None, "")},
    }
    if inputs:
        report = build(load_inputs(inputs))
        given |= {"outcome": report.outcome, "report": _report(report)}
    elif (outcome := _outcome(journal.phases_of(lines))) is not None:
        given["outcome"] = outcome
    return Post(_named(library, lines[0].at), "controller", _numbered(lines), given)


def of_import(path: Path, *, library: str, archive: str = "") -> Post | None:
    """What home's journal says of its last import; None when there was none.

    Home's journal goes on from import to import, and each is told by itself: its lines keep their numbers.

    Raises:
        Permanent: the journal is damaged.
    """
    lines = journal.entries(path)
    begun = [place for place, line in enumerate(lines) if line.phase == IMPORT and line.event == START]
    if not begun:
        return None
    last = lines[begun[-1] :]
    numbered = _numbered(last, first=begun[-1] + 1)
    return Post(_named(library, last[0].at), "home", numbered, {"library": library}, archive)


def _outcome(phases: Sequence[Phase]) -> str | None:
    """How a burst ended, as far as its phases tell: "" while it goes on, also again; None: it is not known.

    A phase that failed and ended well when it was tried again is no failure.
    """
    last = {phase.name: phase.outcome for phase in phases}
    if RUNNING in last.values():
        return ""
    if LAST not in last:
        return None
    return FAILED if FAILED in last.values() else OK


def _named(library: str, at: float) -> str:
    return f"{library}-{datetime.fromtimestamp(at, UTC):%Y%m%dT%H%M%SZ}"


def _numbered(lines: Iterable[Entry], first: int = 1) -> dict[int, dict[str, Any]]:
    return {
        number: {
            "number": number,
            "at": line.at,
            "phase": line.phase,
            "event": line.event,
            "outcome": line.outcome,
            "seconds": line.seconds,
            "data": _bounded(line.data),
        }
        for number, line in enumerate(lines, first)
    }


def _bounded(data: Mapping[str, Any]) -> dict[str, Any]:
    """A line's data; of one that is longer than a dashboard takes, its text."""
    if len(json.dumps(data)) <= _LONGEST_DATA:
        return dict(data)
    return {"text": str(data.get("text", ""))[:_LONGEST_TEXT]}


def _report(report: Report) -> dict[str, Any]:
    """As JSON. Of very many reads, which a picture could not show one by one, every so manieth."""
    step = -(-len(report.reads) // _MOST_READS) or 1
    return report.model_copy(update={"reads": report.reads[::step]}).model_dump(mode="json")


def read(file: Path) -> Post:
    """A post that was written into a file.

    Raises:
        Permanent: it is none.
    """
    try:
        return Post.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise Permanent(
            "What was to be posted cannot be read", str(file), "Take it away; the journal itself is not in it"
        ) from error
