"""The errors of medialift: what happened, to which object, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping


class MedialiftError(Exception):
    """An error that a person can act on.

    Args:
        what: what happened, a sentence without a final dot ("The archive is truncated").
        subject: the object it happened to: a path, a section, an address. Never a secret.
        hint: what to do about it, a sentence without a final dot.

    Every face (module, CLI, page) shows the same three parts.
    """

    kind = "error"

    def __init__(self, what: str, subject: str = "", hint: str = "") -> None:
        self.what = what
        self.subject = str(subject)
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.what}: {self.subject}." if self.subject else f"{self.what}."
        return f"{head} {self.hint}." if self.hint else head

    def to_dict(self) -> dict[str, str]:
        """{kind, what, subject, hint}: for modules and `--json`."""
        return {"kind": self.kind, "what": self.what, "subject": self.subject, "hint": self.hint}


def from_dict(told: Mapping[str, str]) -> MedialiftError:
    """An error from what its `to_dict` told; one of an unknown kind is Permanent."""
    kind = next((one for one in (Transient, Permanent, Unsafe) if one.kind == told.get("kind")), Permanent)
    return kind(*(told.get(part, "") for part in ("what", "subject", "hint")))


class Transient(MedialiftError):
    """It may work later without anybody doing anything: try again with backoff."""

    kind = "transient"


class Permanent(MedialiftError):
    """It will not work until a person acts: never tried again by itself."""

    kind = "permanent"


class Unsafe(MedialiftError):
    """We refuse, to protect a library. Never tried again by itself."""

    kind = "unsafe"
