"""A fault of the way things are set up, with what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from medialift.errors import MedialiftError, Transient


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        where: the setting, or what else it is about.
        what: what is wrong. fix: what to do.
        kind: a fault keeps the service from starting; a warning does not.
        passing: it may be right again without anybody changing a setting: a mount or a server is away.
    """

    where: str
    what: str
    fix: str
    kind: Literal["fault", "warning"] = "fault"
    passing: bool = False

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def of_error(where: str, error: MedialiftError, kind: Literal["fault", "warning"] = "fault") -> Fault:
    """The same of an error."""
    what = f"{error.what}: {error.subject}" if error.subject else error.what
    return Fault(
        where, f"{what[:1].lower()}{what[1:]}", error.hint or "Look at it", kind, isinstance(error, Transient)
    )


def destination(name: str) -> str:
    """The settings of a destination."""
    return f"audiobooks.destinations.{name}"
