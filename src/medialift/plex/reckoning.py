"""After the scans: what was lost is looked up, and what was lost falsely is taken back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medialift.errors import MedialiftError
from medialift.foundation.backoff import retried
from medialift.foundation.jobs import Stopped
from medialift.plex.census import Census, Losses
from medialift.plex.deletions import Judged, judge
from medialift.plex.lookup import Answer
from medialift.plex.server import Section

# A second scan takes back what a bad moment took away; what two of them do not take back stays as it is.
RESCANS = 2
NO_STORE = "no store is known to look it up in: name it with `store`"


@dataclass(frozen=True)
class Settled:
    """What is left of the losses.

    Attributes:
        undone: by a section's key, how many false ones were taken back.
        notes: why one could not be scanned again.
    """

    judged: tuple[Judged, ...]
    undone: Counter[str] = field(default_factory=Counter)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reckoning:
    """What it takes to settle the losses of a run.

    Attributes:
        ask: looks files up in the store; None where no store is known.
        rescan: scans a section on a mount that was proved to read.
        undelete: takes deletions back that no scan does, by their files; None where that cannot be done.
        sections: those that may be scanned.
        tell: a sentence for people.
    """

    census: Census
    database: Path
    ask: Callable[[Sequence[str]], Mapping[str, Answer]] | None
    rescan: Callable[[Section], object]
    sections: Sequence[Section]
    tell: Callable[[str], None] = lambda _text: None
    undelete: Callable[[Sequence[str]], object] | None = None

    def settle(self) -> Settled:
        """Look up, undo what is false as far as scans can, and look again.

        Raises:
            Stopped: the job was.
            Transient, Permanent: the database could not be read.
        """
        answers: dict[str, Answer] = {}
        judged = self._judge(answers)
        false = {_name(one): one.section for one in judged if one.verdict == "false"}
        notes: dict[str, str] = {}
        for _ in range(RESCANS):
            wanted = {one.section for one in judged if one.verdict == "false"} - set(notes)
            again = [section for section in self.sections if section.key in wanted]
            if not again:
                break
            for section in again:
                self.tell(f"{section.name}: deletions that are false; it is scanned once more")
                try:
                    self.rescan(section)
                except Stopped:
                    raise
                except MedialiftError as error:
                    # What it would have undone keeps the archive in quarantine, with this for a reason.
                    notes[section.key] = f"{section.name} could not be scanned again: {error}"
            judged = self._judge(answers)
        files = [one.file for one in judged if one.verdict == "false"]
        if files and self.undelete is not None:
            self.tell(f"{len(files)} false deletions that no scan took back are taken back by hand")
            try:
                self.undelete([file for file, answer in answers.items() if answer.state == "there"])
            except Stopped:
                raise
            except MedialiftError as error:
                notes["by hand"] = f"they could not be taken back by hand either: {error}"
            judged = self._judge(answers)
        left = {_name(one) for one in judged}
        undone = Counter(section for name, section in false.items() if name not in left)
        return Settled(tuple(judged), undone, tuple(notes.values()))

    def _judge(self, answers: dict[str, Answer]) -> list[Judged]:
        """The losses of now. `answers` is added to: nothing is looked up twice."""
        losses: Losses = retried()(self.census.losses)(self.database)
        files = [file for file in dict.fromkeys(losses.files()) if file not in answers]
        if files and self.ask is None:
            answers |= {file: Answer("unknown", NO_STORE) for file in files}
        elif files and self.ask is not None:
            self.tell(f"{len(files)} lost files are looked up in the store")
            answers |= self.ask(files)
        return judge(losses, answers)


def _name(one: Judged) -> tuple[int, str]:
    return (one.item, "" if one.item else one.file)
