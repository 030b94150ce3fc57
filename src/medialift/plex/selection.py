"""Which sections a run works on, and why it leaves the others alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medialift.errors import Permanent
from medialift.plex.server import Section

MUSIC, PHOTO = "artist", "photo"

PHOTO_REASON = "photo sections are off by default: Immich suits photos better; name it or switch photo on"
UNCHOSEN_REASON = "not among the sections that were asked for"


@dataclass(frozen=True)
class Skipped:
    """A section that is left alone, and why."""

    section: Section
    reason: str


@dataclass(frozen=True)
class Selection:
    """What is worked on, in the server's order, and what is not."""

    chosen: tuple[Section, ...]
    skipped: tuple[Skipped, ...]

    @property
    def music(self) -> tuple[Section, ...]:
        """The chosen sections that hold music."""
        return tuple(section for section in self.chosen if section.type == MUSIC)


def choose(
    sections: Sequence[Section], names: Sequence[str] | None = None, *, photo: bool = False
) -> Selection:
    """Choose sections by their names; without names, all but photos.

    Args:
        names: exact names; None or none at all means every section.
        photo: photo sections too. One that is named is meant, whatever this says.

    Raises:
        Permanent: a name is unknown (the valid ones are listed), or nothing is left to do.
    """
    valid = [section.name for section in sections]
    require_known(names or (), valid)
    chosen: list[Section] = []
    skipped: list[Skipped] = []
    for section in sections:
        if names and section.name not in names:
            skipped.append(Skipped(section, UNCHOSEN_REASON))
        elif section.type == PHOTO and not names and not photo:
            skipped.append(Skipped(section, PHOTO_REASON))
        else:
            chosen.append(section)
    if not chosen:
        raise Permanent(
            "No section is left to work on",
            ", ".join(valid) or "the library has none",
            "Name the sections, or switch photo on",
        )
    return Selection(tuple(chosen), tuple(skipped))


def require_known(names: Sequence[str], valid: Sequence[str]) -> None:
    """Refuse names of sections that do not exist.

    Raises:
        Permanent: with the unknown names and the valid ones.
    """
    unknown = [name for name in names if name not in valid]
    if unknown:
        raise Permanent(
            "There is no such section" if len(unknown) == 1 else "There are no such sections",
            ", ".join(unknown),
            f"Valid are: {', '.join(valid) or 'none, the library is empty'}",
        )
