"""What a scan took away: each loss is looked up in the store, and only what the store has lost is believed.

A mount that lists and does not read makes Plex mark a whole library deleted. So a deletion is believed when
the object of every file of the item is gone from the store itself. One whose object is there is false, and is
undone by scanning again on a mount that reads. What cannot be looked up is never believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from medialift.plex.census import Losses, LostItem, LostPart
from medialift.plex.lookup import Answer
from medialift.plex.server import Section

# More items of a section than this, as a number and as a share, go only when a person says so: that many
# media are rarely removed on purpose, and a store can be emptied by mistake.
DELETED_NUMBER = 3
DELETED_SHARE = 0.02

# So many are named; thousands would hide the number.
NAMED = 5
TOLD = 200

Verdict = Literal["believed", "merged", "false", "unknown"]


@dataclass(frozen=True)
class Judged:
    """One loss and what it turned out to be.

    Attributes:
        verdict: "believed": all its files are gone from the store; "merged": its file lives on in another
            item; "false": a file of it is in the store; "unknown": the store could not tell.
        item: its id when it is an item; 0 for a file whose item lives on.
        file: one of its files, "" without any.
        why: of "unknown", what stood in the way.
    """

    verdict: Verdict
    section: str
    title: str
    item: int = 0
    file: str = ""
    why: str = ""

    def to_dict(self) -> dict[str, str]:
        """{title, file, verdict, why}."""
        return {"title": self.title, "file": self.file, "verdict": self.verdict, "why": self.why}


@dataclass(frozen=True)
class Deletions:
    """What was taken away from one section, judged.

    Attributes:
        before, after: items that are not marked deleted.
        undone: how many false deletions a further scan took back.
        accepted: that so many are gone was needed to be said, and was said.
        doubts: why an archive of this must not be trusted.
        words: why a person must say that it is right.
    """

    before: int
    after: int
    judged: tuple[Judged, ...] = ()
    undone: int = 0
    accepted: bool = False
    doubts: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def newly_deleted(self) -> int:
        """Items of before that are now marked deleted or gone."""
        return sum(1 for one in self.judged if one.item)

    def number(self, verdict: Verdict) -> int:
        """How many items turned out so."""
        return sum(1 for one in self.judged if one.item and one.verdict == verdict)

    @property
    def explained(self) -> int:
        """Items that may be missing from an archive: their media are gone, or live on in another item."""
        return self.number("believed") + self.number("merged")

    def to_dict(self) -> dict[str, Any]:
        """{believed, false, undone, unknown, merged, files, accepted, named}.

        All are numbers of items, but `files` is one of lost files whose items live on, `accepted` says
        whether a person's word was needed and given, and `named` has the first of all, as `Judged.to_dict`.
        """
        return {
            "believed": self.number("believed"),
            "false": self.number("false"),
            "undone": self.undone,
            "unknown": self.number("unknown"),
            "merged": self.number("merged"),
            "files": len(self.judged) - self.newly_deleted,
            "accepted": self.accepted,
            "named": [one.to_dict() for one in self.judged[:TOLD]],
        }


@dataclass(frozen=True)
class Policy:
    """How strict to be.

    Attributes:
        accept: a person said that the deletions are meant.
        trusting: nothing can be looked up, and that is no reason for doubt by itself: the media lie in plain
            folders, not in a store.
    """

    accept: bool = False
    trusting: bool = False


def judge(losses: Losses, answers: Mapping[str, Answer]) -> list[Judged]:
    """What each loss turned out to be, by the answers for its files; the doubtful ones first."""
    found = [_item(item, answers) for item in losses.items]
    found += [_part(part, answers) for part in losses.parts]
    return sorted(found, key=lambda one: _ORDER.index(one.verdict))


def conclude(
    section: Section,
    before: int,
    after: int,
    judged: Sequence[Judged],
    policy: Policy,
    *,
    undone: int = 0,
) -> Deletions:
    """One section's losses against the limits.

    Args:
        before: its items before the run; with `after` those now.
        judged: its losses.
        undone: how many were taken back.
    """
    doubts, words = [], []
    false = [one for one in judged if one.verdict == "false"]
    unknown = [one for one in judged if one.verdict == "unknown"]
    if false:
        doubts.append(
            f"{section.name}: {_counted(false)} marked deleted that the store still has: {_names(false)}"
        )
    if unknown and not policy.trusting:
        why = Counter(one.why for one in unknown).most_common(1)[0][0]
        doubts.append(
            f"{section.name}: {_counted(unknown)} marked deleted that could not be looked up in the store "
            f"({why}): {_names(unknown)}"
        )
    gone = [
        one
        for one in judged
        if one.item and (one.verdict in ("believed", "merged") or (policy.trusting and one in unknown))
    ]
    allowed = max(DELETED_NUMBER, DELETED_SHARE * before)
    if len(gone) > allowed:
        words.append(
            f"{section.name}: {len(gone)} of {before} items are gone, more than the {allowed:g} that pass "
            f"without a word: {_names(gone)}"
        )
    if before and not after and not (false or (unknown and not policy.trusting)):
        words.append(f"{section.name}: no item is left of {before}")
    return Deletions(
        before,
        after,
        tuple(judged),
        undone,
        accepted=bool(words) and policy.accept,
        doubts=tuple(doubts),
        words=() if policy.accept else tuple(words),
    )


@dataclass(frozen=True)
class Quarantine:
    """Whether an archive of this may be imported.

    Attributes:
        acceptable: nothing speaks against it but that nobody said it is right (plex_accept_deletions).
    """

    reasons: tuple[str, ...] = ()
    acceptable: bool = False

    @classmethod
    def of(cls, doubts: Iterable[str], words: Iterable[str]) -> Quarantine:
        """All reasons; acceptable when they are `words` only."""
        told, asked = tuple(doubts), tuple(words)
        hint = ("if that is meant, say plex_accept_deletions=true",) if asked and not told else ()
        return cls((*told, *asked, *hint), bool(asked) and not told)

    def to_dict(self) -> dict[str, Any]:
        """{flag, reasons, acceptable}."""
        return {"flag": bool(self.reasons), "reasons": list(self.reasons), "acceptable": self.acceptable}


_ORDER: tuple[Verdict, ...] = ("false", "unknown", "believed", "merged")


def _item(item: LostItem, answers: Mapping[str, Answer]) -> Judged:
    verdict, file, why = _of_files(item.files, answers)
    if item.merged and (not item.files or verdict == "believed"):
        verdict, why = "merged", ""
    return Judged(verdict, item.section, item.title, item.id, file, why)


def _part(part: LostPart, answers: Mapping[str, Answer]) -> Judged:
    verdict, file, why = _of_files((part.file,), answers)
    return Judged(verdict, part.section, part.title, 0, file, why)


def _of_files(files: Sequence[str], answers: Mapping[str, Answer]) -> tuple[Verdict, str, str]:
    if not files:
        return "unknown", "", "it had no file that could be looked up"
    told = [(answers.get(file, Answer("unknown", "it was not looked up")), file) for file in files]
    for answer, file in told:
        if answer.state == "there":
            return "false", file, ""
    for answer, file in told:
        if answer.state == "unknown":
            return "unknown", file, answer.why
    return "believed", files[0], ""


def _counted(judged: Sequence[Judged]) -> str:
    items = sum(1 for one in judged if one.item)
    files = len(judged) - items
    said = [f"{items} item{'s' * (items != 1)}"] if items else []
    said += [f"{files} file{'s' * (files != 1)} of items that live on"] if files else []
    return " and ".join(said)


def _names(judged: Sequence[Judged]) -> str:
    named = ", ".join(one.title or one.file or f"item {one.item}" for one in judged[:NAMED])
    return named + (f" and {len(judged) - NAMED} more" if len(judged) > NAMED else "")
