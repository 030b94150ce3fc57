"""Why a change of people and tokens is refused; the pages and the API tell them apart by their class."""

from __future__ import annotations

from medialift.errors import Permanent, Transient


class Unknown(Permanent):
    """There is nobody and nothing of this name."""


class Taken(Permanent):
    """The name is somebody's already."""


class TooMany(Transient):
    """Too many logins failed a short while ago.

    Attributes:
        seconds: when one more is taken.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            "Too many logins have failed", "", f"Wait {max(1, round(seconds))} seconds and try again"
        )
        self.seconds = seconds
